"""Names in use, for who types: the questions of `glance`, asked of an open store."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, text

from palmette.errors import NotFound
from palmette.store.database import Store
from palmette.store.glance import QUERIES, question
from palmette.store.schema import projects as table


def names(store: Store, what: str, project: str, name: str = "") -> Sequence[str]:
    """The names of one kind that are in use; NotFound for a kind that there is not."""
    if what not in QUERIES:
        raise NotFound(f"there are no names of {what!r}", f"There are: {', '.join(QUERIES)}.")
    query, given = question(what, project, name)
    asked = text(query)
    with store.read() as connection:
        rows = connection.execute(asked, {key: given[key] for key in asked.compile().params}).all()
    return tuple(value for (value,) in rows if value)


def projects(store: Store) -> Sequence[str]:
    """The projects of the store, by name."""
    with store.read() as connection:
        return connection.execute(select(table.c.name).order_by(table.c.name)).scalars().all()
