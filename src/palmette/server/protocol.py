"""What bounds a request before there is one. Light, so that a server answers before the rest is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol


class Patient(H11Protocol):
    """uvicorn's protocol, but for those who never come to the end of their headers: they are cut off."""

    #: seconds from the connection, or from the first byte after an answer, to the end of the headers
    patience = 15.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        self._deadline: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Wait for the headers' end from their first byte on."""
        before = self.cycle
        if before is not None and before.response_complete and self._deadline is None:
            self._expect()
        super().data_received(data)
        if self.cycle is not before:
            self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._settle()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.patience, self._cut)

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()


#: What uvicorn is to be told besides: an idle connection and all headers of a request are bounded there.
PROTOCOL: Final[Mapping[str, Any]] = {
    "http": Patient,
    "h11_max_incomplete_event_size": 64 * 1024,
    "timeout_keep_alive": 15,
    "limit_concurrency": 2048,
}
