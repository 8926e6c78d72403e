"""The one comparison that every renderer shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from palmette.comparison.changes import (
    CodeChange,
    Comparison,
    ConfigChange,
    DataChange,
    Edit,
    EnvironmentChange,
    MetricChange,
    TaskChange,
)
from palmette.comparison.sides import Side
from palmette.domain.artifact import Artifact
from palmette.domain.run import Run, TaskRecord

#: columns of a table that are listed before the rest is only counted
MOST_COLUMNS = 12


def compare(head: Side, baseline: Side) -> Comparison:
    """What differs, read from baseline to head. Any two runs can be compared; what that cannot show is a remark."""
    imported = any(side.run.imported for side in (head, baseline))
    return Comparison(
        head=head,
        baseline=baseline,
        config=_config(head, baseline),
        code=_code(head, baseline),
        environment=() if imported else _environment(head, baseline),
        data=_data(head, baseline),
        metrics=_metrics(head, baseline),
        tasks=() if imported else _tasks(head, baseline),
        unknown=("code", "data", "environment") if imported else (),
        remarks=tuple(_remarks(head, baseline)),
    )


def _config(head: Side, baseline: Side) -> tuple[ConfigChange, ...]:
    before = {setting.name: setting for setting in baseline.run.settings}
    after = {setting.name: setting for setting in head.run.settings}
    # What an imported run does not say may have been anything.
    silent = {name for name in before if head.run.imported and name not in after}
    silent |= {name for name in after if baseline.run.imported and name not in before}
    return tuple(
        ConfigChange(name=name, before=before.get(name), after=after.get(name))
        for name in _union(after, before)
        if name not in silent and (name not in before or name not in after or before[name].value != after[name].value)
    )


def _code(head: Side, baseline: Side) -> tuple[CodeChange, ...]:
    """Definitions that differ, over the tasks whose code both sides recorded, each with the tasks that reach it. A task
    that was never looked up recorded none."""
    found: dict[tuple[str, Edit], list[str]] = {}
    for task, after in head.definitions.items():
        before = baseline.definitions.get(task)
        if not before or not after:
            continue
        for definition in _union(after, before):
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


def _environment(head: Side, baseline: Side) -> tuple[EnvironmentChange, ...]:
    before, after = baseline.run.environment, head.run.environment
    facts = [("python", before.python, after.python), ("platform", before.platform, after.platform)]
    old, new = ({pin.name: pin.version for pin in side.pins} for side in (before, after))
    facts += [(name, old.get(name, ""), new.get(name, "")) for name in sorted({*old, *new})]
    facts += _named(baseline.run, head.run)
    hosts = [side.run.host.name if side.run.host else "" for side in (baseline, head)]
    facts.append(("host", hosts[0], hosts[1]))
    return tuple(EnvironmentChange(name=name, before=was, after=now) for name, was, now in facts if was != now)


def _named(baseline: Run, head: Run) -> Iterator[tuple[str, str, str]]:
    """What differs between the environments that steps name: a package of one, or one that only one side has."""
    for name in _union(head.environments, baseline.environments):
        sides = (baseline.environments.get(name), head.environments.get(name))
        old, new = ({pin.name: pin.version or pin.url for pin in side.pins} if side else {} for side in sides)
        if None in sides:
            before, after = (f"{len(side.pins)} packages" if side else "" for side in sides)
            yield name, before, after
        else:
            yield from ((f"{name}: {pin}", old.get(pin, ""), new.get(pin, "")) for pin in _union(old, new))


def _data(head: Side, baseline: Side) -> tuple[DataChange, ...]:
    """Artifacts whose content differs, in the order of the head's tasks. Models and reports differ with everything
    else; they are listed all the same, after the tables that explain them."""
    before = {task.name: task for task in baseline.tasks}
    changes: list[DataChange] = []
    for task in head.tasks:
        other = before.get(task.name)
        if other is None or not (task.state.good and other.state.good):
            continue
        for name in _union(task.outputs.artifacts, other.outputs.artifacts):
            was, now = other.outputs.artifacts.get(name), task.outputs.artifacts.get(name)
            if was is None or now is None or was.digest != now.digest:
                changes.append(_artifact(task, name, was, now))
    return tuple(changes)


def _artifact(task: TaskRecord, name: str, was: Artifact | None, now: Artifact | None) -> DataChange:
    known = now or was
    sensitive = any(side.sensitive for side in (was, now) if side)
    return DataChange(
        task=task.name,
        output=name,
        type=known.type if known else "",
        before=was.digest if was else "",
        after=now.digest if now else "",
        rows_before=None if sensitive else _rows(was),
        rows_after=None if sensitive else _rows(now),
        columns=() if sensitive else _columns(was, now),
        sensitive=sensitive,
        source=not task.needs,
    )


def _rows(artifact: Artifact | None) -> int | None:
    rows = artifact.metadata.get("rows") if artifact else None
    return rows if isinstance(rows, int) else None


def _columns(was: Artifact | None, now: Artifact | None) -> tuple[tuple[str, str], ...]:
    before, after = _described(was), _described(now)
    found: list[tuple[str, str]] = []
    for name in _union(after, before) if before and after else ():
        edit = _edit("+" if name in before else None, "+" if name in after else None)
        if edit is not None:
            found.append((name, edit.value))
        elif before[name] != after[name]:
            found.append((name, _statistics(before[name], after[name])))
    if len(found) > MOST_COLUMNS:
        return (*found[:MOST_COLUMNS], ("…", f"{len(found) - MOST_COLUMNS} more columns differ"))
    return tuple(found)


def _described(artifact: Artifact | None) -> dict[str, dict[str, Any]]:
    columns: Any = artifact.metadata.get("columns") if artifact else None
    return {str(column["name"]): dict(column) for column in columns or ()}


def _statistics(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The first few statistics that differ, type first."""
    differing = [key for key in _union(after, before) if key != "name" and before.get(key) != after.get(key)]
    return ", ".join(f"{key} {_short(before.get(key))} → {_short(after.get(key))}" for key in differing[:2])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
        for name in _union(after, before)
    ]
    good = {"SUCCEEDED", "CACHED"}
    return tuple(
        TaskChange(task=name, before=was, after=now)
        for name, was, now in words
        if was != now and not {was, now} <= good
    )


def _remarks(head: Side, baseline: Side) -> Iterable[str]:
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
        if side.run.state.value != "SUCCEEDED":
            yield f"run {side.run.id} is {side.run.state.value.lower()}: its numbers may be missing"


def _union(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Both sides' names: the first's in its order, then what only the second has."""
    return list(dict.fromkeys([*first, *second]))
