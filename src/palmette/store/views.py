"""Queries that were saved under a name."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select

from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.schema import views
from palmette.store.statements import upsert

_WRITE: Final = upsert(views)


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved query."""

    name: str
    query: str
    #: when it was saved, seconds since the epoch
    created: float


def save(store: Store, project: str, name: str, query: str) -> None:
    """Keep a query under a name, in place of the one that has it."""
    with store.write() as connection:
        values = {"project": project, "name": name, "query": plain(query), "created": time.time()}
        connection.execute(_WRITE, values)


def saved(store: Store, project: str) -> tuple[View, ...]:
    """The project's views, by name."""
    query = select(views).where(views.c.project == project).order_by(views.c.name)
    with store.read() as connection:
        return tuple(View(name=row.name, query=row.query, created=row.created) for row in connection.execute(query))


def remove(store: Store, project: str, name: str) -> bool:
    """Forget a view; whether there was one."""
    with store.write() as connection:
        gone = connection.execute(delete(views).where(views.c.project == project, views.c.name == name))
    return gone.rowcount > 0
