"""From a pipeline document to a plan: groups opened up, references resolved, problems gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from palmette.domain.values import Json
from palmette.engine import podspecs, refusals
from palmette.engine.executions import described, misnamed
from palmette.engine.expansion import wrapped
from palmette.engine.parameters import plain, settled
from palmette.engine.passthroughs import asked, configuration, left
from palmette.engine.plan import Group, Plan, PlannedTask
from palmette.engine.podspecs import references
from palmette.engine.retries import retry, within
from palmette.engine.sources import Artifacts, Fixed, Held, Produced, Source, with_default
from palmette.engine.wiring import Scope, Wiring, producers, visible
from palmette.errors import CompileError, Problem, SpecError
from palmette.ir.spec import (
    ArtifactIterator,
    ComponentSpec,
    DagSpec,
    ExecutorSpec,
    KubernetesConfig,
    PipelineDocument,
    TaskInputs,
    TaskSpec,
    TriggerPolicy,
    TriggerStrategy,
)

#: So many tasks, loops and nested pipelines may there be in one run, …
MOST: Final = 100_000
#: … so many before its loops come to their items, …
_MOST_AT_FIRST: Final = 10_000
#: … and so many within each other.
_DEEPEST: Final = 50


def plan(document: PipelineDocument, given: Mapping[str, Json], *, images: bool = False) -> Plan:
    """The plan of a pipeline with these parameter values; `images`: whether tasks will run in their images.

    SpecError where the document refers to what it does not define, CompileError for what this version does not
    execute yet (each with all findings, by task), ConfigError for the parameter values.
    """
    root = document.pipeline.root
    drawing = Drawing(document, images=images)
    drawing.unsupported.extend(refusals.of_root(root))
    parameters = settled(root.input_definitions.parameters, given)
    if root.dag is None:
        drawing.broken("root", "is not a pipeline of tasks")
    else:
        sources: dict[str, Source] = {name: Fixed(value=value) for name, value in parameters.items()}
        drawing.add(Scope(dag=root.dag, component=root, parameters=sources))
    drawing.notes.extend(refusals.of_platform(document.platform))
    drawing.raise_problems()
    return Plan(
        name=document.pipeline.name,
        planned=tuple(drawing.planned.values()),
        patterns=tuple(drawing.patterns),
        parameters=parameters,
        notes=tuple(dict.fromkeys(drawing.notes)),
        deadline=refusals.deadline(document.platform),
        document=document,
    )


def iterations(
    document: PipelineDocument, loop: Group, items: Sequence[Source | Artifacts], room: int = MOST
) -> tuple[PlannedTask | Group, ...]:
    """The groups and tasks that a loop comes to, one group for each item, each before its members; CompileError if they
    are more than there is room for."""
    drawing = Drawing(document, room)
    for index, item in enumerate(items):
        drawing.add_iteration(loop, index, item)
    return tuple(drawing.planned.values())


class Drawing:
    """The tasks and groups so far, and what is wrong."""

    def __init__(self, document: PipelineDocument, room: int | None = None, *, images: bool = False) -> None:
        self._room, self._images = room, images
        self._spec = document.pipeline
        self._platform = document.platform
        self._wiring = Wiring(document.pipeline, self.broken)
        self.planned: dict[str, PlannedTask | Group] = {}
        self.patterns: list[PlannedTask] = []
        self.notes: list[Problem] = []
        self.unsupported: list[Problem] = []
        self._broken: list[Problem] = []
        #: the order of the tasks of a pipeline, found once for all iterations
        self._orders: dict[int, tuple[str, ...]] = {}

    def broken(self, where: str, what: str) -> None:
        """Note a mistake of the document's."""
        self._broken.append(Problem(where=where, what=what))

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

    def add(self, scope: Scope) -> None:
        """Take in every task of the scope, and of the pipelines within it."""
        for key in self._order(scope):
            task, name = scope.dag.tasks[key], scope.named(key)
            component = self._spec.components.get(task.component)
            looped = task.parameter_iterator is not None or task.artifact_iterator is not None
            if component is None:
                self.broken(name, f"there is no component {task.component!r}")
            elif name in self.planned:
                self.broken(name, "there are two tasks of this name")
            elif component.dag is not None:
                self._add_group(scope, name, task, component, component.dag)
            elif looped:
                self._add_group(scope, name, *wrapped(key, task, component))
            else:
                self._add_task(scope, name, task, component)

    def _order(self, scope: Scope) -> tuple[str, ...]:
        known = self._orders.get(id(scope.dag))
        if known is None:
            tasks = scope.dag.tasks
            needs = {key: [need for need in producers(task) if need in tasks] for key, task in tasks.items()}
            try:
                known = tuple(TopologicalSorter(needs).static_order())
            except CycleError as error:
                raise SpecError(f"these tasks wait for each other: {' → '.join(error.args[1])}") from error
            self._orders[id(scope.dag)] = known
        return known

    def _add_group(self, scope: Scope, name: str, task: TaskSpec, component: ComponentSpec, dag: DagSpec) -> None:
        if task.component in scope.within:
            self.broken(name, f"component {task.component!r} contains itself")
            return
        if len(scope.within) >= _DEEPEST:
            self.broken(name, f"it is within more than {_DEEPEST} pipelines and loops")
            return
        iterator = task.parameter_iterator or task.artifact_iterator
        common = self._common(scope, name, task, component)
        for key, spec in component.input_definitions.parameters.items():
            if iterator is None or key != iterator.item_input:
                common["parameters"][key] = with_default(common["parameters"].get(key), plain(spec.default_value))
        for key, source in visible(scope).items():
            if key not in component.input_definitions.parameters:
                common["parameters"].setdefault(key, source)
        group = Group(
            **common,
            dag=dag,
            iterator=iterator,
            limit=task.parallelism_limit if iterator is not None else 0,
            suffix=scope.suffix,
            within=(*scope.within, task.component),
            again=within(scope.again, retry(task.retry_policy)),
        )
        self._take_in(group)
        if iterator is None:
            self.add(_body(group))
        elif self._room is None:
            self._try_out(group)

    def _take_in(self, planned: PlannedTask | Group) -> None:
        self.planned[planned.name] = planned
        room, most = (_MOST_AT_FIRST, _MOST_AT_FIRST) if self._room is None else (self._room, MOST)
        if len(self.planned) + len(self.patterns) > room:
            raise CompileError(
                f"this run comes to more than {most:,} tasks, loops and nested pipelines",
                "Split the pipeline, or let a task go through several items.",
            )

    def _try_out(self, loop: Group) -> None:
        """Look at the body of a loop as it would be for a first item, so that what is wrong is known at once."""
        over = isinstance(loop.iterator, ArtifactIterator)
        item: Source | Artifacts = Produced(task=loop.name, output="") if over else Fixed(value=None)
        known, self.planned = self.planned, {}
        self.add_iteration(loop, 0, item)
        self.patterns.extend(each for each in self.planned.values() if isinstance(each, PlannedTask))
        self.planned = known

    def add_iteration(self, loop: Group, index: int, item: Source | Artifacts) -> None:
        """Take in one iteration of a loop."""
        assert loop.iterator is not None
        parameters, artifacts = dict(loop.parameters), dict(loop.artifacts)
        if isinstance(loop.iterator, ArtifactIterator):
            assert isinstance(item, (Produced, Held))
            artifacts[loop.iterator.item_input] = item
        else:
            assert not isinstance(item, Held)
            parameters[loop.iterator.item_input] = item
        group = replace(
            loop,
            name=f"{loop.name}.{index}",
            title=f"{loop.title}[{index}]",
            parent=loop.name,
            parameters=parameters,
            artifacts=artifacts,
            needs=(),
            inherited=loop.waits,
            regardless=False,
            condition="",
            iterator=None,
            limit=0,
            suffix=f"{loop.suffix}[{index}]",
        )
        self._take_in(group)
        self.add(_body(group))

    def _add_task(self, scope: Scope, name: str, task: TaskSpec, component: ComponentSpec) -> None:
        executor = self._spec.executors.get(component.executor_label)
        if executor is None:
            self.broken(name, f"there is no executor {component.executor_label!r}")
            return
        self._broken.extend(misnamed(name, component))
        kubernetes = self._platform.kubernetes.get(component.executor_label, KubernetesConfig())
        self.unsupported.extend(refusals.of_executor(name, executor, images=self._images))
        self.unsupported.extend(podspecs.problems(name, kubernetes, images=self._images))
        self.notes.extend(podspecs.notes(name, kubernetes, images=self._images))
        self.notes.extend(refusals.ignored(name, executor, images=self._images))
        if executor.container is not None or executor.importer is not None:
            self._execute(scope, name, task, component, executor)

    def _execute(
        self, scope: Scope, name: str, task: TaskSpec, component: ComponentSpec, executor: ExecutorSpec
    ) -> None:
        try:
            execution = described(self._platform, task, component.executor_label, executor)
        except ValueError as error:
            self.broken(name, f"it does not say how long its outputs stand: {error}")
            return
        common = self._common(scope, name, task, component)
        lent = TaskInputs(parameters=references(execution["kubernetes"]))
        execution["names"] = self._wiring.parameters(scope, name, lent)
        container = execution["container"]
        if key := asked(component):
            kubernetes = self._platform.kubernetes.get(component.executor_label, KubernetesConfig())
            told = configuration(component, container, kubernetes)
            common["parameters"][key] = self._wiring.template(scope, name, task.inputs, told)
        execution |= {"container": left(component, container), "retry": within(scope.again, execution["retry"])}
        self._take_in(PlannedTask(**common, **execution))

    def _common(self, scope: Scope, name: str, task: TaskSpec, component: ComponentSpec) -> dict[str, Any]:
        """What a `Planned` says, by the names of its fields."""
        policy = task.trigger_policy or TriggerPolicy()
        return {
            "name": name,
            "title": f"{task.name or name}{scope.suffix}",
            "component": task.component,
            "definition": component,
            "parent": scope.parent,
            "parameters": self._wiring.parameters(scope, name, task.inputs),
            "artifacts": self._wiring.artifacts(scope, name, task.inputs),
            "needs": tuple(self._wiring.needs(scope, name, task)),
            "inherited": scope.inherited,
            "regardless": policy.strategy is TriggerStrategy.ALL_UPSTREAM_TASKS_COMPLETED,
            "condition": policy.condition,
        }


def _body(group: Group) -> Scope:
    return Scope(
        dag=group.dag,
        component=group.definition,
        parent=group.name,
        parameters=group.parameters,
        artifacts=group.artifacts,
        suffix=group.suffix,
        within=group.within,
        inherited=group.waits,
        again=group.again,
    )
