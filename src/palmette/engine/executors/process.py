"""Fresh processes: commands that a keeper of this driver's own starts, watches and clears away."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from palmette.engine.executors.connection import Connection, Message
from palmette.engine.executors.template import surroundings
from palmette.runtime import keeper


class Commands:
    """A line to a keeper that ends, with everything it has started, when this driver does."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={name: environment[name] for name in ("PALMETTE_ISOLATION",) if name in environment},
            )
        self._connection = Connection(ours)

    def start(
        self,
        id: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        protected: Sequence[str] = (),
        input: str | None = None,
    ) -> None:
        """Start a command; `messages` tells of it. Raises Disconnected if the keeper is dead. It sees the directories
        in `protected` read-only, where the system allows that, and reads `input`, which is never on a disk."""
        self._connection.send(
            {
                "op": "start",
                "id": id,
                "command": list(command),
                "environment": dict(environment),
                "directory": str(directory),
                "log": str(log),
                "protected": list(protected),
                **({} if input is None else {"input": input}),
                **surroundings(),
            }
        )

    def end(self, id: str, grace: float) -> None:
        """Ask it to stop, and kill all of it after `grace` seconds. Raises Disconnected if the keeper is dead."""
        self._connection.send({"op": "end", "id": id, "grace": grace})

    def messages(self) -> list[Message]:
        """What came since the last call: never waits. Raises Disconnected when the keeper and all below it are dead."""
        return self._connection.receive(0)

    def fileno(self) -> int:
        """Readable when there are messages."""
        return self._connection.fileno()

    def close(self) -> None:
        """Kill what still runs; return when the keeper is gone."""
        self._connection.close()
        with contextlib.suppress(ProcessLookupError):
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.kill(self._process.pid, 9)
                self._process.wait()
