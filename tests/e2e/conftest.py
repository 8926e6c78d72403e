"""The client that runs GitLab's jobs on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

CLIENT = Path(__file__).parent / "client" / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"


@pytest.fixture(scope="session")
def gitlab_ci_local() -> tuple[str, ...]:
    """The command gitlab-ci-local, which `make test` installs."""
    lacking = [name for name in ("node", "rsync", "git") if shutil.which(name) is None]
    if not CLIENT.exists():
        lacking.append("gitlab-ci-local")
    if lacking:
        said = f"GitLab's jobs cannot be run: {', '.join(lacking)} missing (make client)"
        # Where every change is judged, nothing may be left out.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    return (shutil.which("node") or "", str(CLIENT))
