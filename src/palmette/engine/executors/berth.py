"""Where a template lives: the directory with its socket, its lock and its log; how one gets there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from palmette.domain.values import Json, digest
from palmette.errors import InterpreterError
from palmette.runtime import threads

#: Variables that importing may need; the others reach a step after the fork.
KEPT: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PALMETTE_ISOLATION",
    "PATH",
    "TMPDIR",
    "USER",
    "_KFP_RUNTIME",
)
#: For tests only: seconds after which an unused template leaves.
IDLE: Final = "PALMETTE_IDLE"
#: A file that stands in an environment which Palmette has built, and in which no step may write.
BUILT: Final = "palmette.json"
#: Those of them that make it another template.
TELLING: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PALMETTE_ISOLATION", "_KFP_RUNTIME", IDLE)


def identity(python: Path, kit: Path, environment: Mapping[str, str]) -> str:
    """The key of the template for this interpreter as it is now: changes when anything is installed or removed."""
    prefix = python.parent.parent
    places = (python.resolve(), prefix / "pyvenv.cfg", *sorted(prefix.glob("lib*/python3*/*-packages")))
    stamps: list[Json] = [[str(place), place.stat().st_mtime_ns] for place in places if place.exists()]
    told: list[Json] = [environment.get(name, "") for name in TELLING]
    return digest([str(python), str(kit), stamps, told])[:16]


def protected(python: Path | None) -> list[str]:
    """The directories in which no step of this interpreter may write."""
    prefix = python.parent.parent if python else Path()
    return [str(prefix)] if (prefix / BUILT).is_file() else []


class Berth:
    """The place of one template, the same for every driver of the user."""

    def __init__(self, python: Path, kit: Path, templates: Path, environment: Mapping[str, str], idle: float) -> None:
        self.python = python.absolute()
        self._script = kit / "palmette" / "runtime" / "template.py"
        self._directory = templates / identity(self.python, kit, environment)
        self._idle = float(environment.get(IDLE) or idle)
        self._environment = {
            **threads.variables(1),
            **{name: environment[name] for name in KEPT if name in environment},
            "LC_CTYPE": "C.UTF-8",
            "PYTHONHASHSEED": "0",
        }
        self._starter: subprocess.Popen[bytes] | None = None
        self._prepare()

    def _prepare(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = self._directory.lstat()
        if facts.st_uid != os.geteuid() or not stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o022:
            raise InterpreterError(
                f"others may write to {self._directory}", "Remove it: whoever can reach a template can run code as you."
            )

    def connect(self) -> socket.socket:
        """A line to the template, which is started if there is none. Does not wait until it answers."""
        with self._short() as place:
            if line := _dial(place):
                return line
            with (self._directory / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                line = _dial(place)
                if line is None:
                    self._launch(place)
                    line = _dial(place)
        if line is None:
            raise self.failure()
        return line

    def came_up(self) -> None:
        """The template answers. Reap the process that became its parent, if that was ours."""
        if self._starter:
            self._starter.wait()
            self._starter = None

    def check(self) -> None:
        """Raise InterpreterError if it was us who started a template that did not come up."""
        if self._starter and self._starter.wait():
            raise self.failure()

    def failure(self) -> InterpreterError:
        """Say why there is no template."""
        self.came_up()
        tail = self.tail()
        if "is too old" in tail:
            return InterpreterError(
                f"{self.python}: {tail.splitlines()[-1]}", "Give the project an environment with a newer Python."
            )
        return InterpreterError(f"the project's Python cannot run Palmette's template: {self.python}", tail)

    def tail(self) -> str:
        """The last lines of what the template itself printed."""
        with contextlib.suppress(OSError):
            return "\n".join((self._directory / "log").read_text(errors="replace").splitlines()[-20:])
        return ""

    @contextlib.contextmanager
    def _short(self) -> Iterator[str]:
        """A name for the socket that is short enough for the kernel, however deep its directory lies."""
        handle = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{handle}/socket"
        finally:
            os.close(handle)

    def _launch(self, place: str) -> None:
        """Start a template with a socket that can be connected to already."""
        self.came_up()
        path = self._directory / "socket"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as door, (self._directory / "log").open("wb") as log:
            door.bind(place)
            door.listen(256)
            given = ("--socket", str(path), "--listen", str(door.fileno()), "--idle", str(self._idle))
            try:
                self._starter = subprocess.Popen(
                    [str(self.python), str(self._script), *given],
                    env=self._environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[door.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                path.unlink(missing_ok=True)
                raise InterpreterError(
                    f"the project's Python cannot be started: {self.python}: {error.strerror}",
                    "Create the project's environment, or name another interpreter.",
                ) from error


def _dial(place: str) -> socket.socket | None:
    """A line to whoever listens there, if anyone does."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(place)
    except (FileNotFoundError, ConnectionError):
        line.close()
        return None
    return line
