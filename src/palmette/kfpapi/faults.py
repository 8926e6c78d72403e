"""What an error is over HTTP, and the two bodies in which KFP's server says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from palmette.domain.values import Json
from palmette.errors import AlreadyThere, Conflict, LeaseLost, NotFound, PalmetteError, StoreError


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer that is no success."""

    #: HTTP's
    status: int
    #: gRPC's
    code: int
    #: one sentence
    message: str
    #: the sentence, every problem, and what to do
    whole: str


_DETAIL: Final = "type.googleapis.com/google.rpc.Status"
#: gRPC's code for a status of HTTP that no error class stands for
_CODES: Final = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    405: 12,
    408: 4,
    409: 10,
    413: 3,
    414: 3,
    415: 3,
    429: 8,
    431: 3,
    503: 14,
}


def of_error(error: PalmetteError) -> Fault:
    """What an error is over HTTP."""
    match error:
        case NotFound():
            status, code = 404, 5
        case AlreadyThere():
            status, code = 409, 6
        case Conflict():
            status, code = 400, 9
        case LeaseLost():
            status, code = 409, 10
        case StoreError():
            status, code = 503, 14
        case _:
            status, code = 400, 3
    problems = "; ".join(f"{each.where}: {each.what}" if each.where else each.what for each in error.problems)
    whole = f"{error.message}: {problems}" if problems else error.message
    return Fault(
        status=status, code=code, message=error.message, whole=f"{whole}. {error.hint}" if error.hint else whole
    )


def of_status(status: int, message: str) -> Fault:
    """An answer that the server itself gives."""
    return Fault(status=status, code=_CODES.get(status, 13), message=message, whole=message)


def body(fault: Fault) -> dict[str, Json]:
    """As all of the API says it."""
    short: Json = {"@type": _DETAIL, "code": fault.code, "message": fault.message}
    return {"code": fault.code, "message": fault.whole, "details": [short]}


def upload_body(fault: Fault) -> dict[str, Json]:
    """As uploads and the reading of artifacts say it."""
    return {"error_message": fault.message, "error_details": fault.whole}
