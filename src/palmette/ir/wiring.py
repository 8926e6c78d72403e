"""Whether the tasks of a pipeline fit together: names, inputs, types, order, outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from palmette.domain.graph import ParameterType
from palmette.errors import Problem
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSelector,
    ComponentSpec,
    DagSpec,
    ParameterInput,
    ParameterSelector,
    PipelineSpec,
    SystemParameter,
    TaskSpec,
)

#: inputs that the SDK adds for the placeholders in a task's other inputs, undeclared by the component
_CHANNEL: Final = "pipelinechannel--"
#: …which it sometimes forgets to declare on the way
_ADDED: Final = (_CHANNEL, "loop-item-param-")


def component_places(pipeline: PipelineSpec) -> Iterator[tuple[str, ComponentSpec]]:
    """Every component with its place, the root first."""
    yield "root", pipeline.root
    for name, component in pipeline.components.items():
        yield f"components.{name}", component


def wrong_wiring(pipeline: PipelineSpec) -> Iterator[Problem]:
    """All that does not fit, in every DAG."""
    yield from _recursion(pipeline)
    for where, component in component_places(pipeline):
        if component.dag is not None:
            yield from _Dag(pipeline=pipeline, component=component, dag=component.dag, where=where).problems()


def _recursion(pipeline: PipelineSpec) -> Iterator[Problem]:
    uses = {
        name: [task.component for task in component.dag.tasks.values()] if component.dag else []
        for name, component in pipeline.components.items()
    }
    for circle in circles(uses):
        yield Problem(
            where=f"components.{circle[0]}",
            what=f"the component contains itself: {' → '.join([*circle, circle[0]])}",
            hint="A pipeline cannot call itself.",
        )


def circles(needs: Mapping[str, list[str]]) -> list[list[str]]:
    """The circles in a graph, each once and from its first node on; not through nodes that are part of another."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in needs:
        stack = [(start, iter(needs[start]))] if start not in done else []
        # A mapping, since a pipeline may nest, or a chain be, thousands of nodes long.
        path = dict.fromkeys(node for node, _ in stack)
        while stack:
            node, rest = stack[-1]
            following = next((name for name in rest if name in needs and name not in done), None)
            if following is None:
                done.add(node)
                del path[node]
                stack.pop()
            elif following in path:
                nodes = list(path)
                circle = nodes[nodes.index(following) :]
                found.append(circle)
                done.update(circle)
            else:
                path[following] = None
                stack.append((following, iter(needs[following])))
    return found


@dataclass(frozen=True, kw_only=True)
class _Dag:
    pipeline: PipelineSpec
    component: ComponentSpec
    dag: DagSpec
    where: str

    def problems(self) -> Iterator[Problem]:
        for name, task in self.dag.tasks.items():
            yield from self._task(f"{self.where}.dag.tasks.{name}", name, task)
        for circle in circles({name: sorted(self._needs(task)) for name, task in self.dag.tasks.items()}):
            yield Problem(
                where=f"{self.where}.dag.tasks.{circle[0]}",
                what=f"the tasks wait for each other: {' → '.join([*circle, circle[0]])}",
            )
        yield from self._outputs()

    def _needs(self, task: TaskSpec) -> set[str]:
        parameters = task.inputs.parameters.values()
        artifacts = task.inputs.artifacts.values()
        return {
            *task.dependent_tasks,
            *(entry.task_output_parameter.producer_task for entry in parameters if entry.task_output_parameter),
            *(entry.task_output_artifact.producer_task for entry in artifacts if entry.task_output_artifact),
            *(entry.task_final_status for entry in parameters if entry.task_final_status),
        }

    def _task(self, where: str, name: str, task: TaskSpec) -> Iterator[Problem]:
        for other in task.dependent_tasks:
            if other not in self.dag.tasks:
                yield Problem(where=f"{where}.dependentTasks", what=f"there is no task {other}")
        component = self.pipeline.components.get(task.component)
        if component is None:
            what = f"there is no component {task.component}" if task.component else "the task names no component"
            yield Problem(where=f"{where}.componentRef", what=what)
            return
        for key, source in task.inputs.parameters.items():
            yield from self._parameter(f"{where}.inputs.parameters.{key}", key, source, task, component)
        looped = "" if task.artifact_iterator is None else task.artifact_iterator.input_artifact
        for key, entry in task.inputs.artifacts.items():
            known = key != looped or component.dag is not None
            yield from self._artifact(f"{where}.inputs.artifacts.{key}", key, entry, component if known else None)
        yield from self._missing(where, task, component)

    def _missing(self, where: str, task: TaskSpec, component: ComponentSpec) -> Iterator[Problem]:
        loops = {
            iterator.item_input
            for iterator in (task.parameter_iterator, task.artifact_iterator)
            if iterator is not None
        }
        given = {*task.inputs.parameters, *task.inputs.artifacts, *loops}
        for key, parameter in component.input_definitions.parameters.items():
            free = parameter.is_optional or parameter.has_default
            if key not in given and not free and not isinstance(parameter.parameter_type, SystemParameter):
                yield Problem(where=f"{where}.inputs.parameters.{key}", what="the component needs this parameter")
        for key, artifact in component.input_definitions.artifacts.items():
            if key not in given and not artifact.is_optional:
                yield Problem(where=f"{where}.inputs.artifacts.{key}", what="the component needs this artifact")
        looped = task.parameter_iterator
        if looped and looped.input_parameter and looped.input_parameter not in task.inputs.parameters:
            yield Problem(
                where=f"{where}.parameterIterator", what=f"the task has no input parameter {looped.input_parameter}"
            )
        over = task.artifact_iterator
        if over and over.input_artifact not in task.inputs.artifacts:
            yield Problem(
                where=f"{where}.artifactIterator", what=f"the task has no input artifact {over.input_artifact}"
            )

    def _parameter(
        self, where: str, key: str, source: ParameterInput, task: TaskSpec, component: ComponentSpec
    ) -> Iterator[Problem]:
        declared = component.input_definitions.parameters.get(key)
        if declared is None and key in component.input_definitions.artifacts:
            yield Problem(where=where, what="the component takes an artifact here, not a parameter")
        elif declared is None and not key.startswith(_CHANNEL) and not _setting(source, component):
            yield Problem(where=where, what=f"the component {task.component} has no parameter {key}")
        wanted = declared.parameter_type if declared else None
        if source.has_constant:
            if wanted is not None and not _fits(source.constant, wanted):
                yield Problem(where=where, what=f"the constant is no {wanted}")
        elif name := source.component_input_parameter:
            offered = self.component.input_definitions.parameters.get(name)
            if offered is not None:
                yield from _typed(where, offered.parameter_type, wanted, source)
            elif name in self.component.input_definitions.artifacts:
                yield Problem(where=where, what=f"{name} is an artifact, not a parameter")
            elif not name.startswith(_ADDED):
                yield Problem(where=where, what=f"there is no input parameter {name} in {self.where}")
        elif source.task_output_parameter is not None:
            made = source.task_output_parameter
            yield from self._from_task(where, made.producer_task, made.output_parameter_key, wanted, source)
        elif source.task_final_status:
            if source.task_final_status not in self.dag.tasks:
                yield Problem(where=where, what=f"there is no task {source.task_final_status}")
        else:
            yield Problem(where=where, what="nothing says where the value comes from")

    def _from_task(
        self,
        where: str,
        producer: str,
        key: str,
        wanted: ParameterType | SystemParameter | None,
        source: ParameterInput,
    ) -> Iterator[Problem]:
        task = self.dag.tasks.get(producer)
        component = self.pipeline.components.get(task.component) if task else None
        if task is None:
            yield Problem(where=where, what=f"there is no task {producer}")
        elif component is not None:
            offered = component.output_definitions.parameters.get(key)
            if offered is None and key in component.output_definitions.artifacts:
                yield Problem(where=where, what=f"{producer} gives {key} as an artifact, not as a parameter")
            elif offered is None:
                yield Problem(where=where, what=f"{producer} has no output parameter {key}")
            else:
                collected = task.parameter_iterator is not None or task.artifact_iterator is not None
                found = ParameterType.LIST if collected else offered.parameter_type
                yield from _typed(where, found, wanted, source)

    def _artifact(
        self, where: str, key: str, source: ArtifactInput, component: ComponentSpec | None
    ) -> Iterator[Problem]:
        """The list that a component is looped over is none of its inputs: there is no component to look at then."""
        if component is not None and key not in component.input_definitions.artifacts:
            other = key in component.input_definitions.parameters
            kind = "takes a parameter here, not an artifact" if other else f"has no artifact {key}"
            yield Problem(where=where, what=f"the component {kind}")
        if name := source.component_input_artifact:
            if name not in self.component.input_definitions.artifacts:
                yield Problem(where=where, what=f"there is no input artifact {name} in {self.where}")
        elif source.task_output_artifact is not None:
            made = source.task_output_artifact
            task = self.dag.tasks.get(made.producer_task)
            producer = self.pipeline.components.get(task.component) if task else None
            if task is None:
                yield Problem(where=where, what=f"there is no task {made.producer_task}")
            elif producer and made.output_artifact_key not in producer.output_definitions.artifacts:
                yield Problem(
                    where=where, what=f"{made.producer_task} has no output artifact {made.output_artifact_key}"
                )
        else:
            yield Problem(where=where, what="nothing says where the artifact comes from")

    def _outputs(self) -> Iterator[Problem]:
        outputs = self.dag.outputs
        declared = self.component.output_definitions
        for key, parameters in outputs.parameters.items():
            yield from self._output("parameters", key, key in declared.parameters, parameters)
        for key, artifacts in outputs.artifacts.items():
            yield from self._output("artifacts", key, key in declared.artifacts, artifacts)
        for kind, names, given in (
            ("parameters", declared.parameters, outputs.parameters),
            ("artifacts", declared.artifacts, outputs.artifacts),
        ):
            for key in names:
                if key not in given:
                    yield Problem(where=f"{self.where}.dag.outputs.{kind}.{key}", what="no task gives this output")

    def _output(
        self,
        kind: str,
        key: str,
        declared: bool,
        selectors: tuple[ParameterSelector, ...] | tuple[ArtifactSelector, ...],
    ) -> Iterator[Problem]:
        where = f"{self.where}.dag.outputs.{kind}.{key}"
        if not declared:
            yield Problem(where=where, what="outputDefinitions does not declare this output")
        if not selectors:
            yield Problem(where=where, what="no task gives this output")
        for selector in selectors:
            task = self.dag.tasks.get(selector.producer_subtask)
            component = self.pipeline.components.get(task.component) if task else None
            if task is None:
                yield Problem(where=where, what=f"there is no task {selector.producer_subtask}")
            elif component is not None:
                made = component.output_definitions
                if isinstance(selector, ParameterSelector):
                    name, known = selector.output_parameter_key, selector.output_parameter_key in made.parameters
                else:
                    name, known = selector.output_artifact_key, selector.output_artifact_key in made.artifacts
                if not known:
                    yield Problem(where=where, what=f"{selector.producer_subtask} has no output {name} of this kind")


def _setting(source: ParameterInput, component: ComponentSpec) -> bool:
    """Whether it is a setting of the task, such as ``cpu_limit``, that the SDK hands over as one more input: one that
    is put together from others, or any of a component that asks for its own configuration."""
    kinds = (entry.parameter_type for entry in component.input_definitions.parameters.values())
    return "{{$" in str(source.constant) or SystemParameter.TASK_CONFIG in kinds


def _typed(
    where: str,
    offered: ParameterType | SystemParameter,
    wanted: ParameterType | SystemParameter | None,
    source: ParameterInput,
) -> Iterator[Problem]:
    """A type that does not fit; a whole number is a number, and a part of a value may be of any type."""
    numbers = offered is ParameterType.INTEGER and wanted is ParameterType.DOUBLE
    status = {str(offered), str(wanted)} == {str(SystemParameter.TASK_FINAL_STATUS), str(ParameterType.STRUCT)}
    # The SDK calls the items of a list text where the list does not say what is in it.
    item = offered is ParameterType.STRING and source.component_input_parameter.endswith("-loop-item")
    if wanted is None or source.parameter_expression_selector or numbers or status or item or offered is wanted:
        return
    yield Problem(where=where, what=f"the component takes {wanted}, and {offered} is given")


def _fits(value: object, wanted: ParameterType | SystemParameter) -> bool:
    if isinstance(value, str) and "{{" in value:
        return True
    match wanted:
        case ParameterType.BOOLEAN:
            return isinstance(value, bool)
        case ParameterType.INTEGER:
            return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)
        case ParameterType.DOUBLE:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case ParameterType.STRING:
            return isinstance(value, str)
        case ParameterType.LIST:
            return isinstance(value, list)
        case _:
            return isinstance(value, Mapping)
