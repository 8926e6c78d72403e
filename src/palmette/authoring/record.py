"""Recording: pipeline functions → graphs, with every problem found on the way."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from palmette.authoring.algorithms import AlgorithmDefinition, Metric
from palmette.authoring.components import component
from palmette.authoring.configs import Leaf, differences, leaves
from palmette.authoring.parameters import encode
from palmette.authoring.placeholders import MARK, Called, Group, Output, Parameter, Placeholder, Unknown
from palmette.authoring.signatures import NOTHING, Kind, Shape, Slot, kind_of, parameter_in
from palmette.authoring.source import calling, place, reference
from palmette.authoring.steps import Step, recording
from palmette.authoring.wiring import mismatch
from palmette.domain.fields import FULL, close
from palmette.domain.graph import Algorithm, Constant, FromFile, FromParameter, FromTask, MetricSpec, Reading, Task
from palmette.domain.values import Json
from palmette.errors import Problem

Source: TypeAlias = FromParameter | FromTask | FromFile | Constant

_PRESET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def record(definition: AlgorithmDefinition[..., Any]) -> tuple[Algorithm, tuple[Problem, ...]]:
    """The graph of an algorithm, and everything that is wrong with it; with problems, the graph is not to be used."""
    recorder = _Recorder(definition)
    found, problems = _leaves(definition)
    recorder.add(problems)
    presets = dict(recorder.presets(found))
    metrics = tuple(recorder.metrics())
    recorder.run(found, sound=not problems)
    steps = [component(step, recorder.adopted.get(name, {})) for name, step in recorder.steps.items()]
    recorder.add(problem for _, problems in steps for problem in problems)
    algorithm = Algorithm(
        name=definition.name,
        target=reference(definition),
        description=inspect.getdoc(definition.function) or "",
        config=tuple(leaf.field for leaf in found),
        presets={FULL: {}, **presets},
        metrics=metrics,
        steps=tuple(step for step, _ in steps),
        tasks=recorder.ordered(),
        location=definition.location,
    )
    return algorithm, tuple(recorder.problems)


def _leaves(definition: AlgorithmDefinition[..., Any]) -> tuple[tuple[Leaf, ...], tuple[Problem, ...]]:
    config: Any = definition.config
    if config is None or isinstance(config, type):
        return leaves(config) if config else ((), ())
    where = f"{definition.location}, {definition.name}"
    return (), (Problem(where=where, what=f"its config is {config!r}", hint="Give the dataclass, not one of it."),)


def record_all(
    definitions: Iterable[AlgorithmDefinition[..., Any]],
) -> tuple[tuple[Algorithm, ...], tuple[Problem, ...]]:
    """The graphs of several algorithms, in their order; two of one name are a problem."""
    algorithms: list[Algorithm] = []
    problems: list[Problem] = []
    seen: dict[str, AlgorithmDefinition[..., Any]] = {}
    for definition in definitions:
        first = seen.setdefault(definition.name, definition)
        if first is not definition:
            what = f"{first.location} defines an algorithm {definition.name!r} too"
            hint = 'Give one another name: @algorithm(name="…").'
            problems.append(Problem(where=f"{definition.location}, {definition.name}", what=what, hint=hint))
        algorithm, wrong = record(definition)
        algorithms.append(algorithm)
        problems += [problem for problem in wrong if problem not in problems]
    return tuple(algorithms), tuple(problems)


@dataclass
class _Call:
    """A task in the making: more `after` may be said until the pipeline function ends."""

    task: Task
    called: Called


@dataclass
class _Recorder:
    """Takes note of the calls of one pipeline function."""

    definition: AlgorithmDefinition[..., Any]
    problems: list[Problem] = field(default_factory=list)
    steps: dict[str, Step[..., Any]] = field(default_factory=dict)
    calls: dict[str, _Call] = field(default_factory=dict)
    #: step → input → the kind of what it was wired to, where its own annotation does not decide
    adopted: dict[str, dict[str, Kind]] = field(default_factory=dict)

    def add(self, problems: Iterable[Problem]) -> None:
        """Keep problems, each once."""
        self.problems += [problem for problem in problems if problem not in self.problems]

    def report(self, what: str, hint: str = "") -> None:
        """Note a problem at the line of the pipeline function that is being executed."""
        self.add([Problem(where=f"{calling()}, {self.definition.name}", what=what, hint=hint)])

    def fault(self, what: str, hint: str = "") -> None:
        """Note a problem of the definition itself."""
        where = f"{self.definition.location}, {self.definition.name}"
        self.add([Problem(where=where, what=what, hint=hint)])

    def presets(self, found: tuple[Leaf, ...]) -> Iterator[tuple[str, dict[str, Json]]]:
        """The presets as differences from the defaults."""
        config = self.definition.config
        for name, preset in self.definition.presets.items():
            if name == FULL or not isinstance(name, str) or not _PRESET.fullmatch(name):
                hint = "It is the config's defaults." if name == FULL else "Use letters, digits, dots and dashes."
                self.fault(f"{name!r} cannot be the name of a preset", hint)
            elif config is None or type(preset) is not config:
                wanted = getattr(config, "__qualname__", "config")
                self.fault(f"the preset {name!r} is a {type(preset).__qualname__}, not a {wanted}")
            else:
                try:
                    yield name, differences(found, preset)
                except ValueError as error:
                    self.fault(f"the preset {name!r}: {error}")

    def metrics(self) -> Iterator[MetricSpec]:
        """The declared metrics."""
        declared = self.definition.metrics
        names = [metric.name for metric in declared]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.fault(f"the metric {name!r} is declared twice")
        if sum(metric.primary for metric in declared) > 1:
            self.fault("more than one metric is primary", "One metric decides; the others are watched.")
        for metric in declared:
            yield self._metric(metric)

    def _metric(self, metric: Metric) -> MetricSpec:
        if metric.goal not in ("max", "min"):
            self.fault(f"the goal of the metric {metric.name!r} is {metric.goal!r}", 'It is "max" or "min".')
        if metric.of is not None and not reference(metric.of):
            what = f"the function of the metric {metric.name!r} cannot be found again by its name"
            self.fault(what, "Define it at the top level of a module.")
        plain = {
            name: getattr(metric, name) for name in ("name", "goal", "primary", "tolerance", "minimum", "max_drop")
        }
        return MetricSpec(**plain, of="" if metric.of is None else reference(metric.of))

    def run(self, found: tuple[Leaf, ...], *, sound: bool) -> None:
        """Call the pipeline function with what stands for its config."""
        config, function = self.definition.config, self.definition.function
        wanted = [entry for entry in inspect.signature(function).parameters.values() if entry.default is entry.empty]
        if len(wanted) != (config is not None):
            names = ", ".join(entry.name for entry in wanted) or "nothing"
            hint = "A pipeline function takes its config alone: @algorithm(config=Config), def f(config: Config)."
            self.fault(f"it takes {names}, and its config is {getattr(config, '__qualname__', 'not declared')}", hint)
            return
        arguments = (
            [] if config is None else [Group(self, config, {leaf.field.name: leaf for leaf in found}, sound=sound)]
        )
        known, token = len(self.problems), recording.set(self)
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001  (whatever the user's function raises is to be reported)
            # After a misuse it is most likely the consequence.
            if len(self.problems) == known:
                self._raised(error)
        finally:
            recording.reset(token)
        if not self.calls and len(self.problems) == known:
            self.fault("it calls no step")

    def _raised(self, error: Exception) -> None:
        trace, where = error.__traceback__, self.definition.location
        while trace is not None:
            if trace.tb_frame.f_code is inspect.unwrap(self.definition.function).__code__:
                code = trace.tb_frame.f_code
                where = place(self.definition.__module__, code.co_filename, trace.tb_lineno)
            trace = trace.tb_next
        what = f"it raised {type(error).__name__}: {error}"
        self.add([Problem(where=f"{where}, {self.definition.name}", what=what)])

    def call(self, callee: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Placeholder:
        """Make a task of the call of a step."""
        if not isinstance(callee, Step):
            self.report(f"the algorithm {callee.name!r} is called within another", "Call its steps.")
            return Unknown(self, f"what {callee.name} gives")
        twin = next((each for name, each in self.steps.items() if _alike(name) == _alike(callee.name)), callee)
        if twin is not callee:
            places = " and ".join(each.location or each.target for each in (twin, callee))
            what = f"two steps are named {callee.name!r}: {places}"
            self.report(what, 'Give one another name: step(…, name="…").')
            return Unknown(self, f"what {callee.name} gives")
        self.steps[callee.name] = callee
        arguments: dict[str, Source] = {}
        for slot, given in self._given(callee, args, dict(kwargs)):
            arguments |= self._wire(callee, slot, given)
        number = sum(call.task.step == callee.name for call in self.calls.values()) + 1
        name = callee.name if number == 1 else f"{callee.name}-{number}"
        signature = callee.signature
        called = Called(self, name, signature.outputs, signature.shape)
        self.calls[name] = _Call(Task(name=name, step=callee.name, arguments=arguments, location=calling()), called)
        # Its outputs are not known: whatever is done with them must not be blamed.
        broken = signature.shape is Shape.NONE and any(
            what.startswith("what it returns") for what, _ in signature.problems
        )
        return Unknown(self, f"what {name} gives") if broken else called

    def _given(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[Slot, Any]]:
        slots = step.signature.slots
        if len(args) > len(slots):
            takes = f"{len(slots)} argument{'' if len(slots) == 1 else 's'}"
            self.report(f"{step.name} takes {takes}, and {len(args)} are given")
        for position, slot in enumerate(slots):
            if position < len(args):
                if slot.name in kwargs:
                    self.report(f"{step.name} is given {slot.name!r} twice")
                    del kwargs[slot.name]
                yield slot, args[position]
            elif slot.name in kwargs:
                yield slot, kwargs.pop(slot.name)
            elif slot.default is NOTHING:
                self.report(f"{step.name} is not given {slot.name!r}")
        for name in kwargs:
            known = [slot.name for slot in slots]
            self.report(f"{step.name} has no parameter {name!r}", close(name, known) or f"It has: {', '.join(known)}.")

    def _wire(self, step: Step[..., Any], slot: Slot, given: Any) -> dict[str, Source]:
        """The sources of the inputs that a parameter of a step stands for; none where that is wrong."""
        label = f"{slot.name!r} of {step.name}"
        if isinstance(given, Called):
            outputs = given._outputs
            if given._shape is not Shape.ONE:
                names = ", ".join(f".{name}" for name in outputs)
                what = (
                    f"several outputs are given for {label}"
                    if outputs
                    else f"{given._task}, which gives nothing, is given for {label}"
                )
                self.report(what, f"Name one: {names}." if outputs else "Use .after() to put tasks in order.")
                return {}
            given = outputs["output"]
        if isinstance(given, Unknown) or slot.why:
            return {}
        if slot.group is not None or isinstance(given, Group):
            return self._wire_group(label, slot, given)
        if (
            isinstance(given, Parameter)
            and given._kind.parameter
            and given._kind.parameter.field.reading is Reading.FILE
        ):
            return self._file(label, step, slot, given)
        if isinstance(given, (Parameter, Output)):
            kind = self._kind(step, slot, given)
            why = mismatch(kind, given._kind) if kind else ""
            if why:
                self.report(f"{given._label} cannot be given for {label}: {why}")
            return {slot.name: given._source}
        return self._constant(label, step, slot, given)

    def _file(self, label: str, step: Step[..., Any], slot: Slot, given: Parameter) -> dict[str, Source]:
        """A config field that names a file: a step is given the file, not its name."""
        wanted = slot.kind or kind_of(Path)
        known = self.adopted.setdefault(step.name, {}).setdefault(slot.name, wanted)
        if given._kind.optional:
            self.report(f"{given._label} may be None, and {label} takes a file", "Give the field a default.")
        elif wanted.format not in ("path", "reference") or known.artifact is None:
            hint = "Annotate it with Path, and read the file in the step."
            self.report(f"{given._label} is a file, and {label} is not", hint)
        return {slot.name: FromFile(parameter=given._source.parameter)}

    def _kind(self, step: Step[..., Any], slot: Slot, given: Parameter | Output) -> Kind | None:
        """The kind of an input; that of what it is wired to first, where the annotation does not decide."""
        adopted = self.adopted.setdefault(step.name, {})
        if slot.kind is None:
            reading = given._kind.parameter.field.reading if given._kind.parameter else Reading.PLAIN
            if isinstance(given, Parameter) or reading is not Reading.PLAIN:
                hint = "Only one that is wired to another step's output may go without."
                self.report(f"{slot.name!r} of {step.name} needs an annotation", hint)
                return None
            return adopted.setdefault(slot.name, replace(given._kind, sensitive=False))
        if slot.kind.format == "path":
            as_parameter = replace(slot.kind, parameter=parameter_in(slot.kind), artifact=None, format="")
            return adopted.setdefault(slot.name, as_parameter if given._kind.parameter else slot.kind)
        return slot.kind

    def _constant(self, label: str, step: Step[..., Any], slot: Slot, given: Any) -> dict[str, Source]:
        if _holds(given):
            what = f"a placeholder is inside of what is given for {label}"
            self.report(what, "Hand it over on its own: it has no value before the pipeline runs.")
            return {}
        if slot.kind is None:
            hint = "Only one that is wired to another step's output may go without."
            self.report(f"{slot.name!r} of {step.name} needs an annotation", hint)
            return {}
        if given is None and slot.kind.optional:
            return {}  # an absent value is None
        parameter = parameter_in(slot.kind)
        if parameter is None:
            what = f"{label} takes {slot.kind.declared}, and a {type(given).__qualname__} is written out"
            self.report(what, "Such a value comes from another step.")
            return {}
        if slot.kind.format == "path":
            as_parameter = replace(slot.kind, parameter=parameter, artifact=None, format="")
            kind = self.adopted.setdefault(step.name, {}).setdefault(slot.name, as_parameter)
            if kind.parameter is None:
                self.report(f"{label} was given a file before, and is given a text now")
        try:
            return {slot.name: Constant(value=encode(parameter, given))}
        except ValueError as error:
            self.report(f"{given!r} cannot be given for {label}: {error}")
            return {}

    def _wire_group(self, label: str, slot: Slot, given: Any) -> dict[str, Source]:
        if slot.group is None:
            what = f"{given._label} is a group of fields, and {label} is not"
            self.report(what, "Hand over single fields, or annotate the parameter with the dataclass.")
            return {}
        wanted = {leaf.field.name: leaf for leaf in leaves(slot.group)[0]}
        sources: dict[str, Source] = {}
        if isinstance(given, Group):
            for name, leaf in wanted.items():
                found = given._leaves.get(f"{given._prefix}{name}")
                if found is None or mismatch(_kind_of(leaf), _kind_of(found)):
                    self.report(f"{given._label} is not a {slot.group.__qualname__}, which {label} takes")
                    return {}
                sources[f"{slot.name}.{name}"] = FromParameter(parameter=found.field.name)
        elif type(given) is slot.group and not _holds(vars(given)):
            values = {name: leaf.field.default for name, leaf in wanted.items()}
            values |= differences(tuple(wanted.values()), given)
            sources = {f"{slot.name}.{name}": Constant(value=value) for name, value in values.items()}
        else:
            self.report(f"{given!r} is not a {slot.group.__qualname__}, which {label} takes")
        return sources

    def ordered(self) -> tuple[Task, ...]:
        """The tasks in the order of the calls, save where `after` names a later one."""
        needs = {name: _needs(call) for name, call in self.calls.items()}
        done: dict[str, Task] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                circle = " → ".join([*path[path.index(name) :], name])
                where = f"{self.calls[name].task.location}, {self.definition.name}"
                self.add([Problem(where=where, what=f"tasks wait for each other: {circle}")])
            elif name not in done:
                for other in needs[name]:
                    visit(other, (*path, name))
                call = self.calls[name]
                done[name] = replace(call.task, after=tuple(dict.fromkeys(call.called._after)))

        for name in self.calls:
            visit(name, ())
        return tuple(done.values())


def _needs(call: _Call) -> list[str]:
    wired = [source.task for source in call.task.arguments.values() if isinstance(source, FromTask)]
    return [*wired, *call.called._after]


def _kind_of(leaf: Leaf) -> Kind:
    return Kind(parameter=leaf.kind, optional=leaf.field.optional, declared=leaf.field.declared)


def _alike(name: str) -> str:
    """What is left of a step's name on a cluster, which knows neither capitals nor underscores."""
    return name.lower().replace("_", "-")


def _holds(given: Any) -> bool:
    """Whether a placeholder is somewhere inside a value."""
    if isinstance(given, Mapping):
        return any(_holds(value) for value in given.values())
    if isinstance(given, (list, tuple, set)):
        return any(_holds(value) for value in given)
    return isinstance(given, Placeholder) or (isinstance(given, str) and MARK in given)
