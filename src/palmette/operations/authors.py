"""Who does something on this machine, for records that are kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from os import defpath
from pathlib import Path
from typing import Final

from palmette.operations.questions import SECONDS

#: Variables that name somebody: Git's own first; in a CI, whoever started it; the user of the machine at last.
_GIT: Final = ("GIT_AUTHOR_NAME",)
_CI: Final = ("GITLAB_USER_NAME", "GITHUB_ACTOR")
_SYSTEM: Final = ("LOGNAME", "USER")


def author(root: Path, environ: Mapping[str, str]) -> str:
    """The name of whoever works here: as commits would have it, else as the CI or the system has it; empty if nobody
    says. Never an e-mail address."""
    return _first(_GIT, environ) or _configured(root, environ) or _first((*_CI, *_SYSTEM), environ)


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    return next((environ[name].strip() for name in names if environ.get(name, "").strip()), "")


def _configured(root: Path, environ: Mapping[str, str]) -> str:
    command = shutil.which("git", path=environ.get("PATH", defpath))
    if command is None:
        return ""
    try:
        asked = [command, "-C", str(root), "config", "--get", "user.name"]
        done = subprocess.run(asked, env=dict(environ), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip()
