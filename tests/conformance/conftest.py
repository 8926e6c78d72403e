"""The stock SDKs, each in an environment of its own that is built once and kept."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
#: what is installed for each; the descriptors are the version's own
SDKS = {
    "2.0": ("kfp==2.0.1", "kfp-pipeline-spec==0.2.2", "protobuf==3.20.3"),
    "2.5": ("kfp==2.5.0", "kfp-pipeline-spec==0.2.2", "protobuf==3.20.3", "kfp-kubernetes==1.0.0"),
    "2.14": ("kfp==2.14.6", "kfp-pipeline-spec==2.14.6", "kfp-kubernetes==2.14.6"),
    "2.17": ("kfp[kubernetes]==2.17.0", "kfp-kubernetes==2.17.0"),
}


@dataclass(frozen=True, kw_only=True)
class Sdk:
    version: str
    python: Path

    def run(self, script: str, *arguments: str | Path) -> str:
        """Run a script of this directory; its standard output."""
        done = subprocess.run(
            [self.python, "-W", "ignore", HERE / script, *arguments],
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def reads(self, verb: str, *paths: Path) -> Any:
        """What `kfp_reads.py` says."""
        return json.loads(self.run("kfp_reads.py", verb, *paths).splitlines()[-1])


def environment(version: str) -> Path:
    """The interpreter that has this SDK."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "palmette-tests"
    cache.mkdir(parents=True, exist_ok=True)
    wanted = " ".join(SDKS[version])
    place, done = cache / f"kfp-{version}", cache / f"kfp-{version}" / "complete"
    with (cache / f"kfp-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done.is_file() and done.read_text() == wanted):
            shutil.rmtree(place, ignore_errors=True)
            uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
            assert uv is not None, "uv is not installed"
            # The older SDKs were made for this Python; 3.12 lacks what their protobuf needs.
            base = sys.executable if sys.version_info[:2] == (3, 11) else "3.11"
            subprocess.run([uv, "venv", "--quiet", "--python", base, place], check=True)
            subprocess.run(
                [
                    uv,
                    "pip",
                    "install",
                    "--quiet",
                    "--python",
                    place / "bin" / "python",
                    *SDKS[version],
                    "setuptools<80",
                ],
                check=True,
            )
            done.write_text(wanted)
    return place / "bin" / "python"


@pytest.fixture(scope="session")
def sdk() -> Callable[[str], Sdk]:
    """An SDK by its version."""
    return lambda version: Sdk(version=version, python=environment(version))
