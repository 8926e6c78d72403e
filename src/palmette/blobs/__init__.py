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
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from palmette.blobs.disk import copied, each, flush_all, linked, sha256_of
from palmette.blobs.manifests import (
    DIRECTORY,
    FILE,
    Entry,
    Found,
    Manifest,
    decode,
    digits,
    encode,
    make_directories,
    refuse_special,
    walk,
)
from palmette.errors import CorruptBlob, StoreError, UsageError

__all__ = ["DIRECTORY", "FILE", "Blobs"]

#: The modification time of everything stored: 1980, the earliest that zip archives know.
_TIME: Final = 315_532_800
#: Up to this size and so many files, bytes are read again each time they are restored; above it, when they look
#: changed.
_CHEAP: Final = 64 << 20
_FEW: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Staged:
    """Bytes on their way in: complete at `path`, but not under their name; None if they are there already."""

    sha256: str
    size: int
    path: str | None
    #: `path` is their only name and not ours; what is stored becomes another one
    foreign: bool = False


class Blobs:
    """A directory of bytes by content. Processes and threads share one freely."""

    def __init__(self, root: Path) -> None:
        #: where they lie: ab/cdef…
        self.root = root
        #: what is on its way in; whoever stores something holds a shared lock on it, whoever removes an exclusive one
        self.incoming = root / "incoming"
        #: sha256 → what the file looked like when its bytes were last read and right
        self._verified: dict[str, tuple[int, int, int]] = {}
        #: inode → sha256 of what was handed out, so that it is known when it comes back
        self._handed: dict[int, str] = {}

    def put(self, path: Path) -> tuple[str, int]:
        """Take over a file or directory that nobody writes to any more; its digest and size in bytes.

        Durable when it returns; the path is gone then. Bytes that are stored already are not stored again. If
        anything goes wrong, the path is still there with the same bytes.
        """
        with _translated(self.root), self._stage() as staging:
            if path.is_dir() and not path.is_symlink():
                return self._put_directory(path, staging)
            found = Found(name=path.name, path=str(path), status=path.lstat())
            refuse_special([found])
            staged = self._take(found, staging, cheap=True)
            self._publish([staged], staging)
            path.unlink()
            return FILE + staged.sha256, staged.size

    def put_bytes(self, data: bytes) -> str:
        """Store bytes as a file; its digest. Durable when it returns."""
        with _translated(self.root), self._stage() as staging:
            staged = self._take_bytes(data, staging)
            self._publish([staged], staging)
            return FILE + staged.sha256

    def receive(self, digest: str, parts: Iterable[bytes]) -> int:
        """Store the bytes of a file as they come, if they are the digest's; how many they were. Durable when it
        returns; UsageError, and nothing stored, if they are others."""
        wanted, sha256, size = digits(digest), hashlib.sha256(), 0
        with _translated(self.root), self._stage() as staging:
            target = staging / secrets.token_hex(8)
            with target.open("wb") as file:
                for part in parts:
                    sha256.update(part)
                    size += len(part)
                    file.write(part)
            if sha256.hexdigest() != wanted:
                raise UsageError(f"the {size} bytes that came are not {digest}", "Send them again.")
            self._publish([_Staged(sha256=wanted, size=size, path=str(target))], staging)
            return size

    def restore(self, digest: str, path: Path) -> None:
        """Make the file or directory available, read-only, at a path that does not exist yet; CorruptBlob if its bytes
        are not what they were.

        Files are hard links where the file system allows it. Directories are real ones, in which names may be added
        and removed, so that they can be deleted like any other.
        """
        with _translated(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not digest.startswith(DIRECTORY):
                self._link(digits(digest), str(path))
                return
            manifest = self._manifest(digest)
            cheap = _cheap(manifest)
            path.mkdir()
            try:
                make_directories(path, manifest)
                each(lambda entry: self._link(entry.sha256, f"{path}/{entry.path}", entry, cheap), manifest.files)
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
                    make_directories(new, manifest)
                    for entry in manifest.files:
                        self._copy(entry.sha256, f"{new}/{entry.path}", 0o755 if entry.executable else 0o644)
                else:
                    self._copy(digits(digest), str(new), 0o644)
                new.rename(destination)
            finally:
                _discard(new)

    def open(self, digest: str) -> BinaryIO:
        """The stored bytes of a file, to be read; a directory's are its manifest's."""
        with _translated(self.root):
            self._verify(digits(digest))
            return Path(self._path(digits(digest))).open("rb")

    def size(self, digest: str) -> int:
        """The bytes of a file, or of all files of a directory."""
        with _translated(self.root):
            if digest.startswith(DIRECTORY):
                return self._manifest(digest).size
            return _existing(self._path(digits(digest)), digits(digest)).st_size

    def exists(self, digest: str) -> bool:
        """Whether the bytes are there, all of them for a directory; whether they are right is seen when they are
        used."""
        with _translated(self.root):
            if not digest.startswith(DIRECTORY):
                return os.path.exists(self._path(digits(digest)))
            try:
                return all(os.path.exists(self._path(entry.sha256)) for entry in self._manifest(digest).files)
            except CorruptBlob:
                return False

    def claim(self, digest: str) -> bool:
        """Whether the bytes are there, all of them; if so they are not collected before whoever asks has had time to
        refer to them."""
        with _translated(self.root), self._stage():
            try:
                for sha256 in self.contents(digest):
                    _use(self._path(sha256))
            except (CorruptBlob, FileNotFoundError):
                return False
            return True

    def contents(self, digest: str) -> frozenset[str]:
        """The names of the stored files that a file or directory consists of; CorruptBlob if a manifest is gone."""
        sha256 = digits(digest)
        entries = self._manifest(digest).files if digest.startswith(DIRECTORY) else ()
        return frozenset({sha256, *(entry.sha256 for entry in entries)})

    def files(self, digest: str) -> Mapping[str, int]:
        """The files of a directory with their sizes, by relative path."""
        with _translated(self.root):
            return {entry.path: entry.size for entry in self._manifest(digest).files}

    # Storing. Everything is staged first, then named: what fails, fails before anything is visible.

    def _put_directory(self, path: Path, staging: Path) -> tuple[str, int]:
        found, empty = walk(path)
        refuse_special(found)
        cheap = len(found) <= _FEW and sum(one.status.st_size for one in found) <= _CHEAP
        staged = each(lambda one: self._take(one, staging, cheap=cheap), found)
        entries = tuple(
            Entry(
                path=one.name,
                sha256=taken.sha256,
                size=taken.size,
                executable=bool(one.status.st_mode & stat.S_IXUSR),
            )
            for one, taken in zip(found, staged, strict=True)
        )
        self._publish(staged, staging)
        manifest = Manifest(files=entries, empty=tuple(empty))
        # Last, once the files it names are durable.
        last = self._take_bytes(encode(manifest), staging)
        self._publish([last], staging)
        shutil.rmtree(path)
        return DIRECTORY + last.sha256, manifest.size

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

    def _take(self, found: Found, staging: Path, *, cheap: bool) -> _Staged:
        """Find out what a file's bytes are, without changing it; they are copied where they have other names."""
        known = self._known(found.status)
        if known:
            return _Staged(sha256=known, size=found.status.st_size, path=None)
        source = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            status = os.fstat(source)
            sha256 = sha256_of(source, status.st_size)
            if self._stored(sha256, status.st_size, cheap=cheap):
                return _Staged(sha256=sha256, size=status.st_size, path=None)
            if status.st_nlink == 1:
                return _Staged(sha256=sha256, size=status.st_size, path=found.path, foreign=True)
            return self._copied_in(source, staging)
        finally:
            os.close(source)

    def _known(self, status: os.stat_result) -> str:
        """The digest of a file that is one of those stored, under another name; empty if it is none."""
        sha256 = self._handed.get(status.st_ino, "") if status.st_nlink > 1 and status.st_mtime == _TIME else ""
        if sha256:
            with suppress(FileNotFoundError):
                stored = os.stat(self._path(sha256))
                if (stored.st_ino, stored.st_dev) == (status.st_ino, status.st_dev):
                    _use(self._path(sha256))
                    return sha256
        return ""

    def _copied_in(self, source: int, staging: Path) -> _Staged:
        target = f"{staging}/{secrets.token_hex(8)}"
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            sha256 = copied(source, copy)
            return _Staged(sha256=sha256, size=os.fstat(copy).st_size, path=target)
        finally:
            os.close(copy)

    def _take_bytes(self, data: bytes, staging: Path) -> _Staged:
        sha256 = hashlib.sha256(data).hexdigest()
        if self._stored(sha256, len(data), cheap=True):
            return _Staged(sha256=sha256, size=len(data), path=None)
        target = staging / secrets.token_hex(8)
        target.write_bytes(data)
        return _Staged(sha256=sha256, size=len(data), path=str(target))

    def _publish(self, staged: Sequence[_Staged], staging: Path) -> None:
        """Give what was staged its name once its bytes are durable. Where equal bytes came first, ours take their
        place unnoticed."""
        new = {one.sha256: self._ours(one, staging) for one in staged if one.path is not None}
        flush_all(new.values(), self.root)
        touched: set[str] = set()
        for sha256, path in new.items():
            target = self._path(sha256)
            parent = os.path.dirname(target)
            if parent not in touched and not os.path.exists(parent):
                os.makedirs(parent, exist_ok=True)
                touched.add(str(self.root))
            touched.add(parent)
            os.chmod(path, 0o444)
            _use(path)
            os.rename(path, target)
        flush_all(touched, self.root)

    def _ours(self, staged: _Staged, staging: Path) -> str:
        """A name beside the blobs for what was staged."""
        assert staged.path is not None
        if not staged.foreign:
            return staged.path
        target = f"{staging}/{staged.sha256}"
        if not os.path.exists(target) and not linked(staged.path, target):
            source = os.open(staged.path, os.O_RDONLY)
            try:
                copy = self._copied_in(source, staging)
            finally:
                os.close(source)
            assert copy.path is not None
            return copy.path
        return target

    def _stored(self, sha256: str, size: int, *, cheap: bool) -> bool:
        """Whether the right bytes are there already; damaged ones are not, and so are replaced."""
        try:
            self._verify(sha256, size, cheap=cheap)
            _use(self._path(sha256))
        except (CorruptBlob, FileNotFoundError):
            return False
        return True

    # Reading.

    def _path(self, sha256: str) -> str:
        return f"{self.root}/{sha256[:2]}/{sha256[2:]}"

    def _verify(self, sha256: str, size: int | None = None, *, cheap: bool = True) -> os.stat_result:
        """Raise CorruptBlob unless the bytes are those that were stored, as far as it is worth looking."""
        path = self._path(sha256)
        status = _existing(path, sha256)
        if size not in (None, status.st_size):
            raise _corrupt(sha256, path)
        looks = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._verified.get(sha256) == looks:
            return status
        untouched = status.st_mtime == _TIME
        if not untouched or (cheap and status.st_size <= _CHEAP):
            source = os.open(path, os.O_RDONLY)
            try:
                if sha256_of(source, status.st_size) != sha256:
                    raise _corrupt(sha256, path)
            finally:
                os.close(source)
            if not untouched:
                # The bytes are right (restored from a backup, say); the next look shall be a short one again.
                with suppress(OSError):
                    _use(path)
                looks = (status.st_ino, status.st_size, _TIME * 10**9)
            self._verified[sha256] = looks
        return status

    def _manifest(self, digest: str) -> Manifest:
        sha256 = digits(digest)
        self._verify(sha256)
        path = self._path(sha256)
        return decode(Path(path).read_bytes(), sha256, path)

    def _link(self, sha256: str, target: str, entry: Entry | None = None, cheap: bool = True) -> None:
        status = self._verify(sha256, entry.size if entry else None, cheap=cheap)
        executable = entry is not None and entry.executable
        # A mode belongs to the bytes, whatever their name: a program needs bytes of its own.
        if executable or not linked(self._path(sha256), target):
            self._copy(sha256, target, 0o555 if executable else 0o444)
        else:
            self._handed[status.st_ino] = sha256

    def _copy(self, sha256: str, target: str, mode: int) -> None:
        path = self._path(sha256)
        _existing(path, sha256)
        source = os.open(path, os.O_RDONLY)
        try:
            copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                if copied(source, copy) != sha256:
                    raise _corrupt(sha256, path)
                os.fchmod(copy, mode)
            except BaseException:
                os.unlink(target)
                raise
            finally:
                os.close(copy)
        finally:
            os.close(source)


def _cheap(manifest: Manifest) -> bool:
    return len(manifest.files) <= _FEW and manifest.size <= _CHEAP


def _existing(path: str, sha256: str) -> os.stat_result:
    try:
        return os.stat(path)
    except FileNotFoundError:
        raise CorruptBlob(
            f"the stored bytes {sha256[:12]} are missing: {path}",
            "Bring the file back from a backup, or run again: what made it is then executed anew.",
        ) from None


def _corrupt(sha256: str, path: str) -> CorruptBlob:
    return CorruptBlob(
        f"the stored bytes {FILE}{sha256} are not what they were: {path}",
        "Something changed or damaged that file. Delete it and run again: what made it is then executed anew.",
    )


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


def _use(path: str) -> None:
    """Give stored bytes the time of modification that all have; that of the last access says when they were needed."""
    os.utime(path, (time.time(), _TIME))


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
