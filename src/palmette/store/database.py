"""Open a store: a directory for one person, a PostgreSQL server for a team."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from palmette.errors import StoreError, StoreTooNew
from palmette.store import failures
from palmette.store.schema import REVISION, create, for_postgresql
from palmette.store.statements import CLOCKS

#: The database in a store's directory.
FILE: Final = "store.db"

#: Seconds to wait for other writers before giving up.
_PATIENCE: Final = 60.0

#: Any number will do, as long as no other program uses it in the same database.
_CREATION: Final = 7_310_511

_WRITES: Final = "palmette_writes"


class Store:
    """One open store. Safe to share between threads; a forked child opens its own."""

    def __init__(self, engine: Engine, where: str, directory: Path | None) -> None:
        #: for messages: the directory, or the URL without its password
        self.where = where
        #: None for a server's
        self.directory = directory
        #: SQL for the present moment by the database's clock
        self.clock = CLOCKS[engine.dialect.name]
        self._reader = engine
        self._writer = engine.execution_options(**{_WRITES: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that changes nothing; on SQLite a snapshot."""
        with failures.translated(self.where), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable when the block has been left; all or nothing. SQLite's writers take turns."""
        with failures.translated(self.where), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self._reader.dispose()


def open(location: str | Path, *, wait: float = _PATIENCE) -> Store:
    """Open the store in a directory or behind a PostgreSQL URL; make it, or bring it to this version's schema, first.

    `wait` is how many seconds other writers are waited for, now and in every later transaction. Whatever is wrong is
    one StoreError, and leaves nothing behind.
    """
    text = str(location)
    return _open_server(text, wait) if "://" in text else _open_directory(Path(text), wait)


def _open_directory(directory: Path, wait: float) -> Store:
    where = str(directory)
    try:
        file = directory / FILE
        _refuse_other_things(directory)
        if not _present(file):
            _create(directory, wait)
        _refuse_unwritable(directory, file)
    except OSError as error:
        raise failures.of_system(error, where) from error
    store = Store(_sqlite(file, wait), where, directory)
    return _current(store, lambda: _directory_lock(directory, wait, where))


def _open_server(text: str, wait: float) -> Store:
    try:
        url = make_url(text)
        where = url.render_as_string()
        if url.get_backend_name() != "postgresql":
            hint = "Give a directory, or postgresql://USER@HOST/DATABASE."
            raise StoreError(f"a store is a directory or a PostgreSQL database, not {where}", hint)
        engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        for_postgresql()
    except SQLAlchemyError as error:
        raise failures.of_database(error, "at that URL") from error
    except ModuleNotFoundError as error:
        raise StoreError(f"{error.name} is not installed", 'Install it: pip install "palmette[postgres]".') from error

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {int(wait * 1000)}")
        connection.commit()

    store = Store(engine, where, None)
    return _current(store, lambda: _server_lock(store))


# The schema's revision.


def _current(store: Store, lock: Any) -> Store:
    """The store, once its schema is this version's; closed again if that cannot be."""
    try:
        if _is_current(store):
            return store
        with lock():
            if not _is_current(store):
                with store.write() as connection:
                    _upgrade(connection)
    except BaseException:
        store.close()
        raise
    return store


def _is_current(store: Store) -> bool:
    """Whether nothing has to be done; StoreTooNew if nothing can be."""
    with store.read() as connection:
        found = _revision(connection, store.where)
    if found == REVISION:
        return True
    if found is not None and not (found.isdigit() and found < REVISION):
        raise StoreTooNew(
            f"the store {store.where} has schema {found}, and this Palmette knows only {REVISION}",
            "A newer Palmette made it; upgrade this one.",
        )
    return False


def _revision(connection: Connection, where: str) -> str | None:
    """The revision found; None where a server's database is still empty."""
    if connection.dialect.name == "postgresql":
        known = connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar()
    else:
        # A directory's database is complete from the moment it has its name.
        known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").scalar()
        if known is None:
            raise failures.malformed(where)
    return None if known is None else connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(connection: Connection) -> None:
    # Deferred: Alembic is slow to import, and hardly ever needed.
    from palmette.store.upgrade import upgrade

    upgrade(connection)


@contextmanager
def _server_lock(store: Store) -> Iterator[None]:
    with store.write() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATION})")
        yield


@contextmanager
def _directory_lock(directory: Path, wait: float, where: str) -> Iterator[None]:
    """Keep other processes from making or upgrading the same store; given back by a death too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise failures.locked(where) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


# SQLite.


def _sqlite(file: Path, wait: float) -> Engine:
    # Transactions are begun below: SQLite's own default would let a reader become a writer, and fail at it.
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"timeout": wait, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # A search reads here and there in a large file: what is mapped (for reading alone, a gigabyte at most) needs no
        # system call a page.
        connection.execute("PRAGMA mmap_size=1073741824")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _present(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _refuse_other_things(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise StoreError(f"the store {directory} is a file, not a directory", "Name a directory, or a new one.")


def _refuse_unwritable(directory: Path, file: Path) -> None:
    """SQLite would say only that it cannot open the file."""
    if not os.access(directory, os.R_OK | os.X_OK) or not os.access(file, os.R_OK):
        raise PermissionError(13, os.strerror(13))
    if not os.access(directory, os.W_OK) or not os.access(file, os.W_OK):
        raise OSError(30, os.strerror(30))


def _create(directory: Path, wait: float) -> None:
    """Make the directory and a complete database in it, or nothing; processes that race make one."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    ignore = directory / ".gitignore"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _directory_lock(directory, wait, str(directory)):
            if _present(directory / FILE):
                return
            fresh = not ignore.exists()
            try:
                if fresh:
                    _private(ignore, b"*\n")
                _build(directory, wait)
            except BaseException:
                if fresh:
                    ignore.unlink(missing_ok=True)
                raise
    except BaseException:
        for path in missing:
            # Not empty: another process got further than we did.
            with suppress(OSError):
                path.rmdir()
        raise


def _build(directory: Path, wait: float) -> None:
    """Write the database under another name and rename it, so that nobody ever sees half of one."""
    new = directory / f"{FILE}.new"
    parts = [new, *(new.with_name(new.name + suffix) for suffix in ("-journal", "-wal", "-shm"))]
    try:
        for part in parts:
            part.unlink(missing_ok=True)
        _private(new, b"")
        engine = _sqlite(new, wait)
        try:
            with failures.translated(str(directory)):
                with engine.execution_options(**{_WRITES: True}).begin() as connection:
                    create(connection)
                with engine.connect() as connection:
                    # Outside a transaction; the mode is kept in the file.
                    connection.connection.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            engine.dispose()
        new.replace(directory / FILE)
        _flush(directory)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; SQLite gives its companions the same mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
