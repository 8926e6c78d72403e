"""A server, and someone who knows of it nothing but KFP's own client."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import kfp
import pytest
from benchmarks.soak.hosting import Hosting, Server
from benchmarks.soak.victims import members

#: what a container made that gives no value
MADE = "made"


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a server holds while nothing runs."""

    processes: frozenset[str]
    #: files, locks and sockets that its processes have open, by kind
    open: int
    #: beside the store and the caches
    files: frozenset[str]
    #: of runs, within the store
    scratch: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """Hands in pipelines, and looks at what came out."""

    hosting: Hosting
    server: Server
    client: Any

    @classmethod
    def at(
        cls, directory: Path, *options: str | Path, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Stranger:
        """Before a server of its own, with a context file of its own: nobody's real one is read or written."""
        hosting = Hosting(directory=directory)
        hosting.environment |= environment
        server = hosting.start(*(str(each) for each in options))
        kept = kfp.Client._LOCAL_KFP_CONTEXT
        kfp.Client._LOCAL_KFP_CONTEXT = str(directory / "context.json")
        try:
            return cls(hosting=hosting, server=server, client=kfp.Client(host=server.url))
        finally:
            kfp.Client._LOCAL_KFP_CONTEXT = kept

    def place(self, name: str) -> Path:
        """A directory for what tasks leave there."""
        found = self.hosting.directory / "places" / name
        found.mkdir(parents=True)
        return found

    def start(self, package: Path, **arguments: Any) -> str:
        """Hand in a run of a compiled pipeline; its id."""
        started = self.client.create_run_from_pipeline_package(str(package), arguments=arguments)
        run: str = started.run_id
        return run

    def start_all(self, packages: Iterable[Path]) -> dict[str, str]:
        """Hand in a run of each, with a place of its own; their ids by name."""
        return {each.stem: self.start(each, place=str(self.place(each.stem))) for each in packages}

    def ended(self, run: str) -> Any:
        """The run once it is over."""
        # The store is asked, not the server: to ask it ten times a second would cost more than the run.
        self.hosting.ended([run])
        return self.client.get_run(run)

    def left(self) -> Left:
        """What is there now, but templates, which go when they have been idle for long enough."""
        # The server itself is found by its arguments, its worker by its directory.
        processes = [one for one in members(self.hosting.directory) if "runtime/" not in one.command]
        found = [path for name in ("temporary", "run") for path in _below(self.hosting.directory / name)]
        runs = self.hosting.store / "runs"
        return Left(
            processes=frozenset(f"{one.pid} {one.command}" for one in processes),
            open=sum(_open(one.pid) for one in processes),
            files=frozenset(str(path.relative_to(self.hosting.directory)) for path in found),
            scratch=frozenset(str(path.relative_to(runs)) for path in _below(runs) if path.is_dir()),
        )

    def idle(self) -> bool:
        """Whether no template is left."""
        return all("runtime/" not in one.command for one in members(self.hosting.directory))


def _below(directory: Path) -> list[Path]:
    """All that lies there, whatever goes while it is looked at."""
    return [Path(top, name) for top, directories, files in os.walk(directory) for name in (*directories, *files)]


def _open(pid: int) -> int:
    """How many files and connections a process has open, but for those to its database: of these it keeps as many as
    it once needed at a time, up to a bound."""
    found = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += "/store.db" not in str(path.readlink())
    return found


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """Someone before a server that all tests share."""
    made = Stranger.at(tmp_path_factory.mktemp("strangers") / "hosting")
    yield made
    made.hosting.close()


def told(run: Any, beginning: str = "t-") -> dict[str, Any]:
    """What the client says of a run: its state, and by title what each task gave that was executed."""
    tasks = [task for task in run.run_details.task_details if task.display_name.startswith(beginning)]
    found = {task.display_name: _gave(task) for task in tasks if task.state != "SKIPPED"}
    return {"state": run.state, "tasks": found}


def why(run: Any) -> str:
    """What the tasks that failed say."""
    failed = [task for task in run.run_details.task_details if task.error]
    return "\n".join(f"{task.display_name}: {task.error.message}" for task in failed)


def _gave(task: Any) -> Any:
    if task.state != "SUCCEEDED":
        return "a failure" if task.state == "FAILED" else task.state
    outputs: Mapping[str, Any] = task.outputs or {}
    value = outputs.get("out") or outputs.get("Output")
    return MADE if value is None else json.loads(value.artifact_ids[0])
