"""How much a request may ask for, and how long it may take to say it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palmette.server import failures

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What is refused is more than this."""

    #: bytes of a body; a pipeline may be in it, which may have 32 MiB, and what wraps it
    body: int = 34 * _MIB
    #: beginning of a path → bytes of a body; 0 where the route counts by itself
    bodies: Mapping[str, int] = field(default_factory=lambda: {"/apis/palmette/v1/blobs/": 0})
    #: bytes and number of headers; bytes of an address
    headers: int = 32 * 1024
    header_count: int = 100
    address: int = 8 * 1024
    #: seconds between two parts of a body
    pause: float = 30.0
    #: a body comes with so many bytes a second on average, after the first pause
    rate: int = 1024
    #: requests at once, those that follow a log included
    requests: int = 512


class Limits:
    """Refuses what is too large or too slow, with an answer."""

    def __init__(
        self, app: ASGIApp, *, bounds: Bounds | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if refused := self._refused(scope):
            await _answer(scope, receive, send, *refused)
            return
        self._running += 1
        try:
            body = _Body(receive, send, self._limit(scope["path"]), self._bounds, self._clock)
            await body.through(self.app, scope)
        finally:
            self._running -= 1

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        bounds = self._bounds
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if self._running >= bounds.requests:
            return 503, f"{bounds.requests} requests are being answered already; ask again"
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > bounds.address:
            return 414, f"an address may have {bounds.address} bytes at the most"
        if len(headers) > bounds.header_count or sum(len(key) + len(value) for key, value in headers) > bounds.headers:
            return 431, f"a request may have {bounds.header_count} headers of {bounds.headers} bytes at the most"
        declared = [value for key, value in headers if key == b"content-length"]
        limit = self._limit(scope["path"])
        if limit and declared and (not declared[-1].isdigit() or int(declared[-1][:20]) > limit):
            return 413, _too_large(limit)
        return None

    def _limit(self, path: str) -> int:
        found = (size for start, size in self._bounds.bodies.items() if path.startswith(start))
        return next(found, self._bounds.body)


class _Refused(HTTPException):
    """The body is no good; what the application says of it does not matter any more. Starlette knows what to do with
    it, so that nothing is logged as a fault of the server's."""


class _Body:
    """One request whose body is watched while the application reads it."""

    def __init__(self, receive: Receive, send: Send, limit: int, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._receive, self._send = receive, send
        self._limit, self._bounds, self._clock = limit, bounds, clock
        self._begun = clock()
        self._size = 0
        self._whole = False
        self._answered = False
        self._refused: tuple[int, str] | None = None

    async def through(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer; in its place where the body is refused."""
        with suppress(_Refused):
            await app(scope, self.receive, self.send)
        if self._refused is not None and not self._answered:
            await _answer(scope, self._receive, self._send, *self._refused)

    async def receive(self) -> Message:
        """The next part, if it comes in time and is not too much."""
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(self._bounds.pause):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse(408, f"nothing more of the body came for {self._bounds.pause:.0f} seconds") from None
        if message["type"] != "http.request":
            return message
        self._size += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._limit and self._size > self._limit:
            raise self._refuse(413, _too_large(self._limit))
        if not self._whole and self._clock() - self._begun > self._bounds.pause + self._size / self._bounds.rate:
            raise self._refuse(408, f"the body comes with less than {self._bounds.rate} bytes a second")
        return message

    async def send(self, message: Message) -> None:
        """The application's answer, unless the body was refused before it began."""
        if self._refused is not None and not self._answered:
            return
        self._answered = True
        await self._send(message)

    def _refuse(self, status: int, words: str) -> _Refused:
        self._refused = (status, words)
        return _Refused(status, words)


def _too_large(limit: int) -> str:
    size = f"{limit // _MIB} MiB" if limit >= _MIB else f"{limit} bytes"
    return f"the body of a request may have {size} at the most"


async def _answer(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    # What is left of the body is not read, so that the connection cannot be used again.
    headers = {"connection": "close", **({"retry-after": "1"} if status == 503 else {})}
    response = failures.refusal(status, words, failures.manner_of(scope["path"]), headers)
    await response(scope, receive, send)
