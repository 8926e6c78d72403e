"""What is too large to be put into a pipeline, said with the files that make it so."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Final

from palmette.errors import Problem

#: bytes of a compressed bundle; as text it grows by a third, and a container takes 128 KiB at most
_ARCHIVE: Final = 60 * 1024
_FILES_SHOWN: Final = 12


def too_large(archive: bytes) -> Iterator[Problem]:
    """The finding that a bundle does not fit into a pipeline, if it does not."""
    if len(archive) <= _ARCHIVE:
        return
    files = files_of(archive)
    shown = ", ".join(f"{path} ({size / 1024:.0f} KiB)" for path, size in files[:_FILES_SHOWN])
    more = f", and {len(files) - _FILES_SHOWN} more" if len(files) > _FILES_SHOWN else ""
    yield Problem(
        where="the captured source",
        what=(
            f"it takes {len(archive) / 1024:.0f} KiB compressed, and {_ARCHIVE // 1024} KiB are the most that "
            "can be put into a pipeline"
        ),
        hint=f"Largest first: {shown}{more}. Let the steps import less, or deliver the code with the image.",
    )


def files_of(archive: bytes) -> list[tuple[str, int]]:
    """The files of a bundle's archive and their sizes, the largest first."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return sorted(((member.name, member.size) for member in tar), key=lambda file: (-file[1], file[0]))
