"""What may go, and what went, for a terminal and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain.values import Json
from palmette.operations.collecting import Plan, Tally, tally
from palmette.operations.leftovers import Kind, Leftover
from palmette.present import words

_WHAT: Final = {
    Kind.BLOBS: "stored files that no run needs",
    Kind.INCOMING: "files of processes that died while storing them",
    Kind.ATTEMPTS: "inputs and work of attempts that are over",
    Kind.RUNS: "directories of runs that are gone, logs included",
    Kind.BUNDLES: "unpacked source that no run is executed from",
    Kind.KITS: "parts of other versions of Palmette",
    Kind.ENVIRONMENTS: "environments that were not used for 30 days",
    Kind.TEMPORARY: "temporary directories of processes that died",
}


def preview(plan: Plan) -> RenderableType:
    """What would go, by kind."""
    return Group(*_runs(plan, "would be deleted", "would give up what their steps made"), *_parts(plan.leftovers, plan))


def done(plan: Plan, gone: Sequence[Leftover]) -> RenderableType:
    """What went."""
    return Group(*_runs(plan, "deleted", "gave up what their steps made"), *_parts(gone, plan))


def nothing(plan: Plan) -> RenderableType:
    """That there is nothing to do, and which runs stay that a rule would have let go."""
    return Group(*_runs(plan, "", ""), Text("Nothing to collect."), *_waiting(plan))


def _parts(found: Sequence[Leftover], plan: Plan) -> list[RenderableType]:
    return [*([table(tally(found))] if found else []), *_waiting(plan)]


def _waiting(plan: Plan) -> list[RenderableType]:
    if not plan.waiting:
        return []
    files, size = words.count(len(plan.waiting), "more file"), words.size(tally(plan.waiting).size)
    why = "needed minutes ago, or since a run began that goes on"
    return [Text(f"{files} ({size}) for a later time: {why}", style="dim")]


def _runs(plan: Plan, deleted: str, collected: str) -> list[RenderableType]:
    choice, lines = plan.choice, []
    if choice.delete:
        lines.append(Text(f"{words.count(len(choice.delete), 'run')} {deleted}, with logs and metrics"))
    if choice.collect:
        lines.append(Text(f"{words.count(len(choice.collect), 'run')} {collected}; logs and metrics stay"))
    if choice.spared:
        why = ", ".join(f"{number:,} {reason}" for reason, number in choice.spared.items())
        lines.append(Text(f"{words.count(sum(choice.spared.values()), 'run')} kept: {why}", style="dim"))
    return [*lines, Text("")] if lines else []


def table(found: Tally) -> RenderableType:
    """One line a kind, and the sum."""
    lines = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    lines.add_column("what")
    lines.add_column("count", justify="right", no_wrap=True)
    lines.add_column("frees", justify="right", no_wrap=True)
    for kind, number in found.counts.items():
        lines.add_row(_WHAT[kind], f"{number:,}", words.size(found.sizes[kind]))
    lines.add_row(Text("together", style="bold"), f"{sum(found.counts.values()):,}", words.size(found.size))
    return lines


def plain(plan: Plan, gone: Sequence[Leftover] | None) -> dict[str, Json]:
    """The same for machines; `gone` is None where nothing was done."""
    found = tally(plan.leftovers if gone is None else gone)
    return {
        "done": gone is not None,
        "rule": plan.rules.text,
        "deleted_runs": sorted(plan.choice.delete),
        "collected_runs": sorted(plan.choice.collect),
        "spared": dict(plan.choice.spared),
        "kinds": [
            {"kind": kind.value, "count": number, "bytes": found.sizes[kind]} for kind, number in found.counts.items()
        ],
        "bytes": found.size,
        "waiting_bytes": tally(plan.waiting).size,
    }
