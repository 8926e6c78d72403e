"""What precedes the names of a project's objects on this host: nothing for the first project, for ever."""

from __future__ import annotations

import time
from typing import Any, Final

from sqlalchemy import Connection, Table, literal, select, union_all

from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.schema import experiments, pipelines, schedules, scopes
from palmette.store.statements import insert_new

_CLAIM: Final = insert_new(scopes)


def claim(store: Store, project: str) -> str:
    """The project's prefix, settled now if it was not. Of several projects that ask at once, one is given none."""
    project = plain(project)
    with store.write() as connection:
        found = _known(connection, project)
        if found is not None:
            return found
        # A store of before there were prefixes: whoever has objects there keeps their plain names.
        owner = "" if _plain_taken(connection) else _first_owner(connection)
        for name, prefix in ((owner or project, ""), (project, ""), (project, f"{project}: ")):
            if _known(connection, name) is None:
                connection.execute(_CLAIM, {"project": name, "prefix": prefix, "created": time.time()})
        return _known(connection, project) or ""


def expected(store: Store, project: str) -> str:
    """The prefix that `claim` would give; nothing is settled."""
    project = plain(project)
    with store.read() as connection:
        found = _known(connection, project)
        if found is not None:
            return found
        taken = _plain_taken(connection) or _first_owner(connection) not in ("", project)
    return f"{project}: " if taken else ""


def _known(connection: Connection, project: str) -> str | None:
    found = connection.execute(select(scopes.c.prefix).where(scopes.c.project == project)).scalar()
    return None if found is None else str(found)


def _plain_taken(connection: Connection) -> bool:
    return connection.execute(select(scopes.c.project).where(scopes.c.prefix == "")).first() is not None


def _first_owner(connection: Connection) -> str:
    """The project of the oldest object that is a project's; empty where there is none."""

    def oldest(table: Table) -> Any:
        return select(table.c.project, table.c.created, literal(table.name).label("of")).where(table.c.project != "")

    found = union_all(*map(oldest, (pipelines, experiments, schedules))).subquery()
    query = select(found.c.project).order_by(found.c.created, found.c.project).limit(1)
    return str(connection.execute(query).scalar() or "")
