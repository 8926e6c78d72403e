"""What the engine adds to a task that does nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.limits import fork
from benchmarks.measure import Row, interleaved, timed, within
from benchmarks.stage import Stage

_CHAIN = 50
_SOURCE = f"""
from palmette import algorithm, step


@step
def first() -> int:
    return 0


@step
def following(number: int) -> int:
    return number + 1


@step
def alone(number: int) -> int:
    return number


@algorithm
def single():
    first()


@algorithm
def chain():
    number = first()
    for _ in range({_CHAIN - 1}):
        number = following(number)


@algorithm
def wide():
    for number in range(1000):
        alone(number)
"""


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """A chain, a chain that was done before, and a thousand tasks side by side; the start of the command is apart, by
    the difference between a run of fifty tasks and one of a single one."""
    stage.generated(_SOURCE)
    stage.palmette("run", "chain")
    stage.palmette("run", "single")
    things = {
        "one": lambda: stage.palmette("run", "single", "--no-cache"),
        "chain": lambda: stage.palmette("run", "chain", "--no-cache"),
        "one, cached": lambda: stage.palmette("run", "single"),
        "chain, cached": lambda: stage.palmette("run", "chain"),
        "fork": lambda: fork(stage, Path(sys.executable), (), count=20),
    }
    found = interleaved(3 if quick else 7, things)
    task = (found["chain"] - found["one"]) / (_CHAIN - 1)
    cached = (found["chain, cached"] - found["one, cached"]) / (_CHAIN - 1)
    wide = min(timed(lambda: stage.palmette("run", "wide", "--no-cache")) for _ in range(1 if quick else 2))
    bare = {"against": "a bare fork", "limit": found["fork"]}
    return [
        within("a task of a chain of 50, above a bare fork", task - found["fork"], 0.010, "10 ms", **bare),
        within("a cached task of the same chain", cached, 0.003, "3 ms", **bare),
        within(
            "1,000 tasks side by side, two cores",
            wide,
            15.0,
            "15 s",
            against="1,000 bare forks",
            limit=1000 * found["fork"],
        ),
    ]
