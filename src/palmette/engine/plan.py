"""A plan: every task of a pipeline, flat, with the sources of its inputs and all it needs to be executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from palmette.domain.graph import Fresh, Retry
from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.engine.progress import Node
from palmette.errors import Problem
from palmette.ir.spec import ComponentSpec, ContainerSpec, PalmetteConfig


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """An input whose value is known before the run begins: a constant, or a parameter of the pipeline."""

    value: Json


@dataclass(frozen=True, kw_only=True)
class Produced:
    """An input that another task makes."""

    task: str
    output: str
    #: of a parameter: what stands in where the producer made none
    default: Json = None


Source: TypeAlias = Fixed | Produced


@dataclass(frozen=True, kw_only=True)
class SecretVariable:
    """A secret that is handed over as an environment variable."""

    #: as `ports.Secrets` knows it: the key, after the secret's name and "/" for one that is not Palmette's own
    name: str
    variable: str
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class PlannedTask:
    """One container to be executed once."""

    #: its key in the IR; within nested pipelines "outer.inner"
    name: str
    #: the display name
    title: str
    #: the component's key in the IR
    component: str
    definition: ComponentSpec
    executor: str
    container: ContainerSpec
    parameters: Mapping[str, Source] = field(default_factory=dict)
    artifacts: Mapping[str, Produced] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pipeline and its parameters, ready to be driven."""

    name: str
    #: in an order in which each comes after what it needs
    tasks: tuple[PlannedTask, ...]
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: what the document asks for and this engine does without
    notes: tuple[Problem, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, PlannedTask]:
        return {task.name: task for task in self.tasks}

    def __getitem__(self, name: str) -> PlannedTask:
        return self._by_name[name]

    def nodes(self) -> tuple[Node, ...]:
        """What the machine needs to know."""
        return tuple(Node(name=task.name, title=task.title, needs=task.needs, retry=task.retry) for task in self.tasks)

    def records(self) -> tuple[TaskRecord, ...]:
        """The tasks as a run has them before it begins."""
        return tuple(
            TaskRecord(name=task.name, executor=task.executor, component=task.title, needs=task.needs)
            for task in self.tasks
        )
