"""Texts of tickets, as a tracker gave them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Row, select

from palmette.domain.branches import Ticket
from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.schema import tickets
from palmette.store.statements import chunks, upsert

#: A title that is known is not lost to a tracker that did not answer.
_PUT: Final = upsert(tickets, where="excluded.title <> '' OR tickets.title = ''")


def keep(store: Store, project: str, found: Iterable[Ticket], *, now: float | None = None) -> None:
    """Keep what was found out about tickets; one that has a title keeps it where there is none now."""
    looked = time.time() if now is None else now
    rows = [
        {
            "project": plain(project),
            **{name: plain(getattr(each, name)) for name in ("key", "title", "url", "status", "why")},
            "looked": looked,
        }
        for each in sorted(found, key=lambda each: each.key)
    ]
    with store.write() as connection:
        for some in chunks(rows):
            connection.execute(_PUT, some)


def known(store: Store, project: str, keys: Sequence[str]) -> dict[str, tuple[Ticket, float]]:
    """Those of the tickets that were looked up, by key, and when that was."""
    query = select(tickets).where(tickets.c.project == plain(project))
    with store.read() as connection:
        rows = [
            row for some in chunks(map(plain, keys)) for row in connection.execute(query.where(tickets.c.key.in_(some)))
        ]
    return {row.key: (_ticket(row), row.looked) for row in rows}


def _ticket(row: Row[Any]) -> Ticket:
    texts = {name: row._mapping[name] for name in ("key", "title", "url", "status", "why")}
    return Ticket(**texts, pending=not row.title)
