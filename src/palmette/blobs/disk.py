"""What is asked of the disk: bytes hashed and copied, names given, all of it durable."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_CHUNK: Final = 1 << 20
#: A smaller file is read in one call.
_SMALL: Final = 1 << 18
#: What `link` says where it cannot: another file system, one without links, too many links, someone else's file.
_UNLINKABLE: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)
#: From so many on, threads pay.
_MANY: Final = 64
_THREADS: Final = max(2, min(8, os.cpu_count() or 1))
_buffers: Final = threading.local()


def sha256_of(source: int, size: int = _CHUNK) -> str:
    """The SHA-256 of an open file from its beginning; `size` is what it is thought to have."""
    os.lseek(source, 0, os.SEEK_SET)
    if size < _SMALL:
        data = os.read(source, _SMALL)
        if len(data) < _SMALL and len(data) == size:
            return hashlib.sha256(data).hexdigest()
        os.lseek(source, 0, os.SEEK_SET)
    return _streamed(source, None)


def copied(source: int, target: int) -> str:
    """Copy an open file from its beginning; the SHA-256 of what was copied."""
    os.lseek(source, 0, os.SEEK_SET)
    return _streamed(source, target)


def _streamed(source: int, target: int | None) -> str:
    sha256 = hashlib.sha256()
    buffer: memoryview | None = getattr(_buffers, "own", None)
    if buffer is None:
        buffer = _buffers.own = memoryview(bytearray(_CHUNK))
    while count := os.readv(source, [buffer]):
        sha256.update(buffer[:count])
        written = 0
        while target is not None and written < count:
            written += os.write(target, buffer[written:count])
    return sha256.hexdigest()


def linked(source: str, target: str) -> bool:
    """Whether the target could be made another name of the source."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in _UNLINKABLE:
            return False
        raise
    return True


def each(act: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The results in order; on several threads where there are many items. Nothing goes on after the first failure is
    raised."""
    if len(items) < _MANY:
        return [act(item) for item in items]
    size = max(16, min(512, len(items) // (4 * _THREADS)))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(lambda chunk: [act(item) for item in chunk], chunk) for chunk in chunks]
        try:
            return [result for future in futures for result in future.result()]
        finally:
            pool.shutdown(cancel_futures=True)


def flush(path: str | Path) -> None:
    """Make a file's bytes, or a directory's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_all(paths: Iterable[str], disk: Path) -> None:
    """Make files or directories durable that are on one disk; many of them by one call for the whole of it."""
    names = list(paths)
    if len(names) < _MANY or not _flush_disk(disk):
        for name in names:
            flush(name)


def _flush_disk(path: Path) -> bool:
    """Whether everything that was written to the disk of this path is durable now; Linux alone can say so."""
    system = ctypes.CDLL(None, use_errno=True)
    if not hasattr(system, "syncfs"):
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if system.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
    return True
