"""The application behind a real socket, on a home of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.middleware import Middleware

from palmette.blobs import Blobs
from palmette.operations.home import Home
from palmette.server.app import build
from palmette.server.rows import Row
from palmette.store import database

#: A pipeline that any server takes; nothing of it is special.
PIPELINE = """
pipelineInfo: {name: adding}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.0
root:
  inputDefinitions:
    parameters:
      x: {parameterType: NUMBER_INTEGER, defaultValue: 1, isOptional: true}
      who: {parameterType: STRING}
  dag:
    tasks:
      add:
        componentRef: {name: comp-add}
        taskInfo: {name: add}
        inputs: {parameters: {x: {componentInputParameter: x}, who: {componentInputParameter: who}}}
components:
  comp-add:
    executorLabel: exec-add
    inputDefinitions:
      parameters: {x: {parameterType: NUMBER_INTEGER}, who: {parameterType: STRING}}
    outputDefinitions: {parameters: {sum: {parameterType: NUMBER_INTEGER}}}
deploymentSpec:
  executors:
    exec-add:
      container: {image: alpine, command: [sh, -c, "echo hello"]}
"""


class Wakings:
    """A worker that only counts how often it was woken."""

    def __init__(self) -> None:
        self.count = 0

    def wake(self) -> None:
        self.count += 1


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that answers. No worker executes what it accepts."""

    url: str
    home: Home
    worker: Wakings = field(default_factory=Wakings)

    def client(self, **options: Any) -> httpx.Client:
        """A plain HTTP client, whose paths begin at v2beta1."""
        return httpx.Client(base_url=f"{self.url}/apis/v2beta1/", timeout=60, **options)


def open_home(directory: Path, location: str | Path | None = None) -> Home:
    """A home of all projects, as a server has it."""
    store = database.open(location or directory)
    return Home(directory=directory, project="", store=store, blobs=Blobs(directory / "blobs"))


@dataclass(frozen=True)
class Serving:
    """Starts servers, and stops them in the end."""

    running: list[tuple[uvicorn.Server, threading.Thread]] = field(default_factory=list)

    def start(self, home: Home, *, guard: Sequence[Middleware] = (), others: Sequence[Row] = ()) -> Served:
        worker = Wakings()
        app = build(home, environ={}, worker=worker, guard=guard, others=others)
        # The protocol is named, as `serving.bind` does: asyncio leaves Nagle's algorithm on else, 40 ms an answer.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        self.running.append((server, thread))
        return Served(url=f"http://127.0.0.1:{listening.getsockname()[1]}", home=home, worker=worker)

    def stop(self) -> None:
        for server, _ in self.running:
            server.should_exit = True
        for _, thread in self.running:
            thread.join()


@pytest.fixture(scope="session")
def serving() -> Iterator[Serving]:
    """Starts servers on homes that a test has."""
    found = Serving()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def server(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests: they use names of their own."""
    served = serving.start(open_home(tmp_path_factory.mktemp("served") / "home"))
    yield served
    serving.stop()
    served.home.store.close()


@pytest.fixture(scope="session")
def pipeline_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled pipeline as a file."""
    path = tmp_path_factory.mktemp("packages") / "adding.yaml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture
def api(server: Served) -> Iterator[httpx.Client]:
    """A plain client of the one server."""
    with server.client() as client:
        yield client


@pytest.fixture
def upload(api: httpx.Client) -> Callable[..., httpx.Response]:
    """Sends a file as a pipeline."""

    def send(data: bytes | str, filename: str = "pipeline.yaml", **query: str) -> httpx.Response:
        return api.post("pipelines/upload", params=query, files={"uploadfile": (filename, data)})

    return send
