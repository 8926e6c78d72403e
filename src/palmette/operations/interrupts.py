"""Ctrl-C and SIGTERM while a run is driven: counted, not thrown, so that the loop decides when to listen."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """Counts SIGINT and SIGTERM while it is entered. Outside the main thread it counts nothing."""

    def __init__(self) -> None:
        self._count = 0
        self._reader = self._writer = -1
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        handler: Callable[[int, FrameType | None], None] = self._arrived
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, handler)
            except ValueError:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._reader)
        os.close(self._writer)

    @property
    def wake(self) -> Sequence[int]:
        """Readable when the end was asked for again."""
        return (self._reader,)

    def asked(self) -> int:
        """How often the end was asked for; empties `wake`."""
        try:
            while os.read(self._reader, 64):
                pass
        except BlockingIOError:
            pass
        return self._count

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        os.write(self._writer, b"!")
