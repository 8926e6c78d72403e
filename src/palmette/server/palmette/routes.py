"""What follows from the table of verbs: each verb understood, carried out, and answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from palmette.domain import wire
from palmette.domain.values import Json
from palmette.errors import PalmetteError, Problem, UsageError
from palmette.operations import (
    baselines,
    branches,
    canceling,
    checks,
    collecting,
    comparing,
    departures,
    donors,
    extras,
    gating,
    happening,
    histories,
    hosting,
    importing,
    judging,
    labelling,
    leaderboards,
    messages,
    mirrors,
    offering,
    overviews,
    parcels,
    performing,
    pinning,
    promoting,
    reading,
    reasons,
    recurring,
    redoing,
    searching,
    sweeps,
    taking,
    tickets,
)
from palmette.operations.home import Home
from palmette.operations.messages import LINES, PROTOCOL, VALUES
from palmette.operations.verbs import Verb
from palmette.server import failures
from palmette.server.palmette.forms import form
from palmette.server.rows import JSON, Asked, Manner

#: where the functions of the table are
_MODULES: Final = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        baselines,
        branches,
        canceling,
        checks,
        collecting,
        comparing,
        departures,
        donors,
        extras,
        gating,
        happening,
        histories,
        hosting,
        importing,
        judging,
        labelling,
        leaderboards,
        mirrors,
        offering,
        overviews,
        parcels,
        performing,
        pinning,
        promoting,
        reading,
        reasons,
        recurring,
        redoing,
        searching,
        sweeps,
        taking,
        tickets,
    )
}
_END: Final = object()
#: Seconds between two looks for something new; seconds after which something is said though there is nothing; what is
#: gathered before it is sent, in lines and in seconds.
_PAUSE, _SILENCE, _MANY, _SOON = 0.15, 10.0, 1000, 0.05
#: What an address may have besides an operation's own parameters.
_ALWAYS: Final = frozenset({"project"})

#: bytes that a request without a file may have
_LARGEST: Final = 64 << 20
#: Requests that are carried out at once beside KFP's (a log that is followed takes a turn only when it looks), and
#: files that come at once: each takes its time.
_AT_ONCE, _UPLOADS = 4, 4
_limiter: Final[RunVar[CapacityLimiter]] = RunVar("palmette_requests")
_uploads: Final[RunVar[CapacityLimiter]] = RunVar("palmette_uploads")


@dataclass(frozen=True)
class Offered:
    """A row of the table of verbs with its function."""

    verb: Verb

    @cached_property
    def operation(self) -> Callable[..., Any]:
        """The function."""
        return function(self.verb.operation)

    @cached_property
    def shape(self) -> messages.Shape:
        """What it takes and gives."""
        return messages.shape(self.operation)

    async def __call__(self, request: Request, asked: Asked) -> Response:
        """Understand what is asked, do it, and answer."""
        arguments = await self._arguments(request, asked)
        home = replace(asked.home, project=request.query_params.get("project", ""))
        if self.shape.streams:
            return ours(await self._stream(request, home, arguments))
        values = VALUES in request.headers.get("accept", "")
        answer = ours(await in_thread(self._answer, home, arguments, values))
        if self.verb.wakes:
            asked.wake()
        return answer

    def _answer(self, home: Home, arguments: Mapping[str, Any], values: bool) -> Response:
        found = self.operation(home, **arguments)
        content = messages.written(found if values else form(self.verb.operation, found))
        return Response(content, media_type=VALUES if values else JSON)

    async def _arguments(self, request: Request, asked: Asked) -> dict[str, Any]:
        takes = self.shape.takes
        given: dict[str, Json] = {name: value for name, value in asked.path.items() if name in takes}
        rest = {name: declared for name, declared in takes.items() if name not in given}
        address = request.query_params.multi_items()
        if self.verb.method in ("GET", "DELETE"):
            known = messages.names(rest) | _ALWAYS
            given |= messages.understood(rest, address)
        else:
            known = _ALWAYS
            given |= await _body(request, rest)
        strange = [Problem(where=name, what="there is no such parameter") for name, _ in address if name not in known]
        wrong = [
            *strange,
            *(each for name, declared in takes.items() if name in given for each in _misfits(declared, given, name)),
            *(
                Problem(where=name, what="it is missing")
                for name in takes
                if name not in given and name not in self.shape.optional
            ),
        ]
        if wrong:
            raise UsageError("the request cannot be understood", problems=wrong)
        loaded = {name: wire.load(takes[name], value) for name, value in given.items()}
        own = {"environ": asked.environ, "caller": asked.caller.name}
        return loaded | {name: own[name] for name in self.shape.own}

    async def _stream(self, request: Request, home: Home, arguments: Mapping[str, Any]) -> Response:
        executed = function(self.verb.served) if self.verb.served else self.operation
        found = executed(home, **arguments)
        values = LINES in request.headers.get("accept", "")
        told: Callable[[Any], Any] = (lambda each: each) if values else (lambda each: form(self.verb.operation, each))
        # The first look is made before the answer begins, so that what is wrong is an error and no answer.
        first = await in_thread(_gather, found)
        return StreamingResponse(_lines(found, first, told), media_type=LINES, headers={"X-Accel-Buffering": "no"})


def _misfits(declared: Any, given: Mapping[str, Json], name: str) -> Iterator[Problem]:
    return messages.misfits(declared, given[name], name)


async def _body(request: Request, known: Mapping[str, Any]) -> dict[str, Json]:
    """The parameters in a request's body; UsageError if it is no JSON object, or has others."""
    data = await limited(request)
    try:
        given = json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the request's body is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise UsageError("the request's body is no JSON object")
    strange = [Problem(where=name, what="there is no such parameter") for name in given if name not in known]
    if strange:
        raise UsageError("the request cannot be understood", problems=strange)
    return given


def function(name: str) -> Callable[..., Any]:
    """The function that the table names."""
    module, _, inner = name.partition(".")
    found: Callable[..., Any] = getattr(_MODULES[module], inner)
    return found


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """What work gives that may take its time, in one of few threads."""
    return await to_thread.run_sync(work, *arguments, limiter=_of_loop(_limiter, _AT_ONCE))


def uploads() -> CapacityLimiter:
    """The few threads in which files come."""
    return _of_loop(_uploads, _UPLOADS)


def _of_loop(kept: RunVar[CapacityLimiter], most: int) -> CapacityLimiter:
    try:
        return kept.get()
    except LookupError:
        kept.set(CapacityLimiter(most))
        return kept.get()


async def limited(request: Request) -> bytes:
    """A request's body; 413 for more than one without a file may have."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _LARGEST:
            raise HTTPException(413, f"a request may have {_LARGEST >> 20} MiB at the most")
        parts.append(part)
    return b"".join(parts)


def ours(response: Response) -> Response:
    """An answer that says whose it is."""
    response.headers["Palmette-Protocol"] = PROTOCOL
    response.headers["Palmette-Version"] = version("palmette")
    return response


# Streams


def _gather(found: Iterator[Any]) -> tuple[list[Any], bool | None]:
    """What comes at once, and whether more may: None if it is over, False if it has to be waited for."""
    gathered: list[Any] = []
    deadline = time.monotonic() + _SOON
    while len(gathered) < _MANY:
        each = next(found, _END)
        if each is _END:
            return gathered, None
        if each is None:
            return gathered, False
        gathered.append(each)
        if time.monotonic() > deadline:
            break
    return gathered, True


async def _lines(
    found: Iterator[Any], first: tuple[list[Any], bool | None], told: Callable[[Any], Any]
) -> AsyncIterator[bytes]:
    gathered, more = first
    silent = 0.0
    while True:
        if gathered:
            yield b"".join(messages.written(told(each)) + b"\n" for each in gathered)
            silent = 0.0
        if more is None:
            return
        if more is False:
            await asyncio.sleep(_PAUSE)
            silent += _PAUSE
            if silent >= _SILENCE:
                # Whoever has gone is noticed, and whoever waits knows that somebody is there.
                yield b"\n"
                silent = 0.0
        try:
            gathered, more = await in_thread(_gather, found)
        except PalmetteError as error:
            yield bytes(failures.answer(error, Manner.OWN).body) + b"\n"
            return
