"""Wait for runs that are executed elsewhere: a line for each change, and for each minute without one."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, Protocol

from palmette.domain.states import RunState, became
from palmette.errors import AccessDenied, NotFound, ServerError, StoreUnreachable

#: Seconds between two looks, at first and at most.
FIRST, LONGEST = 2.0, 15.0
#: Seconds without a word after which it is said what is waited for.
HEARTBEAT: Final = 60.0
#: So many looks in a row may fail.
PATIENCE: Final = 8


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """A run that is waited for."""

    #: as whoever executes it knows it
    id: str
    algorithm: str
    #: where it can be looked at
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Waited:
    """How the waiting ended."""

    #: run → the state it was in last
    states: Mapping[str, RunState]
    #: the number of the signal that ended it; 0 for none
    signal: int = 0

    @property
    def over(self) -> bool:
        """Whether every run is over."""
        return all(state.final for state in self.states.values())


class Watched(Protocol):
    """Whoever executes runs."""

    def states(self, runs: Sequence[str]) -> Mapping[str, RunState]:
        """Run → its state now; one that is not there is left out. ServerError while nobody answers."""
        ...


class Clock(Protocol):
    """The time, and how it goes by."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def rest(self, seconds: float) -> None:
        """Let so many seconds go by, or fewer if something happened."""
        ...


class Bell:
    """Hears SIGINT and SIGTERM while it is rung in, and wakes whoever rests. To an engine nobody asks for the end:
    whoever has the bell decides what a signal means."""

    def __init__(self) -> None:
        #: the signal that came first; 0 for none
        self.signal = 0
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        #: whoever rings from another thread may come late; a signal comes while this thread holds it
        self._lock = threading.RLock()
        self._closed = False

    @property
    def wake(self) -> Sequence[int]:
        """Readable when something happened."""
        return (self._reader,)

    def asked(self) -> int:
        """Never, and what woke is forgotten."""
        self._quiet()
        return 0

    def ring(self) -> None:
        """Wake whoever rests."""
        with self._lock, suppress(BlockingIOError):  # it is awake then
            if not self._closed:
                os.write(self._writer, b"!")

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def rest(self, seconds: float) -> None:
        """Until something happens, at most so long."""
        if self.signal == 0:
            select.select([self._reader], [], [], max(0.0, seconds))
        self._quiet()

    def close(self) -> None:
        """Let go of what wakes."""
        with self._lock:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

    def heard(self, number: int, _: FrameType | None = None) -> None:
        """A signal came."""
        self.signal = self.signal or number
        self.ring()

    def _quiet(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._reader, 64):
                pass


@contextmanager
def bell() -> Iterator[Bell]:
    """Hear SIGINT and SIGTERM; a second one does what it would have done without."""
    made = Bell()
    before: dict[int, Any] = {}

    def arrived(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before[number])
        made.heard(number, frame)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, arrived)
    except ValueError:
        pass  # outside the main thread nobody hears any
    try:
        yield made
    finally:
        for heard, handler in before.items():
            signal.signal(heard, handler)
        made.close()


@dataclass
class _Told:
    """What was said of the runs so far."""

    runs: Sequence[Awaited]
    say: Callable[[str], None]
    begun: float
    said: float
    states: dict[str, RunState] = field(default_factory=dict)
    #: looks in a row at which a run was not there
    absent: Counter[str] = field(default_factory=Counter)

    def see(self, found: Mapping[str, RunState], now: float) -> bool:
        """Say what changed; whether anything did. NotFound for a run that is not there any more."""
        changed = False
        for run in self.waiting():
            state = found.get(run.id)
            self.absent[run.id] = self.absent[run.id] + 1 if state is None else 0
            if self.absent[run.id] >= PATIENCE:
                raise NotFound(f"run {run.id} of {run.algorithm} is not there any more", "Somebody deleted it.")
            if state is None or state is self.states.get(run.id):
                continue
            self.states[run.id] = state
            changed = True
            word = became(state) if state.final else state.value.lower()
            after = f" after {spelled(now - self.begun)}" if state.final else ""
            self.say(f"{run.algorithm} {run.id} {word}{after}")
        if changed:
            self.said = now
        return changed

    def waiting(self) -> list[Awaited]:
        """Those that are not over."""
        return [run for run in self.runs if not (run.id in self.states and self.states[run.id].final)]

    def beat(self, now: float) -> None:
        """Once a minute without a change say what is waited for."""
        if now - self.said < HEARTBEAT:
            return
        self.said = now
        rest = ", ".join(f"{run.algorithm} {self.word(run)}" for run in self.waiting())
        self.say(f"{spelled(now - self.begun)}: {rest}")

    def word(self, run: Awaited) -> str:
        """How a run stands."""
        state = self.states.get(run.id)
        return state.value.lower() if state else "not seen yet"


def wait(
    watched: Watched,
    runs: Sequence[Awaited],
    *,
    clock: Clock,
    until: float | None,
    say: Callable[[str], None],
    stopped: Callable[[], int] = lambda: 0,
    known: Mapping[str, RunState] | None = None,
) -> Waited:
    """Wait until every run is over, until the deadline, or until a signal came. Whoever executes them may be gone for a
    while; ServerError once it does not come back, AccessDenied at once. Of what is `known` nothing is said."""
    began = clock.now()
    told = _Told(runs=runs, say=say, begun=began, said=began, states=dict(known or {}))
    pause, missed = FIRST, 0
    while True:
        now = clock.now()
        try:
            changed = told.see(watched.states([run.id for run in told.waiting()]), now)
            pause, missed = (FIRST if changed else min(LONGEST, pause * 1.5)), 0
        except AccessDenied:
            raise
        except (ServerError, StoreUnreachable) as error:
            missed += 1
            if missed >= PATIENCE:
                raise
            if missed == 1:
                say(f"no answer just now ({error.message}); the runs go on")
            pause = min(LONGEST, pause * 1.5)
        over = not told.waiting()
        if over or stopped() or (until is not None and now >= until):
            return Waited(states=told.states, signal=0 if over else stopped())
        told.beat(now)
        clock.rest(pause if until is None else min(pause, until - now))


def deadline(now: float, *limits: float | None) -> float | None:
    """The first of these moments; None where there is none."""
    known = [limit for limit in limits if limit is not None]
    return max(now, min(known)) if known else None


def spelled(seconds: float) -> str:
    """A time as it is read: "8 s", "12 min", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
