"""Which steps were executed again, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from palmette.comparison.changes import Rerun
from palmette.comparison.sides import Side
from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import Parts, changed
from palmette.domain.run import TaskRecord
from palmette.domain.states import TaskState
from palmette.domain.values import literal

#: characters of a parameter's value that are quoted
_LONGEST: Final = 40

#: parts of a fingerprint, and how a difference in them is said
_WHOLE: Final = {
    "closure": "code",
    "what": "what it executes",
    "token": "what its fresh function said",
    "schema": "another version of Palmette",
}
_ENTRIES: Final = {
    "inputs": "its input {}",
    "outputs": "the type of its output {}",
    "env": "environment variable {}",
    "secrets": "secret {}",
}


def reruns(head: Side, baseline: Side) -> tuple[Rerun, ...]:
    """The head's tasks that were executed though the baseline had made the outputs of the same step."""
    before = {task.name: task for task in baseline.tasks}
    return tuple(
        Rerun(
            task=task.name,
            because=tuple(_because(other, task)),
            same=task.state.good and _content(task.outputs) == _content(other.outputs),
        )
        for task in head.tasks
        if task.state in (TaskState.SUCCEEDED, TaskState.FAILED) and task.parts is not None
        for other in [before.get(task.name)]
        if other is not None and other.state.good
    )


def _because(before: TaskRecord, after: TaskRecord) -> Iterator[str]:
    if before.parts is None or after.parts is None:
        yield "what the baseline's depended on is not known"
        return
    names = changed(before.parts, after.parts)
    for name in names:
        part, _, key = name.partition(".")
        yield _fragment(part, key, before.parts, after.parts)
    if not names:
        world = not after.needs and not after.parts.inputs
        yield "it reads the outside world" if world else "nothing that it depends on differs"


def _fragment(part: str, key: str, before: Parts, after: Parts) -> str:
    if part == "parameters":
        return f"{key} {_value(before, key)} → {_value(after, key)}"
    if part == "gpu":
        return "it had a GPU" if after.gpu else "it had no GPU"
    return _ENTRIES[part].format(key) if part in _ENTRIES else _WHOLE.get(part, part)


def _value(parts: Parts, key: str) -> str:
    if key not in parts.parameters:
        return "—"
    text = literal(parts.parameters[key])
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _content(outputs: Outputs) -> tuple[dict[str, str], object]:
    return {name: artifact.digest for name, artifact in outputs.artifacts.items()}, dict(outputs.parameters)
