"""SIGKILL to whatever belongs to a run, at random moments: `make soak` does it a thousand times, this a few."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [11])
def test_every_run_ends_as_it_should_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    options = ("--kills", "25", "--seed", str(seed), "--idle", "3", "--directory", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *options, "--report", tmp_path / "report.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "**Violations: none.**" in (tmp_path / "report.md").read_text()
