"""The secret of a home that is mixed into the names of examples, so that nobody can guess whose they are."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from palmette.operations.home import Home

#: In the home, readable by its owner alone.
SALT: Final = "salt"


def salt(home: Home) -> str:
    """The home's salt, made when it is first asked for: always the same, and known to nobody else. Empty where none can
    be kept, so that no example is named."""
    path = home.directory / SALT
    # A disk that is full or may not be written is no reason to compare nothing.
    try:
        return _read(path) or _made(path)
    except OSError:
        return ""


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    return ""


def _made(path: Path) -> str:
    """Written whole under another name first, so that whoever comes at the same moment gets the same."""
    draft = path.with_name(f".{SALT}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return _read(path)
