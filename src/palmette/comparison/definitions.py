"""The definitions that steps reach, and which of them differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from palmette.comparison.changes import CodeChange, Edit
from palmette.comparison.sides import Side, Sources, union
from palmette.domain.run import TaskRecord

_Found: TypeAlias = dict[tuple[str, Edit], list[str]]


def code(head: Side, baseline: Side, sources: Sources | None) -> tuple[CodeChange, ...]:
    """Definitions that differ, each with the tasks that reach it. Of a task that both sides have it is whatever
    differs, unless one of them never looked it up; of one that only one side has, what the other reaches nowhere."""
    found: _Found = {}
    for task, after in head.definitions.items():
        before = baseline.definitions.get(task)
        if not before or not after:
            continue
        for definition in union(after, before):
            edit = _edit(before.get(definition), after.get(definition))
            if edit is not None:
                found.setdefault((definition, edit), []).append(task)
    if sources is not None:
        for side, other, edit in ((head, baseline, Edit.ADDED), (baseline, head, Edit.REMOVED)):
            for definition, how, task in _alone(side, other, edit, sources):
                found.setdefault((definition, how), []).append(task)
        if wired := _wired(head, baseline, sources):
            found[f"how {head.run.algorithm} puts its steps together", Edit.CHANGED] = wired
    return tuple(
        CodeChange(definition=definition, edit=edit, tasks=tuple(tasks)) for (definition, edit), tasks in found.items()
    )


def origins(paths: Collection[str]) -> Mapping[str, str]:
    """Module → its file."""
    return {_module(path): path for path in paths if path.endswith(".py")}


def origin(definition: str, paths: Collection[str], modules: Mapping[str, str]) -> str | None:
    """The file that a definition stands in; None if it is none of these."""
    module, _, rest = definition.partition(":")
    return rest if module == "data" and rest in paths else modules.get(module)


def _edit(before: str | None, after: str | None) -> Edit | None:
    if before == after:
        return None
    if before is None:
        return Edit.ADDED
    return Edit.REMOVED if after is None else Edit.CHANGED


def _alone(side: Side, other: Side, edit: Edit, sources: Sources) -> Iterator[tuple[str, Edit, str]]:
    """What is reached by tasks of this side alone. Where the files are at hand, only what stands in one that differs:
    a branch that was not taken this time, or a loop over nothing, is no change of the code."""
    known: dict[str, set[str]] = {}
    for reached in other.definitions.values():
        for definition, digest in reached.items():
            known.setdefault(definition, set()).add(digest)
    paths = {*sources.head, *sources.baseline}
    modules = origins(paths)
    for task, reached in side.definitions.items():
        if task in other.definitions:
            continue
        for definition, digest in reached.items():
            touched = not paths or origin(definition, paths, modules) is not None
            if touched and digest not in known.get(definition, ()):
                yield definition, Edit.CHANGED if definition in known else edit, task


def _wired(head: Side, baseline: Side, sources: Sources) -> list[str]:
    """The tasks that wait for other steps than before, of those that both sides have."""
    same = head.run.algorithm == baseline.run.algorithm
    if not same or not any(path.endswith(".py") for path in (*sources.head, *sources.baseline)):
        return []
    steps = [{task.name: _step(task) for task in side.tasks} for side in (head, baseline)]
    common = {*steps[0].values()} & {*steps[1].values()}
    before = {task.name: task for task in baseline.tasks if task.state.good}
    return [
        task.name
        for task in head.tasks
        if task.state.good and task.name in before
        if {steps[0].get(each, "") for each in task.needs} & common
        != {steps[1].get(each, "") for each in before[task.name].needs} & common
    ]


def _step(task: TaskRecord) -> str:
    """What it executes; the same of every item of a loop."""
    return task.component.partition("[")[0] or task.name


def _module(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
