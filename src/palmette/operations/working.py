"""The worker of a server: one thread that takes runs from the queue and forks a driver for each.

`python -m palmette.operations.working` is told on its standard input what to do: an `Order` as a line of JSON, then
"wake", "finish" or "requeue". All that a driver needs is imported here, before it is forked, so a run waits neither for
an interpreter nor for imports. There are no threads, because a fork of a process with threads may hang; and nothing
outlives the worker, which dies with the server.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol

from palmette.domain.hosting import Leaving
from palmette.engine import processes
from palmette.errors import LeaseLost, PalmetteError
from palmette.operations import served
from palmette.operations.containers import chosen
from palmette.operations.home import Home, serve_home
from palmette.operations.troubles import BROKEN, DONE, NOT_NOW, Troubles
from palmette.operations.worker import Order
from palmette.runtime.keeper import die_with
from palmette.store import queue
from palmette.store.queue import Waiting
from palmette.store.rehearsal import rehearse

log: Final = logging.getLogger("palmette.worker")
#: Seconds between looks at the queue when nobody says that there is something new.
_LOOK: Final = 1.0
_SIGNALS: Final = {signal.SIGTERM: Leaving.NOW, signal.SIGUSR1: Leaving.SOON}


class Wakes(Protocol):
    """Who executes what was accepted."""

    def wake(self) -> None:
        """There is something new."""


class Foreman:
    """Takes runs and forks their drivers."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._pid = os.getpid()
        self._home = _home(order)
        self._on = served.grounds(order.environ, Path(order.python) if order.python else None)
        #: a driver's process → its run
        self._drivers: dict[int, Waiting] = {}
        self._troubles = Troubles()
        self._leaving = Leaving.NOT
        self._heard = b""
        #: why the queue cannot be looked after
        self._said = ""
        self._waker = _ends_of_children()

    def work(self) -> None:
        """Go on until told to stop, and the drivers are gone."""
        try:
            rehearse(self._home.store)
        except PalmetteError as error:
            log.error("the store cannot be used yet: %s", error)
        self._home.store.close()
        gc.collect()
        # Nothing of this is garbage, and a driver should not copy pages to find that out.
        gc.freeze()
        while self._leaving is Leaving.NOT or self._drivers:
            self._reap()
            if self._leaving is Leaving.NOT:
                self._look()
            self._hear()

    # Taking

    def _look(self) -> None:
        """See who waits."""
        try:
            self._take()
        except PalmetteError as error:
            # Once, and not every second for as long as it lasts.
            if str(error) != self._said:
                self._said = str(error)
                log.error("the queue cannot be looked after: %s", error)
        else:
            if self._said:
                log.info("the queue is looked after again")
            self._said = ""
        finally:
            self._home.store.close()

    def _take(self) -> None:
        """Give drivers to those that wait, as far as there is room; cancelling needs none."""
        mine = {each.id for each in self._drivers.values()}
        found = queue.look(
            self._home.store,
            self._on.host.name,
            self._on.host.boot,
            alive=processes.alive,
            mine=mine,
            depth=self._order.runs,
        )
        # The connections of a fork are not its own.
        self._home.store.close()
        now = time.monotonic()
        waiting = tuple(each for each in found.waiting if self._troubles.over(each.id, now))
        canceling = [each for each in waiting if each.canceling][: self._order.runs]
        others = tuple(each for each in waiting if not each.canceling)
        free = self._order.runs - len(self._drivers)
        for each in [*canceling, *replace(found, waiting=others).chosen(max(0, free))]:
            self._fork(each)

    def _fork(self, run: Waiting) -> None:
        # What comes before the driver can listen must not be lost, nor end it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if not pid:
                self._be_driver(run)
        except OSError as error:
            log.error("no driver can be started for run %s: %s", run.id, error.strerror)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._drivers[pid] = run

    def _reap(self) -> None:
        """Take note of the drivers that are gone."""
        while self._drivers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            run = self._drivers.pop(pid, None)
            if run is not None:
                self._note(run, os.waitstatus_to_exitcode(status))

    def _note(self, run: Waiting, code: int) -> None:
        if code < 0:
            log.warning("the driver of run %s was killed (signal %d)", run.id, -code)
        self._troubles.note(run.id, code, time.monotonic())

    # Hearing

    def _hear(self) -> None:
        """Wait until there is something to do."""
        ready = select.select([0, self._waker], [], [], _LOOK)[0]
        if self._waker in ready:
            _drain(self._waker)
        if 0 not in ready:
            return
        data = os.read(0, 65536)
        if not data:
            # The server is gone, and nobody would know what becomes of the drivers.
            os._exit(1)
        *lines, self._heard = (self._heard + data).split(b"\n")
        if b"finish" in lines:
            self._leave(Leaving.SOON)
        if b"requeue" in lines:
            self._leave(Leaving.NOW)

    def _leave(self, how: Leaving) -> None:
        self._leaving = how
        number = next(number for number, meaning in _SIGNALS.items() if meaning is how)
        for pid in self._drivers:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    # Driving

    def _be_driver(self, run: Waiting) -> None:
        """Drive the run in this process, which is a fork, and end with it."""
        code = BROKEN
        try:
            code = self._drive(run)
        except BaseException:
            log.exception("the driver of run %s has an error", run.id)
        finally:
            logging.shutdown()
            os._exit(code)

    def _drive(self, run: Waiting) -> int:
        die_with(self._pid)
        signals = _Signals()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # Without the connections of the worker, which has closed them, but with all that was put into words there.
        home = self._home
        hopeless = self._troubles.hopeless(run.id)
        try:
            served.drive(home, run.id, self._on, signals, hopeless=hopeless)
        except LeaseLost:
            return NOT_NOW
        except PalmetteError as error:
            log.error("run %s waits: %s", run.id, error)
            return NOT_NOW
        finally:
            home.store.close()
        return DONE


class _Signals(served.Quiet):
    """What the worker tells a driver: to leave soon, or at once."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake: Sequence[int] = (reader,)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in _SIGNALS:
            signal.signal(each, self._arrived)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def asked(self) -> int:
        """Never; empties `wake`."""
        _drain(self.wake[0])
        return 0

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self.leaving = Leaving.NOW if self.leaving is Leaving.NOW else _SIGNALS[signal.Signals(number)]
        with suppress(BlockingIOError):
            os.write(self._writer, b"!")


def _home(order: Order) -> Home:
    return serve_home(Path(order.home), order.database or None, containers=chosen(order.environ))


def _ends_of_children() -> int:
    """A file descriptor that becomes readable when a child ends."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return reader


def _drain(number: int) -> None:
    with suppress(BlockingIOError):
        while os.read(number, 4096):
            pass


def _ordered() -> dict[str, Any]:
    """The first line of standard input, which may be in many pieces."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(1)
        line += byte
    found: dict[str, Any] = json.loads(line)
    return found


class _Lines(logging.Formatter):
    """As the server writes its own: a line each, for people or as JSON."""

    def __init__(self, *, objects: bool) -> None:
        super().__init__()
        self._objects = objects

    def format(self, record: logging.LogRecord) -> str:
        """The line; below it, for people, where an error comes from."""
        moment = datetime.fromtimestamp(record.created, UTC)
        message, level = record.getMessage().replace("\n", " · "), record.levelname.lower()
        trace = self.formatException(record.exc_info).splitlines() if record.exc_info else []
        if not self._objects:
            line = f"{moment:%Y-%m-%d %H:%M:%SZ} {level:7} {message}"
            return "\n".join([line, *(f"    {each}" for each in trace)])
        said = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": level,
            "logger": record.name,
            "message": message,
        }
        return json.dumps({**said, "trace": trace} if trace else said, ensure_ascii=False)


def _begin_log(*, objects: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(objects=objects))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def main() -> None:
    """Be the worker of the server that started this process."""
    for number in (signal.SIGINT, *_SIGNALS):
        # A service manager may tell every process to stop; what that means is for the server to say. Not SIG_IGN, which
        # every program that is started here would have from us.
        signal.signal(number, lambda _number, _frame: None)
    told = _ordered()
    die_with(told.pop("parent"))
    _begin_log(objects=told["objects"])
    try:
        Foreman(Order(**told)).work()
    except PalmetteError as error:
        log.error("the worker cannot work: %s", error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
