"""Where the clinic is changed: a laboratory, and places in which the real command is called."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.mutation.laboratory import Laboratory

from palmette.operations.project import find

CLINIC = Path(__file__).parents[2] / "examples" / "clinic"


@dataclass(frozen=True)
class Place:
    """A project's directory, in which the real command is called."""

    directory: Path
    environ: Mapping[str, str]

    def at(self, directory: Path) -> Place:
        """The same elsewhere."""
        return replace(self, directory=directory)

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Any:
        """Run an algorithm; what --json prints."""
        return self.json("run", *arguments, environ=environ)

    def json(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Any:
        """What a command prints with --json."""
        done = subprocess.run(
            [Path(sys.executable).parent / "palmette", *arguments, "--json"],
            cwd=self.directory,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    @staticmethod
    def cached(run: Any) -> set[str]:
        """The steps that were not carried out."""
        return {task["name"] for task in run["tasks"] if task["cached"]}

    def replace(self, file: str, old: str, new: str) -> None:
        """Change the one place where a file says `old`."""
        path = self.directory / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    def write(self, file: str, text: str) -> None:
        """Write a file; `{here}` in it becomes the project's directory."""
        path = self.directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n").replace("{here}", str(self.directory)))

    def environment(self, directory: Path) -> None:
        """Make an empty virtual environment."""
        command = [sys.executable, "-m", "venv", "--without-pip", str(directory)]
        subprocess.run(command, check=True, capture_output=True, timeout=200)


def _end_templates(runtime: Path) -> None:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if str(runtime).encode() in (path / "cmdline").read_bytes():
                    os.kill(int(path.name), signal.SIGKILL)


def _user(top: Path) -> dict[str, str]:
    (top / "run").mkdir(mode=0o700)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(top),
        "XDG_RUNTIME_DIR": str(top / "run"),
        "XDG_CACHE_HOME": str(top / "cache"),
        "LANG": "C.UTF-8",
    }


def _copied(directory: Path, python: Path) -> Path:
    """A copy of the clinic that uses an interpreter which is there already."""
    ignored = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache", "requirements.txt")
    shutil.copytree(CLINIC, directory, ignore=ignored)
    settings = directory / "pyproject.toml"
    text = settings.read_text()
    settings.write_text(text.replace("[tool.palmette]\n", f'[tool.palmette]\npython = "{python}"\n'))
    return directory


@pytest.fixture(scope="session")
def place_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Place]]:
    """An empty place for a project, of a user who is shared by the tests."""
    top = tmp_path_factory.mktemp("user")
    environ = _user(top)

    def made(directory: Path) -> Place:
        directory.mkdir(parents=True)
        return Place(directory, environ)

    yield made
    _end_templates(top / "run")


@pytest.fixture(scope="session")
def clinic_in(place_in: Callable[[Path], Place], clinic_python: Path) -> Callable[[Path], Place]:
    """A copy of the clinic."""
    return lambda directory: place_in(directory / "beside").at(_copied(directory / "clinic", clinic_python))


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory, clinic_python: Path) -> Iterator[Laboratory]:
    """A copy of the clinic to be changed and executed."""
    top = tmp_path_factory.mktemp("laboratory")
    environ = _user(top)
    yield Laboratory(find(_copied(top / "clinic", clinic_python), environ), environ, top / "scratch")
    _end_templates(top / "run")


@pytest.fixture(scope="session")
def figures() -> Iterator[Callable[[str, int], None]]:
    """Counts what was seen; PALMETTE_FIGURES names a directory to keep the counts in."""
    counts: dict[str, int] = {}

    def add(name: str, number: int) -> None:
        counts[name] = counts.get(name, 0) + number

    yield add
    if directory := os.environ.get("PALMETTE_FIGURES"):
        Path(directory, f"figures-{os.getpid()}.json").write_text(json.dumps(counts))
