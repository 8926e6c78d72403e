"""A loop directly over a component, as a loop over a pipeline of that one task."""

from __future__ import annotations

from dataclasses import replace

from palmette.domain.graph import ParameterType
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSelector,
    ArtifactSpec,
    ArtifactTypeSchema,
    ComponentSpec,
    DagOutputs,
    DagSpec,
    Definitions,
    ParameterInput,
    ParameterSelector,
    ParameterSpec,
    TaskInputs,
    TaskSpec,
)


def wrapped(key: str, task: TaskSpec, component: ComponentSpec) -> tuple[TaskSpec, ComponentSpec, DagSpec]:
    """The task as the loop, and the pipeline that each item goes through."""
    inputs, outputs = component.input_definitions, component.output_definitions
    parameters = dict.fromkeys((*inputs.parameters, *task.inputs.parameters))
    inner = TaskSpec(
        name=task.name or key,
        component=task.component,
        inputs=TaskInputs(
            parameters={name: ParameterInput(component_input_parameter=name) for name in parameters},
            artifacts={name: ArtifactInput(component_input_artifact=name) for name in inputs.artifacts},
        ),
        retry_policy=task.retry_policy,
        caching_options=task.caching_options,
    )
    made = DagOutputs(
        parameters={
            name: (ParameterSelector(producer_subtask=key, output_parameter_key=name),) for name in outputs.parameters
        },
        artifacts={
            name: (ArtifactSelector(producer_subtask=key, output_artifact_key=name),) for name in outputs.artifacts
        },
    )
    dag = DagSpec(tasks={key: inner}, outputs=made)
    around = replace(component, input_definitions=_with_list(task, inputs), dag=dag, executor_label="")
    return replace(task, retry_policy=None), around, dag


def _with_list(task: TaskSpec, inputs: Definitions) -> Definitions:
    """The inputs, and what the loop runs over, which is none of the component's own."""
    values, artifacts = task.parameter_iterator, task.artifact_iterator
    if values is not None and values.input_parameter:
        listed = ParameterSpec(parameter_type=ParameterType.LIST)
        return replace(inputs, parameters={values.input_parameter: listed, **inputs.parameters})
    if artifacts is not None:
        several = ArtifactSpec(artifact_type=ArtifactTypeSchema(), is_artifact_list=True)
        return replace(inputs, artifacts={artifacts.input_artifact: several, **inputs.artifacts})
    return inputs
