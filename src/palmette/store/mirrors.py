"""Runs that another host executes, as far as they were brought here: written anew at each look until they are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import StoreError
from palmette.store import arrivals
from palmette.store.arrivals import Whole
from palmette.store.captures import BundleRecord
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import mirrored, runs, tags
from palmette.store.statements import chunks

_FINAL: Final = tuple(state.value for state in RunState if state.final)
#: seconds that a look takes at most, from what the host said to its being written
_AHEAD: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Where a run is executed, and how far it was brought here."""

    #: its id here
    run: str
    #: the host's address, and its identifier there
    host: str
    id: str
    #: how the host is called, where its page of the run is, and what of it could not be brought
    progress: Mapping[str, Json] = field(default_factory=dict)
    #: when it was looked at
    seen: float = 0.0


def of_run(store: Store, run: str) -> Mirror | None:
    """Where a run is executed; None if not elsewhere."""
    with store.read() as connection:
        row = connection.execute(select(mirrored).where(mirrored.c.run == run)).first()
    if row is None:
        return None
    return Mirror(run=row.run, host=row.host, id=row.id, progress=decode(row.progress), seen=row.seen)


def known(store: Store, host: str, ids: Sequence[str]) -> dict[str, bool]:
    """Those of a host's runs that are here, and whether they are over here."""
    query = select(mirrored.c.id, runs.c.state).join(runs, runs.c.id == mirrored.c.run).where(mirrored.c.host == host)
    with store.read() as connection:
        found = [connection.execute(query.where(mirrored.c.id.in_(some))).all() for some in chunks(ids)]
    return {row.id: row.state in _FINAL for some in found for row in some}


def live(store: Store, host: str, project: str) -> tuple[str, ...]:
    """A host's runs of a project that are here and not over, by their identifiers there; the oldest first."""
    query = select(mirrored.c.id).join(runs, runs.c.id == mirrored.c.run)
    query = query.where(mirrored.c.host == host, runs.c.state.not_in(_FINAL), runs.c.project == project)
    with store.read() as connection:
        return tuple(connection.execute(query.order_by(runs.c.created, runs.c.id)).scalars())


def write(store: Store, whole: Whole, mirror: Mirror, bundle: BundleRecord | None) -> bool:
    """Write a run down as it is now, all of it or nothing; whether that was done. One that is over here stays as it is,
    and so does one that goes on and was looked at later. What people wrote on it is kept."""
    try:
        with store.write() as connection:
            there = connection.execute(select(runs).where(runs.c.id == mirror.run).with_for_update()).first()
            if there is not None:
                seen = connection.execute(select(mirrored.c.seen).where(mirrored.c.run == mirror.run)).scalar()
                if seen is None or there.state in _FINAL or (_overtaken(seen, mirror) and not whole.run.state.final):
                    return False
                whole = _labelled(connection, whole, there.note, there.archived)
                connection.execute(delete(runs).where(runs.c.id == mirror.run))
            arrivals.write(connection, whole, bundle)
            row = {"run": mirror.run, "host": plain(mirror.host), "id": plain(mirror.id), "seen": mirror.seen}
            connection.execute(insert(mirrored), {**row, "progress": encode(dict(mirror.progress))})
    except StoreError as error:
        # Somebody else brought it in between.
        if isinstance(error.__cause__, IntegrityError) and arrivals.known(store, mirror.run):
            return False
        raise
    return True


def _overtaken(seen: float, mirror: Mirror) -> bool:
    """Whether somebody looked later who was quicker. One who looked much later did so by a clock that is ahead, or that
    was put back since."""
    return mirror.seen < seen < mirror.seen + _AHEAD


def _labelled(connection: Connection, whole: Whole, note: str, archived: float | None) -> Whole:
    found = connection.execute(select(tags.c.tag).where(tags.c.run == whole.run.id).order_by(tags.c.tag)).scalars()
    kept = tuple(dict.fromkeys([*whole.run.tags, *found]))
    return replace(whole, run=replace(whole.run, tags=kept, note=note, archived=archived))
