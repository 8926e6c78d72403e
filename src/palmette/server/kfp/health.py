"""Whether the server is there, and whether somebody may do something."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from palmette.kfpapi import messages
from palmette.server.health import HEALTHY
from palmette.server.kfp.parts import PREFIX
from palmette.server.rows import EMPTY, Asked, Query, Row, message


async def _healthz(_request: Request, _asked: Asked) -> Response:
    # In the event loop: no work that waits for a thread delays it.
    return JSONResponse(HEALTHY)


def _authorized(_asked: Asked) -> messages.Empty:
    return messages.Empty()


_AUTH: Final = {
    name: Query(description="Ignored: a token says who may do what.") for name in ("namespace", "resources", "verb")
}

ROWS: Final = (
    *(
        Row(
            name=name,
            method="GET",
            path=path,
            summary="Whether the server is there.",
            handle=_healthz,
            role=None,
            reply=message(messages.Healthz),
            tag="HealthzService",
        )
        for name, path in (
            ("HealthzService_GetHealthz", f"{PREFIX}/healthz"),
            ("HealthzService_GetHealthzV1", "/apis/v1beta1/healthz"),
            ("HealthzService_GetHealthzAlone", "/healthz"),
        )
    ),
    Row(
        name="AuthService_Authorize",
        method="GET",
        path=f"{PREFIX}/auth",
        summary="Whether somebody may do something: whoever is answered here at all may.",
        answer=_authorized,
        query=_AUTH,
        reply=EMPTY,
        tag="AuthService",
    ),
)
