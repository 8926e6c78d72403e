"""The server's log: a line for each request and event, for people or for machines, without anything confidential."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palmette.domain.values import Json
from palmette.server import caller

_LOG: Final = logging.getLogger("palmette.server.requests")
#: the request that is being answered; empty outside of one
_request: ContextVar[str] = ContextVar("palmette_request", default="")

#: What a client may call its request; anything else gets a name from here.
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_RUN: Final = re.compile(r"/runs/([a-z0-9-]{4,64})(?=[/:]|$)", re.ASCII)
#: What must not be read, wherever it stands.
_TOKENS: Final = re.compile(r"\bpal_[A-Za-z0-9_-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?i:\bbearer\s+)\S+")
#: Parameters of an address whose values may be told; of the others only that they were there.
_TOLD: Final = frozenset(
    {"page_size", "sort_by", "page_token", "cascade", "propagation_policy", "follow", "limit", "offset", "view"}
)
_LONGEST: Final = 300


class Form(StrEnum):
    """How lines are written."""

    TEXT = "text"
    JSON = "json"


def begin(form: Form, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Write what Palmette and uvicorn log to a stream, standard error by default. Calling it again changes the form."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines() if form is Form.TEXT else _Objects())
    handler.addFilter(_matters)
    for name in ("palmette", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
    # Each request has a line of ours.
    logging.getLogger("uvicorn.access").disabled = True
    # "Started server process", "Waiting for application startup": whoever starts the server says it better.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _matters(record: logging.LogRecord) -> bool:
    # An answer that uvicorn ends because the server stops is no fault, and its request has a line.
    return not (record.exc_info and record.exc_info[0] and issubclass(record.exc_info[0], asyncio.CancelledError))


def told(event: str, **values: Json) -> dict[str, Any]:
    """`extra` of a log call: values that belong to the line, by name; None is left out."""
    return {"palmette": {"event": event, **{name: value for name, value in values.items() if value is not None}}}


class Journal:
    """Gives every request a number, says it in the answer, and writes a line when all is answered."""

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        number = given if _ID.fullmatch(given) and not _TOKENS.search(given) else secrets.token_hex(6)
        # An answer that never comes is a fault of ours.
        begun, status, size = self._clock(), 500, 0

        async def noting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = number
            size += len(message.get("body", b""))
            await send(message)

        # Each request is a task with a context of its own: what fails further out is logged under the number, too.
        _request.set(number)
        try:
            await self.app(scope, receive, noting)
        finally:
            lasted = self._clock() - begun
            level = logging.ERROR if status >= 500 else logging.DEBUG if _quiet(scope, status) else logging.INFO
            _LOG.log(
                level,
                "%s %s %s",
                scope["method"],
                scope["path"],
                status,
                extra=told(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    query=_query(scope["query_string"]) or None,
                    status=status,
                    ms=round(lasted * 1000, 1),
                    bytes=size,
                    client=scope["client"][0] if scope.get("client") else None,
                    caller=caller.of(scope).name or None,
                    run=found.group(1) if (found := _RUN.search(scope["path"])) else None,
                ),
            )


def _quiet(scope: Scope, status: int) -> bool:
    """Asked every few seconds by machines, and of no interest as long as all is well."""
    return status < 400 and (scope["path"] == "/metrics" or scope["path"].endswith("/healthz"))


def _query(text: bytes) -> dict[str, Json]:
    pairs = parse_qsl(text.decode("latin-1")[:4096], keep_blank_values=True, max_num_fields=None)[:32]
    return {name: value if name in _TOLD else "…" for name, value in pairs if value}


def plain(text: str) -> str:
    """A text without tokens, passwords in addresses, and whatever could end a line or move a cursor."""
    cut = text if len(text) <= 8192 else f"{text[:8192]}…"
    hidden = _TOKENS.sub("***", cut)
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in hidden)


def _clean(value: Json) -> Json:
    match value:
        case str():
            return plain(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")
        case Mapping():
            return {plain(str(name)[:_LONGEST]): _clean(each) for name, each in value.items()}
        case list():
            return [_clean(each) for each in value]
        case _:
            return value


def _parts(record: logging.LogRecord) -> dict[str, Json]:
    """What a line says beside its message."""
    values = dict(getattr(record, "palmette", {}))
    if number := _request.get():
        values["request"] = number
    return {name: _clean(value) for name, value in values.items()}


class _Lines(logging.Formatter):
    """For people: "12:00:01 info  GET /runs 200  ms=1.2 caller=ada"."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; more only for what went wrong in the server itself."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        aside = {"event", "method", "path", "status"}
        values = [f"{name}={_spelled(value)}" for name, value in _parts(record).items() if name not in aside]
        line = " ".join([moment, record.levelname.lower().ljust(7), plain(record.getMessage()), *values])
        if not record.exc_info:
            return line
        trace = (f"    {plain(each)}" for each in self.formatException(record.exc_info).splitlines())
        return "\n".join([line, *trace])


class _Objects(logging.Formatter):
    """For machines: a JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, always."""
        said: dict[str, Json] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": plain(record.getMessage()),
            **_parts(record),
        }
        if record.exc_info:
            said["trace"] = [plain(each) for each in self.formatException(record.exc_info).splitlines()]
        return json.dumps(said, ensure_ascii=False)


def _spelled(value: Json) -> str:
    if isinstance(value, Mapping):
        return "&".join(f"{name}={_spelled(each)}" for name, each in value.items())
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text and " " not in text else json.dumps(text, ensure_ascii=False)
