"""The processes of a house, and what each of them is."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final


class Kind(StrEnum):
    """What a process is to a run."""

    SERVER = "server"
    WORKER = "worker"
    DRIVER = "driver"
    TEMPLATE = "template"
    KEEPER = "keeper"
    #: makes the namespaces of a template's or a keeper's tasks
    NURSERY = "nursery"
    #: reads the pipeline from the project's code, before there is a run
    RECORDING = "recording"
    #: the first process of a task's namespace, or of the next one's
    INIT = "init"
    #: a template's fork that waits for its task, or a task that is not in its directory yet
    SPARE = "spare"
    TASK = "task"
    #: whatever a task has started
    BELOW = "below a task"
    #: Git and the like
    OTHER = "other"


#: Kinds whose death kills tasks without it being the tasks' doing.
MACHINERY: Final = frozenset({Kind.DRIVER, Kind.TEMPLATE, Kind.KEEPER, Kind.NURSERY, Kind.RECORDING, Kind.OTHER})


#: Where the stores of projects and of servers lie in a house.
_HOMES: Final = ("project/.palmette", "store")
_SHARED: Final = b"PALMETTE_ISOLATION=subreaper\0"
_WORKING: Final = "palmette.operations.working"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A process."""

    pid: int
    parent: int
    #: clock ticks since boot
    start: int
    kind: Kind
    command: str

    def kill(self) -> bool:
        """SIGKILL to that very process; whether it was still there."""
        with suppress(OSError):
            handle = os.pidfd_open(self.pid)
            try:
                if _stat(self.pid)[2] == self.start:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    return True
            finally:
                os.close(handle)
        return False

    def pause(self, seconds: float) -> bool:
        """Stop that very process for a while; whether it was still there."""
        with suppress(OSError):
            handle = os.pidfd_open(self.pid)
            try:
                if _stat(self.pid)[2] == self.start:
                    signal.pidfd_send_signal(handle, signal.SIGSTOP)
                    time.sleep(seconds)
                    signal.pidfd_send_signal(handle, signal.SIGCONT)
                    return True
            finally:
                os.close(handle)
        return False

    def waits(self) -> str:
        """What it waits for in the kernel, and which signals it holds back."""
        with suppress(OSError):
            status = Path(f"/proc/{self.pid}/status").read_text()
            blocked = status.partition("\nSigBlk:")[2].partition("\n")[0].strip()
            return f"{Path(f'/proc/{self.pid}/wchan').read_text()} ({blocked})"
        return "?"


def members(directory: Path, driver: int = 0) -> list[Member]:
    """Every living process of the house; the driver is told by its number."""
    word, found = str(directory).encode(), []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                found += _look(int(entry.name), word)
    seen = {one.pid: one for one in found}
    return [
        Member(
            pid=one.pid,
            parent=one.parent,
            start=one.start,
            kind=_kind(one, seen, directory, driver),
            command=one.command,
        )
        for one in found
    ]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    pid: int
    parent: int
    start: int
    command: str
    where: Path
    #: tasks have no namespaces where it works, so that there is no nursery
    shared: bool

    @property
    def machine(self) -> bool:
        return "runtime/template.py" in self.command or "runtime/keeper.py" in self.command


def _look(pid: int, word: bytes) -> list[_Seen]:
    """The process, if it belongs to the house by its environment or its current directory, and is not dead."""
    place = Path(f"/proc/{pid}")
    state, parent, start = _stat(pid)
    where, environment = (place / "cwd").readlink(), (place / "environ").read_bytes()
    if state in "ZX" or not (bytes(where).startswith(word) or word in environment):
        return []
    command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return [_Seen(pid=pid, parent=parent, start=start, command=command, where=where, shared=_SHARED in environment)]


def alive(pid: int, start: int) -> bool:
    """Whether the process with this number is still the one that started then."""
    state, _, started = _stat(pid)
    return state not in "ZX" and started == start


def _stat(pid: int) -> tuple[str, int, int]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "X", 0, 0
    return fields[0].decode(), int(fields[1]), int(fields[19])


def _kind(one: _Seen, seen: dict[int, _Seen], directory: Path, driver: int) -> Kind:
    above = seen.get(one.parent)
    root = above is not None and above.machine and not (above.parent in seen and seen[above.parent].machine)
    if one.pid == driver:
        return Kind.DRIVER
    if one.where.is_relative_to(directory / "temporary"):
        return Kind.RECORDING
    if any(one.where.is_relative_to(directory / home / "runs") for home in _HOMES):
        return Kind.TASK if root else Kind.BELOW
    if _WORKING in one.command:
        return Kind.DRIVER if above is not None and _WORKING in above.command else Kind.WORKER
    if "/palmette serve " in one.command:
        return Kind.SERVER
    if not one.machine:
        return Kind.OTHER
    if above is None or not above.machine:
        return Kind.TEMPLATE if "template.py" in one.command else Kind.KEEPER
    oldest = min((other.start, other.pid) for other in seen.values() if other.parent == one.parent)
    # Its first child; what is forked ahead, or is not in its own directory yet, may look like it.
    if root:
        return Kind.NURSERY if oldest == (one.start, one.pid) and not one.shared else Kind.SPARE
    return Kind.INIT
