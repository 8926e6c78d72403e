"""The real command, run as a process in real projects, by a user with a home of their own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest
import uvicorn
from tests.cli.warm import Warm

from palmette.operations.home import serve_home
from palmette.server.app import build
from palmette.server.guard import before
from palmette.server.measures import Measures
from palmette.server.palmette import table

ROOT = Path(__file__).parents[2]
PALMETTE = Path(sys.executable).parent / "palmette"
#: Nothing here takes half as long; what hangs is to fail, not to hang.
PATIENCE = 120.0


#: verbs that look at runs, and verbs that change them
_LOOKING = (
    *("runs", "show", "logs", "artifacts", "diff", "why", "sweeps", "sweep", "views"),
    *("history", "leaderboard", "branches"),
)
_CHANGING = ("tag", "note")


def _ageless(text: str) -> str:
    """A screen without the ages on it, and without what they move."""
    return re.sub(r" +", " ", re.sub(r"\b(just now|now|\d+ (s|min|h)( ago)?)\b", "AGE", text))


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Run(dict[str, Any]):
    """A run as --json prints it."""

    @property
    def states(self) -> dict[str, str]:
        return {task["name"]: task["state"] for task in self["tasks"]}

    @property
    def cached(self) -> set[str]:
        """The steps whose outputs were made by an earlier run."""
        return {task["name"] for task in self["tasks"] if task["cached"]}

    def task(self, name: str) -> dict[str, Any]:
        return next(task for task in self["tasks"] if task["name"] == name)


@dataclass
class Project:
    """A directory in which the command is called."""

    directory: Path
    environ: dict[str, str]
    #: a server of the same home: what looks at runs is asked there, too, and is to print the same, byte for byte; what
    #: changes them is asked there alone
    server: str = ""
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    #: what runs commands to their end without starting an interpreter for each
    warm: ClassVar[Warm | None] = None

    def __call__(
        self,
        *arguments: str,
        code: int = 0,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        typed: str | None = None,
    ) -> Ended:
        """Run the command to its end, which is to have this exit code."""
        if self.server and (arguments[0] in _CHANGING or arguments[:2] == ("views", "remove")):
            return self._ended([*arguments, "--on", self.server], code, environ, cwd, typed)
        here = self._ended(arguments, code, environ, cwd, typed)
        if not self.server or arguments[0] not in _LOOKING or "get" in arguments or environ:
            return here
        there = self._ended([*arguments, "--on", self.server], code, environ, cwd, typed)
        if (there.out, there.err) != (here.out, here.err):
            # Ages are counted in seconds, and some have gone by.
            assert (_ageless(there.out), _ageless(there.err)) == (_ageless(here.out), _ageless(here.err))
        return here

    def _ended(
        self,
        arguments: Sequence[str],
        code: int,
        environ: Mapping[str, str] | None,
        cwd: Path | None,
        typed: str | None,
    ) -> Ended:
        environ = self.environ | dict(environ or {})
        if self.warm is not None and self.warm.serves(environ):
            where = cwd or self.directory
            ended = Ended(*self.warm.run(arguments, cwd=where, environ=environ, typed=typed, timeout=PATIENCE))
        else:
            ended = self.cold(*arguments, environ=environ, cwd=cwd, typed=typed)
        assert ended.code == code, f"exit code {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def cold(
        self, *arguments: str, environ: Mapping[str, str], cwd: Path | None = None, typed: str | None = None
    ) -> Ended:
        """Run the command to its end in an interpreter that is started for it."""
        done = subprocess.run(
            [PALMETTE, *arguments],
            cwd=cwd or self.directory,
            env=environ,
            input=typed,
            stdin=subprocess.DEVNULL if typed is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str, code: int = 0, environ: Mapping[str, str] | None = None) -> Run:
        """Run an algorithm; the run as --json prints it."""
        return Run(self("run", *arguments, "--json", code=code, environ=environ).json)

    def show(self, run: str = "last") -> Run:
        """A run as `show --json` prints it."""
        return Run(self("show", run, "--json").json)

    def terminal(self, *arguments: str, watch: Callable[[str], None] = lambda _: None) -> tuple[int, str]:
        """Run the command at a terminal of 80 columns; its exit code and everything that the terminal was sent, which
        is shown to `watch` as it grows."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        environ = {name: value for name, value in self.environ.items() if name != "COLUMNS"}
        process = subprocess.Popen(
            [PALMETTE, *arguments],
            cwd=self.directory,
            env=environ | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # Linux says EIO once nobody has the other end open
            while part := os.read(ours, 1 << 16):
                seen += part
                watch(seen.decode(errors="replace"))
        os.close(ours)
        return process.wait(PATIENCE), seen.decode()

    def finished(self, process: subprocess.Popen[str], code: int) -> Ended:
        """Wait for a command that was started; it is to end with this exit code."""
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return Ended(process.returncode, out, err)

    def eventually(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until it is true; it is an error if it never becomes so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not become true"
            time.sleep(0.02)

    def json(self, *arguments: str, code: int = 0, environ: Mapping[str, str] | None = None) -> Any:
        """What a command prints with --json: one value on standard output, and nothing else there."""
        return self(*arguments, "--json", code=code, environ=environ).json

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the command as a shell in a terminal would: in a process group of its own."""
        process = subprocess.Popen(
            [PALMETTE, *arguments],
            cwd=self.directory,
            env=self.environ | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project; `{here}` in it becomes the project's directory."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n").replace("{here}", str(self.directory)))
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a file as a developer would."""
        path = self.directory / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))

    def touch(self, name: str) -> None:
        """Let a step that waits for this file go on."""
        (self.directory / name).touch()

    def exists(self, name: str) -> bool:
        return (self.directory / name).exists()

    def lines(self, name: str) -> list[str]:
        """What the steps noted in a file."""
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.directory, env=self.environ, check=True, capture_output=True)

    def processes(self) -> list[str]:
        """The command lines of living processes that belong to the project: its directory is in what they were given,
        in their surroundings, or is where they work. Idle templates are not among them."""
        found = []
        for path in Path("/proc").iterdir():
            if not path.name.isdigit() or int(path.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                command = (path / "cmdline").read_bytes()
                dead = (path / "stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
                text = command + (path / "environ").read_bytes() + os.fsencode((path / "cwd").readlink())
                if str(self.directory).encode() in text and not dead:
                    found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who never used Palmette before. Their templates are ended with the tests."""
    top = tmp_path_factory.mktemp("user")
    (top / "run").mkdir(mode=0o700)
    yield {
        "PATH": f"{PALMETTE.parent}:{os.environ['PATH']}",
        "HOME": str(top),
        "XDG_RUNTIME_DIR": str(top / "run"),
        "XDG_CACHE_HOME": str(top / "cache"),
        "XDG_CONFIG_HOME": str(top / "config"),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    end_templates(top / "run")


@pytest.fixture(scope="session", autouse=True)
def warm(user: dict[str, str]) -> Iterator[None]:
    """Let commands that are run to their end share an interpreter's start."""
    Project.warm = Warm(PALMETTE, user)
    yield
    Project.warm.end()
    Project.warm = None


class Hub:
    """A server for every home that a test names, at an address of its own: what `palmette serve` answers with, in this
    process."""

    def __init__(self) -> None:
        self._apps: dict[str, Any] = {}
        self._made: dict[str, Callable[[], Any]] = {}
        # The protocol is named, as by `palmette serve`: Nagle's algorithm stays on else, 40 ms an answer.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        config = uvicorn.Config(self, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def of(self, directory: Path, *, host: str = "127.0.0.1") -> str:
        """The address of the server of a home, which need not be there before it is asked. On another host than this
        one it wants tokens."""
        key = f"h{len(self._made)}"

        def made() -> Any:
            home = serve_home(directory, None)
            guard = before(home, [host], Measures(home))
            return build(home, environ={"HOME": str(directory)}, guard=guard, others=table.ROWS)

        self._made[key] = made
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/{key}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        key, _, rest = scope["path"].removeprefix("/").partition("/")
        if key not in self._apps:
            self._apps[key] = self._made[key]()
        await self._apps[key]({**scope, "path": f"/{rest}"}, receive, send)

    def end(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """Servers, as many as are wanted, on one port."""
    hub = Hub()
    yield hub
    hub.end()


def end_templates(runtime: Path) -> None:
    """End the templates that serve a runtime directory."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if str(runtime).encode() in (path / "cmdline").read_bytes():
                    os.kill(int(path.name), signal.SIGKILL)


@pytest.fixture(scope="session")
def project_type() -> type[Project]:
    """For fixtures that last longer than a test."""
    return Project


@pytest.fixture
def empty(tmp_path: Path, user: dict[str, str]) -> Iterator[Project]:
    """A directory with nothing in it."""
    (tmp_path / "place").mkdir()
    project = Project(tmp_path / "place", dict(user))
    yield project
    project.end()


SETTINGS = f"""
[project]
name = "tiny"
version = "0.1.0"

[tool.palmette]
algorithms = ["algorithms"]
python = "{sys.executable}"
"""


@pytest.fixture
def tiny(empty: Project) -> Project:
    """A project of the standard library alone: what `palmette init` writes."""
    empty.write("pyproject.toml", SETTINGS)
    empty("init")
    return empty


@pytest.fixture
def bare(empty: Project) -> Project:
    """A project without an algorithm; a test writes its own."""
    empty.write("pyproject.toml", SETTINGS)
    return empty


@pytest.fixture
def clinic(tmp_path: Path, user: dict[str, str], clinic_python: Path) -> Iterator[Project]:
    """A copy of examples/clinic in a Git repository of its own, all of it committed."""
    directory = tmp_path / "clinic"
    ignored = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache")
    shutil.copytree(ROOT / "examples" / "clinic", directory, ignore=ignored)
    # What the environment was installed from is pinned by what is installed, whichever one the tests were given.
    (directory / "requirements.txt").unlink()
    project = Project(directory, dict(user))
    text = (directory / "pyproject.toml").read_text()
    python = f'[tool.palmette]\npython = "{clinic_python}"\n'
    (directory / "pyproject.toml").write_text(text.replace("[tool.palmette]\n", python))
    project.write(".gitignore", "__pycache__/\n")
    project.git("init", "--initial-branch=main")
    project.git("add", ".")
    project.git("commit", "--message=Train two algorithms")
    yield project
    project.end()
