"""Where people read."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.segment import Segment, Segments

#: columns of what is piped: no line is broken
_ENDLESS = 10_000
#: what moves a cursor, sets a title or turns the direction of writing
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def console(*, err: bool = False) -> Console:
    """Standard output, or standard error. What is piped has no colours, no frames and no line breaks of ours."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _ENDLESS
    return Console(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())


def show(renderable: RenderableType, *, err: bool = False) -> None:
    """Print it; without the blanks that fill up a table's last column, and without what a name might do to a
    terminal."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        terminal = console(err=err)
        drawn = (
            Segment(each.text if each.control else each.text.translate(_CONTROLS), each.style, each.control)
            for each in terminal.render(renderable)
        )
        terminal.print(Segments(drawn), end="")
        return
    text = io.StringIO()
    Console(file=text, width=_ENDLESS, highlight=False, soft_wrap=True, color_system=None).print(renderable)
    # What a step printed may have colours of its own.
    lines = click.unstyle(text.getvalue()).split("\n")
    stream.write("\n".join(line.rstrip().translate(_CONTROLS) for line in lines))


def note(text: str) -> None:
    """Tell the user something beside the matter."""
    click.echo(f"note: {text}", err=True)


@contextmanager
def steps() -> Iterator[Callable[[str, str], None]]:
    """Say on standard error what is being done, (step, what): in a terminal as one line that is gone afterwards, else a
    line for each step."""
    err, before = console(err=True), [""]

    def line(step: str, what: str) -> None:
        if step != before[0]:
            sys.stderr.write(f"{step} …\n")
            before[0] = step

    if not err.is_terminal:
        yield line
        return
    with err.status("") as status:
        yield lambda step, what: status.update(f"{escape(step)}  {escape(what)}")
