"""Weighs attempts that may hold only so much memory: what the processes of each hold together.

A cluster's limit is a control group's. Making one takes rights that few have on their own machine, so the processes are
looked at instead: often enough to be useful, seldom enough to cost next to nothing. What a process holds is first read
cheaply (its resident pages); only where that is too much, pages that several share are divided among them, so that a
fork is not charged for what it only reads of its template.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Seconds between two looks, and the part of a core that they may take.
_PAUSE: Final = 0.1
_SHARE: Final = 0.05
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class _Weighed:
    pid: int
    #: its pid namespace, where that is not this process's own; else empty
    space: str
    limit: int


class Scales:
    """What is on them, and when to look again."""

    def __init__(self) -> None:
        self._weighed: dict[str, _Weighed] = {}
        self._next = float("inf")

    def put(self, id: str, pid: int, limit: int) -> None:
        """Weigh the process and all below it from now on."""
        self._weighed[id] = _Weighed(pid=pid, space=_space(pid), limit=limit)
        self._next = min(self._next, time.monotonic() + _PAUSE)

    def take(self, id: str) -> None:
        """Weigh it no more."""
        self._weighed.pop(id, None)
        if not self._weighed:
            self._next = float("inf")

    @property
    def due(self) -> float:
        """When to look next, on the monotonic clock; infinity if there is nothing to weigh."""
        return self._next

    def outgrown(self) -> dict[str, int]:
        """Who holds more than is allowed, and how many bytes; looks only when that is due."""
        now = time.monotonic()
        if now < self._next:
            return {}
        parents = _parents()
        heavy = {id: held for id, one in self._weighed.items() if (held := _held(one, parents)) > one.limit}
        self._next = now + max(_PAUSE, (time.monotonic() - now) / _SHARE)
        return heavy


def _held(one: _Weighed, parents: dict[int, int]) -> int:
    members = _members(one, parents)
    held = sum(map(_resident, members))
    return held if held <= one.limit else min(held, sum(map(_proportional, members)))


def _members(one: _Weighed, parents: dict[int, int]) -> set[int]:
    """The process, what is below it, and what has left it within its namespace."""
    found = {one.pid}
    if one.space:
        found |= {pid for pid in parents if _space(pid) == one.space}
    grown = True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        grown, found = bool(below), found | below
    return found


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - many times a second
        if name.isdigit():
            with suppress(OSError):
                found[int(name)] = int(_read(f"/proc/{name}/stat").rpartition(b")")[2].split()[1])
    return found


def _space(pid: int) -> str:
    with suppress(OSError):
        space = os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 - many times a second
        return "" if space == _OWN else space
    return ""


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    with suppress(OSError):
        return sum(_kilobytes(_read(f"/proc/{pid}/smaps_rollup").splitlines())) * 1024
    return _resident(pid)


def _kilobytes(lines: Iterable[bytes]) -> Iterable[int]:
    return (int(line.split()[1]) for line in lines if line.startswith(b"Pss:"))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - many times a second
        return file.read()


_OWN: Final = Path("/proc/self/ns/pid").readlink().name
