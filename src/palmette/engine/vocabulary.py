"""What the machine is told (events), and what it answers (a decision: changes and commands)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.run import Attempt, Change, Process, Reused, TaskRecord
from palmette.domain.states import RunState
from palmette.engine.progress import Node, Progress


@dataclass(frozen=True, kw_only=True)
class Begin:
    """The driver starts, or goes on after another one: nothing that was running runs any more."""

    time: float


@dataclass(frozen=True, kw_only=True)
class Hit:
    """The look-up found outputs that may be used again."""

    task: str
    time: float
    reused: Reused
    fingerprint: str
    parts: Parts | None = None


@dataclass(frozen=True, kw_only=True)
class Missed:
    """The look-up found nothing: the task must be executed."""

    task: str
    time: float
    fingerprint: str
    parts: Parts | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The task cannot be executed: with the inputs it was given, or on this machine."""

    task: str
    time: float
    message: str


@dataclass(frozen=True, kw_only=True)
class Entered:
    """The group opens. A loop's items are known by now: these are the tasks and groups that they come to."""

    task: str
    time: float
    nodes: tuple[Node, ...] = ()
    records: tuple[TaskRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bypassed:
    """The task or group is left out, and nothing is wrong with that: its condition does not hold."""

    task: str
    time: float
    message: str


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What the task refers to was found; there is nothing to execute."""

    task: str
    time: float
    outputs: Outputs
    fingerprint: str
    parts: Parts | None = None


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A slot is held for the task."""

    task: str
    time: float
    #: of the attempt to come, below the home; "{serial}" stands for its serial
    directory: str = ""


@dataclass(frozen=True, kw_only=True)
class Began:
    """The process of an attempt exists."""

    task: str
    serial: int
    process: Process | None
    how: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The attempt left all it had to."""

    outputs: Outputs


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The attempt failed."""

    message: str
    #: another attempt would fail in the same way
    hopeless: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An attempt is over, and nothing of it runs any more."""

    task: str
    serial: int
    time: float
    outcome: Succeeded | Failed
    exit_code: int | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptLost:
    """The machinery below an attempt died."""

    task: str
    serial: int
    time: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Due:
    """The time of a `WaitUntil` has come."""

    task: str
    time: float


@dataclass(frozen=True, kw_only=True)
class CancelAsked:
    """Someone wants the run to stop."""

    time: float


@dataclass(frozen=True, kw_only=True)
class Expired:
    """The run has taken as long as it may."""

    time: float
    message: str


#: What the look-up of a task, or of a group, may come to.
Answer: TypeAlias = Hit | Missed | Refused | Entered | Bypassed | Imported

Event: TypeAlias = Begin | Answer | Claimed | Began | Ended | AttemptLost | Due | CancelAsked | Expired


@dataclass(frozen=True, kw_only=True)
class LookUp:
    """All inputs are known: see whether the task was done before, or whether the group opens. Answer: an `Answer`."""

    task: str


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Get a slot for the task. Answer: `Claimed`, or `Refused` if there can be none."""

    task: str


@dataclass(frozen=True, kw_only=True)
class Start:
    """Start this attempt. Answer: `Began`, then `Ended`; or `AttemptLost`."""

    task: str
    attempt: Attempt


@dataclass(frozen=True, kw_only=True)
class End:
    """Stop the processes of this attempt. Answer: `Ended`."""

    task: str
    serial: int


@dataclass(frozen=True, kw_only=True)
class WaitUntil:
    """Say `Due` at this time."""

    task: str
    time: float


@dataclass(frozen=True, kw_only=True)
class Finish:
    """The run is over."""

    state: RunState


Command: TypeAlias = LookUp | Queue | Start | End | WaitUntil | Finish


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What follows from an event. The changes belong into one transaction."""

    progress: Progress
    changes: tuple[Change, ...] = ()
    commands: tuple[Command, ...] = ()
