"""One step of a recorded run as a pipeline of its own: given what the store has, whoever made that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from palmette.domain.artifact import Artifact
from palmette.domain.graph import ParameterType
from palmette.domain.values import Json
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSelector,
    ArtifactSpec,
    ArtifactTypeSchema,
    ComponentSpec,
    DagOutputs,
    DagSpec,
    Definitions,
    ExecutorSpec,
    ImporterSpec,
    ParameterInput,
    ParameterIterator,
    ParameterSpec,
    PipelineDocument,
    TaskInputs,
    TaskOutputArtifact,
    TaskSpec,
)
from palmette.operations import uploads

#: the only output of what brings an artifact
_OUTPUT = "artifact"
_VERSION = "0.0.1"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a step is given."""

    parameters: Mapping[str, Json]
    #: input → what lies there; several only where it takes a list
    artifacts: Mapping[str, tuple[Artifact, ...]]


def component_of(document: PipelineDocument, label: str) -> str:
    """The key of the component that an executor belongs to; KeyError where there is none."""
    for key, component in document.pipeline.components.items():
        if component.executor_label == label:
            return key
    raise KeyError(label)


def excerpt(document: PipelineDocument, label: str, given: Given, *, name: str, task: str) -> PipelineDocument:
    """The step of that executor alone, as the only task of a pipeline; what it is given is imported from the store."""
    spec, platform, key = document.pipeline, document.platform, component_of(document, label)
    component = spec.components[key]
    brought = {slot: _brought(slot, artifacts, component) for slot, artifacts in given.artifacts.items()}
    declared = component.input_definitions.parameters
    parameters = {slot: declared[slot] for slot in given.parameters if slot in declared}
    step = replace(
        task_of(document, key),
        inputs=TaskInputs(
            parameters={slot: ParameterInput(component_input_parameter=slot) for slot in parameters},
            artifacts={slot: ArtifactInput(task_output_artifact=each.output) for slot, each in brought.items()},
        ),
        dependent_tasks=tuple(each.key for each in brought.values()),
        trigger_policy=None,
        parameter_iterator=None,
        artifact_iterator=None,
        parallelism_limit=0,
    )
    inputs = Definitions(parameters={slot: _plain(one) for slot, one in parameters.items()})
    tasks = {each.key: each.task for each in brought.values()} | {task: step}
    pipeline = replace(
        spec,
        name=name,
        description="",
        root=ComponentSpec(input_definitions=inputs, dag=DagSpec(tasks=tasks)),
        components={key: component} | {name: one for each in brought.values() for name, one in each.components.items()},
        executors={label: spec.executors[label]} | {each.label: each.executor for each in brought.values()},
    )
    platform = replace(
        platform,
        kubernetes={name: one for name, one in platform.kubernetes.items() if name == label},
        palmette={name: one for name, one in platform.palmette.items() if name == label},
        algorithm={},
        pipeline_config={},
    )
    return PipelineDocument(pipeline=pipeline, platform=platform)


def _plain(spec: ParameterSpec) -> ParameterSpec:
    """As a parameter of the pipeline, whose value is known to be one of the step's."""
    assert isinstance(spec.parameter_type, ParameterType)
    return ParameterSpec(parameter_type=spec.parameter_type, is_optional=True)


def task_of(document: PipelineDocument, key: str) -> TaskSpec:
    """The first task of that component, wherever it stands; KeyError where there is none."""
    spec = document.pipeline
    for component in (spec.root, *spec.components.values()):
        for task in component.dag.tasks.values() if component.dag else ():
            if task.component == key:
                return task
    raise KeyError(key)


@dataclass(frozen=True, kw_only=True)
class _Brought:
    """The task that brings an input, and all that is defined for it."""

    key: str
    label: str
    task: TaskSpec
    components: Mapping[str, ComponentSpec]
    executor: ExecutorSpec

    @property
    def output(self) -> TaskOutputArtifact:
        """Where the step finds it."""
        return TaskOutputArtifact(producer_task=self.key, output_artifact_key=_OUTPUT)


def _brought(slot: str, artifacts: Sequence[Artifact], component: ComponentSpec) -> _Brought:
    key, label = f"input-{slot}", f"exec-input-{slot}"
    spec = component.input_definitions.artifacts.get(slot)
    many = spec is not None and spec.is_artifact_list
    first = artifacts[0]
    schema = ArtifactTypeSchema(schema_title=first.type, schema_version=_VERSION)
    made = Definitions(artifacts={_OUTPUT: ArtifactSpec(artifact_type=schema)})
    if not many:
        importer = ImporterSpec(artifact_uri=_address(first), type_schema=schema, metadata=first.metadata)
        return _Brought(
            key=key,
            label=label,
            task=TaskSpec(name=slot, component=f"comp-{key}"),
            components={f"comp-{key}": ComponentSpec(executor_label=label, output_definitions=made)},
            executor=ExecutorSpec(importer=importer),
        )
    uri = Definitions(parameters={"uri": ParameterSpec(parameter_type=ParameterType.STRING)})
    each = TaskSpec(
        name=slot,
        component=f"comp-{key}-each",
        inputs=TaskInputs(parameters={"uri": ParameterInput(component_input_parameter="uri")}),
    )
    collected = ArtifactSpec(artifact_type=schema, is_artifact_list=True)
    chosen = ArtifactSelector(producer_subtask="each", output_artifact_key=_OUTPUT)
    loop = ComponentSpec(
        input_definitions=uri,
        output_definitions=Definitions(artifacts={_OUTPUT: collected}),
        dag=DagSpec(tasks={"each": each}, outputs=DagOutputs(artifacts={_OUTPUT: (chosen,)})),
    )
    items = json.dumps([_address(artifact) for artifact in artifacts])
    importer = ImporterSpec(artifact_uri_parameter="uri", type_schema=schema, metadata=_common(artifacts))
    return _Brought(
        key=key,
        label=label,
        task=TaskSpec(
            name=slot, component=f"comp-{key}", parameter_iterator=ParameterIterator(item_input="uri", raw=items)
        ),
        components={
            f"comp-{key}": loop,
            f"comp-{key}-each": ComponentSpec(executor_label=label, input_definitions=uri, output_definitions=made),
        },
        executor=ExecutorSpec(importer=importer),
    )


def _address(artifact: Artifact) -> str:
    """Where an importer finds it."""
    return artifact.uri or uploads.address(artifact.digest, artifact.filename.rstrip("/"))


def _common(artifacts: Sequence[Artifact]) -> dict[str, Json]:
    """What is said of all of them alike."""
    first, *rest = (artifact.metadata for artifact in artifacts)
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in rest)}


def alike(artifacts: Sequence[Artifact]) -> bool:
    """Whether several can be brought as one list: they are read in the same way."""
    return len({tuple(map(str, _reading(each))) for each in artifacts}) <= 1


def _reading(artifact: Artifact) -> Iterator[object]:
    yield artifact.type
    for name in ("format", "reader", "code", "sensitive"):
        yield artifact.metadata.get(name)
