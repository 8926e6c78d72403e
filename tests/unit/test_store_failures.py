"""Every complaint of a database or a file system becomes one StoreError in Palmette's words."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from palmette.errors import StoreError
from palmette.store import failures

#: Codes that say something about the program, not about the world; they are quoted.
OURS = {
    "SQLITE_ABORT",
    "SQLITE_CONSTRAINT",
    "SQLITE_EMPTY",
    "SQLITE_ERROR",
    "SQLITE_INTERNAL",
    "SQLITE_INTERRUPT",
    "SQLITE_MISMATCH",
    "SQLITE_MISUSE",
    "SQLITE_NOLFS",
    "SQLITE_NOMEM",
    "SQLITE_NOTFOUND",
    "SQLITE_RANGE",
    "SQLITE_SCHEMA",
    "SQLITE_TOOBIG",
}
#: Names of the same form that are no errors: answers, notices, and the verbs that an authoriser is asked about.
# fmt: off
NO_ERRORS = {
    "SQLITE_OK", "SQLITE_ROW", "SQLITE_DONE", "SQLITE_NOTICE", "SQLITE_WARNING",
    "SQLITE_DENY", "SQLITE_IGNORE", "SQLITE_ANALYZE", "SQLITE_ATTACH", "SQLITE_DELETE",
    "SQLITE_DETACH", "SQLITE_FUNCTION", "SQLITE_INSERT", "SQLITE_PRAGMA", "SQLITE_READ",
    "SQLITE_RECURSIVE", "SQLITE_REINDEX", "SQLITE_SAVEPOINT", "SQLITE_SELECT", "SQLITE_TRANSACTION",
    "SQLITE_UPDATE",
}
# fmt: on
ERRORS = sorted(name for name in set(dir(sqlite3)) - NO_ERRORS if name.startswith("SQLITE_") and name.count("_") == 1)


def from_sqlite(name: str) -> OperationalError:
    original = sqlite3.OperationalError("said by SQLite")
    original.sqlite_errorname = name  # type: ignore[misc]
    return OperationalError("SELECT 1", {}, original)


class FromPostgres(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("said by PostgreSQL")
        self.sqlstate = sqlstate


def complain(error: BaseException) -> StoreError:
    with pytest.raises(StoreError) as caught, failures.translated("HERE"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SQLITE_FULL", "no space is left"),
        ("SQLITE_IOERR_SHMSIZE", "no space is left"),
        ("SQLITE_IOERR_WRITE", "fails to read or write"),
        ("SQLITE_READONLY_DBMOVED", "read-only"),
        ("SQLITE_CANTOPEN", "permission denied"),
        ("SQLITE_BUSY", "locked"),
        ("SQLITE_BUSY_SNAPSHOT", "locked"),
        ("SQLITE_NOTADB", "not a Palmette store"),
        ("SQLITE_CORRUPT_INDEX", "not a Palmette store"),
    ],
)
def test_what_sqlite_complains_of_is_said_with_what_to_do(name: str, said: str) -> None:
    error = complain(from_sqlite(name))
    assert said in error.message
    assert "HERE" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("53100", "no space is left"),
        ("25006", "read-only"),
        ("42501", "refuses this user"),
        ("28P01", "refuses this user"),
        ("3D000", "there is no database"),
        ("08006", "does not answer"),
        ("57P01", "does not answer"),
        ("55P03", "locked"),
        ("XX001", "not a Palmette store"),
    ],
)
def test_what_postgresql_complains_of_is_said_with_what_to_do(code: str, said: str) -> None:
    error = complain(DBAPIError("SELECT 1", {}, FromPostgres(code)))
    assert said in error.message
    assert error.hint


@pytest.mark.parametrize("name", ERRORS)
def test_every_code_of_sqlite_is_an_error_of_ours(name: str) -> None:
    error = complain(from_sqlite(name))
    assert ("said by SQLite" in error.message) == (name in OURS)


@pytest.mark.parametrize(
    "error",
    [
        DBAPIError("SELECT 1", {}, FromPostgres("99999")),
        DBAPIError("SELECT 1", {}, FromPostgres(None)),
        SQLAlchemyError("something new"),
        sqlite3.ProgrammingError("something new"),
    ],
)
def test_the_unforeseen_is_quoted(error: Exception) -> None:
    assert "reports" in complain(error).message


def test_a_statement_and_its_values_are_never_quoted() -> None:
    error = StatementError("bad", "SELECT secret", {"value": "hunter2"}, ValueError("a value is required"))
    assert complain(error).message == "the store HERE reports: a value is required"


@pytest.mark.parametrize("error", [ArgumentError("bad"), NoSuchModuleError("bad")])
def test_a_wrong_url_is_answered_with_a_right_one(error: Exception) -> None:
    assert "postgresql://" in complain(error).hint


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EDQUOT, "no space is left"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "fails to read or write"),
        (errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)),
    ],
)
def test_what_the_file_system_complains_of_is_said(code: int, said: str) -> None:
    assert said in failures.of_system(OSError(code, os.strerror(code)), "HERE").message


def test_errors_of_ours_pass_through() -> None:
    ours = StoreError("ours")
    assert complain(ours) is ours
