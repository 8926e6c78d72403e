"""The servers of a store, and where the bytes are that its rows name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Label, delete, insert, literal_column, select, update

from palmette.domain.run import Process
from palmette.store.columns import decode, encode
from palmette.store.database import Store
from palmette.store.schema import facts, servers
from palmette.store.statements import insert_new


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of this store."""

    id: str
    host: str
    process: Process
    #: where it listens: "http://127.0.0.1:8080"
    address: str = ""
    #: seconds since the epoch
    started: float = 0.0
    #: for so many seconds nothing was heard of it, by the database's clock
    silent: float = 0.0


def enter(store: Store, server: Server) -> None:
    """Write down that the server is there."""
    process = server.process
    row = {
        "id": server.id,
        "host": server.host,
        "boot": process.boot,
        "pid": process.pid,
        "start": process.start,
        "address": server.address,
        "started": server.started,
        "seen": literal_column(store.clock),
    }
    with store.write() as connection:
        connection.execute(insert(servers).values(row))


def beat(store: Store, id: str) -> None:
    """Say that the server lives."""
    with store.write() as connection:
        connection.execute(update(servers).where(servers.c.id == id).values(seen=literal_column(store.clock)))


def leave(store: Store, id: str) -> None:
    """Forget the server; nothing happens if it is not known."""
    with store.write() as connection:
        connection.execute(delete(servers).where(servers.c.id == id))


def known(store: Store) -> tuple[Server, ...]:
    """Every server that did not say that it left, the newest first."""
    silent: Label[float] = (literal_column(store.clock) - servers.c.seen).label("silent")
    with store.read() as connection:
        rows = connection.execute(select(servers, silent).order_by(servers.c.started.desc())).all()
    return tuple(
        Server(
            id=row.id,
            host=row.host,
            process=Process(pid=row.pid, start=row.start, boot=row.boot),
            address=row.address,
            started=row.started,
            silent=max(0.0, row.silent),
        )
        for row in rows
    )


def settled(store: Store, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The fact of that name; from now on this value, if there was none. Of several who ask at once all get the same."""
    with store.write() as connection:
        connection.execute(insert_new(facts), {"name": name, "value": encode(dict(value))})
        found = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar_one()
    return dict(decode(found))


def fact(store: Store, name: str) -> dict[str, Any] | None:
    """The fact of that name; None where it is not settled."""
    with store.read() as connection:
        found = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
    return None if found is None else dict(decode(found))
