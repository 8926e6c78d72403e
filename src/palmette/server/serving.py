"""The life of a server: bind, answer, tend the worker, stop as asked."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import uvicorn
from anyio import move_on_after, to_thread
from starlette.types import ASGIApp

from palmette.domain.hosting import Leaving
from palmette.errors import StoreError, UsageError
from palmette.operations.presence import Presence
from palmette.operations.worker import Worker
from palmette.server.opening import Opening
from palmette.server.protocol import PROTOCOL

__all__ = ["Leaving", "Serving", "address", "bind", "leave", "serve"]

log: Final = logging.getLogger("palmette.server")

#: Seconds between looks at the worker, and between signs of life in the store.
_TEND: Final = 0.25
_BEAT: Final = 10.0
#: Seconds that answers get to be completed when the server stops, and the store to hear of it.
_GRACE: Final = 5
#: Seconds that a store that cannot be used is left alone.
_TROUBLE: Final = 5.0
#: Seconds that threads get to end that have nothing to do any more.
_SOON: Final = 1.0
#: Seconds that a worker gets to leave its runs at once; what it does not manage, whoever comes next does.
_AT_ONCE: Final = 20.0


class Lives(Protocol):
    """What goes on beside the answers, until it is canceled."""

    async def live(self) -> None:
        """Go on."""


@dataclass(frozen=True)
class Together:
    """Several of them at once."""

    each: Sequence[Lives]

    async def live(self) -> None:
        """Go on with all of them."""
        await asyncio.gather(*(one.live() for one in self.each))


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What serves: the application, the worker if there is one, and that the store knows of it."""

    #: makes it, which may take a while: that the server lives is said meanwhile
    make: Callable[[], ASGIApp]
    presence: Presence
    worker: Worker | None = None
    #: makes what makes the runs of recurring runs and reports on runs that ended, if anybody does; called after `make`
    scheduler: Callable[[], Lives] | None = None
    #: what becomes of the tasks that run when the server is told to stop
    leaving: Leaving = Leaving.SOON


def bind(host: str, port: int) -> socket.socket:
    """Listen there from now on: who connects waits for the first answer. UsageError if that cannot be; port 0 is any
    that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or asyncio leaves Nagle's algorithm on: 40 ms for each small answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise _unbound(host, port, error) from error
    return bound


def _unbound(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} of {host} is taken", "Another server may listen there. Take another port: --port 8081."
        )
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} may not be opened by this user", "Ports from 1024 on may: --port 8080.")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is no address of this machine", "127.0.0.1 is itself, 0.0.0.0 all its addresses.")
    return UsageError(f"nothing can listen on {host}, port {port}: {error.strerror}")


def address(bound: socket.socket) -> str:
    """The URL of what listens there."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(serving: Serving, bound: socket.socket, say: Callable[[str], None]) -> None:
    """Answer until told to stop (SIGINT, SIGTERM), then leave as asked; a second signal ends everything at once.

    `say` is told once it answers ("ready"), and what is waited for in the end.
    """
    asyncio.run(_Life(serving, bound, say).live())


def leave() -> None:
    """End the process although a request may still wait for a store that hangs: nothing of it is committed."""
    others = [each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]
    deadline = time.monotonic() + _SOON
    for each in others:
        each.join(max(0.0, deadline - time.monotonic()))
    if any(each.is_alive() for each in others):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to us: it would die of them when it has stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class _Life:
    def __init__(self, serving: Serving, bound: socket.socket, say: Callable[[str], None]) -> None:
        self._serving, self._bound, self._say = serving, bound, say
        self._opening = Opening(serving.make)
        config = uvicorn.Config(
            self._opening,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_GRACE,
            **PROTOCOL,
        )
        self._uvicorn = _Uvicorn(config)
        self._asked = 0

    async def live(self) -> None:
        """From the first answer to the last."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        answering = loop.create_task(self._uvicorn.serve(sockets=[self._bound]))
        loading = loop.create_task(self._opening.load())
        ticking = loop.create_task(self._tick(loading))
        beating = loop.create_task(self._beat())
        try:
            await self._tend(answering, (loading, ticking))
            await self._end()
            await answering
            for each in filter(_failed, (loading, ticking)):
                each.result()
        finally:
            ticking.cancel()
            beating.cancel()
            if self._serving.worker is not None:
                self._serving.worker.kill()
            # A store that hangs keeps nobody: the next server sees that this one is dead.
            with move_on_after(_GRACE):
                await to_thread.run_sync(self._serving.presence.leave, abandon_on_cancel=True)

    async def _beat(self) -> None:
        """Keep the store informed. It may take its time, and nobody waits for that."""
        while True:
            await asyncio.sleep(_BEAT)
            await to_thread.run_sync(self._serving.presence.beat, abandon_on_cancel=True)

    async def _tick(self, loading: asyncio.Task[None]) -> None:
        """Look after recurring runs, once all is loaded."""
        await asyncio.wait([loading])
        if self._serving.scheduler is None or loading.exception():
            return
        scheduler: Lives | None = None
        while scheduler is None:
            try:
                scheduler = await to_thread.run_sync(self._serving.scheduler, abandon_on_cancel=True)
            except StoreError as error:
                log.error("recurring runs wait: %s", error.message)
                await asyncio.sleep(_TROUBLE)
        await scheduler.live()

    async def _tend(self, answering: asyncio.Task[None], others: Iterable[asyncio.Task[None]]) -> None:
        """Keep the worker alive until the end is asked for, or something cannot be."""
        worker, told = self._serving.worker, False
        while not self._asked and not answering.done():
            if any(map(_failed, others)):
                return
            if self._uvicorn.started and not told:
                told = True
                self._say("ready")
                if worker is not None:
                    worker.start()
            elif told and worker is not None:
                worker.tend()
            await asyncio.sleep(_TEND if told else 0.005)

    async def _end(self) -> None:
        """Let the worker leave its runs; nobody else is kept waiting meanwhile."""
        worker, begun, told = self._serving.worker, time.monotonic(), False
        self._uvicorn.should_exit = True
        if worker is None:
            return
        worker.stop(self._serving.leaving)
        at_once = self._serving.leaving is Leaving.NOW
        while not worker.gone and self._asked < 2 and not (at_once and time.monotonic() - begun > _AT_ONCE):
            if not told and time.monotonic() - begun > 1:
                told = True
                self._say("waiting")
            await asyncio.sleep(0.02)

    def _stop(self) -> None:
        self._asked += 1
        if self._asked > 1:
            self._uvicorn.force_exit = True


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
