"""The one comparison that every renderer shows."""

from __future__ import annotations

from collections.abc import Iterator

from palmette.comparison import environments
from palmette.comparison.artifacts import data
from palmette.comparison.changes import Comparison, DataChange, MetricChange, TaskChange
from palmette.comparison.definitions import code
from palmette.comparison.examples import Moved
from palmette.comparison.files import Files, files
from palmette.comparison.numbers import Numbers
from palmette.comparison.reruns import reruns
from palmette.comparison.settings import config
from palmette.comparison.sides import Side, Sources, union
from palmette.domain.states import RunState


def compare(
    head: Side,
    baseline: Side | None,
    *,
    sources: Sources | None = None,
    moved: Moved | None = None,
    numbers: Numbers | None = None,
) -> Comparison:
    """What differs, read from baseline to head. Any two runs can be compared; what that cannot show is a remark.
    Without a baseline there is only the head to be looked at."""
    if baseline is None:
        return Comparison(
            head=head,
            baseline=None,
            metrics=_metrics(head, Side(run=head.run)),
            dirty=(head.dirty, False),
            remarks=tuple(_ended(head)),
            numbers=numbers or Numbers(),
        )
    imported = any(side.run.imported for side in (head, baseline))
    mirrored = any(side.run.mirrored for side in (head, baseline))
    edited = code(head, baseline, sources)
    found = Files() if sources is None else files(sources.baseline, sources.head, edited)
    return Comparison(
        head=head,
        baseline=baseline,
        config=config(head, baseline),
        code=edited,
        environment=() if imported else environments.environment(head, baseline),
        data=_data(head, baseline, mirrored=mirrored),
        metrics=_metrics(head, baseline),
        tasks=() if imported else _tasks(head, baseline),
        unknown=("code", "data", "environment") if imported else _unknown(head, baseline, mirrored=mirrored),
        remarks=(*_remarks(head, baseline), *(sources.remarks if sources else ()), *found.remarks),
        files=found.changes,
        diff=found.diff,
        dirty=(head.dirty, baseline.dirty),
        moved=moved,
        reruns=() if imported or mirrored else reruns(head, baseline),
        numbers=numbers or Numbers(),
    )


def _data(head: Side, baseline: Side, *, mirrored: bool) -> tuple[DataChange, ...]:
    """What differs of what is known on both sides: of a run that another host executes, what is large stayed there."""
    found = data(head, baseline)
    return tuple(each for each in found if each.before and each.after) if mirrored else found


def _unknown(head: Side, baseline: Side, *, mirrored: bool) -> tuple[str, ...]:
    """What cannot be compared, since one side does not tell."""
    lacking = ("environment",) if environments.unknown(head, baseline) else ()
    return (*_unpaired(head, baseline, mirrored=mirrored), *lacking)


def _unpaired(head: Side, baseline: Side, *, mirrored: bool) -> tuple[str, ...]:
    """The data, where they came in through steps that only one side has, and are not the same nevertheless. Of a run
    that another host executes nobody here has them; and of its code only what could be read from what it brought."""
    if mirrored:
        silent = any(not reached for side in (head, baseline) for reached in side.definitions.values())
        return ("code", "data") if silent and head.run.bundle != baseline.run.bundle else ("data",)
    came: list[set[str]] = []
    for side, other in ((head, baseline), (baseline, head)):
        names = {task.name for task in other.tasks}
        alone = [task for task in side.tasks if not task.needs and task.name not in names]
        came.append({artifact.digest for task in alone for artifact in task.outputs.artifacts.values()})
    return ("data",) if came[0] != came[1] else ()


def _metrics(head: Side, baseline: Side) -> tuple[MetricChange, ...]:
    declared = {metric.name: metric for metric in (*baseline.run.metrics, *head.run.metrics)}
    names = [name for name in declared if name in head.metrics or name in baseline.metrics]
    names += sorted({*head.metrics, *baseline.metrics} - {*names})
    return tuple(
        MetricChange(
            name=name,
            before=baseline.metrics.get(name),
            after=head.metrics.get(name),
            goal=declared[name].goal if name in declared else "",
            primary=name in declared and declared[name].primary,
            tolerance=declared[name].tolerance if name in declared else None,
        )
        for name in names
    )


def _tasks(head: Side, baseline: Side) -> tuple[TaskChange, ...]:
    before, after = ({task.name: task for task in side.tasks} for side in (baseline, head))
    words = [
        (name, *(side[name].state.value if name in side else "" for side in (before, after)))
        for name in union(after, before)
    ]
    good = {"SUCCEEDED", "CACHED"}
    return tuple(
        TaskChange(task=name, before=was, after=now)
        for name, was, now in words
        if was != now and not {was, now} <= good
    )


def _remarks(head: Side, baseline: Side) -> Iterator[str]:
    if head.run.algorithm != baseline.run.algorithm:
        yield f"different algorithms: {baseline.run.algorithm} and {head.run.algorithm}"
    if head.run.preset != baseline.run.preset and head.run.preset and baseline.run.preset:
        yield f"different presets: {baseline.run.preset} and {head.run.preset}"
    for side in (baseline, head):
        if side.run.imported:
            yield f"run {side.run.id} was imported: its code, data and environment are not known"
        elif side.run.mirrored:
            yield f"run {side.run.id} was executed on another host: not all of its data are known here"
    known = {task.name: task.component or task.name for side in (baseline, head) for task in side.tasks}
    silent = [
        known.get(task, task)
        for task, reached in head.definitions.items()
        if task in baseline.definitions and bool(reached) != bool(baseline.definitions[task])
    ]
    if silent:
        yield f"code not compared, as one side did not get that far: {', '.join(silent)}"
    for side in (baseline, head):
        yield from _ended(side)


def _ended(side: Side) -> Iterator[str]:
    if side.run.state.value != "SUCCEEDED":
        state = side.run.state.value.lower()
        how = state if side.run.state is RunState.FAILED else f"is {state}"
        yield f"run {side.run.id} {how}: its numbers may be missing"
