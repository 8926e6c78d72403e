"""Servers in a place of their own, for the tests and the soak: nothing of the user's is touched."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.soak.victims import Member, members

#: The command, beside the interpreter that runs this.
PALMETTE: Final = Path(sys.executable).parent / "palmette"
_KEPT: Final = ("PATH", "LANG", "LC_ALL")
_OVER: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
#: Nothing here takes half as long; what hangs is to fail, not to hang.
PATIENCE: Final = 120.0


def chain(*scripts: str, name: str = "chain", retries: int = 0) -> dict[str, Any]:
    """A pipeline of lines of shell, one after the other: "step-1", "step-2", … In a line `$RUN` is the run's id."""
    policy = {"retryPolicy": {"maxRetryCount": retries, "backoffDuration": "0s"}} if retries else {}
    names = [f"step-{number}" for number, _ in enumerate(scripts, 1)]
    tasks = {
        each: {
            "componentRef": {"name": f"comp-{each}"},
            "taskInfo": {"name": each},
            "cachingOptions": {},
            **({"dependentTasks": [names[place - 1]]} if place else {}),
            **policy,
        }
        for place, each in enumerate(names)
    }
    command = ["sh", "-c"]
    executors = {
        f"exec-{each}": {
            "container": {
                "image": "busybox",
                "command": [*command, script],
                "env": [{"name": "RUN", "value": "{{$.pipeline_job_uuid}}"}],
            }
        }
        for each, script in zip(names, scripts, strict=True)
    }
    return {
        "pipelineInfo": {"name": name},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
        "components": {f"comp-{each}": {"executorLabel": f"exec-{each}"} for each in names},
        "deploymentSpec": {"executors": executors},
        "root": {"dag": {"tasks": tasks}},
    }


@dataclass(kw_only=True)
class Server:
    """A running `palmette serve`."""

    process: subprocess.Popen[bytes]
    url: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What it answers below /apis/v2beta1."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/apis/v2beta1{path}", data=data, method=method, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def submit(self, document: dict[str, Any], name: str = "run") -> str:
        """Hand in a run; its id."""
        run: str = self.ask("POST", "/runs", {"display_name": name, "pipeline_spec": document})["run_id"]
        return run

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, and wait until it has; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@dataclass(kw_only=True)
class Hosting:
    """A place with a store, in which servers run."""

    directory: Path
    #: URL of a PostgreSQL database; empty for one in the place
    database: str = ""
    servers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("home", "run", "temporary"):
            (self.directory / name).mkdir(mode=0o700, parents=True)
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "HOME": str(self.directory / "home"),
            "XDG_RUNTIME_DIR": str(self.directory / "run"),
            "TMPDIR": str(self.directory / "temporary"),
            "PALMETTE_IDLE": "5",
            **({"PALMETTE_STORE": self.database} if self.database else {}),
        }

    @property
    def store(self) -> Path:
        """The home of its servers."""
        return self.directory / "store"

    @property
    def home(self) -> Path:
        """As a house has it."""
        return self.store

    @property
    def log(self) -> Path:
        """What its servers say."""
        return self.directory / "log"

    def begin(self, *options: str, home: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a server; it need not come up."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [PALMETTE, "serve", "--port", "0", "--home", home or self.store, "--json", *options],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def start(self, *options: str) -> Server:
        """Start a server, and wait until it answers."""
        process = self.begin(*options)
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        if not line:
            raise RuntimeError(f"it did not start:\n{self.log.read_text()}")
        server = Server(process=process, url=json.loads(line)["url"])
        self.servers.append(server)
        return server

    def refused(self, *options: str, home: Path | None = None) -> tuple[int, str]:
        """The exit code of a server that does not come up, and what the log says of it."""
        before = len(self.log.read_bytes())
        process = self.begin(*options, home=home)
        process.communicate(timeout=PATIENCE)
        return process.returncode, self.log.read_bytes()[before:].decode()

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What the store holds."""
        if self.database:
            return _asked(self.database, query, values)
        with closing(sqlite3.connect(f"file:{self.store / 'store.db'}?mode=ro", uri=True, timeout=60)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def states(self, runs: Sequence[str]) -> dict[str, str]:
        """The state of each run."""
        found = {row["id"]: row["state"] for row in self.rows("SELECT id, state FROM runs")}
        return {run: found[run] for run in runs}

    def ended(self, runs: Sequence[str], seconds: float = PATIENCE) -> dict[str, str]:
        """The states of the runs once all are over."""
        self.until(lambda: set(self.states(runs).values()) <= _OVER, seconds, lambda: str(self.states(runs)))
        return self.states(runs)

    def until(
        self, condition: Callable[[], object], seconds: float = PATIENCE, say: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not come about: {say()}\n{self.log.read_text()[-4000:]}")
            time.sleep(0.03)

    def working(self) -> list[Member]:
        """The processes of the place but idle templates, and what keeps those."""
        return [one for one in members(self.directory) if "runtime/template.py" not in one.command]

    def close(self) -> None:
        """Leave no process behind."""
        for server in self.servers:
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait()
            if server.process.stdout is not None:
                server.process.stdout.close()
        for one in members(self.directory):
            one.kill()


def _asked(url: str, query: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    import psycopg
    from psycopg.rows import dict_row

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with psycopg.connect(url, row_factory=dict_row) as connection, suppress(psycopg.ProgrammingError):
                return connection.execute(query.replace("?", "%s"), values).fetchall()
            return []
        except psycopg.OperationalError:
            # It is started again, maybe.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
