"""How long one waits for a server: until it answers, until a run that is handed in begins, and while many look on."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import crowd
from benchmarks.measure import Row, interleaved, within
from benchmarks.soak.hosting import Hosting, Server, chain
from palmette.store import database

#: so many clients look at a run, each so many times, with a pause that no client of Kubeflow Pipelines is as short as
CLIENTS: Final = 50
_PAUSE: Final = 0.5
_API: Final = "/apis/v2beta1"
#: A server of the same libraries that does nothing: no start of ours can be below this.
_BARE: Final = """
import sys, socket, uvicorn, sqlalchemy
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def answer(request):
    return JSONResponse({})
sqlalchemy.create_engine("sqlite://").connect()
uvicorn.run(Starlette(routes=[Route("/apis/v2beta1/healthz", answer)]), port=int(sys.argv[1]), log_level="error")
"""


def measure(directory: Path, *, quick: bool) -> list[Row]:
    """Starting, handing in, looking on, and listing."""
    numbers = itertools.count()

    def hosting() -> Hosting:
        return Hosting(directory=directory / str(next(numbers)))

    rows = list(_starting(hosting, 3 if quick else 9))
    with _served(hosting()) as (place, server):
        rows += _handed_in(place, server, 5 if quick else 20)
        rows += _looked_at(place, server, 4 if quick else 20)
    place = hosting()
    count = 10_000 if quick else 100_000
    store = database.open(place.store)
    crowd.fill(store, count, now=time.time())
    store.close()
    with _served(place) as (_, server):
        rows += _listed(server, count, 5 if quick else 20)
    return rows


@contextmanager
def _served(place: Hosting) -> Iterator[tuple[Hosting, Server]]:
    try:
        yield place, place.start()
    finally:
        place.close()


# Starting


def _starting(hosting: Callable[[], Hosting], rounds: int) -> Iterator[Row]:
    def ours(path: str) -> float:
        place = hosting()
        try:
            begun = time.perf_counter()
            process = place.begin()
            assert process.stdout is not None
            place.servers.append(server := Server(process=process, url=""))
            server.url = json.loads(process.stdout.readline())["url"]
            _answered(server.url, path)
            return time.perf_counter() - begun
        finally:
            place.close()

    found = interleaved(
        rounds,
        {"bare": _bare, "healthz": lambda: ours(f"{_API}/healthz"), "runs": lambda: ours(f"{_API}/runs")},
    )
    yield Row(what="a server of Starlette and SQLAlchemy that does nothing, until it answers", measured=found["bare"])
    for what, name in (("until it says that it lives", "healthz"), ("until it lists runs", "runs")):
        against = "one that does nothing"
        yield within(f"palmette serve, {what}", found[name], 1.0, "1 s", against=against, limit=found["bare"])


def _bare() -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(port)])
    try:
        _answered(f"http://127.0.0.1:{port}", f"{_API}/healthz")
        return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()


def _answered(url: str, path: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            _Client(url).get(path)
        except OSError:
            time.sleep(0.002)
        else:
            return
    raise SystemExit(f"{url} does not answer")


# Handing in


def _handed_in(place: Hosting, server: Server, rounds: int) -> Iterator[Row]:
    """From the request to the first task, by the clock of the machine."""
    place.ended([server.submit(chain("true"))])
    accepted, begun, over = [], [], []
    for _ in range(rounds):
        before, clock = time.time(), time.perf_counter()
        run = server.submit(chain("true"))
        accepted.append(time.perf_counter() - clock)
        place.ended([run])
        over.append(place.rows("SELECT ended FROM runs WHERE id = ?", run)[0]["ended"] - before)
        begun.append(place.rows("SELECT min(started) AS at FROM attempts WHERE run = ?", run)[0]["at"] - before)
    yield Row(what="POST /runs, until it is accepted", measured=statistics.median(accepted))
    yield Row(what="the same, until its first task is started", measured=statistics.median(begun))
    yield Row(what="the same, until a run of one task is over", measured=statistics.median(over))


# Looking on


class _Client:
    """One connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)

    def get(self, path: str) -> float:
        """The seconds until all of the answer is there."""
        begun = time.perf_counter()
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise SystemExit(f"{path} answers {answer.status}")
        return time.perf_counter() - begun


def _looked_at(place: Hosting, server: Server, times: int) -> Iterator[Row]:
    """What many clients wait, each in a thread, while one run goes on and after it."""
    gate = place.directory / "gate"
    run = server.submit(chain(*["true"] * 10, f"until [ -e {gate} ]; do sleep 0.05; done"))
    for what in ("that runs", "that is over"):
        late = _late(_polled(server.url, f"{_API}/runs/{run}", times))
        yield Row(what=f"GET a run {what}, {CLIENTS} clients, the slowest of twenty", measured=late)
        late = _late(_polled(server.url, f"{_API}/healthz", times))
        yield Row(what=f"GET healthz beside a run {what}, {CLIENTS} clients, the slowest of twenty", measured=late)
        gate.touch()
        place.ended([run])


def _polled(url: str, path: str, times: int) -> list[float]:
    found: list[float] = []

    def poll(number: int) -> None:
        client = _Client(url)
        time.sleep(_PAUSE * number / CLIENTS)
        for _ in range(times):
            found.append(client.get(path))
            time.sleep(_PAUSE)

    threads = [threading.Thread(target=poll, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _listed(server: Server, count: int, rounds: int) -> Iterator[Row]:
    """Pages of a long list: the first, one found by a part of a name, and the last of those."""
    found = {"predicates": [{"key": "name", "operation": "IS_SUBSTRING", "string_value": "tumour"}]}
    none = {"predicates": [{"key": "name", "operation": "IS_SUBSTRING", "string_value": "nobody has this"}]}
    queries = {
        "the first page": {},
        "a page by a part of a name": {"filter": json.dumps(found)},
        "no page, by a part that no name has": {"filter": json.dumps(none)},
    }
    client = _Client(server.url)
    for what, query in queries.items():
        path = f"{_API}/runs?{urllib.parse.urlencode({'page_size': '20', 'sort_by': 'created_at desc', **query})}"
        late = _late([client.get(path) for _ in range(rounds)])
        yield Row(what=f"{what} of {count:,} runs, through the server, the slowest of twenty", measured=late)


def _late(times: list[float]) -> float:
    """The 95th percentile."""
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]
