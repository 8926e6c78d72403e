"""A small project in a home of its own, and the real command in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from benchmarks.soak.victims import members
from tests.cli.warm import Warm

PALMETTE = Path(sys.executable).parent / "palmette"
#: Nothing here takes half as long; what hangs is to fail, not to hang.
PATIENCE = 150.0
NOTHING: Mapping[str, str] = MappingProxyType({})

ALGORITHM = '''
import time
from dataclasses import dataclass
from pathlib import Path

from palmette import algorithm, step


@dataclass(frozen=True)
class Config:
    """What a run is told."""

    size: int = 1000  #: bytes
    times: int = 1  #: counts its size so often
    gates: str = ""  #: a directory; a step waits until a file with its name is in there


def pass_gate(gates: str, name: str) -> None:
    """Wait until the gate is open."""
    while gates and not Path(gates, name).exists():
        time.sleep(0.02)


@step
def make(size: int, gates: str) -> Path:
    """A file."""
    pass_gate(gates, "make")
    Path("made.bin").write_bytes(b"x" * size)
    return Path("made.bin")


@step
def measure(made: Path, times: int, gates: str) -> int:
    """How large it is."""
    pass_gate(gates, "measure")
    return times * made.stat().st_size


@algorithm(config=Config)
def small(config: Config) -> None:
    """A file and its size."""
    measure(make(config.size, config.gates), config.times, config.gates)
'''


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one error; nothing else may look like one, and nothing like a bug."""
        assert "Traceback" not in self.err, self.err
        assert self.err.count("error:") == 1, self.err
        return self.err.partition("error: ")[2]


@dataclass
class Small:
    """The project, and what its commands are told of the world."""

    directory: Path
    #: where home and runtime directory lie
    place: Path
    environ: dict[str, str]
    prefix: tuple[str, ...] = ()
    #: what runs commands to their end without starting an interpreter for each
    warm: Warm | None = None
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.directory / ".palmette"

    @property
    def blobs(self) -> list[Path]:
        """The stored bytes."""
        return sorted(path for path in (self.home / "blobs").rglob("*") if path.is_file())

    def __call__(self, *arguments: str, code: int = 0, environ: Mapping[str, str] = NOTHING, **more: Any) -> Ended:
        """Run the command to its end, which is to have this exit code."""
        own = self._own(environ)
        if self.warm is not None and self.warm.serves(own) and not self.prefix and not more:
            ended = Ended(*self.warm.run(arguments, cwd=self.directory, environ=own, typed=None, timeout=PATIENCE))
        else:
            process = self.start(*arguments, environ=environ, **more)
            out, err = process.communicate(timeout=PATIENCE)
            ended = Ended(process.returncode, out, err)
        assert ended.code == code, f"exit code {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def _own(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in (self.environ | dict(environ)).items() if value}

    def start(self, *arguments: str, environ: Mapping[str, str] = NOTHING, **more: Any) -> subprocess.Popen[str]:
        """Start the command."""
        process = subprocess.Popen(
            [*self.prefix, PALMETTE, *arguments],
            **{"cwd": self.directory, **more},
            env=self._own(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What the store holds; nothing where there is none yet."""
        file = self.home / "store.db"
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(query, values).fetchall()

    def files(self) -> list[str]:
        """All that lies in the project, whatever goes while it is looked at."""
        below = os.walk(self.directory)
        found = [Path(top, name) for top, directories, files in below for name in (*directories, *files)]
        return sorted(str(path.relative_to(self.directory)) for path in found if "__pycache__" not in path.parts)

    def stop_at(self, step: str, *more: str) -> tuple[subprocess.Popen[str], str]:
        """A driver whose run has come to this step, which waits for its gate; and the run."""
        gates = self.place / "gates"
        shutil.rmtree(gates, ignore_errors=True)
        gates.mkdir()
        if step == "measure":
            (gates / "make").touch()
        query = "SELECT run FROM attempts WHERE task = ? AND pid IS NOT NULL ORDER BY started"
        before = len(self.rows(query, step))
        driver = self.start("run", "small", f"gates={gates}", *more)
        self.until(lambda: driver.poll() is not None or len(self.rows(query, step)) > before)
        assert driver.poll() is None, driver.communicate()
        return driver, self.rows(query, step)[-1][0]

    def open_gates(self) -> None:
        """Let the steps go on."""
        for step in ("make", "measure"):
            (self.place / "gates" / step).touch()

    def tasks_running(self) -> list[str]:
        """Processes that work in an attempt's directory."""
        return [one.command for one in members(self.place) if one.kind.value in ("task", "below a task")]

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)

    def end(self) -> None:
        """Leave no process behind."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        for one in members(self.place):
            one.kill()


def make_small(place: Path, directory: Path, text: str = ALGORITHM) -> Small:
    """The project in this directory, with a user's home beside it."""
    (directory / "algorithms").mkdir(parents=True)
    (directory / "algorithms" / "__init__.py").write_text("")
    (directory / "algorithms" / "small.py").write_text(text)
    (directory / "pyproject.toml").write_text(
        f'[project]\nname = "small"\n[tool.palmette]\nlock = "none"\npython = "{sys.executable}"\n'
    )
    for name in ("home", "run", "temporary"):
        (place / name).mkdir(mode=0o700, parents=True)
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(place / "home"),
        "XDG_RUNTIME_DIR": str(place / "run"),
        "TMPDIR": str(place / "temporary"),
        "PALMETTE_IDLE": "5",
    }
    return Small(directory, place, environ)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Commands that are run to their end share an interpreter's start."""
    made = Warm(PALMETTE, {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
    yield made
    made.end()


@pytest.fixture
def small(tmp_path: Path, warm: Warm) -> Iterator[Small]:
    """A project whose two steps need the standard library alone."""
    project = make_small(tmp_path / "user", tmp_path / "project")
    project.warm = warm
    yield project
    project.end()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts small file systems; needs root."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting needs root")
    mounted: list[Path] = []

    def mount(name: str, size: str = "4m", options: str = "") -> Path:
        point = tmp_path / name
        point.mkdir(parents=True, exist_ok=True)
        given = f"size={size},mode=0700" + (f",{options}" if options else "")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", given, "palmette", point], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("this system lets nobody mount")
        mounted.append(point)
        return point

    yield mount
    for point in reversed(mounted):
        subprocess.run(["umount", "-l", point], check=True)
