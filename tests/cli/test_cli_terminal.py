"""What somebody at a terminal of 80 columns sees while a run goes on."""

from __future__ import annotations

import re
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
            time.sleep(0.15)  # more often it says nothing
            while batch == 3 and not Path("{here}/seen").exists():
                time.sleep(0.02)
        raise ValueError("a message that is much longer than what fits beside the state of a step in one line")

    @algorithm(config=Config)
    def job(config: Config) -> None:
        train_with_a_name_that_is_long(load(config.seed))
"""

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_run_is_redrawn_with_one_line_a_step_and_a_bar(bare: Project) -> None:
    bare.write("algorithms/job.py", JOB)

    def watch(sent: str) -> None:
        """Let the step end once it was seen at work."""
        if re.search(r"3/4 batches", ESCAPES.sub("", sent)):
            bare.touch("seen")

    code, sent = bare.terminal("run", "job", watch=watch)
    assert code == 3
    text = ESCAPES.sub("", sent)
    assert "━" in text
    assert re.search(r"▸ train_with_a_name_that_is_long running", text)
    assert re.search(r"✗ train_with_a_name_that_is_long failed", text)
    assert all(len(line) <= 80 for part in text.split("\r\n") for line in part.split("\r"))


def test_screens_are_coloured_and_fit(bare: Project) -> None:
    bare.write("algorithms/job.py", JOB)
    bare.touch("seen")
    bare.terminal("run", "job")
    for verb in ("runs", "show", "why", "check", "capture"):
        code, sent = bare.terminal(verb, *(["job", "--explain"] if verb == "capture" else []))
        assert code == 0
        assert "\x1b[" in sent
        assert all(len(line) <= 80 for line in ESCAPES.sub("", sent).splitlines())
