"""Real databases: a SQLite file, and a PostgreSQL cluster of the tests' own."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from palmette.domain.run import Lease, Process, Run
from palmette.store import database, identity, leases, runs
from palmette.store.database import Store


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running PostgreSQL server that listens on a Unix socket only."""

    binaries: Path
    socket: Path

    def url(self, name: str) -> str:
        return f"postgresql://tester@/{name}?host={self.socket}"

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database, empty or a copy; its URL."""
        command = [self.binaries / "createdb", "-h", self.socket, "-U", "tester", "-T", template, name]
        subprocess.run(command, check=True, capture_output=True)
        return self.url(name)


def server_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """PostgreSQL refuses to run as root: an ordinary user's processes then do it."""
    binaries = server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries on this machine (Debian: apt-get install postgresql)")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed (uv sync --extra postgres)")
    # Short: a socket's path has at most 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    demote: dict[str, object] = {}
    if os.getuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(root, user.pw_uid, user.pw_gid)
        demote = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data, log = root / "data", root / "log"

    def control(*command: str | Path) -> None:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, **demote)  # type: ignore[call-overload]
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}")

    try:
        control(binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        options = f"-k {root} -c listen_addresses='' -c max_connections=100 -c shared_buffers=32MB -c fsync=off"
        control(binaries / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield Cluster(binaries=binaries, socket=root)
        finally:
            control(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made: each test has its own."""
    if request.param == "sqlite":
        return str(tmp_path / ".palmette")
    name = f"store_{identity.new_run_id()}"
    made: str = request.getfixturevalue("cluster").create(name)
    return made


@pytest.fixture(scope="session")
def made_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store just made; to be copied, since making one takes longer than most tests."""
    directory = tmp_path_factory.mktemp("made") / ".palmette"
    database.open(directory).close()
    return directory


@pytest.fixture(scope="session")
def made_database(cluster: Cluster) -> str:
    database.open(cluster.create("made")).close()
    return "made"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store on each database."""
    if request.param == "sqlite":
        where = str(shutil.copytree(request.getfixturevalue("made_directory"), tmp_path / ".palmette"))
    else:
        template = request.getfixturevalue("made_database")
        where = request.getfixturevalue("cluster").create(f"store_{identity.new_run_id()}", template)
    opened = database.open(where)
    yield opened
    opened.close()


ME = Process(pid=os.getpid(), start=1, boot="boot")


@pytest.fixture
def accept(store: Store) -> Callable[..., Run]:
    """Accept a run of "tumour", unless it is said otherwise."""

    def create(**values: object) -> Run:
        run = Run(**{"id": identity.new_run_id(), "project": "clinic", "algorithm": "tumour", **values})  # type: ignore[arg-type]
        runs.create(store, run)
        return runs.get(store, run.id)

    return create


@pytest.fixture
def drive(store: Store) -> Callable[[Run], Lease]:
    """Take the lease of a run as this process."""
    return lambda run: leases.take(store, run.id, "here", ME, alive=lambda _process: True)
