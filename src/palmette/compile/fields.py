"""Which config fields the inputs of steps come from, through nested algorithms too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from palmette.domain.graph import Algorithm, Case, Each, Field, FromParameter, Nested, Node, OnExit, Source, Task, When

#: step → input → the config field that each of its tasks is given; None for anything else
GivenFields: TypeAlias = Mapping[str, Mapping[str, tuple[Field | None, ...]]]


def given_fields(algorithm: Algorithm) -> GivenFields:
    """What each input of each step is given by its tasks."""
    found: dict[str, dict[str, tuple[Field | None, ...]]] = {step.name: {} for step in algorithm.steps}
    for task, fields in _tasks(algorithm.tasks, {entry.name: entry for entry in algorithm.config}):
        inputs = found[task.step]
        for name, source in task.arguments.items():
            inputs[name] = (*inputs.get(name, ()), _field(source, fields))
    return found


def constrained(given: Mapping[str, tuple[Field | None, ...]]) -> dict[str, Field]:
    """The inputs that every task is given the same config field for, where the field has a range or choices."""
    found: dict[str, Field] = {}
    for name, fields in given.items():
        first = fields[0]
        if first is None or any(entry != first for entry in fields):
            continue
        if first.choices or (first.low, first.high) != (None, None):
            found[name] = first
    return found


def _tasks(
    nodes: tuple[Node | Case, ...], fields: Mapping[str, Field | None]
) -> Iterator[tuple[Task, Mapping[str, Field | None]]]:
    for node in nodes:
        match node:
            case Task():
                yield node, fields
            case When(cases=cases):
                yield from _tasks(cases, fields)
            case Case(body=body) | Each(body=body):
                yield from _tasks(body, fields)
            case OnExit(body=body, task=task):
                yield from _tasks(body, fields)
                yield task, fields
            case Nested(body=body):
                yield from _tasks(body, _inside(node, fields))


def _inside(node: Nested, fields: Mapping[str, Field | None]) -> dict[str, Field | None]:
    """What the inputs of a nested algorithm are given; an optional one that is given nothing may be absent."""
    given = {name: _field(source, fields) for name, source in node.arguments.items()}
    for entry in node.inputs:
        if entry.name not in given and entry.parameter is not None and entry.optional and entry.default is None:
            given[entry.name] = Field(name=entry.name, type=entry.parameter, optional=True)
    return given


def _field(source: Source, fields: Mapping[str, Field | None]) -> Field | None:
    return fields.get(source.parameter) if isinstance(source, FromParameter) else None
