"""The server's application: the table of rows as routes, and what stands before them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from palmette.errors import PalmetteError, UsageError
from palmette.kfpapi import codec
from palmette.operations.home import Home
from palmette.server import caller, failures, openapi
from palmette.server.kfp import table as kfp
from palmette.server.rows import FORM, JSON, Asked, Content, Query, Row, Sent

#: Requests that are carried out at once; others wait. Each may take two connections of a database's fifteen.
_AT_ONCE: Final = 7
#: bytes of a JSON request: a pipeline may be in it, which may have 32 MiB
MAX_BODY: Final = 34 * 1024 * 1024


class Wakes(Protocol):
    """Who executes what was accepted."""

    def wake(self) -> None:
        """There is something to do."""


class Nobody:
    """Nobody executes anything here: another server of the same store may."""

    def wake(self) -> None:
        """Nothing happens."""


def build(
    home: Home,
    *,
    environ: Mapping[str, str] | None = None,
    worker: Wakes | None = None,
    guard: Sequence[Middleware] = (),
    others: Sequence[Row] = (),
) -> Starlette:
    """The application over a home. `guard` stands before every route, the first of it outermost; `others` are rows
    beside KFP's, described with them."""
    known = (*kfp.ROWS, *others)
    described = openapi.document(known)
    rows = (*known, openapi.row(described))
    at_once = CapacityLimiter(_AT_ONCE)
    wake = (worker or Nobody()).wake

    def route(row: Row) -> Route:
        endpoint = _endpoint(row, home, environ or {}, wake, at_once)
        return Route(row.path, endpoint, methods=[row.method], name=row.name)

    app = Starlette(
        # What is fixed comes before what has a name in it: "/pipelines/upload" is no pipeline.
        routes=[route(row) for row in sorted(rows, key=_breadth)],
        middleware=list(guard),
        exception_handlers={HTTPException: failures.of_http, Exception: failures.of_bug},
    )
    app.state.at_once = at_once
    # An address with a slash too many is none: a redirect would lose the body, and be to whatever host was named.
    app.router.redirect_slashes = False
    return app


def _breadth(row: Row) -> tuple[int, ...]:
    """How much a path leaves open, from its beginning: 0 for a fixed part, 1 for "{name}:verb", 2 for "{name}"."""
    parts = row.path.split("/")
    return tuple(0 if "{" not in part else 3 if ":path}" in part else 2 if part.endswith("}") else 1 for part in parts)


def _endpoint(
    row: Row, home: Home, environ: Mapping[str, str], wake: Callable[[], None], at_once: CapacityLimiter
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        who = caller.of(request.scope)
        if row.role is not None and not who.role.allows(row.role):
            words = f"the token has the role {who.role}, and this needs one with the role {row.role}"
            return failures.refusal(403, words, row.manner)
        try:
            asked = Asked(
                home=home,
                caller=who,
                wake=wake,
                path={name: codec.plain(value, name) for name, value in request.path_params.items()},
                query=_query(request, row.query),
                environ=environ,
            )
            if row.handle is not None:
                return await row.handle(request, asked)
            data = await _data(request, row)
            return await to_thread.run_sync(_carried_out, row, asked, data, limiter=at_once)
        except PalmetteError as error:
            return failures.answer(error, row.manner)
        except HTTPException as error:
            return failures.of_starlette(error, row.manner)
        except ClientDisconnect:
            return Response(status_code=499)

    return endpoint


def _query(request: Request, known: Mapping[str, Query]) -> dict[str, str]:
    # What is not known is ignored, as by KFP's own server: clients of other versions say more.
    return {name: codec.plain(value, name) for name, value in request.query_params.items() if name in known}


async def _data(request: Request, row: Row) -> bytes | Sent:
    """What the request carries, as far as the row wants it; 413 for more than any request may have."""
    if row.body is None:
        return b""
    bounded = Request(request.scope, _bounded(request))
    return await _sent(bounded) if row.body.media == FORM else await bounded.body()


def _bounded(request: Request) -> Callable[[], Awaitable[Message]]:
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise HTTPException(413, f"a request may have {MAX_BODY // 1024 // 1024} MiB at the most")
        return message

    return receive


async def _sent(request: Request) -> Sent:
    """The one file of a form."""
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        raise UsageError(f"the request is no form of the kind {FORM}")
    async with request.form(max_files=1, max_fields=20, max_part_size=64 * 1024) as form:
        file = form.get("uploadfile")
        if not isinstance(file, UploadFile):
            raise UsageError("the form has no file named uploadfile")
        # Whatever a client calls it, only its last part is looked at, for what kind of file it is.
        filename = codec.plain((file.filename or "").replace("\\", "/").rpartition("/")[2], "the file's name")
        return Sent(filename=filename, data=await file.read())


def _carried_out(row: Row, asked: Asked, data: bytes | Sent) -> Response:
    """Read, do and write: all of it in one thread."""
    assert row.answer is not None
    if row.body is not None:
        asked = replace(asked, body=_read(row.body, data))
    given = row.answer(asked)
    if isinstance(given, Response):
        return given
    value = given if row.reply is None else row.reply.write(given)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(text.encode("utf-8", "replace"), media_type=JSON)


def _read(body: Content, data: bytes | Sent) -> Any:
    if isinstance(data, Sent):
        return body.read(data)
    return body.read(None if not data.strip() and not body.required else codec.parse(data))
