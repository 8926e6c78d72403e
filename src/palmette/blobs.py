"""Bytes by content, in a local directory.

A file is stored under the SHA-256 of its bytes (``ab/cdef…``), read-only and with a fixed modification time, so that
a later change of the bytes is noticed by a look at the file. A directory is stored file by file; its digest is that of
a manifest, which is stored like a file. The two are told apart by their prefix: ``sha256:HEX`` is a file,
``sha256-dir:HEX`` a directory.

This is built on the system's own calls and not on fsspec, because its promises rest on what a local file system alone
gives: a rename that is all or nothing, `fsync`, and hard links, which make a restored 10 GB file cost nothing. Stores
elsewhere satisfy the same ports by other means.

The hard links are the price too: a step that makes a restored input writable and changes it in place changes the
stored bytes. It takes intent, it is noticed when they are next restored, and it is then one clear error.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from palmette.domain.values import Json, canonical
from palmette.errors import CorruptBlob, DefinitionError, NotFound, Problem, StoreError, UsageError

FILE: Final = "sha256:"
DIRECTORY: Final = "sha256-dir:"

#: The modification time of everything stored: 1980, the earliest that zip archives know.
_TIME: Final = 315_532_800
_CHUNK: Final = 1 << 20
#: Up to this size, bytes are read again each time they are restored; above it, when they look changed.
_CHEAP: Final = 64 << 20
#: What `link` says where it cannot: another file system, one without links, too many links, someone else's file.
_UNLINKABLE: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A file of a directory, as its manifest has it."""

    path: str
    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """The files of a directory, sorted by path, and those of its directories that are empty."""

    files: tuple[_Entry, ...]
    empty: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Staged:
    """Bytes on their way in: at `path` beside the blobs, complete but not under their name; None if they are there."""

    sha256: str
    size: int
    path: Path | None


class Blobs:
    """A directory of bytes by content. Processes and threads share one freely."""

    def __init__(self, root: Path) -> None:
        #: where they lie: ab/cdef…
        self.root = root
        #: what is on its way in; whoever stores something holds a shared lock on it, whoever removes an exclusive one
        self.incoming = root / "incoming"
        #: sha256 → what the file looked like when its bytes were last read and right
        self._verified: dict[str, tuple[int, int, int]] = {}

    def put(self, path: Path) -> tuple[str, int]:
        """Take over a file or directory that nobody writes to any more; its digest and size in bytes.

        Durable when it returns; the path is gone then. Bytes that are stored already are not stored again. If
        anything goes wrong, the path is still there with the same bytes.
        """
        with _translated(self.root), self._stage() as staging:
            if path.is_dir() and not path.is_symlink():
                return self._put_directory(path, staging)
            _refuse_special([(path.name, path)])
            staged = self._take(path, staging)
            self._publish([staged])
            path.unlink()
            return FILE + staged.sha256, staged.size

    def put_bytes(self, data: bytes) -> str:
        """Store bytes as a file; its digest. Durable when it returns."""
        with _translated(self.root), self._stage() as staging:
            staged = self._take_bytes(data, staging)
            self._publish([staged])
            return FILE + staged.sha256

    def restore(self, digest: str, path: Path) -> None:
        """Make the file or directory available, read-only, at a path that does not exist yet; CorruptBlob if its bytes
        are not what they were.

        Files are hard links where the file system allows it. Directories are real ones, in which names may be added
        and removed, so that they can be deleted like any other.
        """
        with _translated(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not digest.startswith(DIRECTORY):
                self._link(_hex(digest), path)
                return
            manifest = self._manifest(digest)
            path.mkdir()
            try:
                _make_directories(path, manifest)
                for entry in manifest.files:
                    self._link(entry.sha256, path / entry.path, entry)
            except BaseException:
                _discard(path)
                raise

    def export(self, digest: str, destination: Path) -> None:
        """Copy the file or directory to a path that does not exist yet, to keep and to change; every byte is
        verified. What cannot be exported whole is not there afterwards."""
        if destination.exists():
            raise UsageError(f"{destination} exists already", "Name a path that does not exist yet.")
        with _translated(destination.parent):
            destination.parent.mkdir(parents=True, exist_ok=True)
            new = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}")
            try:
                if digest.startswith(DIRECTORY):
                    manifest = self._manifest(digest)
                    new.mkdir()
                    _make_directories(new, manifest)
                    for entry in manifest.files:
                        self._copy(entry.sha256, new / entry.path, 0o755 if entry.executable else 0o644)
                else:
                    self._copy(_hex(digest), new, 0o644)
                new.rename(destination)
            finally:
                _discard(new)

    def open(self, digest: str) -> BinaryIO:
        """The stored bytes of a file, to be read; a directory's are its manifest's."""
        with _translated(self.root):
            path = self._path(_hex(digest))
            self._verify(_hex(digest), path)
            return path.open("rb")

    def size(self, digest: str) -> int:
        """The bytes of a file, or of all files of a directory."""
        with _translated(self.root):
            if digest.startswith(DIRECTORY):
                return sum(entry.size for entry in self._manifest(digest).files)
            return _existing(self._path(_hex(digest)), _hex(digest)).st_size

    def exists(self, digest: str) -> bool:
        """Whether the bytes are there, all of them for a directory; whether they are right is seen when they are
        used."""
        with _translated(self.root):
            if not digest.startswith(DIRECTORY):
                return self._path(_hex(digest)).exists()
            try:
                return all(self._path(entry.sha256).exists() for entry in self._manifest(digest).files)
            except CorruptBlob:
                return False

    def claim(self, digest: str) -> bool:
        """Whether the bytes are there, all of them; if so they are not collected before whoever asks has had time to
        refer to them."""
        with _translated(self.root), self._stage():
            found = self.exists(digest)
            for sha256 in self.contents(digest) if found else ():
                _use(self._path(sha256))
            return found

    def contents(self, digest: str) -> frozenset[str]:
        """The names of the stored files that a file or directory consists of; CorruptBlob if a manifest is gone."""
        sha256 = _hex(digest)
        entries = self._manifest(digest).files if digest.startswith(DIRECTORY) else ()
        return frozenset({sha256, *(entry.sha256 for entry in entries)})

    def files(self, digest: str) -> Mapping[str, int]:
        """The files of a directory with their sizes, by relative path."""
        with _translated(self.root):
            return {entry.path: entry.size for entry in self._manifest(digest).files}

    # Storing. Everything is staged first, then named: what fails, fails before anything is visible.

    def _put_directory(self, path: Path, staging: Path) -> tuple[str, int]:
        found, empty = _walk(path)
        _refuse_special(found)
        staged, entries = [], []
        for name, file in found:
            one = self._take(file, staging)
            staged.append(one)
            executable = bool(file.stat().st_mode & stat.S_IXUSR)
            entries.append(_Entry(path=name, sha256=one.sha256, size=one.size, executable=executable))
        self._publish(staged)
        manifest = self._take_bytes(_encode(_Manifest(files=tuple(entries), empty=tuple(empty))), staging)
        # Last, once the files it names are durable.
        self._publish([manifest])
        shutil.rmtree(path)
        return DIRECTORY + manifest.sha256, sum(entry.size for entry in entries)

    @contextmanager
    def _stage(self) -> Iterator[Path]:
        if not self.root.exists():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.incoming.mkdir(exist_ok=True)
        with _shared(self.incoming):
            staging = self.incoming / f"{os.getpid()}-{secrets.token_hex(8)}"
            staging.mkdir()
            try:
                yield staging
            finally:
                _discard(staging)

    def _take(self, path: Path, staging: Path) -> _Staged:
        """Stage a file without changing it: by a link, or by a copy where its bytes have other names or stand on
        another file system."""
        with path.open("rb", buffering=0) as source:
            status = os.fstat(source.fileno())
            sha256 = _hash(source)
            if self._stored(sha256):
                return _Staged(sha256=sha256, size=status.st_size, path=None)
            target = staging / secrets.token_hex(8)
            if status.st_nlink == 1 and _linked(path, target):
                os.fsync(source.fileno())
                return _Staged(sha256=sha256, size=status.st_size, path=target)
            with target.open("xb", buffering=0) as copy:
                copied = _hash(source, copy)
                os.fsync(copy.fileno())
        return _Staged(sha256=copied, size=target.stat().st_size, path=target)

    def _take_bytes(self, data: bytes, staging: Path) -> _Staged:
        sha256 = hashlib.sha256(data).hexdigest()
        if self._stored(sha256):
            return _Staged(sha256=sha256, size=len(data), path=None)
        target = staging / secrets.token_hex(8)
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return _Staged(sha256=sha256, size=len(data), path=target)

    def _publish(self, staged: Iterable[_Staged]) -> None:
        """Give what was staged its name. Where equal bytes came first, ours take their place unnoticed."""
        touched, named = set(), set()
        for one in staged:
            if one.path is None or one.sha256 in named:
                continue
            named.add(one.sha256)
            target = self._path(one.sha256)
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                touched.add(self.root)
            one.path.chmod(0o444)
            _use(one.path)
            one.path.rename(target)
            touched.add(target.parent)
        for directory in touched:
            _flush(directory)

    def _stored(self, sha256: str) -> bool:
        """Whether the right bytes are there already; damaged ones are not, and so are replaced."""
        try:
            self._verify(sha256, self._path(sha256))
            _use(self._path(sha256))
        except (CorruptBlob, FileNotFoundError):
            return False
        return True

    # Reading.

    def _path(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256[2:]

    def _verify(self, sha256: str, path: Path, entry: _Entry | None = None) -> None:
        """Raise CorruptBlob unless the bytes are those that were stored, as far as it is worth looking."""
        status = _existing(path, sha256)
        if entry is not None and entry.size != status.st_size:
            raise _corrupt(sha256, path)
        looks = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._verified.get(sha256) == looks:
            return
        untouched = status.st_mtime == _TIME
        if not untouched or status.st_size <= _CHEAP:
            with path.open("rb", buffering=0) as file:
                if _hash(file) != sha256:
                    raise _corrupt(sha256, path)
        if not untouched:
            # The bytes are right (restored from a backup, say); the next look shall be a short one again.
            with suppress(OSError):
                _use(path)
            looks = (status.st_ino, status.st_size, _TIME * 10**9)
        self._verified[sha256] = looks

    def _manifest(self, digest: str) -> _Manifest:
        sha256 = _hex(digest)
        path = self._path(sha256)
        self._verify(sha256, path)
        return _decode(path.read_bytes(), sha256, path)

    def _link(self, sha256: str, target: Path, entry: _Entry | None = None) -> None:
        source = self._path(sha256)
        self._verify(sha256, source, entry)
        executable = entry is not None and entry.executable
        # A mode belongs to the bytes, whatever their name: a program needs bytes of its own.
        if executable or not _linked(source, target):
            self._copy(sha256, target, 0o555 if executable else 0o444)

    def _copy(self, sha256: str, target: Path, mode: int) -> None:
        source = self._path(sha256)
        _existing(source, sha256)
        try:
            with source.open("rb", buffering=0) as file, target.open("xb", buffering=0) as copy:
                if _hash(file, copy) != sha256:
                    raise _corrupt(sha256, source)
            target.chmod(mode)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _hex(digest: str) -> str:
    """The hexadecimal digits of a digest, which are a path's parts from here on."""
    text = digest.removeprefix(DIRECTORY).removeprefix(FILE)
    if text == digest or len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise NotFound(f"{digest!r} is not a digest", f"Digests are {FILE}… or {DIRECTORY}… with 64 digits.")
    return text


def _hash(source: io.FileIO, copy: io.FileIO | None = None) -> str:
    """The SHA-256 of a file from its beginning, copying it on the way if asked to."""
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    source.seek(0)
    while count := source.readinto(buffer):
        sha256.update(buffer[:count])
        written = 0
        while copy is not None and written < count:
            written += copy.write(buffer[written:count])
    return sha256.hexdigest()


def _linked(source: Path, target: Path) -> bool:
    """Whether the target could be made another name of the source."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in _UNLINKABLE:
            return False
        raise
    return True


def _existing(path: Path, sha256: str) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise CorruptBlob(
            f"the stored bytes {sha256[:12]} are missing: {path}",
            "Bring the file back from a backup, or run again: what made it is then executed anew.",
        ) from None


def _corrupt(sha256: str, path: Path) -> CorruptBlob:
    return CorruptBlob(
        f"the stored bytes {FILE}{sha256} are not what they were: {path}",
        "Something changed or damaged that file. Delete it and run again: what made it is then executed anew.",
    )


def _walk(root: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """All that is in a directory but directories, and those directories that are empty; sorted by relative path."""
    found: list[tuple[str, Path]] = []
    empty: list[str] = []
    for directory, names, files in os.walk(root):
        here = Path(directory)
        links = [name for name in names if (here / name).is_symlink()]
        found += [((here / name).relative_to(root).as_posix(), here / name) for name in [*files, *links]]
        if not names and not files and here != root:
            empty.append(here.relative_to(root).as_posix())
    return sorted(found), sorted(empty)


def _refuse_special(found: Iterable[tuple[str, Path]]) -> None:
    """Only plain files with names that every system can write can be stored; all others are reported at once."""
    problems = []
    for name, path in found:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            what = f"is a symbolic link to {str(path.readlink())!r}"
            problems.append(Problem(where=name, what=what, hint="Write a copy of what it points to."))
        elif not stat.S_ISREG(mode):
            problems.append(Problem(where=name, what="is not a plain file", hint="Remove it before the step ends."))
        elif any("\ud800" <= character <= "\udfff" for character in name):
            problems.append(Problem(where=repr(name), what="has a name that is not UTF-8", hint="Rename it."))
    if problems:
        raise DefinitionError("an output holds what cannot be stored", problems=problems)


def _make_directories(root: Path, manifest: _Manifest) -> None:
    parents = {(root / entry.path).parent for entry in manifest.files}
    for path in sorted(parents | {root / name for name in manifest.empty}):
        path.mkdir(parents=True, exist_ok=True)


def _encode(manifest: _Manifest) -> bytes:
    files: list[Json] = [
        {"path": entry.path, "sha256": entry.sha256, "size": entry.size, "executable": entry.executable}
        for entry in manifest.files
    ]
    return canonical({"schema": 1, "files": files, "empty": list(manifest.empty)})


def _decode(data: bytes, sha256: str, path: Path) -> _Manifest:
    """A manifest's bytes were verified, but they may come from elsewhere: no path in it may leave its directory."""
    try:
        body = json.loads(data)
        files = tuple(_Entry(**entry) for entry in body["files"])
        empty = tuple(body["empty"])
        for name in [*(entry.path for entry in files), *empty]:
            if name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/")):
                raise ValueError(name)
        for entry in files:
            _hex(FILE + entry.sha256)
    except (ValueError, TypeError, KeyError, AttributeError, NotFound):
        raise CorruptBlob(
            f"the stored bytes {FILE}{sha256} are not the manifest of a directory: {path}",
            "The digest may be that of a file.",
        ) from None
    return _Manifest(files=files, empty=empty)


@contextmanager
def _shared(staging: Path) -> Iterator[None]:
    """Use the directory together with others. Whoever comes when nobody is there clears away what the dead have left:
    their locks went with them."""
    descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for rest in list(staging.iterdir()):
                _discard(rest)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _use(path: Path) -> None:
    """Give stored bytes the time of modification that all have; that of the last access says when they were needed."""
    os.utime(path, (time.time(), _TIME))


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(where: Path) -> Iterator[None]:
    """Raise a StoreError for whatever the file system complains of."""
    try:
        yield
    except FileExistsError as error:
        raise StoreError(f"{error.filename2 or error.filename} exists already") from error
    except OSError as error:
        place = error.filename2 or error.filename or where
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                hint = "Free some space there, or keep the store on another disk (PALMETTE_STORE)."
                raise StoreError(f"no space is left for {where}", hint) from error
            case errno.EROFS | errno.EACCES | errno.EPERM:
                hint = "Check the permissions of the directory and how its disk is mounted."
                raise StoreError(f"{place} cannot be written or read: {error.strerror}", hint) from error
            case _:
                raise StoreError(f"{place}: {error.strerror or error}") from error
