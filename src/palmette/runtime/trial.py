"""A captured step under conditions that somebody chose: the clock, the cores, the entropy.

Run as a program, with the conditions as JSON and then the arguments of the step's container. What it replaces is what
Python code asks; C code that asks the kernel itself (a BLAS for its cores, a library for the time) is told nothing.
"""

import sys

if __name__ == "__main__":
    # The kit in place of this file's directory, whose modules must not stand in for the standard library's.
    sys.path[0] = __file__.rpartition("/palmette/")[0]

import ctypes
import datetime
import functools
import gc
import hashlib
import itertools
import json
import os
import random
import time
import types
from collections.abc import Callable
from typing import Any, TypedDict

from palmette.runtime import bootstrap


class Conditions(TypedDict):
    """What is chosen; what is None stays as it is."""

    #: seconds since the epoch at which the step begins
    clock: float | None
    #: so many of the cores that this process may use
    cores: int | None
    #: what is random everywhere is the same each time
    entropy: bool


def pretend(start: float) -> None:
    """Have `time` and `datetime` say `start`, and a microsecond more each time they are asked.

    The methods of `datetime`'s classes are exchanged in place, so that every reference to the classes stays right, and
    `isinstance` too; that is CPython's alone. Monotonic clocks go on.
    """
    ticks, began = itertools.count(), int(start * 1_000_000)

    def nanoseconds() -> int:
        return (began + next(ticks)) * 1000

    def seconds() -> float:
        return nanoseconds() / 1e9

    def at_once(function: Callable[..., Any], now: Callable[[], Any], place: int) -> Callable[..., Any]:
        """The function, asked for now where nothing else is said at that place."""

        def asked(*given: Any) -> Any:
            lacks = len(given) <= place or given[place] is None
            return function(*given[:place], now()) if lacks else function(*given)

        return asked

    clock, clock_ns = time.clock_gettime, time.clock_gettime_ns
    for name in ("gmtime", "localtime", "ctime"):
        setattr(time, name, at_once(getattr(time, name), seconds, 0))
    time.asctime = at_once(time.asctime, time.localtime, 0)
    time.strftime = at_once(time.strftime, time.localtime, 1)
    time.time, time.time_ns = seconds, nanoseconds
    time.clock_gettime = lambda which: seconds() if which == time.CLOCK_REALTIME else clock(which)
    time.clock_gettime_ns = lambda which: nanoseconds() if which == time.CLOCK_REALTIME else clock_ns(which)

    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return cls.fromtimestamp(seconds(), tz)

    def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        return cls.fromtimestamp(seconds(), datetime.UTC).replace(tzinfo=None)

    def today(cls: type[datetime.date]) -> datetime.date:
        return cls.fromtimestamp(seconds())

    _exchange(datetime.datetime, now=now, utcnow=utcnow)
    _exchange(datetime.date, today=today)


def _exchange(kind: type, **methods: Callable[..., Any]) -> None:
    """Put class methods into a class that C made."""
    (body,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    body.update({name: classmethod(function) for name, function in methods.items()})
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def tame() -> None:
    """Have everything that is random give the same each time: the system's entropy, and generators without a seed."""
    asked = itertools.count()
    begin = random.Random.seed

    def entropy(size: int, flags: int = 0) -> bytes:
        return hashlib.shake_256(b"%d" % next(asked)).digest(size)

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        begin(self, next(asked) if a is None else a, version)

    os.urandom, os.getrandom = entropy, entropy
    random._urandom = entropy  # type: ignore[attr-defined]
    random.Random.seed = seed  # type: ignore[method-assign]
    # The module's own generator was made before, and its functions are bound.
    random.seed = functools.partial(seed, random._inst)
    random.seed()


def main(arguments: list[str]) -> int:
    """Carry out the step that the arguments say, under the conditions that the first of them holds."""
    chosen: Conditions = json.loads(arguments[0])
    # Otherwise a spawned child of the step would import this file as its parent's main module.
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = ["-c"]
    if chosen["cores"] is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen["cores"]])
    if chosen["entropy"]:
        tame()
    if chosen["clock"] is not None:
        pretend(chosen["clock"])
    return bootstrap.main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
