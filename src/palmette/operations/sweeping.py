"""Drive a sweep: several runs at once, a thread each, every point once.

A thread sleeps while its run's steps are executed, in processes of their own; so threads are as quick as processes
here, and one more of them costs a fraction of the memory.
"""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from palmette.domain.run import Run, TaskChanged, TaskRecord
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import PalmetteError
from palmette.operations import machine, running
from palmette.operations.accepting import Accepted
from palmette.operations.details import Detail
from palmette.operations.interrupts import Interrupts
from palmette.operations.project import Project
from palmette.operations.sharing import Reach, Shared
from palmette.operations.sweeps import Member, Opened, Sweep, alone, members, point
from palmette.operations.watching import Seen, Watch

#: seconds after which somebody at the terminal is listened to, at the latest
_PAUSE: Final = 0.1

Values = tuple[Json, ...]


class Begun(Protocol):
    """A point's run that was accepted."""

    @property
    def run(self) -> Run:
        """As it was accepted."""
        ...

    @property
    def tasks(self) -> tuple[TaskRecord, ...]:
        """Its tasks, as they were then."""
        ...


B = TypeVar("B", bound=Begun)


class Ground(Protocol[B]):
    """Where the runs of a sweep are driven: by this process, or by a server."""

    @property
    def sweep(self) -> Sweep:
        """The sweep."""
        ...

    @property
    def reach(self) -> Reach:
        """What its points have in common."""
        ...

    @property
    def jobs(self) -> int:
        """How many runs go on at once."""
        ...

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep others from driving the sweep from here."""
        ...

    def waiting(self) -> Sequence[tuple[Values, contextlib.AbstractContextManager[B]]]:
        """The points whose runs are to be gone on with, or have only been accepted."""
        ...

    def point(self, values: Values) -> contextlib.AbstractContextManager[B]:
        """Accept the run of a further point."""
        ...

    def drive(self, begun: B, watch: Watch, channel: Channel) -> Detail:
        """See a run to its end."""
        ...

    def members(self) -> tuple[Member, ...]:
        """All its runs."""
        ...


class Display(Protocol):
    """Whoever shows a sweep as it happens."""

    def began(self, values: Values, accepted: Begun) -> None:
        """A point's run is driven now."""

    def seen(self, values: Values, seen: Seen) -> None:
        """Something happened in it."""

    def ended(self, values: Values, detail: Detail) -> None:
        """It is over."""

    def crashed(self, values: Values, error: PalmetteError) -> None:
        """It could not be driven to its end."""


class Source(Protocol):
    """Where points come from."""

    def next(self, held: Callable[[Values], bool]) -> Values | None:
        """A point that may be begun now, or None; those that are `held` back wait for another that shares a task."""

    def told(self, values: Values, detail: Detail | None) -> None:
        """What became of a point; None if it could not be driven."""


@dataclass
class Grid:
    """Every point that needs something, in order."""

    waiting: list[Values]

    def next(self, held: Callable[[Values], bool]) -> Values | None:
        """See `Source`."""
        found = next((values for values in self.waiting if not held(values)), None)
        if found is not None:
            self.waiting.remove(found)
        return found

    def told(self, values: Values, detail: Detail | None) -> None:
        """See `Source`."""


class Channel:
    """Hands one run's driver what was asked at the terminal. Implements `engine.world.Signals`."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._count = 0

    @property
    def wake(self) -> Sequence[int]:
        """See the port."""
        return (self._reader,)

    def asked(self) -> int:
        """See the port."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 64):
                pass
        return self._count

    def press(self) -> None:
        """Ask for the end, once more."""
        self._count += 1
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def close(self) -> None:
        """Let go of it."""
        os.close(self._reader)
        os.close(self._writer)


@dataclass
class _Driven:
    """A point that is being driven. `busy` are the shared tasks that are not over yet."""

    values: Values
    channel: Channel
    busy: set[Shared]
    future: Future[Detail | PalmetteError] = field(default_factory=Future)


@dataclass(frozen=True)
class Here:
    """This process drives them."""

    opened: Opened

    @property
    def sweep(self) -> Sweep:
        """See `Ground`."""
        return self.opened.sweep

    @property
    def reach(self) -> Reach:
        """See `Ground`."""
        return self.opened.reach

    @property
    def jobs(self) -> int:
        """See `Ground`."""
        return self.sweep.wish.jobs or usual(self.opened.project, self.sweep)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """See `Ground`."""
        return alone(self.opened)

    def waiting(self) -> Sequence[tuple[Values, contextlib.AbstractContextManager[Accepted]]]:
        """The run that was accepted with the sweep, and those that an earlier driver left."""
        opened, first = self.opened, self.opened.first
        found: list[tuple[Values, contextlib.AbstractContextManager[Accepted]]] = []
        if first is not None:
            found.append((self.sweep.at(first.run), contextlib.nullcontext(first)))
        for member in opened.members:
            if member.interrupted:
                found.append((member.values, running.reopen(opened.project, opened.environ, member.run.id)))
        return found

    def point(self, values: Values) -> contextlib.AbstractContextManager[Accepted]:
        """See `Ground`."""
        return contextlib.nullcontext(point(self.opened, values))

    def drive(self, begun: Accepted, watch: Watch, channel: Channel) -> Detail:
        """See `Ground`."""
        return running.drive(begun, watch, channel)

    def members(self) -> tuple[Member, ...]:
        """See `Ground`."""
        return members(self.opened.home, self.sweep)


def drive(ground: Ground[B], source: Source, display: Display) -> tuple[Member, ...]:
    """Drive the sweep until no point is left, or until somebody stops it; all its runs.

    A point that fails does not stop the others. Ctrl-C cancels the runs that are going on and begins no other; a
    second one does not wait for them.
    """
    with ground.alone(), Interrupts() as interrupts, ThreadPoolExecutor(ground.jobs) as pool:
        _Sweeping(ground, source, display, interrupts, pool).to_the_end()
    return ground.members()


def usual(project: Project, sweep: Sweep) -> int:
    """How many runs are driven at once if nothing was said: as many as there are cores. Their steps wait for the
    host's slots in any case."""
    return max(1, min(machine.host(project.gpus).cpus, sweep.size))


class _Sweeping(Generic[B]):
    def __init__(
        self, ground: Ground[B], source: Source, display: Display, interrupts: Interrupts, pool: ThreadPoolExecutor
    ) -> None:
        self._ground, self._source, self._display = ground, source, display
        self._interrupts, self._pool = interrupts, pool
        self._most = ground.jobs
        self._driven: list[_Driven] = []
        self._notices: queue.Queue[tuple[_Driven, Seen]] = queue.Queue()
        self._asked = 0
        self._stopped = False

    def to_the_end(self) -> None:
        """Drive until nothing is left; whatever is raised, no run is driven afterwards."""
        try:
            for values, begun in self._ground.waiting():
                self._submit(values, begun)
            while self._begin() or self._driven:
                self._listen()
                self._finish()
        finally:
            for driven in self._driven:
                driven.channel.press()
                driven.channel.press()

    def _begin(self) -> bool:
        """Begin what can be begun; whether anything was."""
        begun = False
        while not self._stopped and len(self._driven) < self._most:
            values = self._source.next(self._held)
            if values is None:
                break
            self._submit(values, self._ground.point(values))
            begun = True
        return begun

    def _held(self, values: Values) -> bool:
        """Whether another point is at a task that this one needs too."""
        wanted = self._ground.reach.tasks(values)
        return any(wanted & driven.busy for driven in self._driven)

    def _submit(self, values: Values, accepting: contextlib.AbstractContextManager[B]) -> None:
        driven = _Driven(values=values, channel=Channel(), busy=set(self._ground.reach.tasks(values)))
        self._driven.append(driven)
        driven.future = self._pool.submit(self._carry, driven, accepting)

    def _carry(self, driven: _Driven, accepting: contextlib.AbstractContextManager[B]) -> Detail | PalmetteError:
        """In a thread: drive one run to its end."""
        try:
            with accepting as accepted:
                self._display.began(driven.values, accepted)
                return self._ground.drive(accepted, lambda seen: self._notices.put((driven, seen)), driven.channel)
        except PalmetteError as error:
            return error

    def _listen(self) -> None:
        """Take in what happened, and what somebody at the terminal wants."""
        with contextlib.suppress(queue.Empty):
            self._see(*self._notices.get(timeout=_PAUSE))
            while True:
                self._see(*self._notices.get_nowait())
        asked = self._interrupts.asked()
        for _ in range(asked - self._asked):
            self._stopped = True
            for driven in self._driven:
                driven.channel.press()
        self._asked = asked

    def _see(self, driven: _Driven, seen: Seen) -> None:
        self._display.seen(driven.values, seen)
        if isinstance(seen, TaskChanged) and seen.state.final:
            driven.busy.discard(self._ground.reach.named(seen.task, driven.values) or ("", b""))

    def _finish(self) -> None:
        """Take leave of the runs that are over."""
        for driven in [each for each in self._driven if each.future.done()]:
            self._driven.remove(driven)
            driven.channel.close()
            result = driven.future.result()
            good = isinstance(result, Detail)
            self._source.told(driven.values, result if isinstance(result, Detail) else None)
            if isinstance(result, Detail):
                self._display.ended(driven.values, result)
                good = result.run.state is RunState.SUCCEEDED
            else:
                self._display.crashed(driven.values, result)
            self._stopped |= self._ground.sweep.wish.stop and not good


def grid(opened: Opened) -> Grid:
    """The points of the sweep that no run stands for yet."""
    taken = [member.values for member in opened.members if member.over or member.interrupted]
    if opened.first is not None:
        taken.append(opened.sweep.at(opened.first.run))
    return Grid([values for values in opened.sweep.points if values not in taken])
