"""A run and everything it carries, and the changes by which it comes about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.graph import MetricSpec
from palmette.domain.hosting import MIRRORED
from palmette.domain.lines import Fork
from palmette.domain.metric import MetricPoint
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.domain.values import Json


class Source(StrEnum):
    """Where a config value came from."""

    DEFAULT = "default"
    PRESET = "preset"
    FILE = "file"
    OVERRIDE = "override"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One config value of a run, with its provenance."""

    name: str
    value: Json
    source: Source = Source.DEFAULT
    #: the preset's name or the file's path; empty otherwise
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Git:
    """The state of the repository when a run was started."""

    #: empty for a detached head
    branch: str = ""
    #: full SHA; empty before the first commit
    commit: str = ""
    author: str = ""
    #: the commit's subject line
    message: str = ""
    #: seconds since the epoch
    committed: float = 0.0
    dirty: bool = False
    #: blob digest of the uncommitted changes ("sha256:…"); empty where there are none
    diff: str = ""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One distribution of an environment."""

    name: str
    version: str
    #: the lock file's hashes, "sha256:…"; empty where the pin was read from what is installed
    hashes: tuple[str, ...] = ()
    #: where it comes from, if that is no index: "git+https://…@COMMIT", the URL of a file
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the steps were executed with."""

    #: over pins, Python's minor version, implementation and platform; not over the lock file's other entries
    digest: str = ""
    #: "3.11.7"
    python: str = ""
    implementation: str = "cpython"
    #: "linux-x86_64-glibc"
    platform: str = ""
    executable: str = ""
    pins: tuple[Pin, ...] = ()
    #: "uv.lock", relative to the project; empty where the pins were read from what is installed
    lock: str = ""
    #: SHA-256 of the lock file
    lock_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Host:
    """The machine a run is driven on."""

    name: str
    #: changes whenever the machine starts
    boot: str
    cpus: int = 1
    #: bytes
    memory: int = 0
    gpus: int = 0
    system: str = ""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process, unmistakably: a number alone is used again."""

    pid: int
    #: clock ticks since boot at which it started (field 22 of /proc/PID/stat)
    start: int
    boot: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to drive a run. Every result is committed under an epoch; a later epoch ends the earlier one."""

    run: str
    epoch: int
    host: str
    process: Process


@dataclass(frozen=True, kw_only=True)
class Reused:
    """The earlier task whose outputs stand in for a task's own."""

    run: str
    task: str
    #: when they were made, seconds since the epoch
    made: float
    outputs: Outputs
    #: all that its newest attempt logged, in order
    points: tuple[MetricPoint, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a task."""

    #: 1 for the first; attempts that were lost are counted here too
    serial: int
    #: which of the allowed tries this is, from 1; an attempt after a lost one has the same number
    number: int
    state: AttemptState
    #: "fork" of the template or fresh "process"
    how: str
    #: why it was started that way
    why: str = ""
    process: Process | None = None
    #: when the task became ready for this attempt, when it started, when it ended; seconds since the epoch
    queued: float = 0.0
    started: float = 0.0
    ended: float | None = None
    cpu_seconds: float | None = None
    #: bytes, of the largest single process
    peak_memory: int | None = None
    #: as a shell reports it: 137 for SIGKILL
    exit_code: int | None = None
    message: str = ""
    #: below the home
    directory: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """A task of a run; or a group of tasks: a nested pipeline, a branch, a loop, one iteration of it."""

    name: str
    state: TaskState = TaskState.PENDING
    #: the executor label of the IR (empty for a group, which executes nothing itself), and the display name: of a step
    #: in a loop with the numbers of the items, "fit[2]"
    executor: str = ""
    component: str = ""
    #: names of the tasks it waits for
    needs: tuple[str, ...] = ()
    fingerprint: str = ""
    parts: Parts | None = None
    outputs: Outputs = Outputs()
    #: "RUN/TASK" whose outputs these are, and when those were made
    cached_from: str = ""
    cached_made: float | None = None
    started: float | None = None
    ended: float | None = None
    message: str = ""
    attempts: tuple[Attempt, ...] = ()

    @property
    def group(self) -> bool:
        """Whether it only holds other tasks."""
        return not self.executor


def upstream(needs: Iterable[str], known: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The tasks that somebody with these needs waited for, and those that they did; of a group all that is in it.
    `known` has the needs of every task that is no group, by name."""
    seen: set[str] = set()
    waiting = [*needs]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            inner = (other for other in known if other.startswith(f"{name}."))
            waiting += known.get(name, inner)
    return frozenset(seen & known.keys())


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of a pipeline, as the store knows it."""

    id: str
    project: str
    algorithm: str
    state: RunState = RunState.PENDING
    #: display name
    name: str = ""
    description: str = ""
    preset: str = "full"
    settings: tuple[Setting, ...] = ()
    metrics: tuple[MetricSpec, ...] = ()
    git: Git = Git()
    #: digest of the bundle its steps are executed from
    bundle: str = ""
    environment: Environment = Environment()
    #: those that steps name, by their names
    environments: Mapping[str, Environment] = field(default_factory=dict)
    host: Host | None = None
    #: blob digest of the IR that is executed, platform document included
    spec: str = ""
    #: name of the pipeline version, where there is one
    version: str = ""
    #: how it came about: "cli", "api", "ci", "schedule", "comparison" (executed for a comparison, and listed nowhere)
    trigger: str = "cli"
    #: the run's parameters beyond the config, and tokens of `fresh` functions by executor label
    tokens: Mapping[str, str] = field(default_factory=dict)
    #: whether undeclared freshness may be reused, and whether it is fetched again
    refresh: bool = False
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    message: str = ""
    #: who drives it, if anyone does
    lease: Lease | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    #: the sweep it is a point of; empty for none
    sweep: str = ""
    #: the run it was made from: by `rerun`, `reproduce`; empty for none
    origin: str = ""
    #: the ticket of its branch: "IA-1742"; empty for none
    ticket: str = ""
    #: where its commit stands to the branch that it is compared with
    fork: Fork = Fork()
    #: identifiers of what it is filed under and was made from; empty for none
    experiment: str = ""
    pipeline: str = ""
    pipeline_version: str = ""
    schedule: str = ""
    #: the tick of the schedule that it stands for
    scheduled: float | None = None
    #: when it was archived; None unless it is
    archived: float | None = None
    #: who drives it: empty for whoever accepted it, `hosting.SERVED` for any server of the store, `hosting.MIRRORED`
    #: for another host
    queue: str = ""
    #: who asked for it: the name of a token; empty where nobody had to say
    owner: str = ""
    #: where a cluster would put its artifacts, and in whose name it would run
    root: str = ""
    service_account: str = ""
    #: what whoever reads of it should know, a sentence each: what of its pipeline has no effect on this machine
    notices: tuple[str, ...] = ()
    #: the states that it was in and when it entered them, in order, of one that went on after its end; empty for others
    states: tuple[tuple[RunState, float], ...] = ()

    @property
    def imported(self) -> bool:
        """Whether it was executed elsewhere: then no more is known of it than a table of results said."""
        return self.trigger == "import"

    @property
    def mirrored(self) -> bool:
        """Whether another host executes it: its data, its logs and most of what it made are there."""
        return self.queue == MIRRORED

    @property
    def config(self) -> dict[str, Json]:
        """The parameter values by name."""
        return {setting.name: setting.value for setting in self.settings}


# The changes. A driver writes them in one transaction each time, before it acts on them.


@dataclass(frozen=True, kw_only=True)
class RunChanged:
    """The run took a state."""

    state: RunState
    time: float
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskChanged:
    """A task took a state; what is None stays as it was."""

    task: str
    state: TaskState
    time: float
    message: str = ""
    fingerprint: str | None = None
    parts: Parts | None = None
    outputs: Outputs | None = None
    reused: Reused | None = None


@dataclass(frozen=True, kw_only=True)
class TasksPlanned:
    """These tasks came to be while the run was driven: those of a loop's iterations, once its items were known."""

    tasks: tuple[TaskRecord, ...]


@dataclass(frozen=True, kw_only=True)
class AttemptStarted:
    """An attempt is about to exist (no process yet), or its process is known now."""

    task: str
    attempt: Attempt


@dataclass(frozen=True, kw_only=True)
class AttemptEnded:
    """An attempt is over: `attempt` is what is known of it in the end."""

    task: str
    attempt: Attempt


@dataclass(frozen=True, kw_only=True)
class PointsLogged:
    """A running attempt logged metrics. `position` is the offset in its event file up to which they were read, so
    that a batch written twice counts once."""

    task: str
    serial: int
    points: tuple[MetricPoint, ...]
    position: int


Change: TypeAlias = RunChanged | TasksPlanned | TaskChanged | AttemptStarted | AttemptEnded | PointsLogged
