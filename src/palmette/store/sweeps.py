"""Sweeps: trainings of one algorithm that belong together. Their runs name them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, insert, select

from palmette.domain.values import Json
from palmette.errors import NotFound
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import projects, sweeps
from palmette.store.statements import begins, insert_new

#: The fewest characters of an id by which a sweep can be named.
_SHORTEST: Final = 4
_KEEP_PROJECT: Final = insert_new(projects)
_KEEP: Final = insert_new(sweeps)
_NEWEST: Final = (sweeps.c.created.desc(), sweeps.c.id.desc())


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """A sweep as the store knows it."""

    id: str
    project: str
    algorithm: str
    #: whatever whoever drives it needs
    plan: Json
    note: str = ""
    created: float = 0.0


def create(store: Store, record: SweepRecord) -> None:
    """Remember a sweep. One without a time of creation is created now."""
    created = record.created or time.time()
    with store.write() as connection:
        connection.execute(_KEEP_PROJECT, {"name": record.project, "created": created})
        connection.execute(insert(sweeps), {**row(record), "created": created})


def keep(connection: Connection, record: SweepRecord) -> None:
    """Remember a sweep of a known project, in the transaction that accepts a run of it; one that is there stays."""
    connection.execute(_KEEP, row(record))


def row(record: SweepRecord) -> dict[str, object]:
    """A sweep as a row of `sweeps`."""
    return {
        "id": record.id,
        "project": record.project,
        "algorithm": record.algorithm,
        "plan": encode(record.plan),
        "note": plain(record.note),
        "created": record.created,
    }


def find(store: Store, reference: str, *, project: str) -> SweepRecord | None:
    """The sweep that a reference names: an id, the beginning of one (4 characters or more), or "last" for the newest;
    None if there is none. NotFound if it may be several. No project means all of them."""
    query = _within(project).limit(11)
    with store.read() as connection:
        if reference == "last":
            rows = connection.execute(query.limit(1)).all()
        elif len(reference) < _SHORTEST:
            rows = []
        else:
            rows = connection.execute(query.where(begins(sweeps.c.id, reference, connection.dialect.name))).all()
    if len(rows) > 1:
        names = ", ".join(f"{row.id} ({row.algorithm})" for row in rows)
        raise NotFound(f"{reference!r} is the beginning of several sweeps", f"Which one? {names}")
    return _record(rows[0]) if rows else None


def page(store: Store, *, project: str, limit: int) -> tuple[SweepRecord, ...]:
    """Up to `limit` sweeps of a project, or of all if none is named, newest first."""
    query = _within(project).limit(limit)
    with store.read() as connection:
        return tuple(_record(row) for row in connection.execute(query))


def _within(project: str) -> Select[Any]:
    query = select(sweeps).order_by(*_NEWEST)
    return query.where(sweeps.c.project == project) if project else query


def _record(row: Row[Any]) -> SweepRecord:
    return SweepRecord(
        id=row.id,
        project=row.project,
        algorithm=row.algorithm,
        plan=decode(row.plan),
        note=row.note,
        created=row.created,
    )
