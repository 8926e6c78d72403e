"""Pipeline functions: what they take beside a config, and what they return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol

from palmette.authoring.algorithms import AlgorithmDefinition
from palmette.authoring.components import declared_output
from palmette.authoring.configs import Leaf, leaves
from palmette.authoring.groups import Frame, Place, Scope, is_made
from palmette.authoring.parameters import encode
from palmette.authoring.placeholders import Called, Group, Placeholder, Reporter, Unknown, Value, given
from palmette.authoring.signatures import NOTHING, Kind, Shape, Slot, signature_of
from palmette.domain.graph import (
    Algorithm,
    FromTask,
    Input,
    Node,
    Output,
    Source,
)
from palmette.errors import Problem


class Recording(Reporter, Protocol):
    """Whoever records the function."""

    def reaches(self, value: Value, allowed: Place | None = None) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a pipeline function takes."""

    #: the config's class
    group: type | None = None
    #: in their order, the config among them
    slots: tuple[Slot, ...] = ()
    config: Slot | None = None
    #: the parameters of the config
    leaves: tuple[Leaf, ...] = ()
    #: those that the function takes beside it, by name
    parameters: Mapping[str, Leaf] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()
    #: the function cannot be called
    refused: bool = False

    def all_leaves(self) -> tuple[Leaf, ...]:
        """Every parameter."""
        return (*self.leaves, *self.parameters.values())

    def arguments(self, reporter: Reporter, home: Scope, *, sound: bool) -> tuple[list[Any], dict[str, Any]]:
        """What stands for the arguments while the function is recorded."""
        positional: list[Any] = []
        by_name: dict[str, Any] = {}
        for slot in self.slots:
            value = self._argument(reporter, slot, home, sound=sound)
            if slot is self.config or slot.positional:
                positional.append(value)
            else:
                by_name[slot.name] = value
        return positional, by_name

    def _argument(self, reporter: Reporter, slot: Slot, home: Scope, *, sound: bool) -> Placeholder:
        if slot is self.config and self.group is not None:
            known = {leaf.field.name: leaf for leaf in self.leaves}
            return Group(reporter, self.group, known, home, sound=sound)
        if slot.name in self.parameters:
            return given(reporter, self.parameters[slot.name], slot.name, home)
        if slot.kind is None:
            return Unknown(reporter, slot.name)
        return Value(reporter, slot.name, slot.kind, FromTask(task="", output=slot.name), home)

    def artifacts(self) -> tuple[Input, ...]:
        """The artifacts that it takes."""
        return tuple(
            Input(
                name=slot.name,
                artifact=slot.kind.artifact,
                optional=slot.default is not NOTHING,
                declared=slot.kind.declared,
                many=slot.kind.many,
            )
            for slot in self.slots
            if slot.kind is not None and slot.name not in self.parameters
        )

    def inputs(self) -> tuple[Input, ...]:
        """All that it takes, as the inputs of a component."""
        parameters = (
            Input(
                name=leaf.field.name,
                parameter=leaf.field.type,
                optional=not leaf.field.required,
                default=leaf.field.default,
                declared=leaf.field.declared,
            )
            for leaf in self.all_leaves()
        )
        return (*parameters, *self.artifacts())


@dataclass(frozen=True, kw_only=True)
class Body:
    """What was recorded of a pipeline function."""

    interface: Interface
    nodes: tuple[Node, ...] = ()
    outputs: Mapping[str, tuple[Kind, Source]] = field(default_factory=dict)
    shape: Shape = Shape.NONE

    def declared(self) -> tuple[Output, ...]:
        """Its outputs."""
        return tuple(declared_output(name, kind) for name, (kind, _) in self.outputs.items())

    def results(self) -> dict[str, Source]:
        """Output → what within it that is."""
        return {name: source for name, (_, source) in self.outputs.items()}

    def put_into(self, algorithm: Algorithm) -> Algorithm:
        """The algorithm, with this body."""
        return replace(
            algorithm,
            config=tuple(leaf.field for leaf in self.interface.all_leaves()),
            tasks=self.nodes,
            inputs=self.interface.artifacts(),
            outputs=self.declared(),
            results=self.results(),
        )


def interface(definition: AlgorithmDefinition[..., Any]) -> tuple[Interface, tuple[Problem, ...]]:
    """What a pipeline function takes, and what is wrong with its config."""
    config: Any = definition.config
    where = f"{definition.location}, {definition.name}"
    found, wrong = leaves(config) if isinstance(config, type) else ((), ())
    if config is not None and not isinstance(config, type):
        wrong = (Problem(where=where, what=f"its config is {config!r}", hint="Give the dataclass, not one of it."),)
    signature = signature_of(definition.function, outputs=None)
    slot = _config_slot(signature.slots, config)
    others = [each for each in signature.slots if each is not slot]
    unclear = [each for each in others if each.kind is None and not each.why]
    if (config is not None and slot is None) or unclear:
        names = ", ".join(each.name for each in signature.slots) or "nothing"
        what = f"it takes {names}, and its config is {getattr(config, '__qualname__', 'not declared')}"
        hint = "It takes its config (@algorithm(config=Config), def f(config: Config)); all else needs an annotation."
        return Interface(problems=((what, hint),), refused=True), wrong
    kept = replace(slot, group=config, default=None) if slot and not _required(found) else slot
    parameters = {each.name: leaf for each, leaf in _parameters(definition, others)}
    taken = {leaf.field.name for leaf in found}
    clash = [(f"it takes {name!r}, which is a field of its config too", "") for name in parameters if name in taken]
    made = Interface(
        group=config if isinstance(config, type) else None,
        slots=tuple(kept if each is slot and kept else each for each in signature.slots),
        config=kept,
        leaves=found,
        parameters=parameters,
        # What is wrong with the fields of the config was said of them.
        problems=(*(each for each in signature.problems if not slot or not each[0].startswith(_of(slot))), *clash),
    )
    return made, wrong


def _of(slot: Slot) -> str:
    return f"parameter {slot.name!r}: "


def _required(found: tuple[Leaf, ...]) -> bool:
    return any(leaf.field.required for leaf in found)


def _config_slot(slots: tuple[Slot, ...], config: Any) -> Slot | None:
    if config is None:
        return None
    said = next((slot for slot in slots if slot.group is not None and slot.group is config), None)
    untyped = (slot for slot in slots[:1] if slot.kind is None and (slot.group is None or not isinstance(config, type)))
    return said or next(untyped, None)


def _parameters(definition: AlgorithmDefinition[..., Any], slots: list[Slot]) -> Iterator[tuple[Slot, Leaf]]:
    for slot in slots:
        if slot.kind is None or slot.kind.parameter is None:
            continue
        kind, optional = slot.kind.parameter, slot.kind.optional
        default = None if slot.default in (NOTHING, None) else encode(kind, slot.default)
        required = slot.default is NOTHING and not optional
        changes: dict[str, Any] = {"name": slot.name, "default": default, "required": required, "optional": optional}
        made = replace(kind.field, **changes, location=definition.location)
        yield slot, Leaf(made, replace(kind, field=made))


def outcome(result: Any, recording: Recording, frame: Frame) -> tuple[dict[str, tuple[Kind, Source]], Shape]:
    """What a pipeline function returned, as outputs."""
    values, shape = _spread(result)
    outputs: dict[str, tuple[Kind, Source]] = {}
    for name, value in values.items():
        single = value._single() if isinstance(value, Placeholder) else value
        if isinstance(single, Unknown):
            continue
        if isinstance(single, Value) and single._kind is not None and is_made(single._source):
            # Returned from within a guarded block, as it may well be.
            if recording.reaches(single, Place.GUARDED):
                outputs[name] = single._kind, single._source
        else:
            said = single._label if isinstance(single, Placeholder) else repr(single)
            recording.report(f"it returns {said}, which no step made", "Return what steps give.")
    return outputs, shape


def _spread(result: Any) -> tuple[dict[str, Any], Shape]:
    """What is returned by name, and how it holds that."""
    if result is None or (isinstance(result, Called) and result._shape is Shape.NONE):
        return {}, Shape.NONE
    if isinstance(result, Called) and result._shape is not Shape.ONE:
        return dict(result._outputs), result._shape
    if isinstance(result, Placeholder):
        return {"output": result}, Shape.ONE
    if hasattr(result, "_fields"):
        return result._asdict(), Shape.TUPLE
    if isinstance(result, (tuple, list)):
        return {f"output_{position}": value for position, value in enumerate(result, 1)}, Shape.TUPLE
    if isinstance(result, Mapping):
        return dict(result), Shape.NAMES
    if is_dataclass(result) and not isinstance(result, type):
        return {entry.name: getattr(result, entry.name) for entry in fields(result)}, Shape.NAMES
    return {"output": result}, Shape.ONE
