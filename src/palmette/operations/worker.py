"""The server's hand on its worker: a process of its own that executes runs, started again should it die."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from palmette.domain.hosting import Leaving

log: Final = logging.getLogger("palmette.worker")
#: Seconds before a worker that died is started again, at first and at most: it may die of what will not pass.
_FIRST: Final = 0.1
_LONGEST: Final = 30.0
#: A worker that lived so long was well.
_WELL: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker is told: whose runs it executes, and how."""

    #: the home's directory
    home: str
    #: URL of the home's database; empty for the one in the directory
    database: str
    environ: Mapping[str, str]
    #: so many runs at once
    runs: int
    #: executes "python3" where nothing else is said; empty for the interpreter behind the tool's own
    python: str = ""
    #: write the log as JSON objects
    objects: bool = False


class Worker:
    """Tells the worker what to do. Satisfies `working.Wakes`; `wake` may be called from any thread, all else from the
    main one, with which the worker dies."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._patience = _FIRST
        self._since = self._again = 0.0

    def start(self) -> None:
        """Begin; returns at once."""
        self._process = subprocess.Popen(
            # A safe path: what lies in the current directory is not imported.
            [sys.executable, "-P", "-m", "palmette.operations.working"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for the server, which tells the worker what it means.
            start_new_session=True,
        )
        self._since = time.monotonic()
        # Through the pipe, since everybody may read a command line; a password may be in it.
        self._say(json.dumps({**asdict(self._order), "parent": os.getpid()}).encode() + b"\n", whole=True)

    @property
    def pid(self) -> int:
        """Its number; 0 while there is none."""
        return self._process.pid if self._process else 0

    def wake(self) -> None:
        """There is something new in the queue."""
        self._say(b"wake\n")

    def tend(self) -> bool:
        """Start the worker again if it died, though not too often; whether there is one."""
        if self._process is not None and self._process.poll() is None:
            return True
        if self._stopping:
            return False
        now = time.monotonic()
        if self._process is not None:
            self._close()
            self._patience = _FIRST if now - self._since > _WELL else min(_LONGEST, 2 * self._patience)
            self._again = now + self._patience
            log.error("the worker died; it is started again in %.1f s", self._patience)
        if now >= self._again:
            self.start()
        return False

    def stop(self, how: Leaving) -> None:
        """Let it take no run any more, and leave those it drives to the next one: SOON once their tasks are over, NOW
        at once. Returns at once; it ends when that is done."""
        self._stopping = True
        self._say({Leaving.SOON: b"finish\n", Leaving.NOW: b"requeue\n"}.get(how, b""))

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End it and all that it started at once; whoever comes next goes on with its runs."""
        self._stopping = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close()

    def _say(self, words: bytes, *, whole: bool = False) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.closed:
            return
        number = process.stdin.fileno()
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            # A pipe that is full is full of reasons to wake up.
            os.set_blocking(number, whole)
            while words:
                words = words[os.write(number, words) :]

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
