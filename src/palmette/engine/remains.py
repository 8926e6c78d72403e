"""What lies in an attempt's directory, opened without trust: a task that has gone wrong, or means ill, may have put
there a link to somebody else's file, a pipe that never ends, or JSON that nobody can use."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from palmette.domain.values import Json

#: What is said to be JSON may nest so deep: as deep as a pipeline may.
_DEPTH: Final = 100
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


def loads(text: str | bytes) -> Any:
    """The value that JSON stands for; ValueError for what is none, or what cannot be passed on: numbers beyond those of
    a double, halves of characters, lists in lists in lists."""
    try:
        value: Json = json.loads(text, parse_constant=_no_constant, parse_float=_real, parse_int=_whole)
    except RecursionError:
        raise ValueError(f"it nests deeper than {_DEPTH} levels") from None
    _require_usable(value, 0)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _real(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _whole(text: str) -> int:
    # The same bound, by way of an error for what is no double; more digits than any double has are not even looked at.
    if len(text) > 400:
        raise ValueError(f"{text[:20]}… is too large a number")
    _real(text)
    return int(text)


def _require_usable(value: Json, depth: int) -> None:
    match value:
        case str():
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise ValueError("a text in it holds half a character")
        case dict() | list():
            if depth >= _DEPTH:
                raise ValueError(f"it nests deeper than {_DEPTH} levels")
            for entry in value.values() if isinstance(value, dict) else value:
                _require_usable(entry, depth + 1)
            for key in value if isinstance(value, dict) else ():
                _require_usable(key, depth + 1)
        case _:
            pass
