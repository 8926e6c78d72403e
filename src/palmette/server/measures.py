"""What Prometheus is told: requests, runs, the queue, the scheduler, the servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Final

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palmette.domain.hosting import Role
from palmette.domain.states import RunState
from palmette.errors import StoreError
from palmette.operations import counting
from palmette.operations.counting import Census
from palmette.operations.home import Home
from palmette.server.rows import TEXT, Asked, Content, Manner, Row

#: Counting looks through all runs: it is done once for all who ask within so many seconds.
_FRESH: Final = 5.0
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measures:
    """The measures of one server. They are its own, so that several may live in one process."""

    def __init__(self, home: Home, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._registry = CollectorRegistry()
        labels = ("method", "route")
        self.answered = Counter(
            "palmette_http_requests", "Requests that were answered.", (*labels, "status"), registry=self._registry
        )
        self.lasted = Histogram(
            "palmette_http_request_seconds",
            "How long answers took, to their end.",
            labels,
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.underway = Gauge(
            "palmette_http_requests_underway", "Requests that are being answered.", registry=self._registry
        )
        self._registry.register(_Counted(home, clock))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def row(self) -> Row:
        """Where it is asked for."""

        async def answer(_request: Request, _asked: Asked) -> Response:
            return Response(await to_thread.run_sync(self.text), media_type=CONTENT_TYPE_PLAIN_0_0_4)

        return Row(
            name="Metrics",
            method="GET",
            path="/metrics",
            summary="Measures of the server, for Prometheus",
            handle=answer,
            role=Role.READ,
            reply=Content(schema=TEXT, media="text/plain"),
            tag="Server",
            manner=Manner.OWN,
        )


class Measured:
    """Counts and times what passes, under the template of the route that answers."""

    def __init__(self, app: ASGIApp, *, measures: Measures) -> None:
        self.app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # An answer that never comes is a fault of ours.
        measures, status, begun = self._measures, "500", self._measures.clock()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        measures.underway.inc()
        try:
            await self.app(scope, receive, noting)
        finally:
            measures.underway.dec()
            # Whatever a stranger makes up counts under one name: they cannot fill the server's memory with names.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = template(scope)
            measures.answered.labels(method, route, status).inc()
            measures.lasted.labels(method, route).observe(measures.clock() - begun)


def template(scope: Scope) -> str:
    """The path of the route that answered, with its parameters' names; "other" where none did."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return "other"
    routes = (route for route in scope["app"].routes if isinstance(route, Route) and route.endpoint is endpoint)
    return next((route.path for route in routes if route.path_regex.match(scope["path"])), "other")


class _Counted:
    """What is counted in the store when it is asked for."""

    def __init__(self, home: Home, clock: Callable[[], float]) -> None:
        self._home, self._clock = home, clock
        self._lock = Lock()
        self._taken = -_FRESH
        self._census: Census | None = None

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not open the store."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The store's measures; only that it cannot be read, where it cannot."""
        census = self._look()
        yield _gauge("palmette_store_readable", "Whether the store can be read.", float(census is not None))
        if census is None:
            return
        states = GaugeMetricFamily("palmette_runs", "Runs by state.", labels=("state",))
        for state in RunState:
            states.add_metric((state.lower(),), census.runs.get(state, 0))
        yield states
        yield _gauge("palmette_queue_runs", "Runs that wait for a server.", census.waiting)
        yield _gauge("palmette_queue_oldest_seconds", "How long the oldest of them has waited.", census.waited)
        yield _gauge("palmette_tasks_running", "Tasks that are executed now.", census.executing)
        yield _gauge("palmette_scheduler_lag_seconds", "How late the most overdue recurring run is.", census.lag)
        yield _gauge("palmette_servers", "Servers of this store that live.", census.servers)

    def _look(self) -> Census | None:
        with self._lock:
            if self._clock() - self._taken >= _FRESH:
                try:
                    self._census = counting.count(self._home)
                except StoreError:
                    self._census = None
                self._taken = self._clock()
            return self._census


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
