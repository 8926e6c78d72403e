"""The directories of the user's own, in which processes meet and what can be made again is kept.

Apart from `machine`, because a template cannot be started before they are known, and nothing else need be.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from palmette.errors import PalmetteError

#: Others may not even look into it: there are sockets in it through which code is executed.
_PRIVATE: Final = 0o077
#: Others may not write into it: it holds code that is executed.
_OWN: Final = 0o022


def runtime_directory(environ: Mapping[str, str], uid: int, *, temporary: Path = Path("/tmp")) -> Path:
    """Where this user's processes meet on this machine, made if it is not there.

    Below XDG_RUNTIME_DIR where that is the user's, else in /tmp. PalmetteError if what is there is not the user's
    alone: whoever can write into it can execute code as the user.
    """
    given = Path(environ.get("XDG_RUNTIME_DIR", ""))
    # A session that was taken over (su, sudo) still names the directory of the user before.
    usable = given.is_absolute() and _owner(given) == uid
    directory = given / "palmette" if usable else temporary / f"palmette-{uid}"
    if problem := _made(directory, uid, _PRIVATE):
        raise PalmetteError(f"{directory} {problem}", f"Remove it: rm -rf {directory}")
    return directory


def cache_directory(environ: Mapping[str, str], *, uid: int | None = None, temporary: Path = Path("/tmp")) -> Path:
    """Where this user keeps what can be made again, made if it is not there.

    `palmette` below XDG_CACHE_HOME, else below ~/.cache; where neither can be the user's own (a home that cannot be
    written, another user's), a part of the runtime directory.
    """
    user = os.getuid() if uid is None else uid
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    directory = (given if given.is_absolute() else _home(environ, user) / ".cache") / "palmette"
    if not _made(directory, user, _OWN):
        return directory
    fallback = runtime_directory(environ, user, temporary=temporary) / "cache"
    if problem := _made(fallback, user, _OWN):
        raise PalmetteError(f"{fallback} {problem}", f"Remove it, or set XDG_CACHE_HOME: rm -rf {fallback}")
    return fallback


def _home(environ: Mapping[str, str], uid: int) -> Path:
    if Path(environ.get("HOME", "")).is_absolute():
        return Path(environ["HOME"])
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:  # a container's user without an entry
        return Path("/nonexistent")


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid if path.is_dir() else None
    except OSError:
        return None


def _made(directory: Path, uid: int, forbidden: int) -> str:
    """Make the directory (0700) unless it is there; why it cannot be used, or ""."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
    except OSError as error:
        return f"cannot be made: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a directory"
    if found.st_uid != uid:
        return f"belongs to another user ({found.st_uid})"
    if found.st_mode & forbidden:
        return f"is open to other users (mode {stat.S_IMODE(found.st_mode):o})"
    return "" if os.access(directory, os.W_OK | os.X_OK) else "cannot be written"
