"""Watch a run that a server drives, as if it were driven here."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.run import (
    AttemptEnded,
    AttemptStarted,
    PointsLogged,
    RunChanged,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.engine.world import Signals
from palmette.errors import AccessDenied, Interrupted, NotFound, PalmetteError, ServerError
from palmette.operations import canceling, happening, reading
from palmette.operations.details import Detail
from palmette.operations.handing import surely
from palmette.operations.remote import There
from palmette.operations.taking import Taken
from palmette.operations.watching import Seen, Watch

#: Seconds after which somebody at the terminal is listened to, at the latest.
_PAUSE: Final = 0.1
#: Seconds between questions to a server that does not answer, at first and at most; and until that is said.
_FIRST, _LONGEST, _SILENCE = 0.2, 2.0, 10.0


def attend(
    there: There, taken: Taken, watch: Watch, signals: Signals, say: Callable[[str], None] = lambda _: None
) -> Detail:
    """Tell `watch` what happens in the run until it is over; what is known of it then.

    A server that is gone for a while is waited for. Whoever asks for the end cancels the run, and waits until it is;
    asked again, this is left at once: Interrupted.
    """
    run = taken.run
    following = _Following(there, run.id, say, {task.name for task in taken.tasks})
    following.pass_over(taken)
    thread = threading.Thread(target=following.follow, daemon=True)
    thread.start()
    asked = 0
    try:
        while thread.is_alive() or not following.notices.empty():
            with suppress(queue.Empty):
                watch(following.notices.get(timeout=_PAUSE))
            if (now := signals.asked()) > asked:
                _cancel(there, run.id, again=asked > 0)
                asked = now
    finally:
        following.stopped.set()
    if following.error is not None:
        raise following.error
    return surely(there, reading.show, run.id)


def _cancel(there: There, run: str, *, again: bool) -> None:
    """Ask for the end of the run; whoever has done so before does not wait for it."""
    where = there.connection.server.called
    if again:
        raise Interrupted(f"run {run} is being canceled on {where}", f"See what becomes of it: palmette show {run}.")
    try:
        there(canceling.cancel, run)
    except NotFound:
        return  # it was over just then
    except ServerError as error:
        hint = f"It goes on there. Cancel it later: palmette cancel {run}."
        raise Interrupted(f"run {run} could not be canceled: {error.message}", hint) from error


@dataclass
class _Following:
    """Hears what happens in a run, in a thread of its own."""

    there: There
    run: str
    say: Callable[[str], None]
    #: the tasks that whoever watches knows of
    names: set[str]
    notices: queue.Queue[Seen] = field(default_factory=queue.Queue)
    error: PalmetteError | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    _told: set[object] = field(default_factory=set)
    _read: dict[tuple[str, int], int] = field(default_factory=dict)

    def pass_over(self, taken: Taken) -> None:
        """What had happened when the run was accepted is no news."""
        for task in taken.tasks:
            for _, seen in happening.changed(TaskRecord(name=task.name), task):
                self._unknown(seen)

    def follow(self) -> None:
        """Until the run is over, something cannot be mended, or nobody listens any more."""
        pause, since, said = _FIRST, time.monotonic(), False
        while not self.stopped.is_set():
            try:
                for seen in self._new():
                    pause, since, said = _FIRST, time.monotonic(), False
                    self.notices.put(seen)
                    if isinstance(seen, RunChanged) and seen.state.final:
                        return
                    if self.stopped.is_set():
                        return
            except AccessDenied as error:
                self.error = error
                return
            except ServerError:
                if time.monotonic() - since > _SILENCE and not said:
                    said = True
                    self.say(f"{self.there.connection.server.called} does not answer; the run goes on without this")
            except PalmetteError as error:
                self.error = error
                return
            self.stopped.wait(pause)
            pause = min(_LONGEST, 2 * pause)

    def _new(self) -> Iterator[Seen]:
        """What was not told before: the server tells all of it anew each time."""
        for happened in self.there(happening.events, self.run):
            seen = self._unknown(happened.seen)
            if seen is not None:
                yield seen

    def _unknown(self, seen: Seen) -> Seen | None:
        match seen:
            case TasksPlanned(tasks=tasks):
                fresh = tuple(task for task in tasks if task.name not in self.names)
                self.names.update(task.name for task in fresh)
                return TasksPlanned(tasks=fresh) if fresh else None
            case PointsLogged(task=task, serial=serial, position=position):
                new = position > self._read.get((task, serial), 0)
                self._read[task, serial] = max(position, self._read.get((task, serial), 0))
                return seen if new else None
            case TaskChanged(task=task, state=state, time=moment):
                key: object = (task, state, moment)
            case AttemptStarted(task=task, attempt=attempt) | AttemptEnded(task=task, attempt=attempt):
                key = (type(seen), task, attempt.serial)
            case RunChanged(state=state, time=moment):
                key = (state, moment if state.final else None)
            case _:
                return seen
        new = key not in self._told
        self._told.add(key)
        return seen if new else None
