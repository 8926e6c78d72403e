"""What lies about on the disk that nothing refers to any more, and how each kind of it is removed.

Whatever somebody may be about to refer to is left alone: each thing shows when it was last needed, and what was needed
since a given time stays, also when that turns out in the last moment.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final, assert_never

from palmette.blobs import Blobs
from palmette.capture.bundle import remove as remove_unpacked
from palmette.engine.attempt import SCRATCH, WORKSPACE
from palmette.engine.attempt import remove as remove_tree
from palmette.errors import CorruptBlob, NotFound

#: How many stored files are deleted at once; whoever stores something waits for so long.
_BATCH: Final = 200
#: What `tempfile` makes of "palmette-"; a directory that holds anything else than what Palmette writes is a user's.
_TEMPORARY: Final = re.compile(r"palmette-[a-z0-9_]{8}")
_WRITTEN: Final = frozenset({"log", "result.json"})
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Kind(StrEnum):
    """What something is that may go."""

    #: stored bytes that no run refers to
    BLOBS = "blobs"
    #: bytes that were being stored when their process died
    INCOMING = "incoming"
    #: inputs and work of attempts that are over; logs stay
    ATTEMPTS = "attempts"
    #: directories of runs that are not in the store
    RUNS = "runs"
    #: unpacked source that no run is executed from
    BUNDLES = "bundles"
    #: Palmette's own part for other interpreters, of other versions
    KITS = "kits"
    #: built for steps, long unused
    ENVIRONMENTS = "environments"
    #: what processes that died have left
    TEMPORARY = "temporary"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing that may go."""

    kind: Kind
    path: Path
    #: bytes that its going frees
    size: int
    #: if it was needed since this time, it stays
    before: float
    #: it was, so that it is for a later time
    waits: bool = False


class Used:
    """What the processes of this moment work in or were told of."""

    def __init__(self) -> None:
        self._places: list[Path] = []
        self._told: list[bytes] = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with suppress(OSError):
                    self._told.append((process / "cmdline").read_bytes())
                    self._places.append((process / "cwd").readlink())

    def __contains__(self, path: Path) -> bool:
        name = os.fsencode(path)
        return any(place.is_relative_to(path) for place in self._places) or any(name in told for told in self._told)


# What there is


def blobs(stored: Blobs, needed: Iterable[str], *, before: float) -> Iterator[Leftover]:
    """The stored files that belong to none of these digests; those that were needed since that time have to wait."""
    kept: set[str] = set()
    for digest in needed:
        # What lies elsewhere has another kind of digest; of what is damaged nothing can be used.
        with suppress(NotFound, CorruptBlob):
            kept |= stored.contents(digest)
    for directory in _entries(stored.root):
        for path in _entries(directory) if len(directory.name) == 2 else ():
            name = directory.name + path.name
            if _HEX.fullmatch(name) and name not in kept and (facts := _facts(path)):
                waits = facts.st_atime >= before
                yield Leftover(kind=Kind.BLOBS, path=path, size=facts.st_size, before=before, waits=waits)


def incoming(stored: Blobs, *, before: float) -> Iterator[Leftover]:
    """What was on its way in before that time and never arrived."""
    for path in _entries(stored.incoming):
        if _unchanged(path, before):
            yield Leftover(kind=Kind.INCOMING, path=path, size=_size(path), before=before)


def strangers(directory: Path, known: Collection[str], used: Used, *, before: float) -> Iterator[Leftover]:
    """The directories of runs that the store does not know."""
    for run in _entries(directory):
        if run.name not in known and _unchanged(run, before) and run not in used:
            yield Leftover(kind=Kind.RUNS, path=run, size=_size(run), before=before)


def attempts(directory: Path, known: Mapping[str, float | None], used: Used, *, before: float) -> Iterator[Leftover]:
    """The rooms of attempts, and what tasks shared, of runs that were over before that time. `known` says when each was
    over, if it is."""
    for run in _entries(directory):
        ended = known.get(run.name)
        if ended is not None and ended < before:
            shared = run / WORKSPACE
            if shared.is_dir() and run not in used:
                yield Leftover(kind=Kind.ATTEMPTS, path=shared, size=_size(shared), before=before)
            for attempt in (each for task in _entries(run) if task != shared for each in _entries(task)):
                rooms = [attempt / name for name in SCRATCH if (attempt / name).is_dir()]
                if rooms and attempt not in used:
                    for room in rooms:
                        yield Leftover(kind=Kind.ATTEMPTS, path=room, size=_size(room), before=before)


def unpacked(kind: Kind, directory: Path, needed: Collection[str], *, before: float) -> Iterator[Leftover]:
    """The bundles or kits that are unpacked there, are not needed, and were not since that time."""
    for path in _entries(directory):
        if _HEX.fullmatch(path.name) and path.name not in needed and _unchanged(path, before):
            yield Leftover(kind=kind, path=path, size=_size(path), before=before)


def temporary(cache: Path, elsewhere: Path, used: Used, *, before: float) -> Iterator[Leftover]:
    """What processes that died before that time have left in the user's cache and among everybody's temporary files;
    of the latter only what is certain to be Palmette's."""
    found = [path for path in _entries(cache) if path.name.startswith("trial-")]
    found += [path for path in _entries(elsewhere) if _TEMPORARY.fullmatch(path.name) and _written(path)]
    for path in found:
        facts = _facts(path)
        if facts and facts.st_uid == os.getuid() and facts.st_mtime < before and path not in used:
            yield Leftover(kind=Kind.TEMPORARY, path=path, size=_size(path), before=before)


def _written(path: Path) -> bool:
    return {entry.name for entry in _entries(path)} <= _WRITTEN


# How it goes


def remove(found: Iterable[Leftover], incoming: Path) -> Iterator[Leftover]:
    """Remove these, and yield what went; what turns out to be needed stays. `incoming` is where bytes are on their way
    in."""
    rest = iter(found)
    while batch := list(islice(rest, _BATCH)):
        with _alone(incoming):
            gone = [one for one in batch if one.kind is Kind.BLOBS and _unlinked(one)]
        yield from gone
        yield from (one for one in batch if one.kind is not Kind.BLOBS and _removed(one, incoming))


def _unlinked(one: Leftover) -> bool:
    """Delete a stored file, while nobody stores or looks up anything, unless somebody has just done so."""
    with suppress(FileNotFoundError):
        if one.path.lstat().st_atime < one.before:
            one.path.unlink()
            return True
    return False


def _removed(one: Leftover, incoming: Path) -> bool:
    match one.kind:
        case Kind.BUNDLES | Kind.KITS:
            with suppress(FileNotFoundError):
                return remove_unpacked(one.path.parent, one.path.name, before=one.before)
            return False
        case Kind.INCOMING:
            with _alone(incoming):
                remove_tree(one.path)
        case Kind.ATTEMPTS | Kind.RUNS:
            remove_tree(one.path)
        case Kind.TEMPORARY:
            shutil.rmtree(one.path, ignore_errors=True)
        case Kind.BLOBS | Kind.ENVIRONMENTS:
            raise ValueError(one.kind)
        case _:
            assert_never(one.kind)
    return not one.path.exists()


@contextmanager
def _alone(incoming: Path) -> Iterator[None]:
    """Be the only one who has to do with stored bytes; wait for those who are at it."""
    if not incoming.exists():
        yield
        return
    descriptor = os.open(incoming, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _entries(directory: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return sorted(directory.iterdir())
    return []


def _facts(path: Path) -> os.stat_result | None:
    """What the file system says of it; None if it has gone meanwhile, as others are at work."""
    with suppress(FileNotFoundError):
        return path.lstat()
    return None


def _unchanged(path: Path, before: float) -> bool:
    facts = _facts(path)
    return facts is not None and facts.st_mtime < before


def _size(path: Path) -> int:
    """The bytes of all files in there that have no other name elsewhere."""
    if not path.is_dir() or path.is_symlink():
        return _own(path)
    return sum(_own(Path(parent, name)) for parent, _, names in os.walk(path) for name in names)


def _own(path: Path) -> int:
    facts = _facts(path)
    return facts.st_size if facts and (facts.st_nlink == 1 or stat.S_ISDIR(facts.st_mode)) else 0
