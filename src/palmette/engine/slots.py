"""The host's cores, memory and GPUs, handed out to all drivers of this user.

One file, of which nothing but its length in locks matters: each quarter of a core, each 64th of the memory and each GPU
is a byte of it, and whoever has a byte locked has the thing. They are locks of an open file (OFD), so the kernel gives
everything back when a driver dies, however it dies, and two drivers in one process are two.

Fairness: who was turned away stands in a queue and is served before those who come later. A later one is let through
only where enough is left for all who wait. A place in the queue is kept by asking again; it is lost after two seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import secrets
import struct
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.errors import Problem, UsageError

QUARTERS: Final = 4
SHARES: Final = 64
#: seconds for which a place in the queue is kept without asking again
KEPT: Final = 2.0
#: a place in the queue is renewed this often, in seconds
RENEWED: Final = 0.3
#: where in the file each kind begins
REGIONS: Final = (0, 1 << 20, 2 << 20)
_LOCK: Final = struct.Struct("hhqqi4x")

#: What is asked for: quarters of a core, shares of the memory, GPUs
Needs = tuple[int, int, int]

_held: weakref.WeakSet[HostClaim] = weakref.WeakSet()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Someone who waits."""

    id: str
    needs: Needs
    #: when they last asked, in seconds of the monotonic clock
    asked: float


class HostClaim:
    """What was handed out; implements `ports.Claim`."""

    def __init__(self, file: int, threads: int, gpus: tuple[int, ...]) -> None:
        self._file, self._threads, self._gpus = file, threads, gpus
        _held.add(self)

    @property
    def threads(self) -> int:
        """See the port."""
        return self._threads

    @property
    def gpus(self) -> tuple[int, ...]:
        """See the port."""
        return self._gpus

    def release(self) -> None:
        """See the port."""
        if self._file >= 0:
            # A child that was forked in the meantime may still have the file; the lock must not wait for its end.
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))
            self.forget()

    def forget(self) -> None:
        """Let go of the file without giving anything back: a fork of a driver holds nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _forget_all() -> None:
    for claim in [*_held]:
        claim.forget()


os.register_at_fork(after_in_child=_forget_all)


class HostSlots:
    """Implements `ports.Slots` over a directory that all drivers of the user have in common.

    Cores are handed out in quarters, memory in 64ths of the total. Someone who asks for more cores than there are gets
    all of them; more memory or GPUs than there are is an error.
    """

    def __init__(self, directory: Path, *, cpus: int, memory: int, gpus: int = 0) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._slots, self._door, self._line = directory / "slots", directory / "claim", directory / "queue"
        self._cpus, self._memory, self._gpus = max(1, cpus), max(1, memory), gpus
        self._sizes: Needs = (self._cpus * QUARTERS, SHARES, gpus)
        self._id = secrets.token_hex(8)
        self._waits = False

    def check(self, what: str, memory: int, gpu: int) -> list[Problem]:
        """What of a request this machine can never satisfy; `what` is who asks, for the message."""
        problems = []
        if memory > self._memory:
            asked, there = memory / 2**30, self._memory / 2**30
            problems.append(
                Problem(where=what, what=f"asks for {asked:.1f} GiB of memory; this machine has {there:.1f}")
            )
        if gpu > self._gpus:
            problems.append(Problem(where=what, what=f"asks for {gpu} GPUs; this machine has {self._gpus}"))
        return problems

    def claim(self, cpu: float, memory: int, gpu: int) -> HostClaim | None:
        """See the port. UsageError for more than `check` lets pass."""
        if problems := self.check("task", memory, gpu):
            raise UsageError("this machine is too small", "Ask for less, or run it elsewhere.", problems=problems)
        quarters = min(math.ceil(cpu * QUARTERS - 1e-9), self._sizes[0])
        needs = (quarters, math.ceil(memory * SHARES / self._memory), gpu)
        with self._alone() as queue:
            taken = self._take(needs, self._reserved(queue))
            if taken:
                self._leave(queue)
            else:
                self._wait(queue, needs)
        if not taken:
            return None
        file, gpus = taken
        return HostClaim(file, max(1, quarters // QUARTERS), gpus)

    def close(self) -> None:
        """Give up the place in the queue."""
        if self._waits:
            with self._alone() as queue:
                self._leave(queue)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[list[Place]]:
        """The queue without those who are gone, while nobody else looks at it or takes anything."""
        with self._door.open("ab") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            yield self._read()

    def _read(self) -> list[Place]:
        now = time.monotonic()
        try:
            rows = json.loads(self._line.read_bytes())
            places = [Place(id=id, needs=(cpu, memory, gpu), asked=asked) for id, cpu, memory, gpu, asked in rows]
        except (FileNotFoundError, ValueError, TypeError):  # none yet, or someone died while writing
            return []
        # A time to come is from before the machine was started.
        return [place for place in places if now - KEPT <= place.asked <= now]

    def _write(self, queue: Sequence[Place]) -> None:
        # In place: after a file was emptied, ext4 writes it to the disk at once, and whoever closes it waits for that.
        data = json.dumps([[place.id, *place.needs, place.asked] for place in queue]).encode()
        file = os.open(self._line, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, data, 0)
            os.ftruncate(file, len(data))
        finally:
            os.close(file)

    def _reserved(self, queue: Sequence[Place]) -> Needs:
        """What those who came earlier wait for."""
        earlier = []
        for place in queue:
            if place.id == self._id:
                break
            earlier.append(place.needs)
        cpu, memory, gpu = (sum(needs[kind] for needs in earlier) for kind in range(3))
        return cpu, memory, gpu

    def _leave(self, queue: Sequence[Place]) -> None:
        if self._waits:
            self._write([place for place in queue if place.id != self._id])
            self._waits = False

    def _wait(self, queue: Sequence[Place], needs: Needs) -> None:
        """Stand in the queue, at the end if not in it yet."""
        now = time.monotonic()
        mine = Place(id=self._id, needs=needs, asked=now)
        places = {place.id: place for place in queue}
        before = places.get(self._id)
        if before is None or before.needs != needs or now - before.asked > RENEWED:
            self._write([*(places | {self._id: mine}).values()])
        self._waits = True

    def _take(self, needs: Needs, reserved: Needs) -> tuple[int, tuple[int, ...]] | None:
        """Lock what is needed, and leave what is reserved; the file that holds the locks, and the GPUs."""
        file = os.open(self._slots, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        chosen: list[int] = []
        try:
            for need, spare, size, region in zip(needs, reserved, self._sizes, REGIONS, strict=True):
                free = sorted(set(range(size)) - _locked(file, region, size)) if need else []
                # More than there is cannot be reserved: the first in the queue would block itself.
                if need and len(free) - min(spare, size) < need:
                    os.close(file)
                    return None
                chosen += [region + unit for unit in free[:need]]
            for byte in chosen:
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        except BaseException:
            os.close(file)
            raise
        return file, tuple(byte - REGIONS[2] for byte in chosen if byte >= REGIONS[2])


def _locked(file: int, region: int, size: int) -> frozenset[int]:
    """The bytes of a region that others have locked."""
    found: set[int] = set()
    spans = [(region, region + size)]
    while spans:
        first, end = spans.pop()
        if first >= end:
            continue
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, end - first, 0)
        kind, _, start, length, _ = _LOCK.unpack(fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            continue
        last = end if length == 0 else start + length
        found.update(range(max(first, start), min(end, last)))
        spans += [(first, start), (last, end)]
    return frozenset(unit - region for unit in found)
