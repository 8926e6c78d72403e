"""Processes by their identity: a number alone is used again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from palmette.domain.run import Process

#: seconds that the kernel gets to clear away what was killed
PATIENCE = 5.0


@cache
def boot() -> str:
    """Name this start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, kw_only=True)
class _Entry:
    pid: int
    parent: int
    session: int
    start: int
    dead: bool


def _entry(pid: int) -> _Entry | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    dead = fields[0] in (b"Z", b"X")
    return _Entry(pid=pid, parent=int(fields[1]), session=int(fields[3]), start=int(fields[19]), dead=dead)


def process_of(pid: int) -> Process:
    """The process that has this number now; its start is 0 if there is none."""
    entry = _entry(pid)
    return Process(pid=pid, start=entry.start if entry else 0, boot=boot())


def alive(process: Process) -> bool:
    """Whether the process still runs. A zombie does not."""
    entry = _entry(process.pid) if process.boot == boot() else None
    return entry is not None and entry.start == process.start and not entry.dead


def end_tree(process: Process) -> None:
    """Kill the process, its session, its descendants and, if it has one of its own, its pid namespace; return when they
    are gone. Does nothing for a process of another boot, or one whose number belongs to another process by now."""
    if process.boot != boot() or not process.start:
        return
    space = _space(process.pid) if alive(process) else ""
    deadline = time.monotonic() + PATIENCE
    while (victims := _tree(process, space)) and time.monotonic() < deadline:
        for victim in victims:
            _kill(victim)
        time.sleep(0.002)


def end_strays(directory: Path) -> None:
    """Kill what was started for the attempt with this directory and has left its session and its parents; return when
    it is gone. Without namespaces nothing else leads from a dead keeper to a daemon below it."""
    deadline = time.monotonic() + PATIENCE
    while (victims := _strays(directory)) and time.monotonic() < deadline:
        for victim in victims:
            _kill(victim)
        time.sleep(0.002)


def _strays(directory: Path) -> list[_Entry]:
    """Who was told of the attempt in its environment, or is a fork of a template and works in there. To work in there
    is not enough: someone's shell may."""
    told, own = f"PALMETTE_EVENTS={directory / 'events.jsonl'}".encode(), os.getpid()
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == own:
            continue
        with contextlib.suppress(OSError):
            fork = b"palmette/runtime/template.py" in (place / "cmdline").read_bytes()
            works = fork and (place / "cwd").readlink().is_relative_to(directory)
            if works or told in (place / "environ").read_bytes().split(b"\0"):
                found.append(_entry(int(place.name)))
    return [entry for entry in found if entry and not entry.dead]


def _space(pid: int) -> str:
    """The pid namespace of a process; empty where it is this process's own, or cannot be known."""
    try:
        space = Path(f"/proc/{pid}/ns/pid").readlink().name
        return "" if space == Path("/proc/self/ns/pid").readlink().name else space
    except OSError:
        return ""


def _tree(process: Process, space: str) -> list[_Entry]:
    """What is left of it: never this process, nor those above it."""
    names = (path.name for path in Path("/proc").iterdir())
    entries = {entry.pid: entry for name in names if name.isdigit() and (entry := _entry(int(name)))}
    leader = entries.get(process.pid)
    # A session keeps its leader's number reserved: if another process has it, nothing of the session is left.
    if leader and leader.start != process.start:
        return []
    found = {pid for pid, entry in entries.items() if process.pid in (pid, entry.session)}
    if space:
        found |= {pid for pid in entries if _space(pid) == space}
    grown = True
    while grown:
        below = {pid for pid, entry in entries.items() if entry.parent in found} - found
        grown, found = bool(below), found | below
    spared = os.getpid()
    while spared in entries:
        found.discard(spared)
        spared = entries[spared].parent
    return [entries[pid] for pid in found if not entries[pid].dead]


def _kill(victim: _Entry) -> None:
    """SIGKILL to that very process."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(victim.pid)
        try:
            now = _entry(victim.pid)
            if now and now.start == victim.start:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
