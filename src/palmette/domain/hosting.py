"""What a host of pipelines keeps besides runs, in the words of Kubeflow Pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from palmette.domain.values import Json

#: Whose runs a server drives that nobody else drives: `Run.queue`.
SERVED: Final = "server"
#: Whose runs nobody drives here, because another host executes them: what is known of them is brought here.
MIRRORED: Final = "mirror"
#: The experiment of runs that name none.
DEFAULT_EXPERIMENT: Final = "Default"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What runs are filed under."""

    id: str
    name: str
    description: str = ""
    #: the project it belongs to; empty for one that was made through KFP's API
    project: str = ""
    created: float = 0.0
    #: when its newest run was created; None before the first
    last_run: float | None = None
    #: when it was archived; None unless it is
    archived: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline, of which there are versions."""

    id: str
    name: str
    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    project: str = ""
    created: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a pipeline."""

    id: str
    #: the pipeline's id
    pipeline: str
    name: str
    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    #: blob digest of its document, platform document included
    spec: str = ""
    code_source_url: str = ""
    #: where it was fetched from; empty for one that was uploaded
    package_url: str = ""
    created: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cron:
    """At the times that an expression names."""

    #: KFP's form: seconds first; five fields, descriptors ("@daily", "@every 1h30m") and "?" are taken too
    expression: str
    #: seconds since the epoch; None for no bound
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """Every so many seconds."""

    interval: int
    start: float | None = None
    end: float | None = None


Trigger: TypeAlias = Cron | Periodic


class Catchup(StrEnum):
    """What becomes of ticks that were missed."""

    EACH = "each"
    LATEST = "latest"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A recurring run."""

    id: str
    name: str
    description: str = ""
    experiment: str = ""
    #: a pipeline's id, and a version's; no version: the newest at each tick. Both empty: its own document
    pipeline: str = ""
    version: str = ""
    #: blob digest of its own document
    spec: str = ""
    #: macros ([[ScheduledTime]] …) are expanded at each tick
    parameters: Mapping[str, Json] = field(default_factory=dict)
    root: str = ""
    service_account: str = ""
    trigger: Trigger = Periodic(interval=86400)
    #: so many of its runs at once, 1 to 10
    max_concurrency: int = 1
    catchup: Catchup = Catchup.EACH
    enabled: bool = True
    project: str = ""
    created: float = 0.0
    updated: float = 0.0
    #: the next tick; None after the last one
    next: float | None = None
    #: the last tick that a run was made for, and how many there were
    last: float | None = None
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of a recurring run: who made it, why, and what it changed."""

    author: str = ""
    why: str = ""
    #: by field of `Schedule`, those that changed
    before: Mapping[str, Json] = field(default_factory=dict)
    after: Mapping[str, Json] = field(default_factory=dict)
    created: float = 0.0


class Role(StrEnum):
    """What a token allows; each allows what those before it do."""

    READ = "read"
    RUN = "run"
    ADMIN = "admin"

    def allows(self, other: Role) -> bool:
        """Whether who has this role may do what that one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Leaving(StrEnum):
    """Whether a driver is to leave its run, unfinished, to another one."""

    NOT = "not"
    #: once the tasks that run are over; none is begun any more
    SOON = "soon"
    #: at once; what runs is ended, and begins again under the next driver
    NOW = "now"
