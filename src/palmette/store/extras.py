"""What was executed for comparisons: which run was executed for which pair, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select
from sqlalchemy.exc import IntegrityError

from palmette.domain.run import Run, TaskRecord
from palmette.errors import StoreError
from palmette.store import runs
from palmette.store.database import Store
from palmette.store.schema import extras
from palmette.store.schema import runs as table


def of(store: Store, head: str, baseline: str) -> Mapping[str, Run]:
    """The runs that were executed for this pair, by their purpose."""
    query = select(extras.c.purpose, table).join(table, table.c.id == extras.c.run)
    with store.read() as connection:
        rows = connection.execute(query.where(extras.c.head == head, extras.c.baseline == baseline)).all()
        found = runs.loaded(connection, rows, pins=False)
    return {row.purpose: run for row, run in zip(rows, found, strict=True)}


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is executed once."""

    head: str
    baseline: str
    purpose: str


def accept(store: Store, where: Place, run: Run, records: Sequence[TaskRecord], *, instead: str = "") -> bool:
    """Accept the run that is executed for this, in the place of the run `instead`, which goes; all or nothing. False,
    and nothing happens, where another one has taken its place meanwhile."""
    try:
        return _accept(store, where, run, records, instead)
    except StoreError as error:
        if isinstance(error.__cause__, IntegrityError):
            return False
        raise


def _accept(store: Store, where: Place, run: Run, records: Sequence[TaskRecord], instead: str) -> bool:
    place = and_(extras.c.head == where.head, extras.c.baseline == where.baseline, extras.c.purpose == where.purpose)
    with store.write() as connection:
        known = connection.execute(select(extras.c.run).where(place).with_for_update()).scalar() or ""
        if known != instead:
            return False
        if instead:
            _forget(connection, instead)
        runs.write(connection, run, records)
        connection.execute(insert(extras).values(**vars(where), run=run.id))
    return True


def _forget(connection: Connection, run: str) -> None:
    connection.execute(delete(extras).where(extras.c.run == run))
    connection.execute(delete(table).where(table.c.id == run))
