"""Runs that somebody made the baseline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, delete, select

from palmette.domain.run import Run
from palmette.errors import NotFound
from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.schema import pins, runs
from palmette.store.statements import upsert

_PUT: Final = upsert(pins)


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A run that an algorithm's runs of a preset are compared with."""

    project: str
    algorithm: str
    preset: str
    #: whose runs are compared with it; empty for those of every branch
    branch: str = ""
    run: str
    #: who pinned it; empty where nobody knows
    author: str = ""
    reason: str = ""
    #: seconds since the epoch
    created: float = 0.0


def put(store: Store, pin: Pin) -> Pin:
    """Pin a run in place of the one that was. NotFound for one that is gone."""
    row = {name: plain(getattr(pin, name)) for name in ("branch", "author", "reason")}
    row |= {name: getattr(pin, name) for name in ("project", "algorithm", "preset", "run")}
    created = pin.created or time.time()
    with store.write() as connection:
        # Locked, so that it cannot be deleted beside this.
        if connection.execute(select(runs.c.id).where(runs.c.id == pin.run).with_for_update(read=True)).first() is None:
            raise NotFound(f"run {pin.run} was deleted in the meantime")
        connection.execute(_PUT, row | {"created": created})
    return Pin(**row, created=created)


def of(store: Store, run: Run) -> Pin | None:
    """The pin that a run is compared by: its branch's, else that of every branch."""
    query = _listed(run.project, run.algorithm).where(pins.c.preset == run.preset)
    query = query.where(pins.c.branch.in_(["", plain(run.git.branch)])).order_by(pins.c.branch.desc())
    with store.read() as connection:
        row = connection.execute(query.limit(1)).first()
    return _pin(row) if row else None


def listed(store: Store, project: str = "", algorithm: str = "") -> tuple[Pin, ...]:
    """All pins of a project, or of an algorithm, by algorithm, preset and branch; what is empty does not restrict."""
    order = (pins.c.project, pins.c.algorithm, pins.c.preset, pins.c.branch)
    with store.read() as connection:
        return tuple(map(_pin, connection.execute(_listed(project, algorithm).order_by(*order))))


def remove(store: Store, pin: Pin) -> bool:
    """Forget a pin; whether it was still there."""
    of_it = delete(pins).where(pins.c.project == pin.project, pins.c.algorithm == pin.algorithm)
    with store.write() as connection:
        gone = connection.execute(of_it.where(pins.c.preset == pin.preset, pins.c.branch == pin.branch))
    return gone.rowcount > 0


def _listed(project: str, algorithm: str) -> Select[Any]:
    query = select(pins).where(pins.c.project == project) if project else select(pins)
    return query.where(pins.c.algorithm == algorithm) if algorithm else query


def _pin(row: Row[Any]) -> Pin:
    return Pin(**row._mapping)
