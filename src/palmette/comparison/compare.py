"""The one comparison that every renderer shows."""

from __future__ import annotations

from collections.abc import Iterator

from palmette.comparison.artifacts import data
from palmette.comparison.changes import CodeChange, Comparison, Edit, MetricChange, TaskChange
from palmette.comparison.environments import environment
from palmette.comparison.examples import Moved
from palmette.comparison.files import Files, files
from palmette.comparison.numbers import Numbers
from palmette.comparison.reruns import reruns
from palmette.comparison.settings import config
from palmette.comparison.sides import Side, Sources, union


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
    code = _code(head, baseline)
    found = Files() if sources is None else files(sources.baseline, sources.head, code)
    return Comparison(
        head=head,
        baseline=baseline,
        config=config(head, baseline),
        code=code,
        environment=() if imported else environment(head, baseline),
        data=data(head, baseline),
        metrics=_metrics(head, baseline),
        tasks=() if imported else _tasks(head, baseline),
        unknown=("code", "data", "environment") if imported else (),
        remarks=(*_remarks(head, baseline), *(sources.remarks if sources else ()), *found.remarks),
        files=found.changes,
        diff=found.diff,
        dirty=(head.dirty, baseline.dirty),
        moved=moved,
        reruns=() if imported else reruns(head, baseline),
        numbers=numbers or Numbers(),
    )


def _code(head: Side, baseline: Side) -> tuple[CodeChange, ...]:
    """Definitions that differ, over the tasks whose code both sides recorded, each with the tasks that reach it. A task
    that was never looked up recorded none."""
    found: dict[tuple[str, Edit], list[str]] = {}
    for task, after in head.definitions.items():
        before = baseline.definitions.get(task)
        if not before or not after:
            continue
        for definition in union(after, before):
            edit = _edit(before.get(definition), after.get(definition))
            if edit is not None:
                found.setdefault((definition, edit), []).append(task)
    return tuple(
        CodeChange(definition=definition, edit=edit, tasks=tuple(tasks)) for (definition, edit), tasks in found.items()
    )


def _edit(before: str | None, after: str | None) -> Edit | None:
    if before == after:
        return None
    if before is None:
        return Edit.ADDED
    return Edit.REMOVED if after is None else Edit.CHANGED


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
        yield f"run {side.run.id} is {side.run.state.value.lower()}: its numbers may be missing"
