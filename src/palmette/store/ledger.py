"""Where a driver writes what happened to its run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar, assert_never

from sqlalchemy import Connection, bindparam, func, select, update

from palmette.domain.run import (
    AttemptEnded,
    AttemptStarted,
    Change,
    Lease,
    PointsLogged,
    Reused,
    RunChanged,
    TaskChanged,
    TasksPlanned,
)
from palmette.domain.states import RunState, TaskState
from palmette.errors import NotFound, StoreUnreachable
from palmette.store import artifacts, leases, metrics, tasks, texts
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import runs
from palmette.store.schema import tasks as task_table

T = TypeVar("T")

#: For so many seconds a database that does not answer (it is started again, say) is asked again, so often.
_PATIENCE: Final = 60.0
_PAUSE: Final = 0.25
#: How many of the newest equal tasks are looked at before one is executed anew. Their bytes are gone, or all there.
_CANDIDATES: Final = 8

_REUSABLE: Final = (
    select(task_table.c.run, task_table.c.name, task_table.c.made, task_table.c.cached_from)
    .where(
        task_table.c.project == bindparam("of_project"),
        task_table.c.fingerprint == bindparam("of_fingerprint"),
        task_table.c.made.is_not(None),
    )
    .order_by(task_table.c.made.desc())
    .limit(_CANDIDATES)
)
_STATES: Final = select(runs.c.states).where(runs.c.id == bindparam("run_id"))
_CHANGE: Final = (
    update(runs)
    .where(runs.c.id == bindparam("run_id"))
    .values(
        state=bindparam("new_state"),
        message=bindparam("new_message"),
        started=func.coalesce(runs.c.started, bindparam("new_started", type_=runs.c.started.type)),
        ended=bindparam("new_ended"),
    )
)


class RunLedger:
    """The ledger of one run under one lease. Each call is one durable transaction; safe between threads. A database
    that does not answer is waited for, a minute at most: what runs need not end for that.

    `exists` tells whether the bytes of an artifact's digest are still stored.
    """

    def __init__(self, store: Store, lease: Lease, exists: Callable[[str], bool]) -> None:
        self._store = store
        self._lease = lease
        self._exists = exists
        with store.read() as connection:
            project = connection.execute(select(runs.c.project).where(runs.c.id == lease.run)).scalar()
        if project is None:
            raise NotFound(f"there is no run {lease.run}")
        self._project = project

    def record(self, changes: Sequence[Change]) -> None:
        """Write all changes, or none; LeaseLost if another epoch drives the run. Renews the lease.

        Writing a change again does no harm: states and attempts are overwritten, and of `PointsLogged` only what
        reaches further than the last batch of the attempt is written.
        """
        if changes:
            _patiently(lambda: self._record(changes))

    def _record(self, changes: Sequence[Change]) -> None:
        with self._store.write() as connection:
            leases.hold(connection, self._store, self._lease)
            for change in _merged(changes):
                self._write(connection, change)

    def reusable(self, fingerprint: str) -> Reused | None:
        """The newest successful task with this fingerprint in the project whose bytes are all there."""
        return _patiently(lambda: self._reusable(fingerprint))

    def _reusable(self, fingerprint: str) -> Reused | None:
        key = {"of_project": self._project, "of_fingerprint": fingerprint}
        with self._store.read() as connection:
            for row in connection.execute(_REUSABLE, key).all():
                outputs = artifacts.read(connection, row.run, row.name)
                if all(artifact.uri or self._exists(artifact.digest) for artifact in outputs.artifacts.values()):
                    # A task that was itself cached points to the one that did the work.
                    run, task = (row.cached_from or f"{row.run}/{row.name}").split("/", 1)
                    logged = metrics.of_task(connection, run, task)
                    return Reused(run=run, task=task, made=row.made, outputs=outputs, points=logged)
        return None

    def beat(self) -> bool:
        """Renew the lease; whether someone asked for the run to be cancelled. LeaseLost as in `record`."""
        return _patiently(lambda: leases.renew(self._store, self._lease))

    def _write(self, connection: Connection, change: Change) -> None:
        run = self._lease.run
        match change:
            case RunChanged():
                connection.execute(_CHANGE, {"run_id": run, **_changed(change)})
                _remember(connection, run, change)
                if change.message:
                    texts.write(connection, run)
            case TasksPlanned(tasks=records):
                tasks.plan(connection, run, self._project, records)
            case TaskChanged():
                tasks.change(connection, run, self._project, change)
            case AttemptStarted() | AttemptEnded():
                tasks.write_attempt(connection, run, change.task, change.attempt)
            case PointsLogged():
                metrics.write(connection, run, change)
            case _:
                assert_never(change)


def _patiently(work: Callable[[], T]) -> T:
    """Do it until the database answers. A transaction of which nobody knows whether it was committed is done again."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return work()
        except StoreUnreachable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def _remember(connection: Connection, run: str, change: RunChanged) -> None:
    """Add to the states of a run that went on after its end; of others the times of start and end say all."""
    known = decode(connection.execute(_STATES, {"run_id": run}).scalar() or "[]")
    if known and known[-1][0] != change.state.value:
        states = encode([*known, [change.state.value, change.time]])
        connection.execute(update(runs).where(runs.c.id == run).values(states=states))


def _merged(changes: Sequence[Change]) -> list[Change]:
    """Without the changes that a later one of the same transaction overwrites. A statement costs more than finding
    that it is not needed."""
    found: dict[object, Change] = {}
    for place, change in enumerate(changes):
        match change:
            case AttemptStarted() | AttemptEnded():
                key: object = (change.task, change.attempt.serial)
                earlier = found.pop(key, None)
                if isinstance(earlier, (AttemptStarted, AttemptEnded)) and change.attempt.process is None:
                    attempt = replace(change.attempt, process=earlier.attempt.process)
                    change = replace(change, attempt=attempt)
                found[key] = change
            case TaskChanged():
                earlier = found.get(change.task)
                if isinstance(earlier, TaskChanged) and earlier.state is TaskState.QUEUED:
                    del found[change.task]
                    kept = ("fingerprint", "parts", "outputs", "reused")
                    known = {name: getattr(earlier, name) for name in kept if getattr(change, name) is None}
                    change = replace(change, **known)
                found[change.task if change.state is TaskState.QUEUED else place] = change
            case _:
                found[place] = change
    return list(found.values())


def _changed(change: RunChanged) -> dict[str, object]:
    return {
        "new_state": change.state.value,
        "new_message": plain(change.message),
        "new_started": change.time if change.state is RunState.RUNNING else None,
        "new_ended": change.time if change.state.final else None,
    }
