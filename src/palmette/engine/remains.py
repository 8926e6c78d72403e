"""What lies in an attempt's directory, opened without trust: a task that has gone wrong, or means ill, may have put
there a link to somebody else's file, or a pipe that never ends."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

#: What is there when no plain file is: a link, a pipe or socket nobody listens to, a file where a directory should be.
_OTHERS: Final = (errno.ELOOP, errno.ENXIO, errno.ENOTDIR)


#: A log may have so many bytes; of a longer one so much of the beginning and of the end stays.
LOG: Final = 1 << 30
BEGINNING: Final = 64 << 20
_END: Final = 4 << 20


class NotPlain(FileNotFoundError):
    """Something is there that is no plain file."""


def opened(path: Path) -> BinaryIO:
    """A plain file, to be read; FileNotFoundError where there is none, NotPlain for a link, a pipe or a device. Never
    waits for anybody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _OTHERS:
            raise NotPlain(errno.ENOENT, "is no plain file", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlain(errno.ENOENT, "is no plain file", str(path))
    return os.fdopen(descriptor, "rb")


def shorten(log: Path, most: int = LOG, beginning: int = BEGINNING, end: int = _END) -> bool:
    """Leave out the middle of a log that is longer than it may be, and say so in it; whether it was. Whoever appends
    to it goes on behind what is left."""
    try:
        with opened(log) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= most:
                return False
            file.seek(size - end)
            last = file.read(end)
    except FileNotFoundError:
        return False
    said = f"\npalmette: {size - beginning - len(last):,} bytes of this log were left out here: it had {size:,}\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "ab") as file:
        file.truncate(beginning)
        file.write(said.encode() + last)
    return True


def note(log: Path, text: str) -> None:
    """Say something in a log, if it is one."""
    with contextlib.suppress(OSError):
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "ab") as file:
            file.write(f"palmette: {text}\n".encode())


def within(log: BinaryIO, position: int) -> int:
    """Where to go on reading a log that was read up to there: just there, unless it was shortened since."""
    if position > os.fstat(log.fileno()).st_size:
        position = min(position, BEGINNING, os.fstat(log.fileno()).st_size)
    return log.seek(position)
