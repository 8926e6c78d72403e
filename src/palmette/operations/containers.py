"""Whether tasks run in their images, and with which program."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Final

from palmette.errors import UsageError

#: What a setting, an option and the variable may say; the first one is what holds where nobody says anything.
CHOICES: Final = ("process", "docker", "podman")
VARIABLE: Final = "PALMETTE_CONTAINERS"


def chosen(environ: Mapping[str, str], setting: str = "") -> str:
    """The program that runs tasks in their images, or "" for processes of this machine. The variable precedes the
    setting; UsageError if it is no such program."""
    wanted = environ.get(VARIABLE, "").strip() or setting or CHOICES[0]
    if wanted == CHOICES[0]:
        return ""
    if wanted not in CHOICES:
        raise UsageError(f"{VARIABLE} is {wanted!r}", f"It can be {', '.join(CHOICES)}.")
    return wanted


def require(wanted: str, environ: Mapping[str, str]) -> None:
    """UsageError if that program is asked for, and is not here."""
    if wanted and shutil.which(wanted, path=environ.get("PATH")) is None:
        hint = f'Install it, or run tasks as processes: --containers {CHOICES[0]}, or containers = "{CHOICES[0]}".'
        raise UsageError(f"tasks are to run in their images with {wanted}, and there is no {wanted} on the PATH", hint)
