"""What lies in an attempt's directory, opened without trust: a task that has gone wrong, or means ill, may have put
there a link to somebody else's file, or a pipe that never ends."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

#: What is there when no plain file is: a link, a pipe or socket nobody listens to, a file where a directory should be.
_OTHERS: Final = (errno.ELOOP, errno.ENXIO, errno.ENOTDIR)


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
