"""The DAGs of a pipeline in the making: where each value is made, and how it reaches whoever takes it.

A value passes from one DAG into those within it as an input of each, and out of it as an output of each: level by
level, under names that begin as the stock compiler's do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, assert_never

from palmette.domain.graph import (
    Constant,
    FromCollected,
    FromFile,
    FromItem,
    FromOneOf,
    FromParameter,
    FromTask,
    ParameterType,
    Source,
)
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSelector,
    ArtifactSpec,
    ComponentSpec,
    DagOutputs,
    DagSpec,
    Definitions,
    ParameterInput,
    ParameterSelector,
    ParameterSpec,
    TaskInputs,
    TaskOutputArtifact,
    TaskOutputParameter,
    TaskSpec,
)

#: how the stock compiler begins the names of what passes from one DAG into another
CHANNEL: Final = "pipelinechannel--"

Spec: TypeAlias = ParameterSpec | ArtifactSpec


@dataclass(frozen=True, kw_only=True)
class Wired:
    """Where a task of a DAG gets a value from, what kind it is of, and the task of that DAG which makes it."""

    input: ParameterInput | ArtifactInput
    spec: Spec
    producer: str = ""


@dataclass(frozen=True, kw_only=True)
class Made:
    """An output of a task of a DAG."""

    task: str
    output: str
    spec: Spec

    def wired(self) -> Wired:
        """It, as an input of another task of the same DAG."""
        if isinstance(self.spec, ArtifactSpec):
            artifact = TaskOutputArtifact(producer_task=self.task, output_artifact_key=self.output)
            return Wired(input=ArtifactInput(task_output_artifact=artifact), spec=self.spec, producer=self.task)
        parameter = TaskOutputParameter(producer_task=self.task, output_parameter_key=self.output)
        return Wired(input=ParameterInput(task_output_parameter=parameter), spec=self.spec, producer=self.task)


@dataclass(kw_only=True)
class Frame:
    """What the DAGs of one pipeline function have in common."""

    #: what the function takes
    inputs: Definitions
    #: node → its task's key
    keys: Mapping[str, str]
    #: task → what it gives
    outputs: dict[str, Definitions] = field(default_factory=dict)
    #: node → the DAG in which it stands
    levels: dict[str, Level] = field(default_factory=dict)
    #: values that pass from one DAG into another → their name there
    channels: dict[Source, str] = field(default_factory=dict)

    def output(self, source: FromTask | FromCollected) -> Spec:
        """What a task's output is."""
        made = self.outputs[source.task]
        return made.parameters.get(source.output) or made.artifacts[source.output]

    def channel(self, source: Source) -> str:
        """The name under which a value passes from one DAG into another."""
        if source not in self.channels:
            name = base = self._name(source)
            number = 2
            while name in self.channels.values():
                name, number = f"{base}-{number}", number + 1
            self.channels[source] = name
        return self.channels[source]

    def _name(self, source: Source) -> str:
        match source:
            case FromParameter(parameter=name) | FromTask(task="", output=name):
                return f"{CHANNEL}{name}"
            case FromTask(task=task, output=output) | FromCollected(task=task, output=output):
                return f"{CHANNEL}{self.keys[task]}-{output}"
            case FromItem(loop=loop, path=path):
                whole = self.levels[loop].inner[loop].item
                return "-subvar-".join((whole, *path))
            case FromOneOf(alternatives=alternatives):
                branches = self.levels[alternatives[0].task].parent
                assert branches is not None
                return f"{CHANNEL}{branches.key}-oneof-{len(branches.chosen) + 1}"
            case _:
                raise AssertionError(source)


@dataclass(kw_only=True)
class Level:
    """A DAG in the making."""

    frame: Frame
    #: the key of its task in the DAG around it; empty for the outermost
    key: str = ""
    parent: Level | None = None
    #: of a loop: its name, and the input that each iteration finds its item in
    loop: str = ""
    item: str = ""
    #: what an item is
    item_spec: Spec = field(default_factory=lambda: ParameterSpec(parameter_type=ParameterType.STRING))
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
    #: group → its DAG within this one
    inner: dict[str, Level] = field(default_factory=dict)
    #: what passes into it, and from where in the DAG around it
    inputs: dict[str, Wired] = field(default_factory=dict)
    #: tasks of the DAG around it that something within it waits for, though it takes nothing of theirs
    awaited: set[str] = field(default_factory=set)
    #: its outputs, and which tasks of its own make each: one, or the one of several that is executed
    outputs: dict[str, tuple[Made, ...]] = field(default_factory=dict)
    #: of the branches of a condition: what is chosen from them → the name of that output
    chosen: dict[FromOneOf, str] = field(default_factory=dict)

    def value(self, source: Source) -> Wired:
        """Where a task of this DAG gets the value; what it has to pass through on its way is declared."""
        match source:
            case Constant(value=value):
                spec = ParameterSpec(parameter_type=ParameterType.STRUCT)
                return Wired(input=ParameterInput(constant=value, has_constant=True), spec=spec)
            case FromParameter(parameter=name) | FromTask(task="", output=name):
                return self._own(name, self._declared(name)) if self.parent is None else self._through(source)
            case FromItem(loop=loop):
                return self._item(source) if self.loop == loop else self._through(source)
            case FromTask():
                if self.frame.levels[source.task] is self:
                    made = Made(task=self.frame.keys[source.task], output=source.output, spec=self.frame.output(source))
                    return made.wired()
                return self._through(source)
            case FromCollected():
                around = self.frame.levels[source.task]
                return self.surfaced(source).wired() if self in around.around() else self._through(source)
            case FromOneOf():
                branches = self._branches(source)
                return self.one_of(source).wired() if branches.parent is self else self._through(source)
            case FromFile():
                raise AssertionError(source)  # `palmette.compile.importers` made tasks of them
            case _:
                assert_never(source)

    def around(self) -> Iterator[Level]:
        """The DAGs around this one, the nearest first."""
        level = self.parent
        while level is not None:
            yield level
            level = level.parent

    def awaits(self, names: tuple[str, ...]) -> set[str]:
        """The tasks of this DAG among the named; those of DAGs around it are waited for there."""
        here = set()
        for name in names:
            home = self.frame.levels[name]
            if home is self:
                here.add(self.frame.keys[name])
            else:
                group = next(level for level in (self, *self.around()) if level.parent is home)
                group.awaited.add(self.frame.keys[name])
        return here

    def surfaced(self, source: FromTask | FromCollected) -> Made:
        """The output of a task of this DAG or of one within it, as an output of a task of this one."""
        home = self.frame.levels[source.task]
        made = Made(task=self.frame.keys[source.task], output=source.output, spec=self.frame.output(source))
        for level in (home, *home.around()):
            if level is self:
                break
            # `channel` would name what passes in; a collected list is another thing than what it is collected from.
            name = f"{CHANNEL}{self.frame.keys[source.task]}-{source.output}"
            level.outputs[name] = (made,)
            made = Made(task=level.key, output=name, spec=_listed(made.spec) if level.loop else made.spec)
        return made

    def one_of(self, source: FromOneOf) -> Made:
        """The output of the branch that is executed, as an output of the branches' task."""
        branches = self._branches(source)
        if source not in branches.chosen:
            name = self.frame.channel(source)
            branches.outputs[name] = tuple(branches.surfaced(each) for each in source.alternatives)
            branches.chosen[source] = name
        name = branches.chosen[source]
        return Made(task=branches.key, output=name, spec=branches.outputs[name][0].spec)

    def result(self, name: str, source: Source) -> None:
        """Make what a source stands for an output of this DAG."""
        match source:
            case FromTask() | FromCollected():
                self.outputs[name] = (self.surfaced(source),)
            case FromOneOf():
                self.outputs[name] = (self.one_of(source),)
            case _:
                raise AssertionError(source)

    def component(self) -> ComponentSpec:
        """The DAG as a component."""
        inputs = {name: wired.spec for name, wired in self.inputs.items()}
        if self.item:
            inputs[self.item] = self.item_spec
        given = self.frame.inputs if self.parent is None else _definitions(inputs)
        looped = {name: _listed(made[0].spec) if self.loop else made[0].spec for name, made in self.outputs.items()}
        return ComponentSpec(
            input_definitions=given,
            output_definitions=_definitions(looped),
            dag=DagSpec(tasks=self.tasks, outputs=self._dag_outputs()),
        )

    def given(self) -> TaskInputs:
        """What the task of this DAG is given in the DAG around it."""
        return task_inputs(self.inputs)

    def needed(self) -> set[str]:
        """The tasks of the DAG around it that its task waits for."""
        return self.awaited | {wired.producer for wired in self.inputs.values()} - {""}

    def _dag_outputs(self) -> DagOutputs:
        parameters: dict[str, tuple[ParameterSelector, ...]] = {}
        artifacts: dict[str, tuple[ArtifactSelector, ...]] = {}
        for name, several in self.outputs.items():
            if isinstance(several[0].spec, ArtifactSpec):
                artifacts[name] = tuple(
                    ArtifactSelector(producer_subtask=made.task, output_artifact_key=made.output) for made in several
                )
            else:
                parameters[name] = tuple(
                    ParameterSelector(producer_subtask=made.task, output_parameter_key=made.output) for made in several
                )
        return DagOutputs(parameters=parameters, artifacts=artifacts)

    def _declared(self, name: str) -> Spec:
        return self.frame.inputs.parameters.get(name) or self.frame.inputs.artifacts[name]

    def _own(self, name: str, spec: Spec, selector: str = "") -> Wired:
        if isinstance(spec, ArtifactSpec):
            return Wired(input=ArtifactInput(component_input_artifact=name), spec=spec)
        entry = ParameterInput(component_input_parameter=name, parameter_expression_selector=selector)
        return Wired(input=entry, spec=spec)

    def _item(self, source: FromItem) -> Wired:
        if not source.path:
            return self._own(self.item, self.item_spec)
        parts = "".join(f"[{json.dumps(part, ensure_ascii=False)}]" for part in source.path)
        spec = ParameterSpec(parameter_type=source.type or ParameterType.STRING)
        return self._own(self.item, spec, f"parseJson(string_value){parts}")

    def _through(self, source: Source) -> Wired:
        """From the DAG around this one, through an input of this one."""
        assert self.parent is not None, source
        name = self.frame.channel(source)
        if name not in self.inputs:
            wired = self.parent.value(source)
            self.inputs[name] = replace(wired, spec=_plain(wired.spec))
        return self._own(name, self.inputs[name].spec)

    def _branches(self, source: FromOneOf) -> Level:
        branches = self.frame.levels[source.alternatives[0].task].parent
        assert branches is not None
        return branches


def task_inputs(wired: Mapping[str, Wired]) -> TaskInputs:
    """What a task is given, by its names."""
    parameters = {name: entry.input for name, entry in wired.items() if isinstance(entry.input, ParameterInput)}
    artifacts = {name: entry.input for name, entry in wired.items() if isinstance(entry.input, ArtifactInput)}
    return TaskInputs(parameters=parameters, artifacts=artifacts)


def _definitions(specs: Mapping[str, Spec]) -> Definitions:
    return Definitions(
        parameters={name: spec for name, spec in specs.items() if isinstance(spec, ParameterSpec)},
        artifacts={name: spec for name, spec in specs.items() if isinstance(spec, ArtifactSpec)},
    )


def _listed(spec: Spec) -> Spec:
    if isinstance(spec, ArtifactSpec):
        return replace(spec, is_artifact_list=True)
    return ParameterSpec(parameter_type=ParameterType.LIST)


def _plain(spec: Spec) -> Spec:
    """Without what is said where the value enters the pipeline; whether it may be absent is still said."""
    if isinstance(spec, ArtifactSpec):
        return replace(spec, description="", metadata={})
    absent = spec.is_optional and not spec.has_default
    return ParameterSpec(parameter_type=spec.parameter_type, is_optional=absent)
