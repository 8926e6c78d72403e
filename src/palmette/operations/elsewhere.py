"""Names in use on a server, for the completion of what somebody types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from palmette.client.connection import Connection, document
from palmette.errors import PalmetteError
from palmette.operations import servers

#: Seconds that somebody waits who has pressed the tabulator.
_PATIENCE: Final = 1.0


def names(server: str, environ: Mapping[str, str], project: str) -> Callable[[str, str], Sequence[str]]:
    """Asks a server for the names of one kind; there are none, if it does not say so at once."""
    connection = Connection(servers.named(server, environ), patience=_PATIENCE)

    def asked(what: str, name: str) -> Sequence[str]:
        query = [("project", project), *([("name", name)] if name else [])]
        try:
            return tuple(map(str, document(connection, f"/names/{what}", query)))
        except (PalmetteError, TypeError):
            return ()

    return asked
