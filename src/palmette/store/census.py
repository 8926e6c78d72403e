"""How much there is of everything, for those who watch a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, literal_column, select

from palmette.domain.hosting import SERVED
from palmette.domain.states import RunState, TaskState
from palmette.store.database import Store
from palmette.store.schema import runs, schedules, servers, tasks

_OPEN: Final = [state.value for state in RunState if not state.final]


@dataclass(frozen=True, kw_only=True)
class Census:
    """One look at the store."""

    #: state → how many runs are in it
    runs: Mapping[RunState, int]
    #: runs that wait for a server to drive them, and seconds since the oldest of them was accepted
    waiting: int
    waited: float
    #: tasks that are executed now
    executing: int
    #: seconds since a recurring run should have been started that was not
    lag: float
    #: servers that were heard of a moment ago
    servers: int


def take(store: Store, *, silence: float) -> Census:
    """Count. A server of which nothing was heard for `silence` seconds does not."""
    now: ColumnElement[float] = literal_column(store.clock)
    queued = (runs.c.queue == SERVED, runs.c.state == RunState.PENDING.value)
    open_runs = select(runs.c.id).where(runs.c.state.in_(_OPEN))
    executed = (tasks.c.run.in_(open_runs), tasks.c.state == TaskState.RUNNING.value)
    due = (schedules.c.enabled, schedules.c.next.is_not(None), schedules.c.next <= now)
    with store.read() as connection:
        states = connection.execute(select(runs.c.state, func.count()).group_by(runs.c.state)).all()
        waiting, waited = connection.execute(select(func.count(), now - func.min(runs.c.created)).where(*queued)).one()
        executing = connection.execute(select(func.count()).select_from(tasks).where(*executed)).scalar_one()
        lag = connection.execute(select(now - func.min(schedules.c.next)).where(*due)).scalar_one()
        alive = connection.execute(select(func.count()).where(servers.c.seen >= now - silence)).scalar_one()
    return Census(
        runs={RunState(state): number for state, number in states},
        waiting=waiting,
        waited=max(0.0, waited or 0.0),
        executing=executing,
        lag=max(0.0, lag or 0.0),
        servers=alive,
    )
