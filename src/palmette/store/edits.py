"""How recurring runs were edited: what each was before and after, who did it, and why."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from palmette.domain.hosting import Edit
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import edits


def write(connection: Connection, schedule: str, edit: Edit) -> None:
    """Keep an edit, in the transaction that makes it and that holds the recurring run's row."""
    last = connection.execute(select(func.max(edits.c.serial)).where(edits.c.schedule == schedule)).scalar()
    row: dict[str, Any] = {
        "schedule": schedule,
        "serial": (last or 0) + 1,
        "author": plain(edit.author),
        "why": plain(edit.why),
        "before": encode(dict(edit.before)),
        "after": encode(dict(edit.after)),
        "created": edit.created or time.time(),
    }
    connection.execute(insert(edits), row)


def of(store: Store, schedule: str) -> tuple[Edit, ...]:
    """The edits of a recurring run, the newest first."""
    query = select(edits).where(edits.c.schedule == plain(schedule)).order_by(edits.c.serial.desc())
    with store.read() as connection:
        rows = connection.execute(query).all()
    return tuple(
        Edit(
            author=row.author,
            why=row.why,
            before=decode(row.before),
            after=decode(row.after),
            created=row.created,
        )
        for row in rows
    )


def forget(connection: Connection, schedule: str) -> None:
    """Let go of the edits of a recurring run that is deleted."""
    connection.execute(delete(edits).where(edits.c.schedule == schedule))
