"""Secrets as the database may see them: encrypted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, select, update

from palmette.store.database import Store
from palmette.store.schema import secrets
from palmette.store.statements import upsert

_WRITE: Final = upsert(secrets)
_ORDER: Final = (secrets.c.project, secrets.c.name, secrets.c.key)


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """One key of a secret."""

    #: empty for what all projects of the store may use
    project: str
    name: str
    key: str
    #: encrypted
    value: str
    #: changes whenever the value does; says nothing of it
    version: str
    updated: float = 0.0


def put(store: Store, entries: Sequence[Sealed]) -> None:
    """Write all of them, each in place of the one that is there."""
    now = time.time()
    with store.write() as connection:
        for entry in entries:
            values = {name: getattr(entry, name) for name in ("project", "name", "key", "value", "version")}
            connection.execute(_WRITE, {**values, "updated": now})


def of(store: Store, project: str, name: str) -> tuple[Sealed, ...]:
    """The keys of one secret, by key; empty if there is no such secret."""
    query = select(secrets).where(secrets.c.project == project, secrets.c.name == name).order_by(secrets.c.key)
    with store.read() as connection:
        return tuple(map(_sealed, connection.execute(query)))


def listed(store: Store) -> tuple[Sealed, ...]:
    """All keys of all secrets, by project, name and key."""
    with store.read() as connection:
        return tuple(map(_sealed, connection.execute(select(secrets).order_by(*_ORDER))))


def remove(store: Store, project: str, name: str, keys: Sequence[str] = ()) -> int:
    """Forget these keys of a secret, or the whole secret; how many keys are gone."""
    query = delete(secrets).where(secrets.c.project == project, secrets.c.name == name)
    with store.write() as connection:
        return connection.execute(query.where(secrets.c.key.in_(keys)) if keys else query).rowcount


def reseal(store: Store, change: Callable[[Sealed], str]) -> int:
    """Give every key the value that `change` makes of it, in one transaction: all or none; how many there are. Versions
    stay, since what is encrypted is the same."""
    with store.write() as connection:
        rows = connection.execute(select(secrets).order_by(*_ORDER).with_for_update()).all()
        for entry in map(_sealed, rows):
            meant = (secrets.c.project == entry.project, secrets.c.name == entry.name, secrets.c.key == entry.key)
            connection.execute(update(secrets).where(*meant).values(value=change(entry)))
    return len(rows)


def _sealed(row: Row[Any]) -> Sealed:
    return Sealed(
        project=row.project, name=row.name, key=row.key, value=row.value, version=row.version, updated=row.updated
    )
