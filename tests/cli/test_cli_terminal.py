"""What somebody at a terminal of 80 columns sees while a run goes on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

JOB = """
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import algorithm, step, track

    @dataclass(frozen=True)
    class Config:
        seed: int = 0

    @step
    def load(seed: int) -> int:
        return seed

    @step
    def train_with_a_name_that_is_long(number: int) -> int:
        for batch in track(range(4), "batches"):
            time.sleep(0.3)
        raise ValueError("a message that is much longer than what fits beside the state of a step in one line")

    @algorithm(config=Config)
    def job(config: Config) -> None:
        train_with_a_name_that_is_long(load(config.seed))
"""

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def at_a_terminal(project: Project, *arguments: str) -> tuple[int, str]:
    """Exit code and everything that the terminal was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = Path(project.environ["PATH"].partition(":")[0]) / "palmette"
    environ = {name: value for name, value in project.environ.items() if name != "COLUMNS"} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        [command, *arguments], cwd=project.directory, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # Linux says EIO once nobody has the other end open
        while part := os.read(ours, 1 << 16):
            seen += part
    os.close(ours)
    return process.wait(60), seen.decode()


def test_a_run_is_redrawn_with_one_line_a_step_and_a_bar(bare: Project) -> None:
    bare.write("algorithms/job.py", JOB)
    code, sent = at_a_terminal(bare, "run", "job")
    assert code == 3
    text = ESCAPES.sub("", sent)
    assert "━" in text
    assert re.search(r"[1-4]/4 batches", text)
    assert re.search(r"▸ train_with_a_name_that_is_long running", text)
    assert re.search(r"✗ train_with_a_name_that_is_long failed", text)
    assert all(len(line) <= 80 for part in text.split("\r\n") for line in part.split("\r"))


def test_screens_are_coloured_and_fit(bare: Project) -> None:
    bare.write("algorithms/job.py", JOB)
    at_a_terminal(bare, "run", "job")
    for verb in ("runs", "show", "why", "check", "capture"):
        code, sent = at_a_terminal(bare, verb, *(["job", "--explain"] if verb == "capture" else []))
        assert code == 0
        assert "\x1b[" in sent
        assert all(len(line) <= 80 for line in ESCAPES.sub("", sent).splitlines())
