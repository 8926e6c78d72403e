"""What a search for words reads of a run.

One folded text a run, in a table of its own: looking for a piece of it reads no other column. Not full-text indexes,
which SQLite and PostgreSQL cut into words differently, and which know no piece of a word; see
`docs/decisions/0018-text.md`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BindParameter, Connection, bindparam, select

from palmette.store.schema import runs, texts
from palmette.store.statements import upsert

_RUN: Final[BindParameter[str]] = bindparam("run_id")
_SAID: Final = select(runs.c.name, runs.c.note, runs.c.git_message, runs.c.message, runs.c.ticket).where(
    runs.c.id == _RUN
)
_WRITE: Final = upsert(texts)


def folded(text: str) -> str:
    """The text as a search compares it: case does not count."""
    return text.casefold()


def write(connection: Connection, run: str) -> None:
    """Write anew what is said of a run, in the transaction that changed it."""
    said = connection.execute(_SAID, {"run_id": run}).one()
    connection.execute(_WRITE, {"run": run, "text": folded("\n".join(filter(None, said)))})
