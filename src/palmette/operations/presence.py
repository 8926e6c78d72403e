"""A server in its store: known while it lives, and refused where it could not find the bytes."""

from __future__ import annotations

import os
import platform
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.engine import processes
from palmette.errors import StoreError
from palmette.operations.home import Home
from palmette.store import leases, servers
from palmette.store.servers import Server

#: In the root of the blobs: which store's bytes these are.
MARK: Final = "store"
#: The fact of the store that names its bytes.
_BLOBS: Final = "blobs"


@dataclass(frozen=True, kw_only=True)
class Presence:
    """That a server of the store lives."""

    home: Home
    server: Server

    def beat(self) -> None:
        """Say it again; what the store has against that is said elsewhere."""
        with suppress(StoreError):
            servers.beat(self.home.store, self.server.id)

    def leave(self) -> None:
        """Say that it is over."""
        with suppress(StoreError):
            servers.leave(self.home.store, self.server.id)


def enter(home: Home, address: str) -> Presence:
    """Write down that this process serves the store; those that died here are forgotten.

    StoreError where a server's database names bytes that lie elsewhere: on another host, or in another directory.
    """
    if home.store.directory is None:
        _refuse_strangers(home)
    me = processes.process_of(os.getpid())
    server = Server(id=secrets.token_hex(8), host=platform.node(), process=me, address=address, started=time.time())
    for other in servers.known(home.store):
        here = (other.host, other.process.boot) == (server.host, me.boot)
        if (here and not processes.alive(other.process)) or other.silent > 100 * leases.SILENCE:
            servers.leave(home.store, other.id)
    servers.enter(home.store, server)
    return Presence(home=home, server=server)


def _refuse_strangers(home: Home) -> None:
    root = home.blobs.root
    mark = root / MARK
    known = servers.fact(home.store, _BLOBS)
    if known is None:
        mine = {"id": _read(mark) or _marked(mark), "host": platform.node(), "root": str(root)}
        known = servers.settled(home.store, _BLOBS, mine)
    if known["id"] != _read(mark):
        raise StoreError(
            f"the bytes of the store {home.store.where} lie in {known['root']} on {known['host']}, and not in {root}",
            "Serve it there with the same --home, or move that directory here. To share one home, both servers must "
            "be on one machine.",
        )
    for other in servers.known(home.store):
        elsewhere = other.process.boot != processes.boot()
        if elsewhere and other.silent < leases.SILENCE:
            raise StoreError(
                f"a server on {other.host} uses the store {home.store.where}, whose bytes are files",
                f"Stop that one first, or serve beside it on {other.host}: files are shared on one machine alone.",
            )


def _read(mark: Path) -> str:
    try:
        return mark.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _marked(mark: Path) -> str:
    """Mark the root, unless another process is quicker; the mark that it has."""
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = mark.with_name(f"{MARK}.{secrets.token_hex(4)}")
    fresh.write_text(f"{secrets.token_hex(16)}\n", encoding="utf-8")
    try:
        with suppress(FileExistsError):
            os.link(fresh, mark)
    finally:
        fresh.unlink()
    return _read(mark)
