"""Places in which `palmette` is measured: a copy of a project, and a home, caches and templates of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
CLINIC: Final = ROOT / "examples" / "clinic"
#: the command, beside the interpreter that runs this
PALMETTE: Final = Path(sys.executable).with_name("palmette")
#: a switched-off bytecode cache would make every process compile its imports again
_UNSET: Final = ("PYTHONDONTWRITEBYTECODE", "PALMETTE_STORE", "CI")


class Stage:
    """A project in a directory of its own; call `cold` to be rid of all that it remembers."""

    def __init__(self, directory: Path, python: Path | None = None) -> None:
        self.project = directory / "project"
        self._home, self._count = directory / "home", 0
        self._home.mkdir(parents=True)
        self._python = python
        self._runtimes: list[Path] = []
        self._runtime()

    def clinic(self) -> None:
        """Make it a copy of examples/clinic, with that project's environment."""
        left_out = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache", "tests")
        shutil.copytree(CLINIC, self.project, ignore=left_out)
        (self.project / ".venv").symlink_to((CLINIC / ".venv").resolve())

    def generated(self, source: str) -> None:
        """Make it a project with one module of algorithms that need nothing but Python."""
        (self.project / "algorithms").mkdir(parents=True)
        (self.project / "pyproject.toml").write_text(
            f'[project]\nname = "trivial"\n\n[tool.palmette]\npython = "{self._python or sys.executable}"\n'
        )
        (self.project / "algorithms" / "trivial.py").write_text(source)

    @property
    def python(self) -> Path:
        """The project's interpreter."""
        return self.project / ".venv" / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        """What processes are measured in."""
        kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
        own = {"HOME": str(self._home), "XDG_RUNTIME_DIR": str(self._runtimes[-1])}
        return {**kept, **own, "XDG_CACHE_HOME": str(self._home / ".cache")}

    @property
    def runtime(self) -> Path:
        """Where its templates meet."""
        return self._runtimes[-1]

    def cold(self) -> None:
        """Forget all runs, and let no template be alive. The page cache and the user's cache stay warm."""
        shutil.rmtree(self.project / ".palmette", ignore_errors=True)
        self.leave()
        self._runtime()

    def leave(self) -> None:
        """End the templates that were started here."""
        for runtime in self._runtimes:
            for pid in _templates(runtime):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(runtime, ignore_errors=True)
        self._runtimes.clear()

    def palmette(self, *arguments: str) -> float:
        """Run the command to its end; the wall time."""
        return self.time([str(PALMETTE), *arguments])

    def answer(self, *arguments: str) -> Any:
        """Run the command; what it prints with --json."""
        done = self._do([str(PALMETTE), *arguments, "--json"])
        return json.loads(done.stdout)

    def time(self, command: list[str], environment: Mapping[str, str] | None = None) -> float:
        """Run any command in the project to its end; the wall time."""
        begun = time.perf_counter()
        self._do(command, environment)
        return time.perf_counter() - begun

    def until_template(self, *arguments: str) -> float:
        """Run the command on a cold stage until it starts a template, and no further; the time until then.

        The template's socket is bound immediately before its process is started.
        """
        begun = time.perf_counter()
        process = subprocess.Popen(
            [str(PALMETTE), *arguments],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        templates = self.runtime / "palmette" / "templates"
        try:
            while not any(templates.glob("*/socket")):
                if process.poll() is not None:
                    raise SystemExit(f"{arguments} ended without a template")
                time.sleep(0.001)
            return time.perf_counter() - begun
        finally:
            process.kill()
            process.wait()

    def _do(self, command: list[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        where = self.project if self.project.exists() else ROOT
        env = {**self.environment, **(environment or {})}
        done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done

    def _runtime(self) -> None:
        self._count += 1
        self._runtimes.append(self._home.parent / f"run{self._count}")
        self._runtimes[-1].mkdir(mode=0o700)


def _templates(runtime: Path) -> list[int]:
    """The templates whose sockets lie below the directory."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if f"\0--socket\0{runtime}/".encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found
