"""The wheel that users get, installed for real: as a tool, beside projects of every make, on several Pythons."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
LOCK = ROOT / "requirements-dev.txt"
#: Nothing here takes a tenth of it; a first download may.
PATIENCE = 240.0


PYPROJECT = """
    [project]
    name = "theirs"
    version = "1.0"
    requires-python = ">=3.11"
"""

LOOK = """
    import sys
    from dataclasses import dataclass

    from palmette import algorithm, step

    from {module} import word


    @dataclass(frozen=True)
    class Config:
        pass


    @dataclass(frozen=True)
    class Seen:
        word: str
        prefix: str


    @step(fresh="always")
    def seen() -> Seen:
        return Seen(word(), sys.prefix)


    @algorithm(config=Config)
    def look(config: Config) -> None:
        seen()
"""


def call(*command: str | Path, cwd: Path = ROOT, environ: Mapping[str, str] | None = None, code: int = 0) -> str:
    """Run a command to its end, which is to have this exit code; what it printed, standard error last."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ if environ is None else environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else, in any process, is in here with the same path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Installer:
    """Makes environments as users do."""

    #: the wheel of this source tree
    wheel: Path

    def uv(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> str:
        """Call uv, which uses the Pythons that are there and fetches none."""
        own = {"UV_PYTHON_DOWNLOADS": "never", "PATH": os.pathsep.join((*_python_places(), os.environ["PATH"]))}
        return call(UV, "--quiet", *arguments, environ={**os.environ, **own, **(environ or {})})

    def run(self, *command: str | Path) -> str:
        """Run any other command with the machine's own settings."""
        return call(*command)

    def python(self, version: str) -> Path:
        """An interpreter of this version that is no virtual environment's; the test is skipped where there is none."""
        own = ".".join(str(part) for part in sys.version_info[:2])
        if version == own:
            return Path(sys._base_executable)  # type: ignore[attr-defined]
        for place in _python_places():
            if (found := Path(place) / f"python{version}").exists():
                return found
        if found_by_name := shutil.which(f"python{version}"):
            with contextlib.suppress(AssertionError):  # a launcher of a version that is not chosen
                return Path(call(found_by_name, "-c", "import sys; print(sys.executable)").strip())
        pytest.skip(f"this machine has no Python {version}")

    def environment(self, directory: Path, *packages: str | Path, version: str = "3.11") -> Path:
        """A virtual environment with these packages; its interpreter."""
        self.uv("venv", "--python", self.python(version), directory)
        python = directory / "bin" / "python"
        if packages:
            self.uv("pip", "install", "--python", python, "--constraint", LOCK, *packages)
        return python

    def tool(self, directory: Path, version: str) -> Path:
        """The tool with all it needs in an environment of its own; its command."""
        return self.environment(directory, self.wheel, version=version).parent / "palmette"

    def kept(self, *packages: str, version: str = "3.11") -> Path:
        """An environment that outlives the tests, as it takes long to fetch; never to be changed. Its interpreter."""
        key = hashlib.sha256(json.dumps([packages, str(self.python(version))]).encode()).hexdigest()[:16]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "palmette-tests" / "environments"
        directory, complete = cache / key, cache / f"{key}.complete"
        with alone(cache / f"{key}.lock"):
            if not complete.exists() or not (directory / "bin" / "python").exists():
                shutil.rmtree(directory, ignore_errors=True)
                self.uv("venv", "--python", self.python(version), directory)
                self.uv("pip", "install", "--python", directory / "bin" / "python", *packages)
                complete.touch()
        return directory / "bin" / "python"


def _python_places() -> list[str]:
    """Where version managers keep interpreters, the newest patch first."""
    homes = {Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"}
    homes.add(Path.home() / ".local" / "share" / "uv" / "python")
    found = [path for home in homes if home.is_dir() for path in home.glob("*3.1[1-9].*/bin")]
    return [str(path) for path in sorted(found, key=lambda path: path.parts, reverse=True)]


@pytest.fixture(scope="session")
def installer(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Installer:
    """The installer, with a wheel that is built once, however many processes run the tests."""
    top = tmp_path_factory.getbasetemp()
    directory = (top if worker_id == "master" else top.parent) / "distributions"
    with alone(directory.with_suffix(".lock")):
        if not list(directory.glob("*.whl")):
            call(UV, "--quiet", "build", "--no-build-isolation", "--out-dir", directory)
    (wheel,) = directory.glob("*.whl")
    return Installer(wheel)


@pytest.fixture(scope="session")
def tool(installer: Installer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a tool on Python 3.11, in an environment of its own."""
    return installer.tool(tmp_path_factory.mktemp("tool") / "venv", "3.11")


@pytest.fixture(scope="session")
def newest(installer: Installer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a tool on Python 3.13, in an environment of its own."""
    return installer.tool(tmp_path_factory.mktemp("newest") / "venv", "3.13")


@dataclass
class Place:
    """A directory, and somebody who calls commands there."""

    directory: Path
    environ: dict[str, str]

    def __call__(self, command: Path, *arguments: str, cwd: str = ".", code: int = 0, **environ: str) -> str:
        """Run a palmette command; what it printed."""
        return call(command, *arguments, cwd=self.directory / cwd, environ=self.environ | environ, code=code)

    def json(self, command: Path, *arguments: str, cwd: str = ".", **environ: str) -> Any:
        """What a palmette command prints with --json."""
        done = subprocess.run(
            [command, *arguments, "--json"],
            cwd=self.directory / cwd,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def write(self, name: str, text: str = "") -> Path:
        """Write a file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
        return path

    def project(self, module: str, settings: str = "", at: str = ".") -> None:
        """Write a project whose one algorithm asks a module of the project's for a word, and says where it ran."""
        self.write(f"{at}/pyproject.toml", dedent(PYPROJECT) + dedent(settings))
        self.write(f"{at}/algorithms/look.py", LOOK.format(module=module))

    def look(self, command: Path, cwd: str = ".", **environ: str) -> tuple[str, Path]:
        """Run that algorithm: the word, and the environment that the step ran in."""
        run = self.json(command, "run", "look", cwd=cwd, **environ)
        assert run["state"] == "succeeded", run
        (task,) = run["tasks"]
        return task["parameters"]["word"], Path(task["parameters"]["prefix"])


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory, installer: Installer) -> Iterator[dict[str, str]]:
    """The environment of somebody who never used Palmette, with a python3 and the system's commands on the PATH.

    The templates that serve them are ended with the tests.
    """
    home = tmp_path_factory.mktemp("home")
    for name in ("bin", "run", "cache"):
        (home / name).mkdir(mode=0o700)
    (home / "bin" / "python3").symlink_to(installer.python("3.11"))
    yield {
        "PATH": f"{home / 'bin'}:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
    }
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if str(home / "run").encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)


@pytest.fixture
def place(tmp_path: Path, user: dict[str, str]) -> Place:
    """An empty directory outside every repository."""
    (tmp_path / "work").mkdir()
    return Place(tmp_path / "work", dict(user))
