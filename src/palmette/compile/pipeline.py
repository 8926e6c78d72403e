"""A recorded algorithm and what was captured of it → a pipeline document."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final, assert_never

from palmette.compile.containers import Captured, container
from palmette.domain import wire
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Constant,
    Field,
    Fresh,
    Freshness,
    FromParameter,
    FromTask,
    Input,
    Output,
    Step,
    Task,
)
from palmette.errors import CompileError
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSpec,
    ArtifactTypeSchema,
    CachingOptions,
    ComponentSpec,
    DagSpec,
    Definitions,
    ExecutorSpec,
    KeyToVar,
    KubernetesConfig,
    PalmetteConfig,
    ParameterInput,
    ParameterSpec,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    RetryPolicy,
    SecretAsEnv,
    TaskInputs,
    TaskOutputArtifact,
    TaskOutputParameter,
    TaskSpec,
)

#: the Kubernetes secret that holds a project's secrets by name
SECRET: Final = "palmette"
#: of KFP's artifact types; what it writes beside each
_VERSION: Final = "0.0.1"
#: what KFP allows for a pipeline's name
_LONGEST: Final = 128


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A pipeline document, and what its author should know."""

    document: PipelineDocument
    warnings: tuple[str, ...] = ()


def compile_algorithm(algorithm: Algorithm, captured: Captured, *, project_name: str = "") -> Compiled:
    """Lower the algorithm to IR. Equal arguments give an equal document; nothing of the machine is in it."""
    warnings: list[str] = []
    if captured.archive is not None and not captured.image:
        warnings.append(
            "no image is set: the steps start in Python's own image and install their packages at each start; "
            "set `image` in [tool.palmette]"
        )
        captured = replace(captured, install=True)
    steps = {step.name: step for step in algorithm.steps}
    used = [steps[name] for name in dict.fromkeys(task.step for task in algorithm.tasks)]
    keys = _keys([task.name for task in algorithm.tasks])
    components = _keys([step.name for step in used])
    archive = base64.b64encode(captured.archive).decode() if captured.archive is not None else ""
    document = PipelineDocument(
        pipeline=PipelineSpec(
            name=pipeline_name(algorithm.name),
            description=algorithm.description,
            sdk_version="palmette",
            root=ComponentSpec(
                input_definitions=Definitions(parameters={entry.name: _parameter(entry) for entry in algorithm.config}),
                dag=DagSpec(
                    tasks={keys[task.name]: _task(task, steps, keys, components, algorithm) for task in algorithm.tasks}
                ),
            ),
            components={f"comp-{components[step.name]}": _component(step, components[step.name]) for step in used},
            executors={
                f"exec-{components[step.name]}": ExecutorSpec(
                    container=container(step, captured, archive, _constrained(step, algorithm))
                )
                for step in used
            },
        ),
        platform=_platform(algorithm, used, components),
    )
    return Compiled(document=document, warnings=tuple(warnings))


def pipeline_name(name: str) -> str:
    """A name that KFP accepts: lower case letters, digits and hyphens."""
    text = _key(name)
    if not text or len(text) > _LONGEST:
        raise CompileError(
            f"{name!r} cannot be the name of a pipeline", f"Use letters and digits, at most {_LONGEST} of them."
        )
    return text


def executor_label(step: str) -> str:
    """The executor of a step whose name needs no number."""
    return f"exec-{_key(step)}"


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _keys(names: list[str]) -> dict[str, str]:
    """A key that KFP accepts for each name, no two the same."""
    keys: dict[str, str] = {}
    for name in names:
        key = base = _key(name) or "step"
        number = 2
        while key in keys.values():
            key, number = f"{base}-{number}", number + 1
        keys[name] = key
    return keys


# Parameters


def _parameter(entry: Field) -> ParameterSpec:
    """A config field as a pipeline parameter. None as the default is no default in KFP, but an optional input."""
    known = not entry.required and entry.default is not None
    return ParameterSpec(
        parameter_type=entry.type,
        default_value=entry.default if known else None,
        has_default=known,
        is_optional=not entry.required,
        description=entry.description,
    )


def _component(step: Step, key: str) -> ComponentSpec:
    return ComponentSpec(
        executor_label=f"exec-{key}",
        input_definitions=Definitions(
            parameters={entry.name: _input(entry) for entry in step.inputs if entry.artifact is None},
            artifacts={entry.name: _artifact_input(entry) for entry in step.inputs if entry.artifact is not None},
        ),
        output_definitions=Definitions(
            parameters={
                entry.name: ParameterSpec(parameter_type=entry.parameter)
                for entry in step.outputs
                if entry.parameter is not None
            },
            artifacts={entry.name: _artifact(entry) for entry in step.outputs if entry.artifact is not None},
        ),
    )


def _input(entry: Input) -> ParameterSpec:
    assert entry.parameter is not None
    known = entry.optional and entry.default is not None
    return ParameterSpec(
        parameter_type=entry.parameter,
        default_value=entry.default if known else None,
        has_default=known,
        is_optional=entry.optional,
    )


def _artifact_input(entry: Input) -> ArtifactSpec:
    assert entry.artifact is not None
    return ArtifactSpec(artifact_type=_schema(entry.artifact), is_optional=entry.optional)


def _artifact(entry: Output) -> ArtifactSpec:
    assert entry.artifact is not None
    return ArtifactSpec(artifact_type=_schema(entry.artifact))


def _schema(kind: ArtifactType) -> ArtifactTypeSchema:
    return ArtifactTypeSchema(schema_title=kind.value, schema_version=_VERSION)


def _constrained(step: Step, algorithm: Algorithm) -> dict[str, Field]:
    """The inputs that are given the same config field by every task of the step, where the field has a range or
    choices."""
    fields = {
        entry.name: entry for entry in algorithm.config if entry.choices or (entry.low, entry.high) != (None, None)
    }
    found: dict[str, set[str]] = {}
    for task in algorithm.tasks:
        if task.step == step.name:
            for name, source in task.arguments.items():
                found.setdefault(name, set()).add(source.parameter if isinstance(source, FromParameter) else "")
    return {name: fields[field] for name, (field, *rest) in found.items() if not rest and field in fields}


# Tasks


def _task(
    task: Task,
    steps: Mapping[str, Step],
    keys: Mapping[str, str],
    components: Mapping[str, str],
    algorithm: Algorithm,
) -> TaskSpec:
    step = steps[task.step]
    made = {each.name: steps[each.step] for each in algorithm.tasks}
    parameters: dict[str, ParameterInput] = {}
    artifacts: dict[str, ArtifactInput] = {}
    needs = set(task.after)
    for name, source in task.arguments.items():
        match source:
            case FromParameter(parameter=parameter):
                parameters[name] = ParameterInput(component_input_parameter=parameter)
            case Constant(value=value):
                # None stands for an absent value.
                if value is not None:
                    parameters[name] = ParameterInput(constant=value, has_constant=True)
            case FromTask(task=producer, output=output):
                needs.add(producer)
                key = keys[producer]
                if _is_artifact(made[producer], output):
                    artifacts[name] = ArtifactInput(
                        task_output_artifact=TaskOutputArtifact(producer_task=key, output_artifact_key=output)
                    )
                else:
                    parameters[name] = ParameterInput(
                        task_output_parameter=TaskOutputParameter(producer_task=key, output_parameter_key=output)
                    )
            case _:
                assert_never(source)
    retry = step.retry
    return TaskSpec(
        name=task.name,
        component=f"comp-{components[step.name]}",
        inputs=TaskInputs(parameters=parameters, artifacts=artifacts),
        dependent_tasks=tuple(sorted(keys[name] for name in needs)),
        caching_options=CachingOptions(enable_cache=step.fresh.kind is not Freshness.ALWAYS),
        retry_policy=RetryPolicy(
            max_retry_count=retry.retries,
            backoff_duration=retry.backoff,
            backoff_factor=retry.factor,
            backoff_max_duration=retry.longest,
        )
        if retry.retries
        else None,
    )


def _is_artifact(step: Step, output: str) -> bool:
    return any(entry.name == output and entry.artifact is not None for entry in step.outputs)


# The platform document


def _platform(algorithm: Algorithm, steps: list[Step], components: Mapping[str, str]) -> PlatformSpec:
    facts: Any = wire.dump(replace(algorithm, steps=(), tasks=()))
    return PlatformSpec(
        kubernetes={
            f"exec-{components[step.name]}": kubernetes
            for step in steps
            if (kubernetes := _kubernetes(step)) != KubernetesConfig()
        },
        palmette={f"exec-{components[step.name]}": _palmette(step) for step in steps},
        algorithm=facts,
    )


def _kubernetes(step: Step) -> KubernetesConfig:
    secrets = tuple(
        SecretAsEnv(secret=SECRET, keys=(KeyToVar(key=name, variable=name),)) for name in sorted(step.secrets)
    )
    return KubernetesConfig(
        secrets_as_env=secrets, active_deadline_seconds=0 if step.timeout is None else max(1, ceil(step.timeout))
    )


def _palmette(step: Step) -> PalmetteConfig:
    return PalmetteConfig(
        fresh=_fresh(step.fresh),
        step=step.target,
        sensitive=tuple(entry.name for entry in step.outputs if entry.sensitive),
        env=tuple(sorted(step.env)),
        imports=step.imports,
        timeout=step.timeout,
        formats={entry.name: entry.format for entry in step.outputs if entry.format},
    )


def _fresh(fresh: Fresh) -> str:
    return f"{fresh.seconds:g}" if fresh.kind is Freshness.FOR else fresh.kind.value
