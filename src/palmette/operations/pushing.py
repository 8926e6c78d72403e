"""Push a run to a server: what is missing there, part by part, then the run itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from palmette.client.connection import segment
from palmette.operations import parcels
from palmette.operations.home import Home
from palmette.operations.parcels import FILE, Accepted, Packed
from palmette.operations.remote import There


@dataclass(frozen=True, kw_only=True)
class Push:
    """A run, and what of it a server has not got."""

    packed: Packed
    #: SHA-256 of what has to be sent
    absent: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many bytes have to be sent."""
        return sum(self.packed.files[each][1] for each in self.absent)


def begin(home: Home, ref: str, there: There, directory: Path) -> Push:
    """Gather a run, with new files in the directory, and ask what is missing; UsageError for one that is not over."""
    packed = parcels.pack(home, ref, directory)
    absent = [each for some in parcels.batches([*packed.files]) for each in there(parcels.missing, some)]
    return Push(packed=packed, absent=tuple(absent))


def send(push: Push, there: There) -> Iterator[int]:
    """Send what is missing, file by file; the bytes of each when it has arrived."""
    for sha256 in push.absent:
        path, size = push.packed.files[sha256]
        there.connection.send(f"/blobs/{segment(FILE + sha256)}", partial(parcels.parts, path), size)
        yield size


def finish(push: Push, there: There) -> Accepted:
    """Let the server take the run over; AlreadyThere if it has another one with that id."""
    return there(parcels.accept, push.packed.run.id, push.packed.parcel)
