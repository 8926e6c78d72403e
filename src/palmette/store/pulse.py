"""Whether anything has happened in a run since somebody last looked: one small row, asked for many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select

from palmette.domain.states import RunState
from palmette.errors import NotFound
from palmette.store.database import Store
from palmette.store.schema import runs

_PULSE: Final = select(
    runs.c.state, runs.c.message, runs.c.ended, runs.c.epoch, runs.c.lease_host, runs.c.lease_renewed
).where(runs.c.id == bindparam("run_id"))


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What is another one after every change of a run: whoever writes one renews the lease with it."""

    state: RunState
    message: str = ""
    ended: float | None = None
    epoch: int = 0
    driven: bool = False
    #: by the database's clock
    renewed: float | None = None


def feel(store: Store, run: str) -> Pulse:
    """The run's pulse now; NotFound if it is gone."""
    with store.read() as connection:
        row = connection.execute(_PULSE, {"run_id": run}).first()
    if row is None:
        raise NotFound(f"there is no run {run}")
    return Pulse(
        state=RunState(row.state),
        message=row.message,
        ended=row.ended,
        epoch=row.epoch,
        driven=row.lease_host is not None,
        renewed=row.lease_renewed,
    )
