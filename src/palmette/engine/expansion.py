"""A loop directly over a component, as a loop over a pipeline of that one task."""

from __future__ import annotations

from dataclasses import replace

from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSelector,
    ComponentSpec,
    DagOutputs,
    DagSpec,
    ParameterInput,
    ParameterSelector,
    TaskInputs,
    TaskSpec,
)


def wrapped(key: str, task: TaskSpec, component: ComponentSpec) -> tuple[TaskSpec, ComponentSpec, DagSpec]:
    """The task as the loop, and the pipeline that each item goes through."""
    inputs, outputs = component.input_definitions, component.output_definitions
    parameters = dict.fromkeys((*inputs.parameters, *task.inputs.parameters))
    artifacts = dict.fromkeys((*inputs.artifacts, *task.inputs.artifacts))
    inner = TaskSpec(
        name=task.name or key,
        component=task.component,
        inputs=TaskInputs(
            parameters={name: ParameterInput(component_input_parameter=name) for name in parameters},
            artifacts={name: ArtifactInput(component_input_artifact=name) for name in artifacts},
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
    return replace(task, retry_policy=None), replace(component, dag=dag, executor_label=""), dag
