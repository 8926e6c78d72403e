"""A recorded algorithm and what was captured of it → a pipeline document."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Final, assert_never

from palmette.compile.containers import Captured, container
from palmette.compile.naming import keys, pipeline_name
from palmette.compile.sizes import too_large
from palmette.domain import wire
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Constant,
    Field,
    Fresh,
    Freshness,
    FromCollected,
    FromFile,
    FromItem,
    FromOneOf,
    FromParameter,
    FromTask,
    Input,
    Output,
    ParameterType,
    Retry,
    Step,
    Task,
    calls,
)
from palmette.domain.values import Json
from palmette.errors import CompileError
from palmette.ir.check import advise, check
from palmette.ir.dialects import Dialect
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


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A pipeline document, and what its author should know."""

    document: PipelineDocument
    #: step → the label of its executor
    labels: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def compile_algorithm(
    algorithm: Algorithm, captured: Captured, *, prefix: str = "", dialect: Dialect | str | None = None
) -> Compiled:
    """Lower the algorithm to IR and check it; CompileError with every problem at once.

    Equal arguments give an equal document; nothing of the machine is in it. `prefix` is put in front of the pipeline's
    name: the project's, on a host where it is not the first. Without a dialect it is the oldest of KFP's if the source
    is put into the pipeline, and Palmette's own if not.
    """
    if dialect is None:
        dialect = Dialect.PALMETTE if captured.archive is None else Dialect.V2_0
    dialect = Dialect(dialect)
    warnings: list[str] = []
    if dialect is not Dialect.PALMETTE and not captured.image:
        warnings.append(
            "no image is set: the steps start in Python's own image and install their packages at each start "
            "(install = true is turned on); set `image` in [tool.palmette]"
        )
        captured = replace(captured, install=True)
    lowering = _Lowering(
        algorithm=algorithm,
        captured=captured,
        dialect=dialect,
        name=pipeline_name(algorithm.name, prefix),
    )
    document = lowering.document()
    problems = [*too_large(captured.archive or b""), *check(document, dialect)]
    if problems:
        raise CompileError(f"{algorithm.name} cannot be compiled", problems=problems)
    return Compiled(
        document=document,
        labels={name: lowering.label(step) for name, step in lowering.steps.items()},
        warnings=(*warnings, *lowering.warnings(), *map(str, advise(document))),
    )


@dataclass(frozen=True, kw_only=True)
class _Lowering:
    """What every construct's lowering looks at."""

    algorithm: Algorithm
    captured: Captured
    dialect: Dialect
    #: of the pipeline
    name: str

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The steps that some task calls, by name."""
        called = dict.fromkeys(task.step for task in calls(self.algorithm.tasks))
        return {name: self.algorithm.step(name) for name in called}

    @cached_property
    def tasks(self) -> dict[str, str]:
        """The key of each task."""
        return keys(task.name for task in calls(self.algorithm.tasks))

    @cached_property
    def components(self) -> dict[str, str]:
        """The key of each step. The SDK takes a component named like the pipeline for the pipeline itself."""
        return keys(self.steps, taken=[self.name])

    @cached_property
    def nullable(self) -> frozenset[str]:
        """Config fields whose value may be absent, which means None."""
        return frozenset(entry.name for entry in self.algorithm.config if entry.optional)

    def document(self) -> PipelineDocument:
        """The pipeline and its platform document."""
        archive = base64.b64encode(self.captured.archive).decode() if self.captured.archive is not None else ""
        steps = self.steps.values()
        return PipelineDocument(
            pipeline=PipelineSpec(
                name=self.name,
                description=self.algorithm.description,
                sdk_version="palmette",
                root=ComponentSpec(
                    input_definitions=Definitions(
                        parameters={entry.name: _parameter(entry, self.dialect) for entry in self.algorithm.config}
                    ),
                    dag=DagSpec(
                        tasks={self.tasks[task.name]: _task(task, self) for task in calls(self.algorithm.tasks)}
                    ),
                ),
                components={f"comp-{self.components[step.name]}": _component(step, self) for step in steps},
                executors={
                    self.label(step): ExecutorSpec(
                        container=container(
                            step,
                            self.captured,
                            archive=archive,
                            fields=_constrained(step, self.algorithm),
                            dialect=self.dialect,
                        )
                    )
                    for step in steps
                },
            ),
            platform=_platform(self),
        )

    def label(self, step: Step) -> str:
        """The label of a step's executor. Several calls share it: with the source in it, each costs its size."""
        return f"exec-{self.components[step.name]}"

    def warnings(self) -> list[str]:
        """What the dialect cannot say."""
        timed = [step.name for step in self.steps.values() if step.timeout is not None]
        if not timed or self.dialect.knows(Dialect.V2_14):
            return []
        return [f"KFP {self.dialect} does not know timeouts: {', '.join(timed)} may run on for ever there"]


# Parameters


def _parameter(entry: Field, dialect: Dialect) -> ParameterSpec:
    """A config field as a pipeline parameter. None as the default is no default in KFP, but an optional input."""
    known = not entry.required and entry.default is not None
    scalar = entry.type not in (ParameterType.LIST, ParameterType.STRUCT)
    return ParameterSpec(
        parameter_type=entry.type,
        default_value=entry.default if known else None,
        has_default=known,
        is_optional=not entry.required,
        description=entry.description,
        literals=entry.choices if scalar and dialect.knows(Dialect.V2_17) else (),
    )


def _component(step: Step, lowering: _Lowering) -> ComponentSpec:
    absent = {
        name
        for task in calls(lowering.algorithm.tasks)
        if task.step == step.name
        for name, source in task.arguments.items()
        if isinstance(source, FromParameter) and source.parameter in lowering.nullable
    }
    return ComponentSpec(
        executor_label=lowering.label(step),
        input_definitions=Definitions(
            parameters={entry.name: _input(entry, absent) for entry in step.inputs if entry.artifact is None},
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


def _input(entry: Input, absent: set[str]) -> ParameterSpec:
    """A step's parameter; also optional where a config field that may be absent is given to it."""
    assert entry.parameter is not None
    known = entry.optional and entry.default is not None
    return ParameterSpec(
        parameter_type=entry.parameter,
        default_value=entry.default if known else None,
        has_default=known,
        is_optional=entry.optional or entry.name in absent,
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
    for task in calls(algorithm.tasks):
        if task.step == step.name:
            for name, source in task.arguments.items():
                found.setdefault(name, set()).add(source.parameter if isinstance(source, FromParameter) else "")
    return {name: fields[field] for name, (field, *rest) in found.items() if not rest and field in fields}


# Tasks


def _task(task: Task, lowering: _Lowering) -> TaskSpec:
    step = lowering.steps[task.step]
    inputs, producers = _inputs(task, lowering)
    return TaskSpec(
        name=task.name,
        component=f"comp-{lowering.components[step.name]}",
        inputs=inputs,
        dependent_tasks=tuple(sorted(lowering.tasks[name] for name in {*producers, *task.after})),
        caching_options=CachingOptions(enable_cache=step.fresh.kind is not Freshness.ALWAYS),
        retry_policy=_retry(step.retry) if step.retry.retries else None,
    )


def _inputs(task: Task, lowering: _Lowering) -> tuple[TaskInputs, set[str]]:
    """Where the task's inputs come from, and the tasks that make them."""
    made = {each.name: lowering.steps[each.step] for each in calls(lowering.algorithm.tasks)}
    parameters: dict[str, ParameterInput] = {}
    artifacts: dict[str, ArtifactInput] = {}
    producers: set[str] = set()
    for name, source in task.arguments.items():
        match source:
            case FromParameter(parameter=parameter):
                parameters[name] = ParameterInput(component_input_parameter=parameter)
            case Constant(value=value):
                # None stands for an absent value.
                if value is not None:
                    parameters[name] = ParameterInput(constant=value, has_constant=True)
            case FromTask(task=producer, output=output):
                producers.add(producer)
                key = lowering.tasks[producer]
                if _is_artifact(made[producer], output):
                    artifacts[name] = ArtifactInput(
                        task_output_artifact=TaskOutputArtifact(producer_task=key, output_artifact_key=output)
                    )
                else:
                    parameters[name] = ParameterInput(
                        task_output_parameter=TaskOutputParameter(producer_task=key, output_parameter_key=output)
                    )
            case FromItem() | FromCollected() | FromOneOf() | FromFile():
                raise CompileError(f"{task.name} cannot be compiled yet", "Do without loops, conditions and files.")
            case _:
                assert_never(source)
    return TaskInputs(parameters=parameters, artifacts=artifacts), producers


def _retry(retry: Retry) -> RetryPolicy:
    return RetryPolicy(
        max_retry_count=retry.retries,
        backoff_duration=retry.backoff,
        backoff_factor=retry.factor,
        backoff_max_duration=retry.longest,
    )


def _is_artifact(step: Step, output: str) -> bool:
    return any(entry.name == output and entry.artifact is not None for entry in step.outputs)


# The platform document


def _platform(lowering: _Lowering) -> PlatformSpec:
    steps = lowering.steps.values()
    kubernetes = {lowering.label(step): _kubernetes(step, lowering.dialect) for step in steps}
    return PlatformSpec(
        kubernetes={label: config for label, config in kubernetes.items() if config != KubernetesConfig()},
        palmette={lowering.label(step): _palmette(step) for step in steps},
        algorithm=_facts(lowering.algorithm),
    )


def _facts(algorithm: Algorithm) -> dict[str, Json]:
    """What follows from the code alone, without the places in the code: a new line above them changes nothing."""
    config = tuple(replace(entry, location="") for entry in algorithm.config)
    facts = wire.dump(replace(algorithm, steps=(), tasks=(), location="", config=config))
    assert isinstance(facts, dict)
    return facts


def _kubernetes(step: Step, dialect: Dialect) -> KubernetesConfig:
    secrets = tuple(
        SecretAsEnv(secret=SECRET, keys=(KeyToVar(key=name, variable=name),)) for name in sorted(step.secrets)
    )
    timed = step.timeout is not None and dialect.knows(Dialect.V2_14)
    deadline = max(1, ceil(step.timeout or 0)) if timed else 0
    return KubernetesConfig(secrets_as_env=secrets, active_deadline_seconds=deadline)


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
