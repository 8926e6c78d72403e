"""A template to fork and attempts to start, made of real files and real processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

import palmette
from palmette.engine.executors.choice import Executors
from palmette.engine.executors.template import Call, Outcome, Template
from palmette.engine.ports import Exited, Launch, Lost, Report, Started
from palmette.runtime.delivery import BOOTSTRAP

NOTHING: Mapping[str, str] = MappingProxyType({})
PACKAGE = Path(palmette.__file__).parent
#: The runtime's part that knows inputs and outputs; here a step is any function of no arguments.
TASK = """
import importlib
def main(arguments):
    module, _, name = arguments[0].partition(":")
    return getattr(importlib.import_module(module), name)() or 0
"""


def running(word: str) -> list[int]:
    """The processes whose command line or environment holds a word."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
                dead = (path / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            except OSError:
                continue
            if word.encode() in text and not dead:
                found.append(int(path.name))
    return found


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass(kw_only=True)
class World:
    """A kit, a bundle with the step functions of one module, and a place for attempts."""

    directory: Path
    #: the source of the module `acts`
    source: str
    python: Path = field(default_factory=lambda: Path(sys.executable))
    idle: float = 3.0
    #: "", or "subreaper" to do without namespaces
    isolation: str = ""
    serial: int = 0

    def __post_init__(self) -> None:
        self.kit.mkdir(parents=True)
        for name in ("__init__.py", "errors.py"):
            (self.kit / "palmette").mkdir(exist_ok=True)
            shutil.copy(PACKAGE / name, self.kit / "palmette" / name)
        for name in ("domain", "authoring", "runtime"):
            shutil.copytree(PACKAGE / name, self.kit / "palmette" / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.kit / "palmette" / "runtime" / "task.py").write_text(TASK)
        (self.kit / "acts.py").write_text(self.source)
        files = sorted(self.kit.rglob("*.py"))
        manifest = {
            "schema": 1,
            "python": "3.11",
            "files": [
                {
                    "path": str(path.relative_to(self.kit)),
                    "size": path.stat().st_size,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
                for path in files
            ],
        }
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        bundle = self.directory / "bundles" / self.digest
        bundle.parent.mkdir()
        shutil.copytree(self.kit, bundle)
        (bundle / "manifest.json").write_text(text)

    @property
    def kit(self) -> Path:
        return self.directory / "kit"

    @property
    def templates(self) -> Path:
        return self.directory / "templates"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PALMETTE_BUNDLES": str(self.directory / "bundles"),
            "WORLD": str(self.directory),
        }

    def template(self) -> Template:
        return Template.reach(self.python, self.kit, self.templates, self.outer, idle=self.idle)

    @property
    def outer(self) -> dict[str, str]:
        """The driver's own environment."""
        return {**os.environ, **({"PALMETTE_ISOLATION": self.isolation} if self.isolation else {})}

    def call(self, template: Template, entry: str, *arguments: str, threads: int = 1, timeout: float = 60) -> Outcome:
        log = self.directory / "call.log"
        return template.call(
            Call(
                entry=entry,
                arguments=arguments,
                directory=self.directory,
                log=log,
                environment=self.environment,
                threads=threads,
            ),
            timeout=timeout,
        )

    def executors(self) -> Executors:
        return Executors(
            python=self.python, kit=self.kit, templates=self.templates, environment=self.outer, template=self.template()
        )

    def step(
        self, target: str, *, fork: bool = True, environment: Mapping[str, str] = NOTHING, **more: object
    ) -> Launch:
        """One attempt at a captured step."""
        command, args = ("python3", "-c", BOOTSTRAP), ("--step", target, "--bundle", self.digest)
        if not fork:
            environment = {**environment, "OMP_NUM_THREADS": "1"}
            more["declared"] = ("OMP_NUM_THREADS",)
        return self.launch(command, (*args, "--executor-input", "{}"), environment=environment, **more)

    def launch(
        self,
        command: tuple[str, ...],
        args: tuple[str, ...] = (),
        environment: Mapping[str, str] = NOTHING,
        **more: object,
    ) -> Launch:
        self.serial += 1
        directory = self.directory / "runs" / str(self.serial)
        directory.mkdir(parents=True)
        facts = {
            "id": f"step#{self.serial}",
            "command": command,
            "args": args,
            "environment": {**self.environment, **environment},
            "directory": directory,
            "log": directory / "log",
        }
        return Launch(**(facts | more))  # type: ignore[arg-type]

    def alive(self) -> list[int]:
        """Every process of this world: templates with their nurseries and forks, and commands."""
        return running(str(self.directory))

    def settled(self, processes: int) -> bool:
        """Whether soon no more than so many processes are left."""
        return eventually(lambda: len(self.alive()) <= processes)

    def eventually(self, condition: Callable[[], object]) -> bool:
        """Whether it becomes true in time."""
        return eventually(condition)

    def until_over(self, executors: Executors, *ids: str, seconds: float = 50.0) -> dict[str, Exited | Lost]:
        """Wait for attempts; how each ended."""
        ended: dict[str, Exited | Lost] = {}
        deadline = time.monotonic() + seconds
        while set(ids) - set(ended):
            assert time.monotonic() < deadline, f"still waiting for {set(ids) - set(ended)}"
            for report in executors.wait(0.5):
                if not isinstance(report, Started):
                    ended[report.id] = report
        return ended

    def until_started(self, executors: Executors, id: str, seconds: float = 120.0) -> Started:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            reports: list[Report] = executors.wait(0.5)
            for report in reports:
                if isinstance(report, Started) and report.id == id:
                    return report
                assert report.id != id, report
        raise AssertionError(f"{id} did not start")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds."""
    made = []

    def make(source: str, **more: object) -> World:
        made.append(World(directory=tmp_path / f"world{len(made)}", source=source, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        for pid in running(str(one.directory)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
