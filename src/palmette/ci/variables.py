"""Variables that hold a secret, as a CI hands them in: the text itself, or the path of a file with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Bytes of such a file; a longer one is no token.
_LIMIT: Final = 64 << 10


def value(environ: Mapping[str, str], name: str) -> str:
    """What the variable holds, without blanks around it: of NAME_FILE and of a variable that is a file's path (GitLab's
    type "File") what stands in the file. Nothing where it is not set."""
    said = environ.get(name, "").strip()
    file = environ.get(f"{name}_FILE", "").strip() or (said if said.startswith("/") else "")
    return (_content(file) if file else "") or said


def _content(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_LIMIT).decode().strip()
    except (OSError, ValueError):
        return ""
