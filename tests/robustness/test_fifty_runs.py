"""Fifty runs at once on one store: all succeed, and together they use no more than the machine has."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak.victims import Kind, members

RUNS = 50
#: for each of them, while all others go on
PATIENCE = 800.0
#: Every step notes when it began and ended, on a clock that all processes share, and how many work beside it.
STEPS = '''
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from palmette import algorithm, step


@dataclass(frozen=True)
class Config:
    """Which run this is."""

    number: int = 0


def alone(board: str) -> int:
    """Take the first free seat; how many are taken then."""
    for seat in range(1000):
        descriptor = os.open(f"{board}/{seat}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return seat + 1
        except BlockingIOError:
            os.close(descriptor)
    raise RuntimeError("no seat")


@step(env=["BOARD"])
def first(number: int) -> int:
    """Sit for a while."""
    seat = alone(os.environ["BOARD"])
    time.sleep(0.05)
    return seat


@step(env=["BOARD"])
def second(number: int) -> int:
    """Sit beside it."""
    seat = alone(os.environ["BOARD"])
    time.sleep(0.05)
    return seat


@algorithm(config=Config)
def seats(config: Config) -> None:
    """Two steps that may run at once."""
    first(config.number)
    second(config.number)
'''


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_runs_at_once_succeed_and_share_the_machine(small: Any, tmp_path: Path) -> None:
    (small.directory / "algorithms" / "small.py").write_text(STEPS)
    (board := tmp_path / "board").mkdir()
    small.environ["BOARD"] = str(board)
    call = partial(small.warm.run, cwd=small.directory, environ=small.environ, typed=None, timeout=PATIENCE)
    templates: set[int] = set()
    with ThreadPoolExecutor(RUNS) as together:
        started = [together.submit(call, ("run", "seats", f"number={number}")) for number in range(RUNS)]
        # To look without a pause would take some of the machine that the runs share.
        while wait(started, timeout=0.05).not_done:
            templates |= {one.pid for one in members(small.place) if one.kind is Kind.TEMPLATE}
    failed = [err for code, _, err in (each.result() for each in started) if code]
    assert not failed, failed[0]
    assert small.rows("SELECT state, count(*) FROM runs GROUP BY state") == [("SUCCEEDED", RUNS)]
    assert small.rows("SELECT state, count(*) FROM attempts GROUP BY state") == [("SUCCEEDED", 2 * RUNS)]
    assert small.rows("SELECT DISTINCT how FROM attempts") == [("fork",)]
    assert len(list(board.iterdir())) <= len(os.sched_getaffinity(0))
    # One that is about to start is two for a moment: the process that becomes its parent, and itself.
    assert len(list((small.place / "run" / "palmette" / "templates").iterdir())) == 1
    assert len({one.pid for one in members(small.place) if one.kind is Kind.TEMPLATE}) <= 1
    assert len(templates) <= 2
