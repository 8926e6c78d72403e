"""A server that answers before all of it is loaded: whether it lives at once, everything else as soon as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyio import to_thread
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from palmette.server.health import HEALTHY, PATHS


class Opening:
    """Stands for an application that takes a while to be made."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._app: ASGIApp | None = None
        self._made = asyncio.Event()

    async def load(self) -> None:
        """Make it, beside the answers; whatever is raised is raised here, and who waits goes on waiting."""
        self._app = await to_thread.run_sync(self._make)
        self._made.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None and scope["type"] == "http":
            if scope["path"] in PATHS and scope["method"] == "GET":
                await JSONResponse(HEALTHY)(scope, receive, send)
                return
            await self._made.wait()
        assert self._app is not None
        await self._app(scope, receive, send)
