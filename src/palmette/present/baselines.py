"""Baselines: which run a run is compared with and why, and which ones are pinned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.comparison.baseline import Choice, PassedOver
from palmette.domain.fields import FULL
from palmette.domain.run import Run
from palmette.domain.values import Json
from palmette.operations.baselines import Shown
from palmette.present import words
from palmette.present.layout import indented
from palmette.store.pins import Pin

#: runs that were passed over, named on a screen
_NAMED: Final = 8
#: columns of a commit
_SHORT: Final = 8


def shown(found: Shown) -> RenderableType:
    """A run, its baseline, how that was found, and what was passed over."""
    return Group(*_shown(found))


def _shown(found: Shown) -> Iterator[RenderableType]:
    choice, baseline = found.choice, found.baseline
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("run", _run(found.head))
    table.add_row("baseline", _run(baseline) if baseline else Text("none"))
    table.add_row("found as", Text(choice.sentence))
    if baseline:
        table.add_row("data", Text({True: "the same", False: "other data", None: "not known"}[choice.same_data]))
    yield table
    if choice.passed_over:
        yield Text("\npassed over", style="dim")
        yield indented(_passed(choice.passed_over[:_NAMED]))
        if more := len(choice.passed_over) - _NAMED:
            yield indented(Text(f"and {more} more" if more > 0 else ""))
    for number, remark in enumerate(choice.remarks):
        yield Text(f"\nnote: {remark}" if not number else f"note: {remark}", overflow="fold")
    if not baseline:
        yield Text(f"\n{_nothing(found)}", overflow="fold")


def _nothing(found: Shown) -> str:
    head, target = found.head, found.choice.line.target
    preset = f" --preset {head.preset}" if head.preset != FULL else ""
    algorithm = found.choice.alias.partition("@")[0] or head.algorithm
    away = target and (head.git.branch != target or algorithm != head.algorithm)
    where = f"Train {algorithm} on {target}" if away else "Train it once more"
    return f"{where}: palmette run {algorithm}{preset}\nOr pin a run: palmette baseline pin RUN"


def _run(run: Run) -> Text:
    parts = [run.id, run.algorithm, *([run.preset] if run.preset else []), run.git.branch, run.git.commit[:_SHORT]]
    return Text(" · ".join(filter(None, [*parts, words.moment(run.created)[:16]])))


def _passed(passed: Sequence[PassedOver]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in passed:
        table.add_row(Text(each.run), Text(each.commit[:_SHORT]), Text(each.reason))
    return table


def pinned(pin: Pin) -> RenderableType:
    """What is pinned now."""
    return Text(f"{pin.run} is the baseline of {_of(pin)} now.")


def unpinned(gone: Sequence[Pin]) -> RenderableType:
    """What is not pinned any more."""
    return Group(*(Text(f"{each.run} is not the baseline of {_of(each)} any more.") for each in gone))


def _of(pin: Pin) -> str:
    return f"{pin.algorithm} ({pin.preset}{f', branch {pin.branch}' if pin.branch else ''})"


def listed(pins: Sequence[Pin]) -> Table:
    """A line for each pinned baseline."""
    several = len({each.project for each in pins}) > 1
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("algorithm", "preset", "branch", "run", "since", "by", "reason"):
        table.add_column(heading, no_wrap=heading in ("run", "since"), overflow="fold")
    for each in pins:
        algorithm = f"{each.algorithm} ({each.project})" if several else each.algorithm
        cells = (algorithm, each.preset, each.branch or "every", each.run, words.moment(each.created)[:16])
        table.add_row(*map(Text, (*cells, each.author, each.reason)))
    return table


def plain_shown(found: Shown) -> dict[str, Json]:
    """A run's baseline for machines."""
    return {"run": found.head.id, "baseline": found.baseline.id if found.baseline else None, **_choice(found.choice)}


def _choice(choice: Choice) -> dict[str, Json]:
    return {name: value for name, value in choice.as_json().items() if name != "run"}


def plain(pin: Pin) -> dict[str, Json]:
    """A pinned baseline for machines."""
    return {
        "project": pin.project,
        "algorithm": pin.algorithm,
        "preset": pin.preset,
        "branch": pin.branch or None,
        "run": pin.run,
        "author": pin.author or None,
        "reason": pin.reason or None,
        "pinned_at": words.instant(pin.created),
    }


def plain_listed(pins: Sequence[Pin]) -> list[Json]:
    """Pinned baselines for machines."""
    return [plain(each) for each in pins]
