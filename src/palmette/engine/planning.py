"""From a pipeline document to a plan: nested pipelines flattened, references resolved, problems gathered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Final

from palmette.domain.graph import Fresh, Freshness, Retry
from palmette.domain.values import Json
from palmette.engine import refusals
from palmette.engine.parameters import plain, settled
from palmette.engine.plan import Fixed, Plan, PlannedTask, Produced, SecretVariable, Source
from palmette.errors import CompileError, Problem, SpecError
from palmette.ir.spec import (
    ArtifactInput,
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    DagSpec,
    KubernetesConfig,
    PalmetteConfig,
    ParameterInput,
    PipelineDocument,
    RetryPolicy,
    TaskInputs,
    TaskSpec,
)

#: The name of an input or output is the name of a file or directory, and so is…
_PLACE: Final = re.compile(r"[^\x00-\x1f/.][^\x00-\x1f/]{0,99}")
#: …a task's.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


def plan(document: PipelineDocument, given: Mapping[str, Json]) -> Plan:
    """The plan of a pipeline with these parameter values.

    SpecError where the document refers to what it does not define, CompileError for what this version does not
    execute yet (each with all findings, by task), ConfigError for the parameter values.
    """
    root = document.pipeline.root
    flat = _Flat(document)
    for name, artifact in root.input_definitions.artifacts.items():
        if not artifact.is_optional:
            flat.later(f"root.{name}", "an artifact as an input of the pipeline")
    parameters = settled(root.input_definitions.parameters, given)
    if root.dag is None:
        flat.broken("root", "is not a pipeline of tasks")
    else:
        sources: dict[str, Source] = {name: Fixed(value=value) for name, value in parameters.items()}
        flat.add(_Scope(dag=root.dag, component=root, parameters=sources))
    for problem in refusals.of_platform(document.platform):
        flat.unsupported.append(problem)
    flat.raise_problems()
    return Plan(name=document.pipeline.name, tasks=_ordered(flat.tasks), parameters=parameters, notes=tuple(flat.notes))


def _ordered(tasks: Mapping[str, PlannedTask]) -> tuple[PlannedTask, ...]:
    try:
        order = tuple(TopologicalSorter({name: task.needs for name, task in tasks.items()}).static_order())
    except CycleError as error:
        raise SpecError(f"these tasks wait for each other: {' → '.join(error.args[1])}") from error
    return tuple(tasks[name] for name in order)


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """A pipeline within the pipeline, and what its inputs are."""

    dag: DagSpec
    component: ComponentSpec
    prefix: str = ""
    parameters: Mapping[str, Source] = field(default_factory=dict)
    artifacts: Mapping[str, Produced] = field(default_factory=dict)
    #: what the pipeline as a whole waits for
    needs: tuple[str, ...] = ()
    #: names of the components around it
    within: tuple[str, ...] = ()


class _Flat:
    """The tasks so far, and what is wrong."""

    def __init__(self, document: PipelineDocument) -> None:
        self._spec = document.pipeline
        self._platform = document.platform
        self.tasks: dict[str, PlannedTask] = {}
        self.notes: list[Problem] = []
        self.unsupported: list[Problem] = []
        self._broken: list[Problem] = []

    def broken(self, where: str, what: str) -> None:
        """Note a mistake of the document's."""
        self._broken.append(Problem(where=where, what=what))

    def later(self, where: str, what: str) -> None:
        """Note what this version does not execute."""
        self.unsupported.append(refusals.later(where, what))

    def raise_problems(self) -> None:
        """Refuse the document if anything was noted."""
        if self._broken:
            raise SpecError(
                "the pipeline contradicts itself", problems=[*self._broken, *dict.fromkeys(self.unsupported)]
            )
        if self.unsupported:
            raise CompileError(
                "this pipeline uses what the embedded engine does not execute yet",
                "Run it on a Kubeflow cluster, or leave these out.",
                problems=dict.fromkeys(self.unsupported),
            )

    def add(self, scope: _Scope) -> None:
        """Take in every task of the scope, and of the pipelines within it."""
        self.unsupported.extend(refusals.of_outputs(scope.prefix, scope.dag))
        for key, task in scope.dag.tasks.items():
            name = scope.prefix + key
            self.unsupported.extend(refusals.of_task(name, task))
            component = self._spec.components.get(task.component)
            if component is None:
                self.broken(name, f"there is no component {task.component!r}")
            elif component.dag is not None:
                self._add_nested(scope, name, task, component)
            else:
                self._add_leaf(scope, name, task, component)

    def _add_nested(self, scope: _Scope, name: str, task: TaskSpec, component: ComponentSpec) -> None:
        if task.component in scope.within:
            self.broken(name, f"component {task.component!r} contains itself")
            return
        if task.retry_policy is not None and task.retry_policy.max_retry_count:
            self.later(name, "retries of a whole pipeline")
        assert component.dag is not None
        parameters = self._parameters(scope, name, task.inputs)
        for key, spec in component.input_definitions.parameters.items():
            parameters[key] = _with_default(parameters.get(key), spec.default_value)
        self.add(
            _Scope(
                dag=component.dag,
                component=component,
                prefix=f"{name}.",
                parameters=parameters,
                artifacts=self._artifacts(scope, name, task.inputs),
                needs=self._needs(scope, name, task),
                within=(*scope.within, task.component),
            )
        )

    def _add_leaf(self, scope: _Scope, name: str, task: TaskSpec, component: ComponentSpec) -> None:
        executor = self._spec.executors.get(component.executor_label)
        if executor is None:
            self.broken(name, f"there is no executor {component.executor_label!r}")
            return
        if not _NAME.fullmatch(name):
            self.broken(name, "is not a name a task may have (letters, digits, dots, dashes)")
        if name in self.tasks:
            self.broken(name, "there are two tasks of this name")
        for place in refusals.file_names(component):
            if not _PLACE.fullmatch(place):
                self.broken(f"{name}.{place}", "is not a name an input or output may have")
        kubernetes = self._kubernetes(component)
        self.unsupported.extend(refusals.of_component(name, component))
        self.unsupported.extend(refusals.of_executor(name, executor))
        self.unsupported.extend(refusals.of_kubernetes(name, kubernetes))
        self.notes.extend(refusals.without_effect(name, kubernetes))
        if executor.container is not None:
            self.tasks[name] = self._leaf(scope, name, task, component, executor.container)

    def _kubernetes(self, component: ComponentSpec) -> KubernetesConfig:
        return self._platform.kubernetes.get(component.executor_label, KubernetesConfig())

    def _leaf(
        self, scope: _Scope, name: str, task: TaskSpec, component: ComponentSpec, container: ContainerSpec
    ) -> PlannedTask:
        kubernetes = self._kubernetes(component)
        config = self._platform.palmette.get(component.executor_label, PalmetteConfig())
        caching = task.caching_options or CachingOptions()
        return PlannedTask(
            name=name,
            title=task.name or name,
            component=task.component,
            definition=component,
            executor=component.executor_label,
            container=container,
            parameters=self._parameters(scope, name, task.inputs),
            artifacts=self._artifacts(scope, name, task.inputs),
            needs=self._needs(scope, name, task),
            retry=_retry(task.retry_policy),
            timeout=config.timeout if config.timeout is not None else kubernetes.active_deadline_seconds or None,
            cache=caching.enable_cache,
            cache_key=caching.cache_key,
            fresh=self._fresh(name, config),
            config=config,
            secrets=tuple(_secrets(kubernetes)),
        )

    def _fresh(self, name: str, config: PalmetteConfig) -> Fresh | None:
        if config.fresh in ("", "unsaid"):
            return Fresh() if config.fresh or config.step else None
        if config.fresh in ("always", "function"):
            return Fresh(kind=Freshness(config.fresh))
        try:
            return Fresh(kind=Freshness.FOR, seconds=float(config.fresh))
        except ValueError:
            self.broken(name, f"{config.fresh!r} does not say how long its outputs stand")
            return None

    def _parameters(self, scope: _Scope, name: str, inputs: TaskInputs) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        for key, entry in inputs.parameters.items():
            source = self._parameter(scope, f"{name}.{key}", entry)
            if source is not None:
                sources[key] = source
        return sources

    def _parameter(self, scope: _Scope, where: str, entry: ParameterInput) -> Source | None:
        if entry.has_constant:
            return Fixed(value=plain(entry.constant))
        if entry.component_input_parameter:
            if entry.component_input_parameter in scope.parameters:
                return scope.parameters[entry.component_input_parameter]
            if entry.component_input_parameter not in scope.component.input_definitions.parameters:
                self.broken(where, f"there is no input {entry.component_input_parameter!r} around it")
            return None
        if entry.task_output_parameter is not None:
            wanted = entry.task_output_parameter
            return self._output(where, scope, wanted.producer_task, wanted.output_parameter_key, "parameters")
        return None

    def _artifacts(self, scope: _Scope, name: str, inputs: TaskInputs) -> dict[str, Produced]:
        sources: dict[str, Produced] = {}
        for key, entry in inputs.artifacts.items():
            source = self._artifact(scope, f"{name}.{key}", entry)
            if source is not None:
                sources[key] = source
        return sources

    def _artifact(self, scope: _Scope, where: str, entry: ArtifactInput) -> Produced | None:
        if entry.component_input_artifact:
            if entry.component_input_artifact not in scope.component.input_definitions.artifacts:
                self.broken(where, f"there is no input {entry.component_input_artifact!r} around it")
            return scope.artifacts.get(entry.component_input_artifact)
        if entry.task_output_artifact is not None:
            wanted = entry.task_output_artifact
            return self._output(where, scope, wanted.producer_task, wanted.output_artifact_key, "artifacts")
        return None

    def _output(self, where: str, scope: _Scope, producer: str, output: str, kind: str) -> Produced | None:
        """The task that makes an output, looking into nested pipelines."""
        dag: DagSpec | None = scope.dag
        name = scope.prefix
        for _ in range(100):
            task = dag.tasks.get(producer) if dag is not None else None
            component = self._spec.components.get(task.component) if task is not None else None
            if component is None:
                self.broken(where, f"there is no task {name}{producer}")
                return None
            definitions = component.output_definitions
            if output not in (definitions.parameters if kind == "parameters" else definitions.artifacts):
                self.broken(where, f"task {name}{producer} has no output {output!r}")
                return None
            name += producer
            if component.dag is None:
                return Produced(task=name, output=output)
            found = _selected(component.dag, output)
            if found is None:
                self.broken(where, f"nothing makes the output {output!r} of {name}")
                return None
            dag, (producer, output), name = component.dag, found, f"{name}."
        return None

    def _needs(self, scope: _Scope, name: str, task: TaskSpec) -> tuple[str, ...]:
        """Every leaf that must be good before the task begins."""
        producers = [*task.dependent_tasks]
        for parameter in task.inputs.parameters.values():
            if parameter.task_output_parameter is not None:
                producers.append(parameter.task_output_parameter.producer_task)
        for artifact in task.inputs.artifacts.values():
            if artifact.task_output_artifact is not None:
                producers.append(artifact.task_output_artifact.producer_task)
        needs = dict.fromkeys(scope.needs)
        for producer in dict.fromkeys(producers):
            if producer not in scope.dag.tasks:
                self.broken(name, f"it waits for {scope.prefix}{producer}, which does not exist")
                continue
            needs.update(dict.fromkeys(self._leaves(scope.prefix, scope.dag, producer)))
        return tuple(needs)

    def _leaves(self, prefix: str, dag: DagSpec, key: str, depth: int = 0) -> Iterator[str]:
        component = self._spec.components.get(dag.tasks[key].component)
        if component is None or component.dag is None:
            yield prefix + key
        elif depth < 100:
            for inner in component.dag.tasks:
                yield from self._leaves(f"{prefix}{key}.", component.dag, inner, depth + 1)


def _selected(dag: DagSpec, output: str) -> tuple[str, str] | None:
    """The inner task and output behind an output of a nested pipeline."""
    for parameter in dag.outputs.parameters.get(output, ()):
        return parameter.producer_subtask, parameter.output_parameter_key
    for artifact in dag.outputs.artifacts.get(output, ()):
        return artifact.producer_subtask, artifact.output_artifact_key
    return None


def _with_default(source: Source | None, default: Json) -> Source:
    """The source, falling back to a default where it yields nothing."""
    if source is None or (isinstance(source, Fixed) and source.value is None):
        return Fixed(value=plain(default))
    if isinstance(source, Produced) and source.default is None:
        return Produced(task=source.task, output=source.output, default=plain(default))
    return source


def _retry(policy: RetryPolicy | None) -> Retry:
    if policy is None:
        return Retry()
    return Retry(
        retries=policy.max_retry_count,
        backoff=policy.backoff_duration,
        factor=policy.backoff_factor,
        longest=policy.backoff_max_duration,
    )


def _secrets(kubernetes: KubernetesConfig) -> Iterator[SecretVariable]:
    for secret in kubernetes.secrets_as_env:
        holder = secret.secret or str(secret.secret_parameter and secret.secret_parameter.constant)
        for entry in secret.keys:
            name = entry.key if holder == "palmette" else f"{holder}/{entry.key}"
            yield SecretVariable(name=name, variable=entry.variable, optional=secret.optional)
