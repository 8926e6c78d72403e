"""A project with a home of its own, in which real commands run; nothing of the user's is touched."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).parent / "project"
#: The command, beside the interpreter that runs this.
PALMETTE: Final = Path(sys.executable).parent / "palmette"
#: What the commands keep of the environment of whoever calls this.
KEPT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass(kw_only=True)
class House:
    """A directory with project, user's home and runtime directory."""

    directory: Path
    #: "", or "subreaper" to do without namespaces
    isolation: str = ""
    #: seconds after which an unused template leaves
    idle: float = 45.0
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        shutil.copytree(PROJECT, self.project, ignore=shutil.ignore_patterns("__pycache__", ".palmette"))
        with (self.project / "pyproject.toml").open("a") as settings:
            settings.write(f'python = "{sys.executable}"\n')
        for name in ("home", "run", "temporary"):
            (self.directory / name).mkdir(mode=0o700)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "HOME": str(self.directory / "home"),
            "XDG_RUNTIME_DIR": str(self.directory / "run"),
            "TMPDIR": str(self.directory / "temporary"),
            "OMP_NUM_THREADS": "1",
            "PALMETTE_IDLE": str(self.idle),
        }
        if self.isolation:
            self.environment["PALMETTE_ISOLATION"] = self.isolation

    @property
    def project(self) -> Path:
        """Where pyproject.toml lies."""
        return self.directory / "project"

    @property
    def home(self) -> Path:
        """What remembers the runs."""
        return self.project / ".palmette"

    def command(self, *arguments: str, output: Path) -> subprocess.Popen[bytes]:
        """Start `palmette`; what it prints goes to a file."""
        with output.open("ab") as file:
            return subprocess.Popen(
                [str(PALMETTE), *arguments],
                cwd=self.project,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What the store holds; nothing where there is none yet."""
        file = self.home / "store.db"
        if not file.exists():
            return []
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def runs_named(self, tag: str) -> list[dict[str, Any]]:
        """The runs with this tag that were accepted."""
        return self.rows("SELECT runs.* FROM runs JOIN tags ON tags.run = runs.id WHERE tag = ? ORDER BY created", tag)

    def run_named(self, tag: str) -> dict[str, Any] | None:
        """The one run with this tag, once it was accepted."""
        return next(iter(self.runs_named(tag)), None)
