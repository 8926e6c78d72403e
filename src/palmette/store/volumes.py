"""Volumes: which there are, and where they lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, select

from palmette.store.columns import decode, encode
from palmette.store.database import Store
from palmette.store.schema import volumes
from palmette.store.statements import insert_new

_WRITE: Final = insert_new(volumes)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A directory that outlives the tasks that see it."""

    #: empty for one that all projects of the store may use
    project: str
    name: str
    #: as it was asked for ("5Gi"); not enforced
    size: str = ""
    access_modes: tuple[str, ...] = ()
    storage_class: str = ""
    #: the directory; relative to the home unless it was given
    path: str = ""
    #: the run that made it; empty where a person did
    run: str = ""
    created: float = 0.0


def create(store: Store, volume: Volume, make: Callable[[], None]) -> bool:
    """Write it down, and make it, or neither; whether it is new. One of that name stays as it is."""
    values = {
        "project": volume.project,
        "name": volume.name,
        "size": volume.size,
        "access_modes": encode(list(volume.access_modes)),
        "storage_class": volume.storage_class,
        "path": volume.path,
        "run": volume.run,
        "created": volume.created or time.time(),
    }
    with store.write() as connection:
        if connection.execute(_WRITE, values).rowcount == 0:
            return False
        make()
    return True


def find(store: Store, project: str, name: str) -> Volume | None:
    """The volume of that name; None if there is none."""
    with store.read() as connection:
        row = connection.execute(
            select(volumes).where(volumes.c.project == project, volumes.c.name == name)
        ).one_or_none()
    return _volume(row) if row else None


def listed(store: Store) -> tuple[Volume, ...]:
    """All of them, by project and name."""
    with store.read() as connection:
        return tuple(map(_volume, connection.execute(select(volumes).order_by(volumes.c.project, volumes.c.name))))


def remove(store: Store, project: str, name: str) -> bool:
    """Forget a volume; whether there was one. Its directory is not touched."""
    with store.write() as connection:
        gone = connection.execute(delete(volumes).where(volumes.c.project == project, volumes.c.name == name))
    return gone.rowcount > 0


def _volume(row: Row[Any]) -> Volume:
    return Volume(
        project=row.project,
        name=row.name,
        size=row.size,
        access_modes=tuple(decode(row.access_modes)),
        storage_class=row.storage_class,
        path=row.path,
        run=row.run,
        created=row.created,
    )
