"""What tests share: the interpreters and projects that they run for real, and a PostgreSQL cluster of their own."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

# A change is judged by the same examples each time; `HYPOTHESIS=random make test` looks for new ones.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS", "steady"))

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def clinic_python() -> Path:
    """The interpreter of examples/clinic, with scikit-learn, pandas and pyarrow; `make install` makes it."""
    named = os.environ.get("PALMETTE_TEST_PYTHON")
    python = Path(named) if named else ROOT / "examples" / "clinic" / ".venv" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing: run `make install`")
    return python


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; the diff is the review")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running PostgreSQL server that listens on a Unix socket only."""

    binaries: Path
    socket: Path
    #: `pg_ctl` with more arguments
    control: Callable[..., None]

    def stop(self) -> None:
        """End it, and whatever it does for whomever."""
        self.control("-m", "fast", "-w", "stop")

    def start(self) -> None:
        """Start it again."""
        self.control("-w", "start")

    def url(self, name: str) -> str:
        return f"postgresql://tester@/{name}?host={self.socket}"

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database, empty or a copy; its URL."""
        where = ("-h", self.socket, "-U", "tester")
        subprocess.run([self.binaries / "createdb", *where, "-T", template, name], check=True, capture_output=True)
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
        server = partial(control, binaries / "pg_ctl", "-D", data, "-l", log, "-o", options)
        server("-w", "start")
        try:
            yield Cluster(binaries=binaries, socket=root, control=server)
        finally:
            control(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(root)
