"""What a running step tells whoever watches: metrics and progress, as lines of JSON.

The runtime opens the file once, before the step runs. Nothing is written where it did not, so a step that logs is
still a plain function in a unit test.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Sized
from math import isfinite
from operator import index
from typing import Final, SupportsFloat, SupportsIndex, TypeVar

T = TypeVar("T")

#: Progress is written at most this often (seconds), so that a quick loop costs nothing.
PACE: Final = 0.1

_descriptor: int | None = None
_progressed = 0.0


def open(path: str) -> None:
    """Send what is logged from now on to the end of this file; child processes made by a fork do so too."""
    global _descriptor
    close()
    _descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def close() -> None:
    """Send what is logged from now on nowhere."""
    global _descriptor, _progressed
    if _descriptor is not None:
        os.close(_descriptor)
    _descriptor, _progressed = None, 0.0


def log_metric(name: str, value: SupportsFloat, step: SupportsIndex | None = None) -> None:
    """Record a value of a metric; with `step` (an epoch, an iteration) it is a point of a curve.

    NaN and infinities, which a diverging training gives, are recorded as a missing value, with a warning.
    """
    if not isinstance(name, str) or not name:
        raise TypeError("a metric's name is a text that is not empty")
    number: float | None = float(value)
    if number is not None and not isfinite(number):
        warnings.warn(f"metric {name!r} is {number}: recorded as missing", RuntimeWarning, stacklevel=2)
        number = None
    _write({"metric": name, "value": number, "step": None if step is None else index(step), "time": time.time()})


def progress(done: float, total: float | None = None, text: str = "") -> None:
    """Say how far the step is. Calls in quick succession are thinned out; the last one (`done == total`) never is."""
    global _progressed
    now = time.monotonic()
    if _descriptor is not None and (done == total or now - _progressed >= PACE):
        _progressed = now
        _write({"progress": float(done), "total": None if total is None else float(total), "text": str(text)})


def track(items: Iterable[T], text: str = "") -> Iterator[T]:
    """The items, one by one, with the progress of going through them."""
    total = len(items) if isinstance(items, Sized) else None
    for done, item in enumerate(items):
        progress(done, total, text)
        yield item
    if total is not None:
        progress(total, total, text)


def _write(event: dict[str, object]) -> None:
    # One write each to a file opened for appending: lines of several processes never mix.
    if _descriptor is not None:
        os.write(_descriptor, json.dumps(event, allow_nan=False).encode() + b"\n")
