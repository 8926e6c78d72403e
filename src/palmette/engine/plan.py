"""A plan: the tasks of a pipeline and the groups that they are in, and all they need to be executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from palmette.domain.graph import Fresh, Retry
from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.engine.placeholders import WORKSPACE, mentioned
from palmette.engine.progress import Node
from palmette.engine.sources import Artifacts, Fixed, Produced, Source, names_workspace
from palmette.errors import Problem
from palmette.ir.spec import (
    ArtifactIterator,
    ComponentSpec,
    ContainerSpec,
    DagSpec,
    ImporterSpec,
    KubernetesConfig,
    PalmetteConfig,
    ParameterIterator,
    PipelineDocument,
)

__all__ = ["Fixed", "Group", "Iterator", "Plan", "PlannedTask", "Produced", "SecretVariable", "Source", "records"]

Iterator: TypeAlias = ParameterIterator | ArtifactIterator


@dataclass(frozen=True, kw_only=True)
class SecretVariable:
    """A secret that is handed over as an environment variable."""

    #: as `ports.Secrets` knows it: the key, after the secret's name and "/" for one that is not Palmette's own
    name: str
    variable: str
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What tasks and groups have in common."""

    #: its key in the IR; within groups "outer.inner", within a loop "for-loop-1.0.fit"
    name: str
    #: the display name; within a loop with the numbers of the items, "fit[0]"
    title: str
    #: the component's key in the IR
    component: str
    definition: ComponentSpec
    #: the group it is in; empty for none
    parent: str = ""
    parameters: Mapping[str, Source] = field(default_factory=dict)
    artifacts: Mapping[str, Artifacts] = field(default_factory=dict)
    #: tasks and groups beside it that must be over before it begins
    needs: tuple[str, ...] = ()
    #: what the groups around it wait for
    inherited: tuple[str, ...] = ()
    #: it begins even if what it needs did not succeed
    regardless: bool = False
    #: CEL over its own inputs; empty for none
    condition: str = ""

    @property
    def waits(self) -> tuple[str, ...]:
        """Everything that it waits for, with what the groups around it do."""
        return tuple(dict.fromkeys((*self.needs, *self.inherited)))

    @property
    def lenient(self) -> bool:
        """Whether it is for its members to say which of its inputs they cannot do without."""
        return False


@dataclass(frozen=True, kw_only=True)
class PlannedTask(Planned):
    """One container to be executed once, or one artifact to be imported."""

    executor: str
    container: ContainerSpec = ContainerSpec(image="")
    #: what to import; None for a container
    importer: ImporterSpec | None = None
    retry: Retry = Retry()
    #: seconds; None for no limit
    timeout: float | None = None
    #: whether earlier outputs may be used again at all, and the author's own key for that
    cache: bool = False
    cache_key: str = ""
    #: None where the component's author knows nothing of freshness
    fresh: Fresh | None = None
    config: PalmetteConfig = PalmetteConfig()
    secrets: tuple[SecretVariable, ...] = ()
    #: what its pod is lent and told, and where the names of that come from, as `podspecs.references` has them
    kubernetes: KubernetesConfig = KubernetesConfig()
    names: Mapping[str, Source] = field(default_factory=dict)

    @cached_property
    def shares(self) -> bool:
        """Whether it is told of the directory that the tasks of a run share."""
        if self.importer is not None:
            return self.importer.download_to_workspace
        container = self.container
        texts: Json = [container.image, *container.command, *container.args, *container.env.values()]
        words = (match["word"] for match in mentioned(texts))
        return WORKSPACE in words or any(names_workspace(source) for source in self.parameters.values())

    @property
    def captured(self) -> bool:
        """Whether it is a step of Palmette's own, whose closure is known."""
        return "PALMETTE_CLOSURE" in self.container.env

    @property
    def step(self) -> str:
        """ "module:qualname" of a captured step."""
        if self.config.step:
            return self.config.step
        args = self.container.args
        return args[args.index("--step") + 1] if "--step" in args[:-1] else ""

    def node(self) -> Node:
        """What the machine needs to know of it."""
        return Node(
            name=self.name,
            title=self.title,
            needs=self.needs,
            retry=self.retry,
            parent=self.parent,
            regardless=self.regardless,
        )

    def record(self) -> TaskRecord:
        """The task as a run has it before it begins."""
        return TaskRecord(name=self.name, executor=self.executor, component=self.title, needs=self.waits)


@dataclass(frozen=True, kw_only=True)
class Group(Planned):
    """A pipeline within the pipeline: a nested one, a branch, the body of an exit handler, a loop, one iteration."""

    dag: DagSpec
    #: of a loop: what it runs over
    iterator: Iterator | None = None
    #: of a loop: at most so many iterations at once; 0 for any number
    limit: int = 0
    #: the numbers of the items of the loops around it, as titles show them: "[2][0]"
    suffix: str = ""
    #: components around it
    within: tuple[str, ...] = ()
    #: how often the failed tasks in it are tried again, beyond what they ask for themselves
    again: Retry = Retry()

    @property
    def lenient(self) -> bool:
        """Always: the item of a loop, for one, is an input that only iterations have."""
        return True

    def node(self) -> Node:
        """What the machine needs to know of it."""
        return Node(
            name=self.name,
            title=self.title,
            needs=self.needs,
            parent=self.parent,
            regardless=self.regardless,
            group=True,
            asks=bool(self.condition) or self.iterator is not None,
            limit=self.limit,
        )

    def record(self) -> TaskRecord:
        """The group as a run has it before it begins."""
        return TaskRecord(name=self.name, component=self.title, needs=self.waits)


def records(planned: tuple[PlannedTask | Group, ...]) -> tuple[TaskRecord, ...]:
    """These as a run has them before they begin."""
    return tuple(each.record() for each in planned)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pipeline and its parameters, ready to be driven."""

    name: str
    #: tasks and groups that are known before the run begins; each group before its members, and in an order in which
    #: each comes after what it needs
    planned: tuple[PlannedTask | Group, ...]
    #: tasks in the bodies of loops, as they would be for a first item
    patterns: tuple[PlannedTask, ...] = ()
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: what the document asks for and this engine does without
    notes: tuple[Problem, ...] = ()
    #: seconds that a run of it may take; None for no limit
    deadline: float | None = None
    #: what was planned, for the loops whose items become known only while the run is driven
    document: PipelineDocument

    @cached_property
    def tasks(self) -> tuple[PlannedTask, ...]:
        """The tasks that are known before the run begins."""
        return tuple(each for each in self.planned if isinstance(each, PlannedTask))

    @cached_property
    def every_task(self) -> tuple[PlannedTask, ...]:
        """The tasks that there are, and those that loops will make, each once."""
        return (*self.tasks, *self.patterns)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of all secrets that its tasks are handed, those of loops included."""
        return frozenset(secret.name for task in self.every_task for secret in task.secrets)

    @cached_property
    def _by_name(self) -> dict[str, PlannedTask]:
        return {task.name: task for task in self.tasks}

    def __getitem__(self, name: str) -> PlannedTask:
        return self._by_name[name]

    def nodes(self) -> tuple[Node, ...]:
        """What the machine needs to know."""
        return tuple(each.node() for each in self.planned)

    def records(self) -> tuple[TaskRecord, ...]:
        """The tasks and groups as a run has them before it begins."""
        return records(self.planned)
