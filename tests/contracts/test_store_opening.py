"""Opening a store: quick, safe under a race, and one clear error for whatever is wrong."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from palmette.domain.run import Process, Run, TaskChanged, TaskRecord
from palmette.domain.states import TaskState
from palmette.errors import StoreError, StoreTooNew
from palmette.store import database, leases, runs, schema, tasks
from palmette.store.database import Store
from palmette.store.ledger import RunLedger
from palmette.store.upgrade import upgrade

RUN = Run(id="run000000000", project="clinic", algorithm="tumour")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".palmette"


@pytest.fixture
def made(home: Path) -> Path:
    database.open(home).close()
    return home


@pytest.fixture
def empty_database(cluster: object) -> str:
    made: str = cluster.create("empty")  # type: ignore[attr-defined]
    return made


def shape(file: Path) -> dict[str, object]:
    """All that SQLite knows of a database's tables, but the order of columns that are no key."""
    with contextlib.closing(sqlite3.connect(file)) as connection:

        def asked(pragma: str, name: str, without: int = 0) -> list[object]:
            return sorted(row[without:] for row in connection.execute(f"PRAGMA {pragma}('{name}')"))

        found: dict[str, object] = {"revision": connection.execute("SELECT * FROM alembic_version").fetchall()}
        for table in [row[1] for row in connection.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")]:
            indexes = {row[1]: row[2:] for row in connection.execute(f"PRAGMA index_list('{table}')")}
            found[table] = (
                [row[2:] for row in connection.execute(f"PRAGMA table_list('{table}')")],
                asked("table_info", table, without=1),
                asked("foreign_key_list", table, without=2),
                {
                    name: (facts, [row[2] for row in connection.execute(f"PRAGMA index_info('{name}')")])
                    for name, facts in indexes.items()
                },
            )
        return found


class TestMaking:
    def test_a_store_is_its_owners_alone_and_ignored_by_git(self, made: Path) -> None:
        opened = database.open(made)
        runs.create(opened, RUN)
        assert made.stat().st_mode & 0o777 == 0o700
        files = {path.name: path.stat().st_mode & 0o777 for path in made.iterdir()}
        assert files == dict.fromkeys([".gitignore", "store.db", "store.db-shm", "store.db-wal"], 0o600)
        assert (made / ".gitignore").read_text() == "*\n"
        opened.close()
        assert sorted(path.name for path in made.iterdir()) == [".gitignore", "store.db"]

    def test_every_connection_is_durable_and_checks_references(self, made: Path) -> None:
        opened = database.open(made)
        with opened.read() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        opened.close()
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}

    def test_the_migrations_make_what_the_tables_say(self, store: Store) -> None:
        with store.read() as connection:
            dialect = connection.dialect.name

            def ours(thing: Any, *_about: object) -> bool:
                condition = getattr(thing, "_ddl_if", None)  # Alembic does not ask it
                return condition is None or condition.dialect == dialect

            context = MigrationContext.configure(connection, opts={"include_object": ours})
            assert compare_metadata(context, schema.metadata) == []

    def test_what_is_made_at_once_is_what_the_migrations_make(self, made: Path, tmp_path: Path) -> None:
        migrated = tmp_path / "migrated.db"
        engine = create_engine(f"sqlite:///{migrated}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        assert shape(made / "store.db") == shape(migrated)

    def test_a_servers_database_is_made_once_though_two_race(self, empty_database: str) -> None:
        code = "import sys; from palmette.store import database; database.open(sys.argv[1]).close()"
        processes = [subprocess.Popen([sys.executable, "-c", code, empty_database]) for _number in range(4)]
        assert [process.wait() for process in processes] == [0, 0, 0, 0]

    def test_opening_again_neither_migrates_nor_waits(self, made: Path) -> None:
        code = """if True:
            import sys, time
            import sqlalchemy, sqlalchemy.dialects.sqlite
            from palmette.store import database
            began = time.process_time()
            database.open(sys.argv[1]).close()
            slow = {"alembic", "sqlalchemy.dialects.postgresql"}
            print(time.process_time() - began, slow & {*sys.modules} or "neither")
        """
        said = subprocess.run([sys.executable, "-c", code, made], check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds, loaded = said.split(maxsplit=1)
        assert float(seconds) < 0.1, "some 3 ms; ten times as much on a busy machine is no failure"
        assert loaded == "neither\n"

    def test_a_place_with_odd_characters_is_a_place(self, tmp_path: Path) -> None:
        odd = tmp_path / "50% é ?a=b#c"
        database.open(odd).close()
        assert (odd / "store.db").exists()

    def test_an_empty_file_left_by_someone_is_no_obstacle(self, home: Path) -> None:
        home.mkdir(parents=True)
        (home / "store.db").touch()
        (home / "store.db.new").write_text("left by a killed process")
        database.open(home).close()
        assert sorted(path.name for path in home.iterdir()) == [".gitignore", "store.db"]


#: Imports what a writer needs, then forks one for each line it is told; they meet at the database, not before.
WRITERS = """
import os, sys
import palmette.store.upgrade, sqlalchemy.dialects.sqlite
from palmette.domain.run import Process, Run, TaskChanged, TaskRecord
from palmette.domain.states import TaskState
from palmette.store import database, identity, leases, runs
from palmette.store.ledger import RunLedger

def write(home, count):
    store = database.open(home)
    run = Run(id=identity.new_run_id(), project="clinic", algorithm="tumour")
    runs.create(store, run, [TaskRecord(name=name, executor="e") for name in ("a", "b")])
    me = Process(pid=os.getpid(), start=1, boot="boot")
    ledger = RunLedger(store, leases.take(store, run.id, "here", me, alive=bool), exists=bool)
    for number in range(count):
        same = {"state": TaskState.QUEUED, "time": 1.0, "message": str(number)}
        ledger.record([TaskChanged(task="a", **same), TaskChanged(task="b", **same)])
        os.write(1, f"{run.id} {number}\\n".encode())
    store.close()

children = []
while line := sys.stdin.readline().rstrip():
    home, _, count = line.rpartition(" ")
    if home == "wait":
        os.write(1, f"ended {[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]}\\n".encode())
        children = []
        continue
    children.append(os.fork())
    if children[-1] == 0:
        try:
            write(home, int(count))
            os._exit(0)
        finally:
            os._exit(1)
    os.write(1, f"started {children[-1]}\\n".encode())
"""


class Writers:
    """Processes that write to a store, each to a run of two tasks that are always changed together."""

    def __init__(self, harness: subprocess.Popen[str]) -> None:
        assert harness.stdin is not None
        assert harness.stdout is not None
        self._say = harness.stdin
        self._hear = harness.stdout

    def start(self, home: Path, count: int) -> None:
        self._say.write(f"{home} {count}\n")
        self._say.flush()

    def hear(self) -> tuple[str, str]:
        """What one of them said next: that it started, or which change of which run is written."""
        first, _, second = self._hear.readline().rstrip().partition(" ")
        return first, second

    def wait(self) -> tuple[list[tuple[str, int]], str]:
        """All the changes that were acknowledged, and the exit codes."""
        self.start(Path("wait"), 0)
        said = []
        while (heard := self.hear())[0] != "ended":
            said += [(heard[0], int(heard[1]))] if heard[0] != "started" else []
        return said, heard[1]


@pytest.fixture
def writers() -> Iterator[Writers]:
    command = [sys.executable, "-c", WRITERS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as harness:
        yield Writers(harness)
        assert harness.stdin is not None
        harness.stdin.close()


def test_fifty_processes_make_one_store_and_write_to_it_at_once(home: Path, writers: Writers) -> None:
    for _number in range(50):
        writers.start(home, 10)
    said, codes = writers.wait()
    assert codes == str([0] * 50)
    assert len(set(said)) == 500
    opened = database.open(home)
    assert [row.tasks for row in runs.page(opened, limit=100)] == [{TaskState.QUEUED: 2}] * 50
    opened.close()


def test_what_was_acknowledged_survives_a_kill_and_nothing_is_half(tmp_path: Path, writers: Writers) -> None:
    chance = random.Random(20_260_801)
    for number in range(50):
        # In the first ones the store itself is being made.
        home = tmp_path / ("made" if number >= 10 else f"new{number}")
        writers.start(home, 100_000)
        _started, pid = writers.hear()
        time.sleep(chance.uniform(0, 0.2))
        os.kill(int(pid), signal.SIGKILL)
        said, codes = writers.wait()
        assert codes == "[-9]"
        opened = database.open(home)
        if said:
            run, last = said[-1]
            messages = [int(task.message) for task in tasks.of_run(opened, run)]
            assert len(set(messages)) == 1, "both tasks of a transaction, or neither"
            assert messages[0] in (last, last + 1)
        with opened.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        opened.close()
        assert not list(home.glob("store.db.new*"))


def test_a_task_costs_the_same_however_long_the_history(made: Path, accept_in: Callable[[Store], RunLedger]) -> None:
    opened = database.open(made)
    ledger = accept_in(opened)

    def seconds() -> float:
        began = time.process_time()
        for number in range(100):
            ledger.reusable(f"unknown {number}")
            ledger.reusable("fingerprint 77")
            ledger.record([TaskChanged(task="t", state=TaskState.QUEUED, time=1.0)])
        return time.process_time() - began

    seconds()
    short = min(seconds() for _time in range(3))
    with opened.write() as connection:
        connection.exec_driver_sql(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO tasks
              (run, name, position, project, fingerprint, made, state, executor, component, needs, message)
            SELECT ?, 'task ' || i, i, 'clinic', 'fingerprint ' || (i % 1000), i, 'SUCCEEDED', '', '', '[]', '' FROM n
            """,
            (ledger._lease.run,),
        )
    assert min(seconds() for _time in range(3)) < 3 * short
    opened.close()


@pytest.fixture
def accept_in() -> Callable[[Store], RunLedger]:
    def accept(store: Store) -> RunLedger:
        runs.create(store, RUN, [TaskRecord(name="t")])
        me = Process(pid=1, start=1, boot="b")
        return RunLedger(
            store, leases.take(store, RUN.id, "here", me, alive=lambda _process: True), lambda _digest: True
        )

    return accept


# What can be wrong.


#: A process that modes bind, as they do not the superuser; what it needs is imported while it still may read it.
OPEN = """
import os, sys, tempfile
from palmette.errors import StoreError
from palmette.domain.run import Run
from palmette.store import database, runs
with tempfile.TemporaryDirectory() as name:
    database.open(name + "/store").close()
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    store = database.open(sys.argv[1], wait=0.5)
except StoreError as error:
    print(type(error).__name__, error.message, "|", error.hint)
"""


def opened_by_another(home: Path) -> str:
    """What an ordinary user is told."""
    return subprocess.run([sys.executable, "-c", OPEN, home], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk on which the empty store just finds room."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(directory)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield directory
    subprocess.run(["umount", directory], check=True)


class TestErrors:
    def test_a_full_disk_while_making_leaves_nothing(self, tiny: Path) -> None:
        (tiny / "filler").write_bytes(bytes(450 * 1024))
        with pytest.raises(StoreError, match="no space is left") as caught:
            database.open(tiny / "deep" / ".palmette")
        assert "Free some space" in caught.value.hint
        assert [path.name for path in tiny.iterdir()] == ["filler"]

    def test_a_full_disk_while_writing_loses_nothing_accepted(self, tiny: Path) -> None:
        opened = database.open(tiny / ".palmette")
        accepted = []

        def fill() -> None:
            for number in range(1000):
                id = f"run{number:09}"
                runs.create(opened, Run(id=id, project="p", algorithm="a", description="x" * 5000))
                accepted.append(id)

        with pytest.raises(StoreError, match="no space is left"):
            fill()
        opened.close()
        assert accepted
        again = database.open(tiny / ".palmette")
        assert {row.run.id for row in runs.page(again, limit=1000)} == set(accepted)
        again.close()

    def test_a_read_only_disk_is_said_to_be_one(self, tiny: Path) -> None:
        database.open(tiny / ".palmette").close()
        subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
        for place in (".palmette", "new"):
            with pytest.raises(StoreError, match="read-only"):
                database.open(tiny / place)

    @pytest.mark.parametrize(
        ("mode", "said"), [(0o500, "read-only"), (0o000, "permission denied")], ids=["unwritable", "unreadable"]
    )
    def test_permissions_that_lack_are_named(self, mode: int, said: str, open_to_all: Path) -> None:
        home = open_to_all / ".palmette"
        assert opened_by_another(home) == ""
        home.chmod(mode)
        told = opened_by_another(home)
        assert said in told
        assert str(home) in told

    def test_a_place_where_nothing_may_be_made_is_said_to_be_one(self, open_to_all: Path) -> None:
        open_to_all.chmod(0o555)
        assert "permission denied" in opened_by_another(open_to_all / ".palmette")
        assert list(open_to_all.iterdir()) == []

    def test_a_newer_store_is_refused_by_both_versions_names(self, made: Path) -> None:
        with sqlite3.connect(made / "store.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.close()
        with pytest.raises(StoreTooNew, match=f"schema 0999, and this Palmette knows only {schema.REVISION}") as caught:
            database.open(made)
        assert "upgrade" in caught.value.hint

    @pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + bytes(5000)])
    def test_what_is_no_database_is_left_alone(self, home: Path, content: bytes) -> None:
        home.mkdir(parents=True)
        (home / "store.db").write_bytes(content)
        with pytest.raises(StoreError, match="not a Palmette store, or it is damaged"):
            database.open(home)
        assert (home / "store.db").read_bytes() == content
        assert [path.name for path in home.iterdir()] == ["store.db"]

    def test_another_programs_database_is_left_alone(self, home: Path) -> None:
        home.mkdir(parents=True)
        with sqlite3.connect(home / "store.db") as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        with pytest.raises(StoreError, match="not a Palmette store"):
            database.open(home)

    def test_a_file_is_no_directory(self, home: Path) -> None:
        home.parent.mkdir()
        home.touch()
        for place in (home, home / "below"):
            with pytest.raises(StoreError):
                database.open(place)

    def test_a_writer_that_hangs_is_not_waited_for_for_ever(self, made: Path) -> None:
        blocker = sqlite3.connect(made / "store.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        opened = database.open(made, wait=0.2)
        with pytest.raises(StoreError, match="locked by another process"):
            runs.create(opened, RUN)
        assert runs.page(opened) == (), "who only reads does not wait"
        blocker.rollback()
        blocker.close()
        runs.create(opened, RUN)
        opened.close()

    @pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///x.db", "nonsense://", "://"])
    def test_other_databases_are_refused(self, url: str) -> None:
        with pytest.raises(StoreError) as caught:
            database.open(url)
        assert "postgresql://USER@HOST/DATABASE" in caught.value.hint

    def test_a_server_that_does_not_answer_is_said_so_without_its_password(self, cluster: object) -> None:
        with pytest.raises(StoreError, match="does not answer") as caught:
            database.open("postgresql://tester:hidden@127.0.0.1:1/nowhere")
        assert "hidden" not in str(caught.value)

    def test_a_missing_database_is_said_to_be_missing(self, cluster: object) -> None:
        with pytest.raises(StoreError, match="does not answer"):
            database.open(cluster.url("nowhere"))  # type: ignore[attr-defined]


@pytest.fixture
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that an unprivileged user reaches and may write."""
    with tempfile.TemporaryDirectory(prefix="palmette-test-", dir="/tmp") as name:
        directory = Path(name) / "place"
        Path(name).chmod(0o755)
        directory.mkdir()
        directory.chmod(0o777)
        yield directory
        directory.chmod(0o777)
