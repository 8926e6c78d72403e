"""Branches that are gone, and what becomes of their experiments: for a terminal, as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain.values import Json
from palmette.operations.departures import Departure, Fate, Survey, Thinned
from palmette.present import words
from palmette.present.histories import printable
from palmette.present.layout import hanging

_NAMED: Final = 3


def screen(found: Survey, now: float) -> RenderableType:
    """What was done, or would be."""
    return Group(*_screen(found, now))


def _screen(found: Survey, now: float) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("branch", overflow="fold")
    table.add_column("what" if found.done else "what would be done", overflow="fold", ratio=1)
    shown = [each for each in found.departures if each.fate is not Fate.DONE]
    for each in shown:
        table.add_row(Text(printable(each.branch), style="bold"), Text(printable(_said(each, found, now))))
    if shown:
        yield table
    if done := len(found.departures) - len(shown):
        yield Text(
            f"{words.count(done, 'branch') if done == 1 else f'{done:,} branches'} gone, with nothing left to archive"
        )
    yield from _thinned(found.thinned, found)
    if found.orphans:
        yield Text(f"{words.count(found.orphans, 'commit')} of runs on no branch any more; the runs stay")


def _said(each: Departure, found: Survey, now: float) -> str:
    gone = now - each.since
    ago = "just now" if gone < 60 else f"for {words.age(gone)}"
    match each.fate:
        case Fate.LEFT:
            return f"gone now; archived {_in(each.due - now)}"
        case Fate.WAITING:
            return f"gone {ago}; archived {_in(each.due - now)}"
        case Fate.BUSY:
            return f"gone {ago}; stays until its runs are over: {_several(each.runs)}"
        case Fate.ARCHIVE:
            disabled = f"; disables the recurring runs {_several(each.schedules)}" if each.schedules else ""
            return f"{'archived' if found.done else 'archive its experiment'}, gone {ago}{disabled}"
        case Fate.DONE:
            return "archived before"
        case Fate.BACK:
            return "back; `palmette ci update` takes its experiment out of the archive"
        case _:
            assert_never(each.fate)


def _in(seconds: float) -> str:
    return f"in {words.age(seconds)}" if seconds >= 60 else "in less than a minute"


def _several(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _thinned(thinned: Thinned | None, found: Survey) -> Iterator[RenderableType]:
    if thinned is None:
        return
    if thinned.runs:
        what = "gave up" if found.done else "would give up"
        after = "; palmette gc --yes frees the bytes" if found.done else ""
        yield Text(f"{words.count(len(thinned.runs), 'run')} {what} what their steps made{after}")
    if thinned.spared:
        why = ", ".join(f"{count:,} {reason}" for reason, count in thinned.spared.items())
        yield hanging("", Text(f"{words.count(sum(thinned.spared.values()), 'run')} kept: {why}", style="dim"))


def branches(count: int) -> str:
    """ "1 branch", "2 branches"."""
    return "1 branch" if count == 1 else f"{count:,} branches"


def summary(found: Survey) -> str:
    """One sentence: who said what there is."""
    gone = sum(each.fate is not Fate.BACK for each in found.departures)
    return f"{branches(found.branches)} by {found.source}, {gone:,} gone"


def plain(found: Survey) -> dict[str, Json]:
    """What `ci gc --json` prints."""
    return {
        "done": found.done,
        "source": found.source,
        "branches": found.branches,
        "gone": [_plain(each) for each in found.departures],
        "thinned_runs": None if found.thinned is None else list(found.thinned.runs),
        "spared": None if found.thinned is None else dict(found.thinned.spared),
        "orphaned_commits": found.orphans,
        "remarks": list(found.remarks),
    }


def _plain(each: Departure) -> dict[str, Json]:
    return {
        "branch": each.branch,
        "what": each.fate.name.lower(),
        "gone_at": words.instant(each.since),
        "due_at": words.instant(each.due or None),
        "experiment_id": each.experiment.id if each.experiment else None,
        "runs": list(each.runs),
        "recurring_runs": list(each.schedules),
    }
