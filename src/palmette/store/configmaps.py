"""Config maps: values that are no secret, by name and key."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, select

from palmette.store.columns import decode, encode
from palmette.store.database import Store
from palmette.store.schema import configmaps
from palmette.store.statements import upsert

_WRITE: Final = upsert(configmaps)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One key of a config map."""

    #: empty for what all projects of the store may use
    project: str
    name: str
    key: str
    value: str
    updated: float = 0.0


def put(store: Store, project: str, name: str, values: Mapping[str, str]) -> None:
    """Write these keys, each in place of the one that is there; the others stay."""
    now = time.time()
    with store.write() as connection:
        for key, value in values.items():
            # As JSON: a value may hold what PostgreSQL takes in no text.
            row = {"project": project, "name": name, "key": key, "value": encode(value), "updated": now}
            connection.execute(_WRITE, row)


def of(store: Store, project: str, name: str) -> tuple[Entry, ...]:
    """The keys of one config map, by key; empty if there is no such config map."""
    meant = (configmaps.c.project == project, configmaps.c.name == name)
    with store.read() as connection:
        return tuple(map(_entry, connection.execute(select(configmaps).where(*meant).order_by(configmaps.c.key))))


def listed(store: Store) -> tuple[Entry, ...]:
    """All keys of all config maps, by project, name and key."""
    query = select(configmaps).order_by(configmaps.c.project, configmaps.c.name, configmaps.c.key)
    with store.read() as connection:
        return tuple(map(_entry, connection.execute(query)))


def remove(store: Store, project: str, name: str, keys: Sequence[str] = ()) -> int:
    """Forget these keys of a config map, or the whole of it; how many keys are gone."""
    query = delete(configmaps).where(configmaps.c.project == project, configmaps.c.name == name)
    with store.write() as connection:
        return connection.execute(query.where(configmaps.c.key.in_(keys)) if keys else query).rowcount


def _entry(row: Row[Any]) -> Entry:
    return Entry(project=row.project, name=row.name, key=row.key, value=decode(row.value), updated=row.updated)
