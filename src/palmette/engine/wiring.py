"""Where the inputs of the tasks of one pipeline come from, as the document wires them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.graph import Retry
from palmette.domain.values import Json
from palmette.engine.parameters import plain
from palmette.engine.placeholders import mentioned
from palmette.engine.sources import Artifacts, Ending, Fixed, Part, Produced, Source, Template
from palmette.ir.spec import (
    ArtifactInput,
    ComponentSpec,
    DagSpec,
    ParameterInput,
    PipelineSpec,
    TaskInputs,
    TaskSpec,
)

#: What the SDK puts before the names of inputs that it adds.
CHANNEL: Final = "pipelinechannel--"
#: …and within the names of loops' items.
_ITEM: Final = "loop-item"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A pipeline within the pipeline, and what its inputs are."""

    dag: DagSpec
    component: ComponentSpec
    #: the group whose body it is
    parent: str = ""
    parameters: Mapping[str, Source] = field(default_factory=dict)
    artifacts: Mapping[str, Artifacts] = field(default_factory=dict)
    #: as in `Group`
    suffix: str = ""
    within: tuple[str, ...] = ()
    inherited: tuple[str, ...] = ()
    again: Retry = Retry()

    def named(self, key: str) -> str:
        """The name of a task of this scope in the whole pipeline."""
        return f"{self.parent}.{key}" if self.parent else key


def visible(scope: Scope) -> Mapping[str, Source]:
    """What a pipeline within the scope may refer to by the SDK's names, although it is not handed over.

    The SDK forgets to hand over what only a text of an inner loop names, or a loop whose items nobody uses.
    """
    channels = {name if name.startswith(CHANNEL) else f"{CHANNEL}{name}": name for name in scope.parameters}
    return {channel: scope.parameters[name] for channel, name in channels.items()}


class Wiring:
    """Resolves references; what refers to nothing is told."""

    def __init__(self, spec: PipelineSpec, broken: Callable[[str, str], None]) -> None:
        self._spec = spec
        self._broken = broken

    def parameters(self, scope: Scope, name: str, inputs: TaskInputs) -> dict[str, Source]:
        """Where the parameters of a task come from."""
        sources: dict[str, Source] = {}
        for key, entry in inputs.parameters.items():
            if entry.has_constant and any(mentioned(entry.constant)):
                source: Source | None = self.template(scope, name, inputs, entry.constant)
            else:
                source = self._parameter(scope, f"{name}.{key}", entry)
            if source is not None:
                selector = entry.parameter_expression_selector
                sources[key] = Part(of=source, selector=selector) if selector else source
        return sources

    def template(self, scope: Scope, name: str, inputs: TaskInputs, constant: Json) -> Template:
        """A constant with placeholders, which stand for other inputs of the task, but not for constants of the same
        kind."""
        beside = {match["name"]: inputs.parameters.get(match["name"] or "") for match in mentioned(constant)}
        known = {key: entry for key, entry in beside.items() if entry and not any(mentioned(entry.constant))}
        fillings = self.parameters(scope, name, TaskInputs(parameters=known))
        return Template(value=plain(constant), task=name, fillings=fillings)

    def _parameter(self, scope: Scope, where: str, entry: ParameterInput) -> Source | None:
        if entry.has_constant:
            return Fixed(value=plain(entry.constant))
        if entry.component_input_parameter:
            if entry.component_input_parameter in scope.parameters:
                return scope.parameters[entry.component_input_parameter]
            # The SDK wires a loop's item to groups around the loop, too, where no item is. Nobody reads it there.
            stray = _ITEM in entry.component_input_parameter
            if not stray and entry.component_input_parameter not in scope.component.input_definitions.parameters:
                self._broken(where, f"there is no input {entry.component_input_parameter!r} around it")
            return None
        if entry.task_output_parameter is not None:
            wanted = entry.task_output_parameter
            return self._output(where, scope, wanted.producer_task, wanted.output_parameter_key, "parameters")
        if entry.task_final_status:
            return Ending(task=scope.named(entry.task_final_status))
        return None

    def artifacts(self, scope: Scope, name: str, inputs: TaskInputs) -> dict[str, Artifacts]:
        """Where its artifacts come from."""
        sources: dict[str, Artifacts] = {}
        for key, entry in inputs.artifacts.items():
            source = self._artifact(scope, f"{name}.{key}", entry)
            if source is not None:
                sources[key] = source
        return sources

    def _artifact(self, scope: Scope, where: str, entry: ArtifactInput) -> Artifacts | None:
        if entry.component_input_artifact:
            if entry.component_input_artifact not in scope.component.input_definitions.artifacts:
                self._broken(where, f"there is no input {entry.component_input_artifact!r} around it")
            return scope.artifacts.get(entry.component_input_artifact)
        if entry.task_output_artifact is not None:
            wanted = entry.task_output_artifact
            return self._output(where, scope, wanted.producer_task, wanted.output_artifact_key, "artifacts")
        return None

    def _output(self, where: str, scope: Scope, producer: str, output: str, kind: str) -> Produced | None:
        task = scope.dag.tasks.get(producer)
        component = self._spec.components.get(task.component) if task is not None else None
        if component is None:
            self._broken(where, f"there is no task {scope.named(producer)}")
            return None
        definitions = component.output_definitions
        if output not in (definitions.parameters if kind == "parameters" else definitions.artifacts):
            self._broken(where, f"task {scope.named(producer)} has no output {output!r}")
            return None
        if component.dag is not None and not _made(component.dag, output):
            self._broken(where, f"nothing makes the output {output!r} of {scope.named(producer)}")
            return None
        return Produced(task=scope.named(producer), output=output)

    def needs(self, scope: Scope, name: str, task: TaskSpec) -> Iterable[str]:
        """What beside it must be over before it begins."""
        for producer in dict.fromkeys(producers(task)):
            if producer in scope.dag.tasks:
                yield scope.named(producer)
            else:
                self._broken(name, f"it waits for {scope.named(producer)}, which does not exist")


def producers(task: TaskSpec) -> list[str]:
    """The tasks beside it that it waits for."""
    producers = [*task.dependent_tasks]
    for parameter in task.inputs.parameters.values():
        if parameter.task_output_parameter is not None:
            producers.append(parameter.task_output_parameter.producer_task)
        if parameter.task_final_status:
            producers.append(parameter.task_final_status)
    for artifact in task.inputs.artifacts.values():
        if artifact.task_output_artifact is not None:
            producers.append(artifact.task_output_artifact.producer_task)
    return producers


def _made(dag: DagSpec, output: str) -> bool:
    return bool(dag.outputs.parameters.get(output) or dag.outputs.artifacts.get(output))
