"""A ledger without a store: what a run's changes come to, kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from palmette.domain.metric import MetricPoint
from palmette.domain.run import (
    AttemptEnded,
    AttemptStarted,
    Change,
    PointsLogged,
    Reused,
    RunChanged,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.domain.states import RunState, TaskState


class MemoryLedger:
    """Satisfies `ports.Ledger` for one run; `earlier` are outputs that may be used again, by fingerprint."""

    def __init__(self, tasks: Iterable[TaskRecord], state: RunState = RunState.PENDING) -> None:
        self.state = state
        self.tasks = {record.name: record for record in tasks}
        self.earlier: dict[str, Reused] = {}
        #: every `record` call, in order
        self.transactions: list[tuple[Change, ...]] = []
        #: a request to cancel, answered by `beat`
        self.cancel = False
        self._points: dict[tuple[str, int], list[MetricPoint]] = {}
        self._positions: dict[tuple[str, int], int] = {}

    def record(self, changes: Sequence[Change]) -> None:
        """Apply all of them."""
        self.transactions.append(tuple(changes))
        for change in changes:
            match change:
                case RunChanged():
                    self.state = change.state
                case PointsLogged():
                    self._log(change)
                case TasksPlanned(tasks=records):
                    self.tasks |= {record.name: record for record in records}
                case _:
                    self.tasks[change.task] = follow(self.tasks[change.task], change)

    def reusable(self, fingerprint: str) -> Reused | None:
        """What an earlier task with this fingerprint made."""
        return self.earlier.get(fingerprint)

    def beat(self) -> bool:
        """Whether the run is to be cancelled."""
        return self.cancel

    def points(self, task: str) -> list[MetricPoint]:
        """All that attempts of this task logged."""
        return [point for (name, _), points in sorted(self._points.items()) if name == task for point in points]

    def _log(self, change: PointsLogged) -> None:
        key = (change.task, change.serial)
        if change.position > self._positions.get(key, -1):
            self._positions[key] = change.position
            self._points.setdefault(key, []).extend(change.points)


def follow(record: TaskRecord, change: TaskChanged | AttemptStarted | AttemptEnded) -> TaskRecord:
    """The record after the change."""
    if isinstance(change, TaskChanged):
        reused = change.reused
        return replace(
            record,
            state=change.state,
            message=change.message,
            fingerprint=record.fingerprint if change.fingerprint is None else change.fingerprint,
            parts=change.parts or record.parts,
            outputs=change.outputs or record.outputs,
            cached_from=f"{reused.run}/{reused.task}" if reused else record.cached_from,
            cached_made=reused.made if reused else record.cached_made,
            started=change.time if change.state is TaskState.RUNNING and record.started is None else record.started,
            ended=change.time if change.state.final else None,
        )
    others = tuple(attempt for attempt in record.attempts if attempt.serial != change.attempt.serial)
    return replace(record, attempts=(*others, change.attempt))
