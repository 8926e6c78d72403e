"""A run that is over and goes on under the same id."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, and_, delete, select, update

from palmette.domain.hosting import SERVED
from palmette.domain.run import Run
from palmette.domain.states import RunState, TaskState, became
from palmette.errors import Conflict, NotFound
from palmette.store import texts
from palmette.store.columns import decode, encode
from palmette.store.database import Store
from palmette.store.schema import artifacts, attempts, parameters, readings, runs, tasks
from palmette.store.statements import chunks

#: What may go on.
RETRIED: Final = (RunState.FAILED, RunState.CANCELED)


def again(store: Store, run: Run, *, pending: Sequence[str], open: Sequence[str], gone: Sequence[str]) -> None:
    """Let a failed or canceled run wait for a server again, with these tasks as if nothing had happened to them but
    their attempts, these groups open, and those that are `gone` never planned. All or nothing; Conflict for a run that
    is in another state by now, or that somebody still holds."""
    with store.write() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run.id).with_for_update()).first()
        if row is None:
            raise NotFound(f"there is no run {run.id}")
        state = RunState(row.state)
        if state not in RETRIED:
            raise refused(run.id, state)
        for names in chunks(pending):
            _wait(connection, run.id, names)
        for names in chunks(open):
            chosen = and_(tasks.c.run == run.id, tasks.c.name.in_(names))
            connection.execute(update(tasks).where(chosen).values(state=TaskState.RUNNING, message="", ended=None))
        for names in chunks(gone):
            for table, column in ((tasks, tasks.c.name), *((each, each.c.task) for each in (attempts, *_MADE))):
                connection.execute(delete(table).where(table.c.run == run.id, column.in_(names)))
        before = decode(row.states) if row.states else _usual(row.created, row.started, state, row.ended)
        connection.execute(
            update(runs)
            .where(runs.c.id == run.id)
            .values(
                state=RunState.PENDING,
                message="",
                ended=None,
                cancel_requested=None,
                queue=SERVED,
                states=encode([*before, [RunState.PENDING.value, time.time()]]),
            )
        )
        texts.write(connection, run.id)


def refused(run: str, state: RunState) -> Conflict:
    """What to say of a run that cannot go on."""
    if not state.final:
        return Conflict(f"run {run} is not over yet", "Wait for its end, or cancel it first.")
    return Conflict(f"run {run} {became(state)}: there is nothing to try again", "Start a new run of its pipeline.")


#: What a task has made, and how far it was read.
_MADE: Final = (artifacts, parameters, readings)


def _wait(connection: Connection, run: str, names: Collection[str]) -> None:
    nothing = {"fingerprint": None, "parts": None, "cached_from": None, "cached_made": None, "made": None}
    connection.execute(
        update(tasks)
        .where(tasks.c.run == run, tasks.c.name.in_(names))
        .values(state=TaskState.PENDING, message="", started=None, ended=None, **nothing)
    )
    for table in (artifacts, parameters):
        connection.execute(delete(table).where(table.c.run == run, table.c.task.in_(names)))


def _usual(created: float, started: float | None, state: RunState, ended: float | None) -> list[list[object]]:
    """The states that every run goes through, with the times of entering them."""
    found: list[list[object]] = [[RunState.PENDING.value, created]]
    if started is not None:
        found.append([RunState.RUNNING.value, started])
    return [*found, [state.value, created if ended is None else ended]]
