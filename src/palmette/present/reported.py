"""A report of a commit on the screen and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from palmette.domain.branches import Check
from palmette.domain.values import Json
from palmette.operations.reports import Report, Reported, Stage, Trial, Variant
from palmette.present import compared as comparisons
from palmette.present import words
from palmette.present.account import account
from palmette.present.histories import printable

_SAID = {
    Stage.NONE: "not tried",
    Stage.UNCHANGED: "unchanged",
    Stage.RUNNING: "running",
    Stage.SUCCEEDED: "yes",
    Stage.FAILED: "no",
    Stage.CANCELED: "not known",
}


def shown(report: Report, title: str) -> RenderableType:
    """For each algorithm whether it trains, and whether it is better."""
    head = Text(f"{report.commit[:8]}  {title}" if title else report.commit[:8], style="bold")
    if not report.algorithms:
        return Group(head, Text("No algorithm was tried at this commit. Try them: palmette ci toy"))
    quiet = {each.algorithm: each.trains.stage for each in report.algorithms if _quiet(each)}
    told = [part for each in report.algorithms if each.algorithm not in quiet for part in _algorithm(each)]
    return Group(head, *told, *_rest(quiet))


def plain(report: Report) -> dict[str, Json]:
    """The same for machines, with each comparison as `palmette diff --json` has it."""
    return {
        "project": report.project,
        "commit": report.commit,
        "branch": report.context.branch or None,
        "merge_request": report.context.merge_request or None,
        "algorithms": [
            {
                "algorithm": each.algorithm,
                "trains": _plain(each.trains),
                "quality": _plain(each.quality),
                "waiting": each.waiting,
                "alike": _known(each.alike),
                "hurdle": each.hurdle or None,
                "comparison": comparisons.plain(each.compared) if each.compared else None,
                "variants": [_variant(one) for one in each.variants],
            }
            for each in report.algorithms
        ],
        "remarks": list(report.remarks),
    }


def _plain(trial: Trial) -> dict[str, Json]:
    return {"stage": trial.stage.value, "run": _run(trial) or None, "reason": trial.reason or None}


def _known(check: Check | None) -> dict[str, Json] | None:
    """A full training of the same code, lock and settings."""
    if check is None:
        return None
    return {"run": check.run, "commit": check.commit, "verdict": check.verdict["outcome"]}


def _variant(each: Variant) -> dict[str, Json]:
    return {
        "run": each.run.id,
        "stage": each.stage.value,
        "values": {one.name: one.value for one in each.values},
        "comparison": comparisons.plain(each.compared) if each.compared else None,
    }


def _algorithm(each: Reported) -> Iterator[RenderableType]:
    yield Text(each.algorithm, style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    run = _run(each.trains)
    failed = f" failed{_lost(each.trains)}: palmette logs {run}" if each.trains.stage is Stage.FAILED else ""
    table.add_row("trains", Text(_SAID[each.trains.stage] + (f", run {run}" if run else "") + failed))
    table.add_row("quality", Text(_quality(each)))
    for one in each.variants:
        table.add_row("variant", Text(said(one)))
    yield Padding(table, (0, 0, 0, 2))


def said(variant: Variant) -> str:
    """What became of a training with values of its own, in a line without markup."""
    values = ", ".join(printable(f"{each.name}={words.value(each.value)}") for each in variant.values)
    said = account(variant.compared).headline if variant.compared is not None else variant.stage.value
    return f"{values or variant.run.preset} (run {variant.run.id}): {said}"


def _quiet(each: Reported) -> bool:
    return not each.variants and each.quality.stage is Stage.NONE and each.trains.stage in (Stage.NONE, Stage.UNCHANGED)


def _rest(quiet: Mapping[str, Stage]) -> Iterator[RenderableType]:
    """Those of which there is nothing to say, together."""
    same = [name for name, stage in quiet.items() if stage is Stage.UNCHANGED]
    if same:
        yield Text(f"Unchanged: {', '.join(same)}")
    if len(same) < len(quiet):
        names = ", ".join(name for name in quiet if name not in same)
        yield Text(f"Not tried at this commit: {names}. Try: palmette ci toy, or palmette ci run ALGORITHM")


def _quality(each: Reported) -> str:
    run = _run(each.quality)
    if each.compared is not None:
        told = account(each.compared)
        against = f" (run {run} against {told.baseline.id})" if told.baseline else f" (run {run})"
        return told.headline + against
    if each.waiting:
        return f"run {run} succeeded; its baseline is scored first"
    if each.hurdle:
        return f"run {run} is not compared: {each.hurdle}"
    match each.quality.stage:
        case Stage.NONE:
            return f"no full training yet{_alike(each)}: palmette ci run {each.algorithm}"
        case Stage.FAILED | Stage.CANCELED:
            return f"none, run {run} {each.quality.stage.value}{_lost(each.quality)}: palmette logs {run}"
        case _:
            return f"{each.quality.stage.value}, run {run}"


def _alike(each: Reported) -> str:
    """What is known all the same, since nothing that goes into it changed."""
    known = each.alike
    return f", unchanged since run {known.run}, which was {known.verdict['outcome']}" if known is not None else ""


def _lost(trial: Trial) -> str:
    return f" in {printable(trial.lost)}" if trial.lost else ""


def _run(trial: Trial) -> str:
    return trial.run.id if trial.run else trial.check.run if trial.check else ""
