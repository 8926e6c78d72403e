"""Errors as answers, in the words of whoever asked."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from palmette.domain.values import Json
from palmette.errors import PalmetteError, Problem
from palmette.kfpapi import faults
from palmette.kfpapi.faults import Fault
from palmette.server.rows import Manner

_LOG: Final = logging.getLogger("palmette.server")
#: Where the routes that are Palmette's own stand.
_OWN: Final = "/apis/palmette/"
#: So many problems are told, each in so many signs: a file of a million mistakes is no answer of a hundred megabytes.
_PROBLEMS: Final = 100
_LONGEST: Final = 2000
_WORDS: Final = {404: "there is nothing at this address", 405: "this cannot be asked with that method"}


def manner_of(path: str) -> Manner:
    """How errors at this address are said, where no route says it."""
    return Manner.OWN if path.startswith(_OWN) else Manner.KFP


def answer(error: PalmetteError, manner: Manner) -> Response:
    """An error that was raised on purpose; of a great many problems the first, and how many more there are."""
    error.problems = tuple(_few(error.problems))
    fault = faults.of_error(error)
    if manner is not Manner.OWN:
        return _said(fault, manner)
    problems = [{"where": each.where, "what": each.what, "hint": each.hint} for each in error.problems]
    said = {"type": type(error).__name__, "message": error.message, "hint": error.hint, "problems": problems}
    return JSONResponse({"error": said}, fault.status)


def _few(problems: Sequence[Problem]) -> Iterator[Problem]:
    for each in problems[:_PROBLEMS]:
        yield Problem(where=_cut(each.where), what=_cut(each.what), hint=_cut(each.hint))
    if len(problems) > _PROBLEMS:
        yield Problem(where="", what=f"and {len(problems) - _PROBLEMS:,} more")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def refusal(status: int, message: str, manner: Manner, headers: Mapping[str, str] | None = None) -> Response:
    """What the server itself refuses: 401, 403, 413 …"""
    return _said(faults.of_status(status, message), manner, headers)


def of_http(request: Request, error: Exception) -> Response:
    """What Starlette refuses: an unknown address, a wrong method, a body too large."""
    assert isinstance(error, HTTPException)
    return of_starlette(error, manner_of(request.url.path))


def of_starlette(error: HTTPException, manner: Manner) -> Response:
    """What Starlette refuses, at an address whose manner is known."""
    words = _WORDS.get(error.status_code, error.detail[:1].lower() + error.detail[1:]).rstrip(".")
    return refusal(error.status_code, words, manner, error.headers)


def of_bug(request: Request, error: Exception) -> Response:
    """What nobody foresaw: logged under a number that the answer names, and nothing else of it told."""
    number = secrets.token_hex(4)
    _LOG.error("error %s: %s %s", number, request.method, request.url.path, exc_info=error)
    return refusal(500, f"the server failed; its log says why, as error {number}", manner_of(request.url.path))


def _said(fault: Fault, manner: Manner, headers: Mapping[str, str] | None = None) -> Response:
    body: dict[str, Json]
    match manner:
        case Manner.KFP:
            body = faults.body(fault)
        case Manner.UPLOAD:
            body = faults.upload_body(fault)
        case Manner.OWN:
            said = {"type": "PalmetteError", "message": fault.message, "hint": "", "problems": []}
            body = {"error": said}
    return JSONResponse(body, fault.status, headers=dict(headers or {}))
