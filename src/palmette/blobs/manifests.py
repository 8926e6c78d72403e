"""Directories as lists of files: a manifest names each by the digest of its bytes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.domain.values import Json, canonical
from palmette.errors import CorruptBlob, DefinitionError, NotFound, Problem

FILE: Final = "sha256:"
DIRECTORY: Final = "sha256-dir:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file of a directory, as its manifest has it."""

    path: str
    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The files of a directory, sorted by path, and those of its directories that are empty."""

    files: tuple[Entry, ...]
    empty: tuple[str, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(entry.size for entry in self.files)


def digits(digest: str) -> str:
    """The hexadecimal digits of a digest, which are a path's parts from here on."""
    text = digest.removeprefix(DIRECTORY).removeprefix(FILE)
    if text == digest or len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise NotFound(f"{digest!r} is not a digest", f"Digests are {FILE}… or {DIRECTORY}… with 64 digits.")
    return text


def encode(manifest: Manifest) -> bytes:
    """The bytes of a manifest: the same for equal directories."""
    files: list[Json] = [
        {"path": entry.path, "sha256": entry.sha256, "size": entry.size, "executable": entry.executable}
        for entry in manifest.files
    ]
    return canonical({"schema": 1, "files": files, "empty": list(manifest.empty)})


def decode(data: bytes, sha256: str, path: str) -> Manifest:
    """The manifest in these bytes. They were verified, but they may come from elsewhere: no path in it may leave its
    directory."""
    try:
        body = json.loads(data)
        files = tuple(Entry(**entry) for entry in body["files"])
        empty = tuple(body["empty"])
        for name in [*(entry.path for entry in files), *empty]:
            if name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/")):
                raise ValueError(name)
        for entry in files:
            digits(FILE + entry.sha256)
    except (ValueError, TypeError, KeyError, AttributeError, NotFound):
        raise CorruptBlob(
            f"the stored bytes {FILE}{sha256} are not the manifest of a directory: {path}",
            "The digest may be that of a file.",
        ) from None
    return Manifest(files=files, empty=empty)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Something in a directory that is no directory."""

    #: relative, with slashes
    name: str
    path: str
    status: os.stat_result


def walk(root: Path) -> tuple[list[Found], list[str]]:
    """All that is in a directory but directories, and those directories that are empty; sorted by relative path."""
    found: list[Found] = []
    empty: list[str] = []
    queue = [""]
    while queue:
        prefix = queue.pop()
        with os.scandir(f"{root}/{prefix}") as entries:
            listed = list(entries)
        if not listed and prefix:
            empty.append(prefix.rstrip("/"))
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                queue.append(f"{prefix}{entry.name}/")
            else:
                status = entry.stat(follow_symlinks=False)
                found.append(Found(name=prefix + entry.name, path=entry.path, status=status))
    return sorted(found, key=lambda each: each.name), sorted(empty)


def refuse_special(found: Sequence[Found]) -> None:
    """Only plain files with names that every system can write can be stored; all others are reported at once."""
    problems = [problem for each in found for problem in _special(each)]
    if problems:
        raise DefinitionError("an output holds what cannot be stored", problems=problems)


def _special(found: Found) -> Iterator[Problem]:
    mode, name = found.status.st_mode, found.name
    if stat.S_ISLNK(mode):
        what = f"is a symbolic link to {os.readlink(found.path)!r}"
        yield Problem(where=name, what=what, hint="Write a copy of what it points to.")
    elif not stat.S_ISREG(mode):
        yield Problem(where=name, what="is not a plain file", hint="Remove it before the step ends.")
    elif not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
        yield Problem(where=repr(name), what="has a name that is not UTF-8", hint="Rename it.")


def make_directories(root: Path, manifest: Manifest) -> None:
    """Make every directory that the manifest's files are in, and the empty ones."""
    parents = {entry.path.rpartition("/")[0] for entry in manifest.files} | {*manifest.empty}
    for name in sorted(parents - {""}):
        os.makedirs(f"{root}/{name}", exist_ok=True)
