"""The calls that a pipeline function makes, as nodes of its graph, with every problem found on the way."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from palmette.authoring.algorithms import AlgorithmDefinition
from palmette.authoring.configs import Leaf, leaves
from palmette.authoring.functions import Body, Interface, interface, outcome
from palmette.authoring.groups import Call, Entry, Frame, Loop, Part, Place, Scope, crossed, frozen, is_made
from palmette.authoring.parameters import encode
from palmette.authoring.placeholders import MARK, Block, Called, Group, Output, Placeholder, Unknown, Value, given
from palmette.authoring.signatures import NOTHING, Kind, Shape, Slot, kind_of, parameter_in
from palmette.authoring.source import calling, place
from palmette.authoring.steps import Step, recording
from palmette.authoring.wiring import mismatch
from palmette.domain.fields import close
from palmette.domain.graph import (
    Constant,
    FromFile,
    FromItem,
    FromOneOf,
    FromParameter,
    FromTask,
    Nested,
    ParameterType,
    Reading,
    Source,
)
from palmette.errors import Problem


@dataclass
class Recorder:
    """Takes note of the calls of a pipeline function, and of those that it calls."""

    #: who takes note of conditions and loops
    flow: Any = None
    problems: list[Problem] = field(default_factory=list)
    steps: dict[str, Step[..., Any]] = field(default_factory=dict)
    #: step → input → the kind of what it was wired to, where its own annotation does not decide
    adopted: dict[str, dict[str, Kind]] = field(default_factory=dict)
    #: the functions that are being recorded, the outermost first
    frames: list[Frame] = field(default_factory=list)
    #: algorithm → what was recorded of it; None while that is not over
    bodies: dict[AlgorithmDefinition[..., Any], Body | None] = field(default_factory=dict)

    @property
    def frame(self) -> Frame:
        """The function that is being recorded."""
        return self.frames[-1]

    def add(self, problems: Iterable[Problem]) -> None:
        """Keep problems, each once."""
        self.problems += [problem for problem in problems if problem not in self.problems]

    def report(self, what: str, hint: str = "", where: str = "") -> None:
        """Note a problem, at the line of the pipeline function that is being executed if no other is said."""
        place = where or (self.frame.location if self.frame.over else calling())
        self.add([Problem(where=f"{place}, {self.frame.name}", what=what, hint=hint)])

    def function(self, definition: AlgorithmDefinition[..., Any]) -> Body:
        """Call a pipeline function, once, with what stands for all that it takes."""
        known = len(self.problems)
        takes, wrong = interface(definition)
        where = f"{definition.location}, {definition.name}"
        self.add(wrong)
        self.add(Problem(where=where, what=what, hint=hint) for what, hint in takes.problems)
        if takes.refused:
            return Body(interface=takes)
        self.bodies[definition] = None
        with self._framed(Frame(name=definition.name, location=definition.location)) as frame:
            result = self._called(definition, takes, frame, sound=not wrong)
            if not frame.entries and len(self.problems) == known:
                self.add([Problem(where=where, what="it calls no step")])
            outputs, shape = outcome(result, self, frame)
            self._complete(frame)
            nodes = frozen(frame.scopes[0], self._circle)
        body = Body(interface=takes, nodes=nodes, outputs=outputs, shape=shape)
        self.bodies[definition] = body
        return body

    @contextmanager
    def _framed(self, frame: Frame) -> Iterator[Frame]:
        self.frames.append(frame)
        try:
            yield frame
        finally:
            self.frames.pop()

    def _called(self, definition: AlgorithmDefinition[..., Any], takes: Interface, frame: Frame, *, sound: bool) -> Any:
        known, token = len(self.problems), recording.set(self)
        try:
            positional, named = takes.arguments(self, frame.scope, sound=sound)
            result = definition.function(*positional, **named)
            for where in frame.left:
                what = "a loop is left before its end, which a pipeline cannot do"
                hint = "Do without `break` and `return`; `with when(…):` leaves parts of a body out."
                self.report(what, hint, where=where)
            return result
        except Exception as error:  # noqa: BLE001  (whatever the user's function raises is to be reported)
            # After a misuse it is most likely the consequence.
            if len(self.problems) == known:
                self.add([_raised(definition, error)])
            return None
        finally:
            frame.over = True
            recording.reset(token)

    def _complete(self, frame: Frame) -> None:
        """Report the calls that lack something when all is said."""
        for call in [entry for entry in frame.entries.values() if isinstance(entry, Call) and not entry.last]:
            slots = {slot.name: slot for slot in self.steps[call.step].signature.slots}
            made = {name for name, source in call.arguments.items() if is_made(source)}
            needed = sorted(name for name in made if name in slots and slots[name].default is NOTHING)
            if call.regardless and needed:
                what = f"{call.name} runs regardless of what failed, and {needed[0]!r} may not be made then"
                self.report(what, "Give the parameter of the step a default.", where=call.location)
            told = any(slot.status for slot in slots.values())
            if told and not (call.regardless and len(call.after) == 1 and not made):
                what = f"{call.name} takes a FinalStatus, and it does not run at the exit of anything"
                self.report(what, f"Hand it over: `with on_exit({call.step}(…)):`.", where=call.location)

    def _circle(self, entries: list[Entry]) -> None:
        names = " → ".join(entry.name for entry in entries)
        self.report(f"tasks wait for each other: {names}", where=entries[0].location)

    # Calls

    def call(self, callee: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Placeholder:
        """Make a node of the call of a step or an algorithm."""
        if isinstance(callee, AlgorithmDefinition):
            return self._nested(callee, args, dict(kwargs))
        twin = next((each for name, each in self.steps.items() if _alike(name) == _alike(callee.name)), callee)
        if twin is not callee:
            places = " and ".join(each.location or each.target for each in (twin, callee))
            what = f"two steps are named {callee.name!r}: {places}"
            self.report(what, 'Give one another name: step(…, name="…").')
            return Unknown(self, f"what {callee.name} gives")
        self.steps[callee.name] = callee
        adopted = self.adopted.setdefault(callee.name, {})
        signature = callee.signature
        arguments: dict[str, Source] = {}
        for slot, value in self._given(callee.name, signature.slots, args, dict(kwargs)):
            arguments |= self.wire(f"{slot.name!r} of {callee.name}", slot, value, adopted)
        call = Call(
            name=self.frame.free(callee.name),
            scope=self.frame.scope,
            location=calling(),
            step=callee.name,
            arguments=arguments,
        )
        self.frame.add(call)
        # Its outputs are not known: whatever is done with them must not be blamed.
        broken = signature.shape is Shape.NONE and any(
            what.startswith("what it returns") for what, _ in signature.problems
        )
        called = Called(self, call, signature.outputs, signature.shape)
        return Unknown(self, f"what {call.name} gives") if broken else called

    def _nested(
        self, callee: AlgorithmDefinition[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Placeholder:
        unknown = Unknown(self, f"what {callee.name} gives")
        twin = next((each for each in self.bodies if _alike(each.name) == _alike(callee.name)), callee)
        if twin is not callee:
            hint = 'Give one another name: @algorithm(name="…").'
            self.report(f"two algorithms are named {callee.name!r}: {twin.location} and {callee.location}", hint)
            return unknown
        if callee in self.bodies and self.bodies[callee] is None:
            self.report(f"the algorithm {callee.name!r} calls itself", "Its steps could never all be named.")
            return unknown
        body = self.bodies.get(callee) or self.function(callee)
        takes = body.interface
        if takes.refused:
            return unknown
        arguments: dict[str, Source] = {}
        for slot, value in self._given(callee.name, takes.slots, args, kwargs):
            sources = self.wire(f"{slot.name!r} of {callee.name}", slot, value, {})
            prefix = f"{slot.name}." if slot is takes.config else ""
            arguments |= {name.removeprefix(prefix): source for name, source in sources.items()}
        node = Nested(
            name=self.frame.free(callee.name),
            algorithm=callee.name,
            inputs=takes.inputs(),
            outputs=body.declared(),
            arguments=arguments,
            body=body.nodes,
            results=body.results(),
            location=calling(),
        )
        part = Part(name=node.name, scope=self.frame.scope, location=node.location, node=node)
        self.frame.add(part)
        return Called(self, part, {name: kind for name, (kind, _) in body.outputs.items()}, body.shape)

    def order(self, entry: Entry, others: tuple[Any, ...]) -> None:
        """Let a task or group wait for others."""
        for other in others:
            if isinstance(other, (Called, Output, Block)):
                left = crossed(other._entry.scope, entry.scope)
                if left == []:
                    entry.after.append(other._entry.name)
                elif left is None:
                    self.report(f"{other._entry.name} belongs to another pipeline function")
                else:
                    hint = "Wait for the whole of it: `with when(…) as block:`, `loop = each(…)`, then .after(block)."
                    self.report(f"{other._entry.name} is within {_named(left[-1])}, which {entry.name} is not", hint)
            elif not isinstance(other, Unknown):
                self.report(f"after() takes what other steps gave, not {other!r}")

    def _given(
        self, name: str, slots: Iterable[Slot], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Iterator[tuple[Slot, Any]]:
        slots = [slot for slot in slots if not slot.status]
        if len(args) > len(slots):
            takes = f"{len(slots)} argument{'' if len(slots) == 1 else 's'}"
            self.report(f"{name} takes {takes}, and {len(args)} are given")
        for position, slot in enumerate(slots):
            if position < len(args):
                if slot.name in kwargs:
                    self.report(f"{name} is given {slot.name!r} twice")
                    del kwargs[slot.name]
                yield slot, args[position]
            elif slot.name in kwargs:
                yield slot, kwargs.pop(slot.name)
            elif slot.default is NOTHING:
                self.report(f"{name} is not given {slot.name!r}")
        for other in kwargs:
            known = [slot.name for slot in slots]
            self.report(f"{name} has no parameter {other!r}", close(other, known) or f"It has: {', '.join(known)}.")

    # Arguments

    def wire(self, label: str, slot: Slot, value: Any, adopted: dict[str, Kind]) -> dict[str, Source]:
        """The sources of the inputs that a parameter of a step stands for; none where that is wrong."""
        if isinstance(value, Called):
            if value._shape is not Shape.ONE:
                self.report(*_several(label, value))
                return {}
            value = value._single()
        if isinstance(value, Unknown) or slot.why:
            return {}
        if slot.group is not None or isinstance(value, Group):
            return self._wire_group(label, slot, value)
        if (
            isinstance(value, Value)
            and _reading(value._kind) is Reading.FILE
            and _reading(slot.kind) is not Reading.FILE
        ):
            return self._file(label, slot, value, adopted)
        if isinstance(value, Value):
            kind = self._kind(label, slot, value, adopted)
            return {slot.name: self.source(label, kind, value)} if kind and self.reaches(value) else {}
        return self._constant(label, slot, value, adopted)

    def _file(self, label: str, slot: Slot, value: Value, adopted: dict[str, Kind]) -> dict[str, Source]:
        """A config field that names a file: a step is given the file, not its name."""
        wanted = slot.kind or kind_of(Path)
        known = adopted.setdefault(slot.name, wanted)
        if value._kind is not None and value._kind.optional:
            self.report(f"{value._label} may be None, and {label} takes a file", "Give the field a default.")
        elif wanted.format not in ("path", "reference") or known.artifact is None:
            hint = "Annotate it with Path, and read the file in the step."
            self.report(f"{value._label} is a file, and {label} is not", hint)
        if not isinstance(value._source, FromParameter):
            self.report(f"{value._label} is a file, and only a field of the config can be one")
            return {}
        return {slot.name: FromFile(parameter=value._source.parameter)}

    def source(self, label: str, kind: Kind, value: Value) -> Source:
        """Where a value comes from, that is given for something of a kind."""
        source, parameter = value._source, parameter_in(kind)
        if value._kind is None:
            if parameter is None:
                self.report(f"{value._label} cannot be given for {label}: it is a parameter, not an artifact")
            elif isinstance(source, FromItem) and source.type is None:
                source = replace(source, type=parameter.field.type)
                settle(self.frame, source)
            return source
        why = mismatch(kind, value._kind)
        if why:
            self.report(f"{value._label} cannot be given for {label}: {why}")
        return source

    def reaches(self, value: Value, allowed: Place | None = None) -> bool:
        """Whether a value can be used here, out of blocks of the allowed kind too; report it if not."""
        entry = getattr(value, "_entry", None) if isinstance(value, Output) else None
        if isinstance(entry, Call) and entry.last:
            self.report(f"{value._label} is made when all is over, and nothing can use it")
            return False
        left = crossed(value._home, self.frame.scope)
        if left is None:
            self.report(f"{value._label} belongs to another pipeline function", "Hand it over as an argument.")
        else:
            wrong = value._barred([scope for scope in left if scope.place is not allowed])
            if not wrong:
                return True
            self.report(*wrong)
        return False

    def _kind(self, label: str, slot: Slot, value: Value, adopted: dict[str, Kind]) -> Kind | None:
        """The kind of an input; that of what it is wired to first, where the annotation does not decide."""
        kind = value._kind
        if slot.kind is None:
            step = isinstance(value._source, (FromTask, FromOneOf))
            if kind is None or kind.many or not step or _reading(kind) is not Reading.PLAIN:
                hint = "Only one that is wired to another step's output may go without."
                self.report(f"{label} needs an annotation", hint)
                return None
            return adopted.setdefault(slot.name, replace(kind, sensitive=False))
        if slot.kind.format == "path" and kind is not None:
            as_parameter = replace(slot.kind, parameter=parameter_in(slot.kind), artifact=None, format="", many=False)
            return adopted.setdefault(slot.name, as_parameter if kind.parameter else slot.kind)
        return slot.kind

    def _constant(self, label: str, slot: Slot, value: Any, adopted: dict[str, Kind]) -> dict[str, Source]:
        if holds(value):
            what = f"a placeholder is inside of what is given for {label}"
            self.report(what, "Hand it over on its own: it has no value before the pipeline runs.")
            return {}
        if slot.kind is None:
            hint = "Only one that is wired to another step's output may go without."
            self.report(f"{label} needs an annotation", hint)
            return {}
        if value is None and slot.kind.optional:
            return {}  # an absent value is None
        parameter = parameter_in(slot.kind)
        if parameter is None:
            what = f"{label} takes {slot.kind.declared}, and a {type(value).__qualname__} is written out"
            self.report(what, "Such a value comes from another step.")
            return {}
        if slot.kind.format == "path":
            as_parameter = replace(slot.kind, parameter=parameter, artifact=None, format="", many=False)
            if adopted.setdefault(slot.name, as_parameter).parameter is None:
                self.report(f"{label} was given a file before, and is given a text now")
        try:
            return {slot.name: Constant(value=encode(parameter, value))}
        except ValueError as error:
            self.report(f"{value!r} cannot be given for {label}: {error}")
            return {}

    def _wire_group(self, label: str, slot: Slot, value: Any) -> dict[str, Source]:
        if slot.group is None:
            what = f"{value._label} is a group of fields, and {label} is not"
            self.report(what, "Hand over single fields, or annotate the parameter with the dataclass.")
            return {}
        wanted = {leaf.field.name: leaf for leaf in leaves(slot.group)[0]}
        if isinstance(value, Group):
            return self._wire_fields(label, slot, value, wanted)
        if type(value) is not slot.group:
            self.report(f"{value!r} is not a {slot.group.__qualname__}, which {label} takes")
            return {}
        sources: dict[str, Source] = {}
        for name, leaf in wanted.items():
            inner = Slot(name=f"{slot.name}.{name}", kind=_kind_of(leaf))
            sources |= self.wire(f"{name!r} of {label}", inner, _reached(value, name), {})
        return sources

    def _wire_fields(self, label: str, slot: Slot, value: Group, wanted: Mapping[str, Leaf]) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        for name, leaf in wanted.items():
            found = value._leaves.get(f"{value._prefix}{name}")
            if found is None or mismatch(_kind_of(leaf), _kind_of(found)):
                self.report(f"{value._label} is not a {getattr(slot.group, '__qualname__', '')}, which {label} takes")
                return {}
            field = given(self, found, f"{value._label}.{name}", value._home)
            sources[f"{slot.name}.{name}"] = field._source
            if not self.reaches(field):
                return {}
        return sources


def settle(frame: Frame, source: Source) -> None:
    """Let the first use of an item decide its type, where the list says nothing of it."""
    loop = frame.entries.get(source.loop) if isinstance(source, FromItem) else None
    if isinstance(source, FromItem) and isinstance(loop, Loop) and loop.item is None:
        loop.item = ParameterType.STRUCT if source.path else source.type


def _raised(definition: AlgorithmDefinition[..., Any], error: Exception) -> Problem:
    """What a pipeline function raised, at the line of it where that was."""
    trace, where = error.__traceback__, definition.location
    while trace is not None:
        if trace.tb_frame.f_code is inspect.unwrap(definition.function).__code__:
            where = place(definition.__module__, trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return Problem(where=f"{where}, {definition.name}", what=f"it raised {type(error).__name__}: {error}")


def _several(label: str, called: Called) -> tuple[str, str]:
    names = ", ".join(f".{name}" for name in called._outputs)
    if names:
        return f"several outputs are given for {label}", f"Name one: {names}."
    what = f"{called._task}, which gives nothing, is given for {label}"
    return what, "Use .after() to put tasks in order."


def _reached(value: Any, name: str) -> Any:
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _reading(kind: Kind | None) -> Reading:
    return kind.parameter.field.reading if kind and kind.parameter else Reading.PLAIN


def _kind_of(leaf: Leaf) -> Kind:
    return Kind(parameter=leaf.kind, optional=leaf.field.optional, declared=leaf.field.declared)


def _named(scope: Scope) -> str:
    words = {Place.BRANCH: "a branch", Place.LOOP: "a loop", Place.GUARDED: "an on_exit block"}
    return f"{words.get(scope.place, 'the function')} ({scope.location})"


def _alike(name: str) -> str:
    """What is left of a step's name on a cluster, which knows neither capitals nor underscores."""
    return name.lower().replace("_", "-")


def holds(given: Any) -> bool:
    """Whether a placeholder is somewhere inside a value."""
    if isinstance(given, Mapping):
        return any(holds(value) for value in given.values())
    if isinstance(given, (list, tuple, set)):
        return any(holds(value) for value in given)
    return isinstance(given, Placeholder) or (isinstance(given, str) and MARK in given)
