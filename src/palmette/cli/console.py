"""Where people read."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType
from rich.markup import escape

#: columns of what is piped: no line is broken
_ENDLESS = 10_000
_CONTROLS = dict.fromkeys([*range(9), *range(10, 32), 127])


def console(*, err: bool = False) -> Console:
    """Standard output, or standard error. What is piped has no colours, no frames and no line breaks of ours."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _ENDLESS
    return Console(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())


def show(renderable: RenderableType, *, err: bool = False) -> None:
    """Print it; without the blanks that fill up a table's last column."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        console(err=err).print(renderable)
        return
    text = io.StringIO()
    Console(file=text, width=_ENDLESS, highlight=False, soft_wrap=True, color_system=None).print(renderable)
    # What a step printed may have colours of its own.
    lines = click.unstyle(text.getvalue()).split("\n")
    stream.write("\n".join(line.rstrip().translate(_CONTROLS) for line in lines))


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
