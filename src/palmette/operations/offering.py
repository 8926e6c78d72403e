"""What a home offers to somebody elsewhere: names in use, bytes by digest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from palmette.errors import NotFound
from palmette.operations.home import Home
from palmette.store import names as stored


def names(home: Home, what: str, name: str = "") -> Sequence[str]:
    """The names of one kind that are in use: of algorithms, runs, tags …; of something that has a name itself, where
    one is given."""
    return stored.names(home.store, what, home.project, name)


def projects(home: Home) -> Sequence[str]:
    """The projects that have runs, by name."""
    return stored.projects(home.store)


def opened(home: Home, digest: str) -> tuple[BinaryIO, int]:
    """The stored bytes with this digest, and how many they are; NotFound where there are none."""
    if not home.blobs.exists(f"sha256:{digest.rpartition(':')[2]}"):
        raise NotFound(f"there are no bytes {digest!r}")
    file = home.blobs.open(digest)
    return file, Path(file.name).stat().st_size


def received(home: Home, digest: str, parts: Iterable[bytes]) -> int:
    """Store bytes as they come, if they are the digest's; how many they were."""
    return home.blobs.receive(digest, parts)
