"""What a database or a file system says when something is wrong, in Palmette's words: the one place for it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError, StatementError

from palmette.errors import StoreError, StoreUnreachable

_Words = tuple[str, str]

_FULL: Final[_Words] = (
    "no space is left for the store {where}",
    "Free some space there, or keep the store on another disk (PALMETTE_STORE). Nothing was written halfway.",
)
_READ_ONLY: Final[_Words] = (
    "the store {where} cannot be written: it is read-only",
    "Check the permissions of the directory and how its disk is mounted, or use another store (PALMETTE_STORE).",
)
_DENIED: Final[_Words] = (
    "the store {where} cannot be opened: permission denied",
    "It belongs to whoever made it; use an account that may write it, or another store (PALMETTE_STORE).",
)
_LOCKED: Final[_Words] = (
    "the store {where} stayed locked by another process for too long",
    "Another process writes to it, or hangs while it does. Try again; if it lasts, look for a stopped one.",
)
_MALFORMED: Final[_Words] = (
    "the store {where} is not a Palmette store, or it is damaged",
    "Move it away to start a new one, or bring it back from a backup.",
)
_UNREACHABLE: Final[_Words] = (
    "the database {where} does not answer",
    "Check that the server runs, and host, port and database name in the URL.",
)
_MISSING: Final[_Words] = ("there is no database {where}", "Make it, or correct the name in the URL.")
_REFUSED: Final[_Words] = (
    "the database {where} refuses this user",
    "Check user and password in the URL, and the user's rights in the database.",
)
_FAILING: Final[_Words] = (
    "the disk of the store {where} fails to read or write",
    "Look into the system's log; the disk or its mount may be broken, or a limit on file sizes is in force.",
)
_OTHER: Final[_Words] = ("the store {where} reports: {said}", "")

#: By the name of SQLite's error code; the longest prefix counts.
_SQLITE: Final[Mapping[str, _Words]] = {
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR_SHMSIZE": _FULL,
    "SQLITE_IOERR": _FAILING,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _DENIED,
    "SQLITE_AUTH": _DENIED,
    "SQLITE_CANTOPEN": _DENIED,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_NOTADB": _MALFORMED,
    "SQLITE_CORRUPT": _MALFORMED,
    "SQLITE_FORMAT": _MALFORMED,
}

#: By PostgreSQL's error code; the longest prefix counts.
_POSTGRESQL: Final[Mapping[str, _Words]] = {
    "53100": _FULL,
    "25006": _READ_ONLY,
    "42501": _REFUSED,
    "28": _REFUSED,
    "3D000": _MISSING,
    "08": _UNREACHABLE,
    "57P": _UNREACHABLE,
    "53300": _UNREACHABLE,
    "55P03": _LOCKED,
    "57014": _LOCKED,
    "40P01": _LOCKED,
    "XX001": _MALFORMED,
    "XX002": _MALFORMED,
}

_SYSTEM: Final[Mapping[int, _Words]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EFBIG: _FAILING,
    errno.EIO: _FAILING,
}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise a StoreError for whatever the database below complains of."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise of_database(error, where) from error


def of_database(error: SQLAlchemyError | sqlite3.Error, where: str) -> StoreError:
    """A database's error as one of ours; total, the unforeseen is quoted."""
    # Never the statement: its parameters are the users' values.
    original = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    said = str(original).strip() or type(error).__name__
    if isinstance(error, ArgumentError | NoSuchModuleError):
        return StoreError(f"{where} is not a store: {error}", "Give a directory, or postgresql://USER@HOST/DATABASE.")
    words = _OTHER
    if isinstance(original, sqlite3.Error):
        words = _longest(_SQLITE, getattr(original, "sqlite_errorname", None) or "")
    elif code := getattr(original, "sqlstate", None):
        words = _longest(_POSTGRESQL, code)
    elif isinstance(error, DBAPIError) and error.connection_invalidated:
        words = _UNREACHABLE
    elif type(original).__name__ == "OperationalError":
        # psycopg has no code to show where no server answered.
        words = _UNREACHABLE
    return _speak(words, where, said)


def of_system(error: OSError, where: str) -> StoreError:
    """A file system's error as one of ours."""
    return _speak(_SYSTEM.get(error.errno or 0, _OTHER), where, error.strerror or str(error))


def malformed(where: str) -> StoreError:
    """There is something in the store's place, but no store."""
    return _speak(_MALFORMED, where, "")


def locked(where: str) -> StoreError:
    """Somebody else had it for all the time we waited."""
    return _speak(_LOCKED, where, "")


def _longest(table: Mapping[str, _Words], code: str) -> _Words:
    known = [prefix for prefix in table if code.startswith(prefix)]
    return table[max(known, key=len)] if known else _OTHER


def _speak(words: _Words, where: str, said: str) -> StoreError:
    message, hint = words
    kind = StoreUnreachable if words is _UNREACHABLE else StoreError
    return kind(message.format(where=where, said=said), hint)
