"""Some attempts in the foreground of this terminal, under a debugger; all others as another executor starts them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from palmette.engine import processes
from palmette.engine.executors.choice import variables
from palmette.engine.ports import Executor, Exited, Launch, Report, Started
from palmette.runtime import debug
from palmette.runtime.delivery import BOOTSTRAP

#: how such an attempt was started, as runs record it
TERMINAL: Final = "terminal"


@dataclass(frozen=True, kw_only=True)
class Debugging:
    """What is debugged, and how."""

    tasks: frozenset[str]
    #: the debugger's program, and the interpreter of the project
    program: Path
    python: Path
    #: stop at the first line of the step
    stop: bool = False
    #: wait for an IDE at this port; None for pdb
    port: int | None = None
    #: told True before the terminal is lent, False when it is back
    aside: Callable[[bool], None] = field(default=lambda _: None)


@dataclass
class _Foreground:
    launch: Launch
    process: subprocess.Popen[bytes]
    pidfd: int
    #: when it is killed; infinity for never
    deadline: float = float("inf")


class Terminal:
    """Implements `engine.ports.Executor`. One attempt at a time has the terminal; more of them wait for it."""

    def __init__(self, others: Executor, debugging: Debugging) -> None:
        self._others, self._debugging = others, debugging
        self._now: _Foreground | None = None
        self._waiting: list[Launch] = []
        self._reports: list[Report] = []
        self._settings: list[Any] | None = None

    def start(self, launch: Launch) -> None:
        """See the port."""
        if launch.id.rpartition("#")[0] not in self._debugging.tasks:
            self._others.start(launch)
        elif self._now is None:
            self._begin(launch)
        else:
            self._waiting.append(launch)

    def end(self, id: str, grace: float) -> None:
        """See the port."""
        if self._now is not None and self._now.launch.id == id:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._now.process.pid, signal.SIGTERM if grace else signal.SIGKILL)
            self._now.deadline = min(self._now.deadline, time.monotonic() + grace)
        elif any(launch.id == id for launch in self._waiting):
            self._waiting = [launch for launch in self._waiting if launch.id != id]
            self._reports.append(Exited(id=id, code=143, cpu_seconds=0.0, peak_memory=0))
        else:
            self._others.end(id, grace)

    def wait(self, timeout: float, wake: Sequence[int] = ()) -> list[Report]:
        """See the port."""
        if self._reports:
            timeout = 0.0
        if self._now is None:
            found = self._others.wait(timeout, wake)
        else:
            now = self._now
            left = max(0.0, min(timeout, now.deadline - time.monotonic()))
            found = self._others.wait(left, (*wake, now.pidfd))
            if time.monotonic() >= now.deadline:
                now.process.kill()
            self._look(now)
        mine, self._reports = self._reports, []
        return [*mine, *found]

    def close(self) -> None:
        """See the port."""
        if self._now is not None:
            self._now.process.kill()
            self._now.process.wait()
            self._over(self._now)
        self._others.close()

    def _begin(self, launch: Launch) -> None:
        wanted: debug.Wanted = {
            "stop": self._debugging.stop,
            "port": self._debugging.port,
            "log": str(launch.log),
            "foreground": self._foreground(),
        }
        python = str(launch.interpreter or self._debugging.python)
        if launch.command[:3] == ("python3", "-c", BOOTSTRAP):
            command = [python, str(self._debugging.program), json.dumps(wanted), *launch.args]
        else:
            wanted["foreground"] = False
            command = [python if word == "python3" else word for word in launch.command[:1]]
            command += [*launch.command[1:], *launch.args]
        work = launch.directory / "work"
        work.mkdir(exist_ok=True)
        self._debugging.aside(True)
        sys.stdout.flush()
        self._settings = termios.tcgetattr(0) if wanted["foreground"] else None
        process = subprocess.Popen(command, cwd=work, env=variables(launch))
        self._now = _Foreground(launch, process, os.pidfd_open(process.pid))
        found = processes.process_of(process.pid)
        self._reports.append(Started(id=launch.id, how=TERMINAL, why="it is debugged", process=found))

    @staticmethod
    def _foreground() -> bool:
        """Whether this process has a terminal to lend."""
        try:
            return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            return False

    def _look(self, now: _Foreground) -> None:
        """Report the attempt in the foreground once it is over."""
        pid, status, usage = os.wait4(now.process.pid, os.WNOHANG)
        if not pid:
            return
        code = os.waitstatus_to_exitcode(status)
        now.process.returncode = code
        self._over(now)
        self._reports.append(
            Exited(
                id=now.launch.id,
                code=128 - code if code < 0 else code,
                cpu_seconds=usage.ru_utime + usage.ru_stime,
                peak_memory=usage.ru_maxrss * 1024,
            )
        )
        if self._waiting:
            self._begin(self._waiting.pop(0))

    def _over(self, now: _Foreground) -> None:
        """Clear away what the attempt has left, and take the terminal back as it was."""
        os.close(now.pidfd)
        processes.end_strays(now.launch.directory)
        self._now = None
        if self._settings is not None:
            before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            with contextlib.suppress(OSError, termios.error):
                os.tcsetpgrp(0, os.getpgrp())
                termios.tcsetattr(0, termios.TCSADRAIN, self._settings)
            signal.signal(signal.SIGTTOU, before)
            self._settings = None
        self._debugging.aside(False)


def debugging(tasks: Collection[str], kit: Path, python: Path, **how: Any) -> Debugging:
    """The debugging of these tasks with the program that lies in the kit."""
    return Debugging(tasks=frozenset(tasks), program=kit / "palmette" / "runtime" / "debug.py", python=python, **how)
