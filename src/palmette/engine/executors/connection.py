"""The driver's end of a line to a template or a keeper: JSON, a line each way."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

Message: TypeAlias = Mapping[str, Any]


class Disconnected(Exception):
    """The other side is gone."""


class Connection:
    """A line that is open until `Disconnected` is raised."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(True)
        self._line = line
        self._rest = b""

    def fileno(self) -> int:
        """What to wait on; readable when there is something to receive."""
        return self._line.fileno()

    def send(self, message: Message) -> None:
        """Hand over a message; waits only if the other side has not read for long."""
        try:
            self._line.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Disconnected(str(error)) from error

    def receive(self, timeout: float) -> list[Message]:
        """Every message that is here, after waiting for the first one; none if the time is over."""
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            try:
                data = self._line.recv(1 << 18)
            except OSError as error:
                raise Disconnected(str(error)) from error
            if not data:
                raise Disconnected("the line was closed")
            *lines, self._rest = (self._rest + data).split(b"\n")
            if lines:
                return [json.loads(line) for line in lines]
        return []

    def close(self) -> None:
        """Hang up: the other side ends whatever runs for this driver."""
        self._line.close()
