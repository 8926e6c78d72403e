"""What is wrong with a pipeline document, all of it at once, before anything is started."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from palmette.errors import Problem
from palmette.ir import codec
from palmette.ir.dialects import Dialect, unknown_fields
from palmette.ir.kinds import write_message
from palmette.ir.messages import CONTAINER_SPEC
from palmette.ir.placeholders import Names, wrong_placeholders
from palmette.ir.quantities import is_quantity
from palmette.ir.spec import (
    ComponentSpec,
    ContainerSpec,
    DagOutputs,
    ExecutorSpec,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    ResourceSpec,
)
from palmette.ir.wiring import component_places, wrong_wiring

#: KFP finds a DNS-like part in the name, or refuses the pipeline
_DNS: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NAME_LENGTH: Final = 128
#: bytes of one argument that Linux takes
_ARGUMENT: Final = 131_071
#: bytes of a container's JSON, which older clusters hand on as one argument
_CONTAINER: Final = 128 * 1024
_CONTAINER_SOON: Final = 110 * 1024
#: bytes of a whole document; a Kubernetes object holds 1 MiB after it has been wrapped
_DOCUMENT: Final = 700 * 1024
_ROOTS: Final = ("gs://", "s3://", "minio://", "oci://")


def check(document: PipelineDocument, dialect: Dialect | str = Dialect.PALMETTE) -> list[Problem]:
    """Everything that keeps the document from being executed by backends of the dialect."""
    dialect = Dialect(dialect)
    return [
        *_head(document.pipeline),
        *unknown_fields(*codec.to_plain(document), dialect),
        *_components(document.pipeline),
        *wrong_wiring(document.pipeline),
        *_texts(document.pipeline, dialect),
        *_executors(document.pipeline),
        *_arguments(document.pipeline),
        *_platform(document.pipeline, document.platform),
        *(
            ()
            if dialect is Dialect.PALMETTE
            else (*_sizes(document), *_refused(document.pipeline), *_newer(document.pipeline, dialect))
        ),
    ]


def advise(document: PipelineDocument) -> list[Problem]:
    """What is not wrong yet."""
    return [
        Problem(
            where=f"deploymentSpec.executors.{label}.container",
            what=f"the container takes {_kib(size)}, and {_kib(_CONTAINER)} are the most that older clusters take",
        )
        for label, size in _container_sizes(document.pipeline)
        if _CONTAINER_SOON < size <= _CONTAINER
    ]


def _head(pipeline: PipelineSpec) -> Iterator[Problem]:
    if pipeline.schema_version != "2.1.0":
        yield Problem(
            where="schemaVersion",
            what=f"{pipeline.schema_version or 'nothing'} is stated, and 2.1.0 is read",
            hint="Compile the pipeline with the KFP SDK 2.0 or newer.",
        )
    if not pipeline.name:
        yield Problem(where="pipelineInfo.name", what="the pipeline has no name")
    elif not _DNS.search(pipeline.name) or len(pipeline.name) > _NAME_LENGTH:
        yield Problem(
            where="pipelineInfo.name",
            what=f"{pipeline.name[:_NAME_LENGTH]!r} is no name that KFP takes",
            hint=f"Use lower-case letters, digits and hyphens, at most {_NAME_LENGTH} of them.",
        )
    if pipeline.root.dag is None and not pipeline.root.executor_label:
        yield Problem(where="root", what="there is no pipeline: root has no dag")
    elif pipeline.root.dag is not None and not pipeline.root.dag.tasks:
        yield Problem(where="root.dag.tasks", what="the pipeline has no task")


def _components(pipeline: PipelineSpec) -> Iterator[Problem]:
    for where, component in component_places(pipeline):
        label = component.executor_label
        if component.dag is not None and label:
            yield Problem(where=where, what="a component has either a dag or an executor, not both")
        elif component.dag is None and not label and where != "root":
            yield Problem(where=where, what="the component has neither a dag nor an executor")
        if label and label not in pipeline.executors:
            yield Problem(where=f"{where}.executorLabel", what=f"there is no executor {label}")
        for names, kind in ((component.input_definitions, "input"), (component.output_definitions, "output")):
            for name in sorted(names.parameters.keys() & names.artifacts.keys()):
                yield Problem(where=where, what=f"the {kind} {name} is both a parameter and an artifact")


def _texts(pipeline: PipelineSpec, dialect: Dialect) -> Iterator[Problem]:
    """The placeholders in constants and containers."""
    given: dict[str, set[str]] = {}
    for where, component in component_places(pipeline):
        for name, task in component.dag.tasks.items() if component.dag else ():
            target = pipeline.components.get(task.component, ComponentSpec())
            given.setdefault(task.component, set()).update(task.inputs.parameters)
            names = Names.of(target, task.inputs.parameters)
            for key, entry in task.inputs.parameters.items():
                if isinstance(entry.constant, str):
                    place = f"{where}.dag.tasks.{name}.inputs.parameters.{key}"
                    yield from wrong_placeholders(entry.constant, names, place, dialect)
    for name, component in pipeline.components.items():
        container = pipeline.executors.get(component.executor_label, ExecutorSpec()).container
        if container is not None:
            names = Names.of(component, given.get(name, ()))
            place = f"deploymentSpec.executors.{component.executor_label}.container"
            for part, text in _container_texts(container):
                yield from wrong_placeholders(text, names, f"{place}.{part}", dialect)


def _container_texts(container: ContainerSpec) -> Iterator[tuple[str, str]]:
    yield "image", container.image
    yield from ((f"command[{index}]", text) for index, text in enumerate(container.command))
    yield from ((f"args[{index}]", text) for index, text in enumerate(container.args))
    yield from ((f"env.{name}", text) for name, text in container.env.items())
    resources = container.resources or ResourceSpec()
    yield from ((f"resources.{name}", text) for name, text in _amounts(resources) if text)


def _amounts(resources: ResourceSpec) -> tuple[tuple[str, str], ...]:
    return (
        ("resourceCpuLimit", resources.cpu_limit),
        ("resourceCpuRequest", resources.cpu_request),
        ("resourceMemoryLimit", resources.memory_limit),
        ("resourceMemoryRequest", resources.memory_request),
        ("accelerator.resourceCount", resources.accelerator_count),
    )


def _executors(pipeline: PipelineSpec) -> Iterator[Problem]:
    for label, executor in pipeline.executors.items():
        where = f"deploymentSpec.executors.{label}"
        container = executor.container
        if container is not None and not container.image:
            yield Problem(where=f"{where}.container.image", what="the container has no image")
        for name, text in _amounts(container.resources) if container and container.resources else ():
            if text and "{{" not in text and not is_quantity(text):
                yield Problem(
                    where=f"{where}.container.resources.{name}",
                    what=f'{text!r} is not an amount such as "2", "500m" or "4Gi"',
                )
        importer = executor.importer
        if importer is not None and not (importer.artifact_uri or importer.artifact_uri_parameter):
            if importer.extra.get("artifactUri"):
                continue  # an old spelling
            yield Problem(where=f"{where}.importer.artifactUri", what="the importer does not say what it imports")


def _container_sizes(pipeline: PipelineSpec) -> Iterator[tuple[str, int]]:
    for label, executor in pipeline.executors.items():
        if executor.container is not None:
            plain = write_message(CONTAINER_SPEC, executor.container)
            yield label, len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())


def _kib(size: int) -> str:
    return f"{size / 1024:.0f} KiB"


def _arguments(pipeline: PipelineSpec) -> Iterator[Problem]:
    for label, executor in pipeline.executors.items():
        container = executor.container or ContainerSpec(image="")
        for kind, texts in (("command", container.command), ("args", container.args)):
            for index, text in enumerate(texts):
                if len(text.encode()) > _ARGUMENT:
                    yield Problem(
                        where=f"deploymentSpec.executors.{label}.container.{kind}[{index}]",
                        what=f"the argument takes {_kib(len(text.encode()))}, and Linux takes less than 128 KiB",
                    )


def _sizes(document: PipelineDocument) -> Iterator[Problem]:
    for label, size in _container_sizes(document.pipeline):
        if size > _CONTAINER:
            yield Problem(
                where=f"deploymentSpec.executors.{label}.container",
                what=f"the container takes {_kib(size)}, and {_kib(_CONTAINER)} are the most that a cluster takes",
            )
    whole = len(codec.to_json(document).encode())
    if whole > _DOCUMENT:
        yield Problem(
            where="", what=f"the document takes {_kib(whole)}, and {_kib(_DOCUMENT)} are the most that a cluster takes"
        )


def _platform(pipeline: PipelineSpec, platform: PlatformSpec) -> Iterator[Problem]:
    for name, labels in (("kubernetes", platform.kubernetes), ("palmette", platform.palmette)):
        for label in labels:
            if label not in pipeline.executors:
                yield Problem(
                    where=f"platforms.{name}.deploymentSpec.executors.{label}", what=f"there is no executor {label}"
                )


def _refused(pipeline: PipelineSpec) -> Iterator[Problem]:
    """What the SDK compiles and no stock cluster executes."""
    root = pipeline.default_pipeline_root
    if "://" in root and not root.startswith(_ROOTS):
        yield Problem(where="defaultPipelineRoot", what=f"a cluster reads only {', '.join(_ROOTS)}, not {root}")
    for label, executor in pipeline.executors.items():
        for kind in sorted(executor.extra.keys() & {"resolver", "customJob"}):
            yield Problem(where=f"deploymentSpec.executors.{label}.{kind}", what="no KFP cluster executes this")
    for where, component in component_places(pipeline):
        yield from _refused_component(pipeline, where, component)


def _newer(pipeline: PipelineSpec, dialect: Dialect) -> Iterator[Problem]:
    """What the schema had from the first, and no SDK of that version could write."""
    if dialect.knows(Dialect.V2_5):
        return
    hint = f"Compile for KFP {Dialect.V2_5} or newer (--dialect {Dialect.V2_5})."
    for where, component in component_places(pipeline):
        outputs = component.dag.outputs if component.dag else DagOutputs()
        for name, several in {**outputs.parameters, **outputs.artifacts}.items():
            if len(several) > 1:
                what = f"KFP {dialect} cannot choose the output of the branch that was executed"
                yield Problem(where=f"{where}.dag.outputs.{name}", what=what, hint=hint)


def _refused_component(pipeline: PipelineSpec, where: str, component: ComponentSpec) -> Iterator[Problem]:
    for key, artifact in component.output_definitions.artifacts.items():
        if artifact.is_artifact_list and component.executor_label:
            yield Problem(
                where=f"{where}.outputDefinitions.artifacts.{key}", what="no KFP cluster takes a list of artifacts here"
            )
    for definitions, side in ((component.input_definitions, "input"), (component.output_definitions, "output")):
        for key, artifact in definitions.artifacts.items():
            if artifact.artifact_type.schema_uri:
                yield Problem(
                    where=f"{where}.{side}Definitions.artifacts.{key}", what="no KFP cluster reads a schemaUri"
                )
    for name, task in component.dag.tasks.items() if component.dag else ():
        place = f"{where}.dag.tasks.{name}"
        if task.artifact_iterator is not None:
            yield Problem(where=f"{place}.artifactIterator", what="no KFP cluster loops over artifacts yet")
        target = pipeline.components.get(task.component, ComponentSpec())
        importer = pipeline.executors.get(target.executor_label, ExecutorSpec()).importer
        if importer is not None and task.trigger_policy is not None and task.trigger_policy.condition:
            yield Problem(where=f"{place}.triggerPolicy", what="no KFP cluster takes a condition on an importer")
