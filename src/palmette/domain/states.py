"""The states of runs, tasks and attempts, and the moves between them that are legal."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """The state of a run, in KFP's words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELING = "CANCELING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return not RUN_MOVES[self]


class TaskState(StrEnum):
    """The state of a task. CACHED is a success whose outputs were made by an earlier task."""

    PENDING = "PENDING"
    #: everything it needs is there; it waits for a slot, or for the time of its retry
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CACHED = "CACHED"
    FAILED = "FAILED"
    #: its condition did not hold, or something it needs did not succeed
    SKIPPED = "SKIPPED"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return not TASK_MOVES[self]

    @property
    def good(self) -> bool:
        """Whether its outputs stand."""
        return self in (TaskState.SUCCEEDED, TaskState.CACHED)


class AttemptState(StrEnum):
    """The state of one try at a task. LOST: the machine or the driver died, which is not the task's fault."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    LOST = "LOST"


RUN_MOVES: Final[Mapping[RunState, frozenset[RunState]]] = {
    RunState.PENDING: frozenset({RunState.RUNNING, RunState.CANCELING, RunState.CANCELED, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.CANCELING, RunState.SUCCEEDED, RunState.FAILED}),
    RunState.CANCELING: frozenset({RunState.CANCELED, RunState.FAILED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELED: frozenset(),
}

TASK_MOVES: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    TaskState.PENDING: frozenset(
        # SUCCEEDED and RUNNING: what executes no process of its own, an importer and a group of tasks.
        {
            TaskState.QUEUED,
            TaskState.RUNNING,
            TaskState.CACHED,
            TaskState.SUCCEEDED,
            TaskState.SKIPPED,
            TaskState.CANCELED,
            TaskState.FAILED,
        }
    ),
    TaskState.QUEUED: frozenset({TaskState.RUNNING, TaskState.CANCELED, TaskState.FAILED}),
    # Back to QUEUED: a retry, or an attempt that was lost.
    TaskState.RUNNING: frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELED, TaskState.QUEUED}),
    TaskState.SUCCEEDED: frozenset(),
    TaskState.CACHED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.SKIPPED: frozenset(),
    TaskState.CANCELED: frozenset(),
}


def became(state: RunState | TaskState) -> str:
    """What became of something in this state, as one says it after "it": "failed", "was canceled"."""
    word = state.value.lower()
    return word if state.value in ("SUCCEEDED", "FAILED") else f"was {word}"
