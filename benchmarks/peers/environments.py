"""Environments of the peers: pinned with hashes in the files beside this one, kept between measurements."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CACHE: Final = Path.home() / ".cache" / "palmette-bench"


def python(name: str) -> Path:
    """The interpreter that has the peer, installed by uv unless it is there."""
    pins = HERE / f"{name}.txt"
    place = CACHE / f"{name}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    done, found = place / "complete", place / "bin" / "python"
    if not done.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        print(f"… installing {name}", file=sys.stderr, flush=True)
        for command in (
            ["venv", "--quiet", "--clear", "--python", sys.executable, str(place)],
            ["pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", "--python", str(found), str(pins)],
        ):
            if subprocess.run([uv, *command], check=False).returncode:
                raise SystemExit(f"{name} cannot be installed")
        done.touch()
    return found


def version(name: str) -> str:
    """The version that is pinned."""
    lines = (HERE / f"{name}.txt").read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{name}=="))
