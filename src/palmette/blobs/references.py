"""What lies outside the store: its digest, so that a change of it is noticed. Nothing is copied."""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
import sqlite3
import stat
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from palmette.blobs import elsewhere
from palmette.blobs.disk import each, sha256_of
from palmette.blobs.manifests import DIRECTORY, FILE, Entry, Found, Manifest, encode
from palmette.errors import NotFound, PalmetteError, Problem, StoreError

#: A file that changed so recently may change again without looking it: its digest is not kept.
_RECENT: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Content:
    """What lies at an address now."""

    #: an absolute path, or a URI
    uri: str
    #: "sha256:…" or "sha256-dir:…" of the bytes of what is on this machine; "etag:…" as its host says it, or
    #: "modified:…" where it says nothing better
    digest: str
    #: bytes
    size: int
    #: a directory's ends in "/"
    filename: str


class Digests(Protocol):
    """Remembers digests of files by what these look like."""

    def known(self, looks: Sequence[str]) -> Mapping[str, str]:
        """The digests of those that are remembered."""

    def learn(self, digests: Mapping[str, str]) -> None:
        """Remember digests by looks."""


class References:
    """Says what lies at an address. Relative paths are those of the project."""

    def __init__(self, root: Path, digests: Digests) -> None:
        self._root = root
        self._digests = digests

    def content(self, uri: str) -> Content:
        """What lies there now; NotFound if nothing does, PalmetteError if it cannot be read."""
        scheme = urllib.parse.urlsplit(uri).scheme.lower() if "://" in uri else "file"
        if scheme == "file":
            return self._local(self._root / uri.removeprefix("file://"))
        found = elsewhere.asked(uri) if scheme in ("http", "https") else elsewhere.described(uri, scheme)
        name = posixpath.basename(urllib.parse.urlsplit(uri).path.rstrip("/")) or "data"
        return Content(uri=uri, digest=found.digest, size=found.size, filename=name + found.ending)

    def fetch(self, uri: str, target: Path) -> None:
        """Copy what lies there to a path that does not exist yet."""
        scheme = urllib.parse.urlsplit(uri).scheme.lower() if "://" in uri else "file"
        if scheme == "file":
            source = self._root / uri.removeprefix("file://")
            try:
                shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
            except OSError as error:
                raise PalmetteError(f"{uri} cannot be copied: {error.strerror or error}") from error
        elif scheme in ("http", "https"):
            elsewhere.downloaded(uri, target)
        else:
            elsewhere.copied(uri, scheme, target)

    def _local(self, path: Path) -> Content:
        place = Path(os.path.abspath(path))
        try:
            if place.is_dir():
                manifest = self._directory(place)
                digest = DIRECTORY + hashlib.sha256(encode(manifest)).hexdigest()
                return Content(uri=str(place), digest=digest, size=manifest.size, filename=f"{place.name}/")
            found = Found(name=place.name, path=str(place), status=place.stat())
            _refuse([found])
            [entry] = self._entries([found])
        except FileNotFoundError:
            raise NotFound(f"{path} does not exist", "Check the path; a relative one begins at the project.") from None
        except OSError as error:
            raise StoreError(f"{error.filename or place} cannot be read: {error.strerror}") from error
        return Content(uri=str(place), digest=FILE + entry.sha256, size=entry.size, filename=place.name)

    def _directory(self, root: Path) -> Manifest:
        found = sorted(_below(root, "", (root.stat().st_ino,)), key=lambda one: one.name)
        files = [one for one in found if not stat.S_ISDIR(one.status.st_mode)]
        _refuse(files)
        empty = tuple(one.name for one in found if stat.S_ISDIR(one.status.st_mode))
        return Manifest(files=tuple(self._entries(files)), empty=empty)

    def _entries(self, files: Sequence[Found]) -> list[Entry]:
        looks = [_looks(one) for one in files]
        known = dict(self._digests.known(looks))
        new = [(one, look) for one, look in zip(files, looks, strict=True) if look not in known]
        made = dict(zip((look for _, look in new), each(lambda pair: _sha256(pair[0]), new), strict=True))
        settled = time.time() - _RECENT
        self._digests.learn({look: made[look] for one, look in new if one.status.st_ctime < settled})
        known |= made
        return [
            Entry(
                path=one.name,
                sha256=known[look],
                size=one.status.st_size,
                executable=bool(one.status.st_mode & stat.S_IXUSR),
            )
            for one, look in zip(files, looks, strict=True)
        ]


class NoDigests:
    """Remembers nothing."""

    def known(self, looks: Sequence[str]) -> Mapping[str, str]:
        """None."""
        return {}

    def learn(self, digests: Mapping[str, str]) -> None:
        """Forgotten at once."""


class KeptDigests:
    """Digests of files in a database of the user's; one that cannot be used knows nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, looks: Sequence[str]) -> Mapping[str, str]:
        """The digests of those that are remembered."""
        found: dict[str, str] = {}
        try:
            with closing(self._open()) as connection:
                for start in range(0, len(looks), 500):
                    part = looks[start : start + 500]
                    marks = ",".join("?" * len(part))
                    found |= connection.execute(f"SELECT looks, sha256 FROM files WHERE looks IN ({marks})", part)
        except sqlite3.Error:
            return {}
        return found

    def learn(self, digests: Mapping[str, str]) -> None:
        """Remember digests by looks."""
        if digests:
            try:
                with closing(self._open()) as connection, connection:
                    connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", digests.items())
            except sqlite3.Error:
                return

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=5)
        connection.execute("CREATE TABLE IF NOT EXISTS files (looks TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID")
        return connection


def _looks(found: Found) -> str:
    """What a file looks like: any change of its bytes changes this."""
    at = found.status
    return f"{found.path}\0{at.st_dev}:{at.st_ino}:{at.st_size}:{at.st_mtime_ns}:{at.st_ctime_ns}"


def _sha256(found: Found) -> str:
    source = os.open(found.path, os.O_RDONLY)
    try:
        return sha256_of(source, found.status.st_size)
    finally:
        os.close(source)


def _below(root: Path, prefix: str, above: tuple[int, ...]) -> Iterator[Found]:
    """Every file below, and the directories that are empty; links are followed."""
    with os.scandir(root / prefix) as entries:
        listed = list(entries)
    if not listed and prefix:
        yield Found(name=prefix.rstrip("/"), path=f"{root}/{prefix}", status=os.stat(root / prefix))
    for entry in listed:
        status = entry.stat()
        if not stat.S_ISDIR(status.st_mode):
            yield Found(name=prefix + entry.name, path=entry.path, status=status)
        elif status.st_ino in above:
            raise PalmetteError(f"{entry.path} is a link to a directory that holds it", "Remove the link.")
        else:
            yield from _below(root, f"{prefix}{entry.name}/", (*above, status.st_ino))


def _refuse(files: Sequence[Found]) -> None:
    problems = [
        Problem(where=one.path, what="is not a plain file") for one in files if not stat.S_ISREG(one.status.st_mode)
    ]
    if problems:
        raise PalmetteError("what is referred to cannot be read", "Name a file or a directory.", problems=problems)
