"""What two runs' steps made of what came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from palmette.comparison.changes import PARAMETER, DataChange, Edit
from palmette.comparison.settings import same
from palmette.comparison.sides import Side, union
from palmette.comparison.tables import table_change
from palmette.domain.artifact import Artifact
from palmette.domain.run import TaskRecord
from palmette.domain.values import Json, digest, literal

#: columns of a table that are listed in short before the rest is only counted
MOST_COLUMNS: Final = 12
#: characters of a value that is quoted; of a longer one there is the digest
_LONGEST: Final = 80


def data(head: Side, baseline: Side) -> tuple[DataChange, ...]:
    """Artifacts whose content differs, and values that came from outside, in the order of the head's tasks. Models and
    reports differ with everything else; they are listed all the same, after the tables that explain them."""
    before = {task.name: task for task in baseline.tasks}
    changes: list[DataChange] = []
    for task in head.tasks:
        other = before.get(task.name)
        if other is None or not (task.state.good and other.state.good):
            continue
        source = _source(task) and _source(other)
        follows = _follows(task.name, head, baseline, task, other) if source else ()
        for name in union(task.outputs.artifacts, other.outputs.artifacts):
            was, now = other.outputs.artifacts.get(name), task.outputs.artifacts.get(name)
            if was is None or now is None or was.digest != now.digest:
                changes.append(_artifact(task.name, name, (was, now), source=source, follows=follows))
        if source:
            changes += _values(task, other, follows)
    return tuple(changes)


def _source(task: TaskRecord) -> bool:
    """Whether it is given nothing that another task made: what it gives came in from outside."""
    return not task.needs and not (task.parts and task.parts.inputs)


def _follows(name: str, head: Side, baseline: Side, task: TaskRecord, other: TaskRecord) -> tuple[str, ...]:
    """What changed of the step itself, so that what it gives may be another for that reason alone."""
    found: list[str] = []
    reached = (baseline.definitions.get(name), head.definitions.get(name))
    if all(reached) and reached[0] != reached[1]:
        found.append("code")
    if task.parts and other.parts and not same(other.parts.parameters, task.parts.parameters):
        found.append("config")
    return tuple(found)


def _artifact(
    task: str, name: str, sides: tuple[Artifact | None, Artifact | None], *, source: bool, follows: tuple[str, ...]
) -> DataChange:
    was, now = sides
    known = now or was
    sensitive = any(side.sensitive for side in sides if side)
    return DataChange(
        task=task,
        output=name,
        type=known.type if known else "",
        before=was.digest if was else "",
        after=now.digest if now else "",
        rows_before=None if sensitive else _rows(was),
        rows_after=None if sensitive else _rows(now),
        columns=() if sensitive else _columns(was, now),
        sensitive=sensitive,
        source=source,
        follows=follows,
        table=table_change(was, now) if was and now else None,
    )


def _values(task: TaskRecord, other: TaskRecord, follows: tuple[str, ...]) -> Iterator[DataChange]:
    old, new = other.outputs.parameters, task.outputs.parameters
    for name in union(new, old):
        if name not in old or name not in new or not same(old[name], new[name]):
            was, now = (_quoted(side[name]) if name in side else "" for side in (old, new))
            yield DataChange(
                task=task.name, output=name, type=PARAMETER, before=was, after=now, source=True, follows=follows
            )


def _quoted(value: Json) -> str:
    text = literal(value)
    return text if len(text) <= _LONGEST else f"sha256:{digest(value)}"


def _rows(artifact: Artifact | None) -> int | None:
    rows = artifact.metadata.get("rows") if artifact else None
    return rows if isinstance(rows, int) else None


def _columns(was: Artifact | None, now: Artifact | None) -> tuple[tuple[str, str], ...]:
    before, after = _described(was), _described(now)
    found: list[tuple[str, str]] = []
    for name in union(after, before) if before and after else ():
        if name not in before or name not in after:
            found.append((name, (Edit.REMOVED if name in before else Edit.ADDED).value))
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
    differing = [key for key in union(after, before) if key != "name" and before.get(key) != after.get(key)]
    return ", ".join(f"{key} {_short(before.get(key))} → {_short(after.get(key))}" for key in differing[:2])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
