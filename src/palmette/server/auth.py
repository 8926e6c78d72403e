"""Who asks: tokens, and what a browser may not be talked into.

Where the store has no token and the server listens on loopback alone, everybody on this machine may do everything. A
page from elsewhere may not: it is refused by the names in `Host` and `Origin`.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from palmette.errors import StoreError
from palmette.operations import tokens
from palmette.operations.home import Home
from palmette.server import failures, health
from palmette.server.caller import KEY, Caller

#: Asked by whoever wants to know whether the server lives, before it has a token. They tell nothing else.
OPEN: Final = health.PATHS
#: Where a token may stand, besides "Authorization: Bearer": what a context of the kfp command can send.
HEADER: Final = "x-palmette-token"
COOKIE: Final = "palmette_token"

#: within so many seconds an address may present so many tokens that are nobody's
_WINDOW: Final = 60.0
_FAILURES: Final = 20
#: addresses, and tokens, that are remembered
_REMEMBERED: Final = 4096
#: They change nothing.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="palmette"'}


class Auth:
    """Lets nobody through who may not ask. Leaves the caller in the scope; routes see to roles."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        home: Home,
        hosts: Sequence[str],
        open_paths: frozenset[str] = OPEN,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.app = app
        self._home = home
        #: reached from this machine alone
        self._near = all(map(tokens.loopback, hosts))
        self._open = open_paths
        self._now = now
        self._failures = Failures()
        # Tokens are looked up beside the requests: a full house is no reason to keep a stranger waiting for a refusal.
        self._limiter = CapacityLimiter(2)
        # Who guesses waits for others who guess, and for nobody else.
        self._suspects = CapacityLimiter(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = await self._refused(scope)
        if refused is None:
            await self.app(scope, receive, send)
            return
        status, words, headers = refused
        answer = failures.refusal(status, words, failures.manner_of(scope["path"]), headers)
        await answer(scope, receive, send)

    async def _refused(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        """Why the request goes no further; None if it does, with the caller in its scope."""
        headers = Headers(scope=scope)
        if scope["path"] in self._open and scope["method"] in _SAFE:
            return None
        if scope["method"] not in _SAFE and _foreign(headers):
            return 403, "a page of another site must not change anything here", {}
        presented, now = _presented(headers), self._now()
        address = scope["client"][0] if scope.get("client") else ""
        suspect = self._failures.many(address, now)
        if presented and self._failures.known(presented, now):
            return self._nobodys(address, now)
        try:
            look = partial(tokens.recognise, self._home, presented, now=now)
            found = await to_thread.run_sync(look, limiter=self._suspects if suspect else self._limiter)
        except StoreError:
            return 503, "the store cannot be read just now", {"retry-after": "1"}
        if found.role is not None:
            scope[KEY] = Caller(name=found.name, role=found.role)
            return None
        if presented and (found.guarded or not self._near):
            self._failures.note(presented, now)
            return self._nobodys(address, now)
        return self._stranger(scope, headers, guarded=found.guarded or not self._near)

    def _nobodys(self, address: str, now: float) -> tuple[int, str, dict[str, str]]:
        """A token that is nobody's: 401; 429 once this address has presented many."""
        if self._failures.many(address, now):
            return 429, "too many tokens that are nobody's came from this address", {"retry-after": str(int(_WINDOW))}
        self._failures.count(address, now)
        what = "this token is nobody's, or has expired: send one as `Authorization: Bearer …`"
        return 401, what, dict(_CHALLENGE)

    def _stranger(self, scope: Scope, headers: Headers, *, guarded: bool) -> tuple[int, str, dict[str, str]] | None:
        """Somebody without a token."""
        if guarded:
            return 401, "this server wants a token: send one as `Authorization: Bearer …`", dict(_CHALLENGE)
        if not tokens.loopback(_hostname(headers.get("host", ""))):
            # A name that was made to point here: the page that asks is somebody else's.
            return 403, "without tokens this server answers to 127.0.0.1 and localhost alone", {}
        scope[KEY] = Caller()
        return None


class Failures:
    """Remembers tokens that are nobody's, and the addresses that present them. A good token is never held up by a
    neighbour's bad ones: only what is refused anyway is refused more curtly, and without asking the store again."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, float] = OrderedDict()
        self._addresses: OrderedDict[str, deque[float]] = OrderedDict()

    def known(self, presented: str, now: float) -> bool:
        """Whether this token was nobody's a moment ago."""
        return now - self._tokens.get(_mark(presented), -_WINDOW) < _WINDOW

    def many(self, address: str, now: float) -> bool:
        """Whether this address has presented too many."""
        times = self._addresses.get(address, deque())
        while times and now - times[0] >= _WINDOW:
            times.popleft()
        return len(times) >= _FAILURES

    def note(self, presented: str, now: float) -> None:
        """Remember the token."""
        self._tokens[_mark(presented)] = now
        self._tokens.move_to_end(_mark(presented))
        _shorten(self._tokens)

    def count(self, address: str, now: float) -> None:
        """Remember the address."""
        self._addresses.setdefault(address, deque(maxlen=_FAILURES)).append(now)
        self._addresses.move_to_end(address)
        _shorten(self._addresses)


def _mark(presented: str) -> bytes:
    """Tokens are not kept, not even in memory."""
    return sha256(presented.encode("utf-8", "surrogatepass")).digest()


def _shorten(remembered: OrderedDict[str, deque[float]] | OrderedDict[bytes, float]) -> None:
    while len(remembered) > _REMEMBERED:
        remembered.popitem(last=False)


def _presented(headers: Headers) -> str:
    """The token that came with a request; empty for none."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and given.strip():
        return given.strip()
    if given := headers.get(HEADER, ""):
        return given.strip()
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another site asks."""
    if headers.get("sec-fetch-site", "") == "cross-site":
        return True
    origin = headers.get("origin")
    # "null" and whatever else is no address of a site's are none of this one.
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


def _hostname(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host
