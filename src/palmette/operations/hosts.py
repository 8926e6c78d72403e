"""What a host of pipelines can be asked, in Kubeflow Pipelines' nouns: this home, a Palmette server, a Kubeflow.

`placed.PlacedHost` is the home or a Palmette server, `kubeflow.KubeflowHost` any host through the official client. Both
pass one suite of contracts. Names are those on the host: `scopes.Names` says how a project's are spelled there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from palmette.domain.hosting import Catchup, Edit, Experiment, Pipeline, Schedule, Trigger, Version
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.ir.dialects import Dialect


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run that a host is to begin."""

    name: str
    #: ends with a footer
    description: str = ""
    #: identifiers
    experiment: str = ""
    pipeline: str = ""
    version: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    root: str = ""
    service_account: str = ""


@dataclass(frozen=True, kw_only=True)
class HostedRun:
    """A run as a host knows it."""

    id: str
    name: str = ""
    description: str = ""
    state: RunState = RunState.PENDING
    experiment: str = ""
    pipeline: str = ""
    version: str = ""
    schedule: str = ""
    created: float = 0.0
    ended: float | None = None
    message: str = ""
    archived: bool = False
    parameters: Mapping[str, Json] = field(default_factory=dict)


class Pipelines(Protocol):
    """Pipelines and their versions."""

    def listed(self) -> Iterator[Pipeline]: ...

    def named(self, name: str) -> Pipeline | None: ...

    def create(self, name: str, *, description: str) -> Pipeline:
        """Make a pipeline without a version; the one that is there, if there is one of that name. AlreadyThere if that
        is not the project's that the description's footer names."""
        ...

    def versions(self, pipeline: str) -> Iterator[Version]:
        """The newest first."""
        ...

    def version(self, pipeline: str, name: str) -> Version | None:
        """The version of that name."""
        ...

    def add(self, pipeline: str, name: str, document: bytes, *, description: str) -> Version:
        """Upload a version. AlreadyThere where the pipeline has one of that name."""
        ...

    def document(self, version: Version) -> bytes:
        """A version's document as JSON or YAML, platform document included."""
        ...

    def remove(self, pipeline: str, version: str = "") -> None:
        """Delete a version, else the pipeline with all of them."""
        ...


class Experiments(Protocol):
    """What runs are filed under."""

    def listed(self) -> Iterator[Experiment]: ...

    def named(self, name: str) -> Experiment | None: ...

    def create(self, name: str, *, description: str) -> Experiment:
        """Make an experiment; the one that is there, if there is one of that name. AlreadyThere if that is not the
        project's that the description's footer names."""
        ...

    def describe(self, id: str, description: str) -> bool:
        """Give it another description; False where the host cannot."""
        ...

    def rename(self, id: str, name: str) -> bool:
        """Give it another name; False where the host cannot. AlreadyThere where another one has it."""
        ...

    def archive(self, id: str) -> None: ...

    def unarchive(self, id: str) -> None: ...


class Runs(Protocol):
    """One-off runs."""

    def begin(self, order: Order) -> HostedRun: ...

    def get(self, id: str) -> HostedRun:
        """NotFound if there is none."""
        ...

    def listed(self, experiment: str = "") -> Iterator[HostedRun]:
        """The newest first."""
        ...

    def cancel(self, id: str) -> None: ...


class Schedules(Protocol):
    """Recurring runs. `Schedule.pipeline` and `.version` are identifiers; no version: the newest at each tick."""

    def listed(self) -> Iterator[Schedule]: ...

    def create(self, wanted: Schedule) -> Schedule: ...

    def replace(self, before: Schedule, after: Schedule, *, author: str = "", why: str = "") -> Schedule:
        """Give it other values. What it was is kept as history; where the host cannot edit in place it is made anew,
        and never gone in between. Conflict if it changed since `before` was read."""
        ...

    def history(self, schedule: Schedule) -> tuple[Edit, ...]:
        """How it was edited, the newest first."""
        ...

    def ticks(self, schedule: Schedule, count: int) -> tuple[float, ...]:
        """When it is due next, seconds since the epoch; while it is paused, when it would be."""
        ...

    def switch(self, id: str, *, enabled: bool) -> None: ...

    def fire(self, schedule: Schedule) -> HostedRun:
        """Begin a run of it now, besides its ticks."""
        ...

    def remove(self, id: str) -> None: ...


class PipelineHost(Protocol):
    """A host of pipelines."""

    @property
    def called(self) -> str:
        """How it is called in sentences: "this machine", "https://…"."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What it takes; Dialect.PALMETTE for a home or a Palmette server."""
        ...

    @property
    def pages(self) -> str:
        """The address of its pages, for links; empty where it has none."""
        ...

    @property
    def pipelines(self) -> Pipelines: ...

    @property
    def experiments(self) -> Experiments: ...

    @property
    def runs(self) -> Runs: ...

    @property
    def schedules(self) -> Schedules: ...

    def claim(self, project: str) -> str:
        """What precedes the names of a project's objects there: nothing for the first project, "name: " for each
        further one, for ever."""
        ...

    def prefix(self, project: str) -> str:
        """What `claim` would give; nothing is settled. Nothing for no project."""
        ...


__all__ = [
    "Catchup",
    "Edit",
    "Experiments",
    "HostedRun",
    "Order",
    "PipelineHost",
    "Pipelines",
    "Runs",
    "Schedules",
    "Trigger",
]
