"""The verb that compares two runs: `diff`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from palmette.cli.console import note, show, steps
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.domain.run import TaskChanged
from palmette.domain.states import TaskState
from palmette.errors import Problem, UsageError
from palmette.operations import answering, writing
from palmette.operations.comparing import Compared
from palmette.operations.watching import Seen
from palmette.present import compared as comparisons
from palmette.present import differences, junit, markdown, webpage, words

#: format → the endings by which a file for it is told from a run's name
_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "md": (".md", ".markdown"),
    "html": (".html", ".htm"),
    "junit": (".xml",),
    "json": (".json",),
}
#: stands for standard output
_HERE: Final = "-"


class _Formats(click.Command):
    """Reads `--html` as for standard output, `--html report.html` and `--html=NAME` as for that file. What follows the
    option is a file only if it ends as one of that format does, so that no run is taken for one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with each format given what it is written to."""
        return super().parse_args(ctx, list(_spelled(args)))


def _spelled(args: Sequence[str]) -> list[str]:
    spelled: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*spelled, word, *rest]
        endings = _ENDINGS.get(word.removeprefix("--")) if word.startswith("--") else None
        if endings is None:
            spelled.append(word)
        elif rest and (rest[0] == _HERE or rest[0].lower().endswith(endings)):
            spelled.append(f"{word}={rest.pop(0)}")
        else:
            spelled.append(f"{word}={_HERE}")
    return spelled


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is written, and where."""

    #: format → file, or "-" for standard output
    places: Mapping[str, str]
    everything: bool
    code: bool

    @property
    def here(self) -> str:
        """The format that is printed; empty for the screen."""
        return next((name for name, place in self.places.items() if place == _HERE), "")

    @property
    def files(self) -> dict[str, Path]:
        """The formats that are written to files."""
        return {name: Path(place) for name, place in self.places.items() if place != _HERE}


def _wanted(places: Mapping[str, str | None], *, everything: bool, code: bool) -> _Wanted:
    asked = {name: place for name, place in places.items() if place is not None}
    printed = [f"--{name}" for name, place in asked.items() if place == _HERE]
    if len(printed) > 1:
        raise UsageError(
            f"only one format can be printed, not {' and '.join(printed)}",
            f"Name a file for the others: {printed[-1]}=FILE.",
        )
    files = [str(Path(place).absolute()) for place in asked.values() if place != _HERE]
    twice = next((file for file in files if files.count(file) > 1), "")
    if twice:
        raise UsageError(f"two formats would be written to {twice}", "Name a file for each.")
    empty = next((name for name, place in asked.items() if not place), "")
    if empty:
        raise UsageError(f"--{empty}= names no file", f"Say --{empty} to print it, or --{empty}=FILE.")
    return _Wanted(places=asked, everything=everything, code=code)


@click.command(cls=_Formats)
@click.argument("head", default="last")
@click.argument("baseline", required=False)
@placed
@click.option("--all", "everything", is_flag=True, help="Show everything, not only the first of each kind.")
@click.option("--code", is_flag=True, help="Show the lines of code that differ as well.")
@click.option("--again", is_flag=True, help="Execute once more what failed when it was executed for this comparison.")
@click.option("--md", metavar="[FILE]", help="Markdown, for a note on a merge request.")
@click.option("--html", metavar="[FILE]", help="One HTML page that needs no other file.")
@click.option("--junit", metavar="[FILE]", help="JUnit XML, a test for each gate and each verdict.")
@click.option("--json", "as_json", metavar="[FILE]", help="One JSON object.")
@pass_session
def diff(
    session: Session,
    head: str,
    baseline: str | None,
    everything: bool,
    code: bool,
    again: bool,
    md: str | None,
    html: str | None,
    junit: str | None,
    as_json: str | None,
) -> None:
    """Say whether a run is better than its baseline, and why.

    HEAD is the newest run where none is named. BASELINE is a run, ALGORITHM@ALIAS, or an algorithm whose runs are
    looked at. Where no run is named it is found by rule: the pinned one, else the nearest commit's run on the target
    branch. The verdict comes first, then what changed (code, config, data, environment), then the numbers that differ.

    A format without FILE is printed in place of the screen; with FILE (`--html report.html`, or `--html=NAME` for
    any other ending) it is written there. Several can be asked for at once, one of them printed.

    \b
      palmette diff
      palmette diff tumour f3ka --code
      palmette diff last tumour@production
      palmette diff --html report.html --junit gates.xml --md

    \b
    Exit codes:
      0  every declared gate was passed, or there is none
      4  a gate failed
      5  none failed, and one is inconclusive
    """
    places = {"md": md, "html": html, "junit": junit, "json": as_json}
    wanted = _wanted(places, everything=everything, code=code)
    _require_runs(head, baseline, wanted)
    _require_places(wanted.files)
    found = _compared(session, head, baseline, again=again)
    now = time.time()
    for name, path in wanted.files.items():
        writing.write_bytes(path, _rendered(name, found, wanted).encode())
        click.echo(f"wrote {path}", err=True)
    if wanted.here == "json":
        print_json(comparisons.plain(found))
    elif wanted.here:
        click.echo(_rendered(wanted.here, found, wanted), nl=False)
    else:
        show(differences.diff(found, now, everything=everything, code=code))
    sys.exit(comparisons.exit_code(found))


def _compared(session: Session, head: str, baseline: str | None, *, again: bool) -> Compared:
    """The whole comparison; what is executed for it is one line on standard error, and nothing where nothing is."""
    lines: list[Callable[[str, str], None]] = []
    with ExitStack() as shown:

        def watch(seen: Seen) -> None:
            if isinstance(seen, TaskChanged) and seen.state is TaskState.RUNNING:
                # A terminal has one such line, however much is executed.
                if not lines:
                    lines.append(shown.enter_context(steps()))
                lines[0]("executing what the comparison asks for", seen.task)

        where = session.place, session.at_hand, session.environ
        return answering.compare(*where, head, baseline, again=again, watch=watch, say=note)


def _rendered(name: str, found: Compared, wanted: _Wanted) -> str:
    """The comparison in one of the formats, as the text of a file."""
    match name:
        case "md":
            return markdown.whole([found], diff=wanted.code, everything=wanted.everything)
        case "html":
            return webpage.page(found)
        case "junit":
            return junit.junit([found])
        case _:
            return json.dumps(comparisons.plain(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _require_runs(head: str, baseline: str | None, wanted: _Wanted) -> None:
    """A file's name that no format took, said as what it is."""
    name = next((word for word in (baseline, head) if word and Path(word).suffix and "@" not in word), "")
    if wanted.here and name:
        raise UsageError(f"{name} is no run", f"To write to that file: --{wanted.here}={name}.")


def _require_places(files: Mapping[str, Path]) -> None:
    """Every file that could not be written, said before anything is done."""
    lost = {name: path for name, path in files.items() if not path.absolute().parent.is_dir() or path.is_dir()}
    if lost:
        problems = [
            Problem(
                where=f"--{name}={path}",
                what="it is a directory" if path.is_dir() else f"there is no directory {path.parent}",
            )
            for name, path in lost.items()
        ]
        raise UsageError(
            f"{words.count(len(lost), 'file')} cannot be written", "Name another place.", problems=problems
        )
