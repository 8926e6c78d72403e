"""What the engine adds to a task that does nothing."""

from __future__ import annotations

import statistics
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.limits import fork
from benchmarks.measure import Row, interleaved, within
from benchmarks.stage import Stage

_CHAIN = 50
_SOURCE = f"""
from palmette import algorithm, each, step


@step
def first() -> int:
    return 0


@step
def following(number: int) -> int:
    return number + 1


@step
def alone(number: int) -> int:
    return number


@step
def numbers() -> list[int]:
    return list(range(1000))


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


@algorithm
def loop():
    for number in each(numbers()):
        alone(number)
"""


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """A chain, a chain that was done before, a thousand tasks side by side, and a loop over a thousand items.

    The start of the command is apart: the run itself says when it began and when it ended. The whole command, as the
    difference between fifty tasks and one, stands beside it, since that is how the peers were measured.
    """
    stage.generated(_SOURCE)
    stage.palmette("run", "chain")
    stage.palmette("run", "single")
    whole: dict[str, list[float]] = {"single": [], "chain": []}

    def command(name: str) -> float:
        begun = time.perf_counter()
        seconds = _length(stage.answer("run", name, "--no-cache"))
        whole[name].append(time.perf_counter() - begun)
        return seconds

    things = {
        "single": lambda: command("single"),
        "chain": lambda: command("chain"),
        "cached": lambda: _length(stage.answer("run", "chain")),
        "fork": lambda: fork(stage, Path(sys.executable), (), count=20),
    }
    found = interleaved(3 if quick else 7, things)
    lengths = {name: partial(_anew, stage, name) for name in ("wide", "loop")}
    many = interleaved(1 if quick else 3, lengths)
    above = found["chain"] / _CHAIN - found["fork"]
    commands = (statistics.median(whole["chain"]) - statistics.median(whole["single"])) / (_CHAIN - 1)
    bare: dict[str, Any] = {"against": "a bare fork", "limit": found["fork"]}
    forks: dict[str, Any] = {"against": "1,000 bare forks", "limit": 1000 * found["fork"]}
    return [
        within("a task of a chain of 50, above a bare fork", above, 0.010, "10 ms", **bare),
        within("a cached task of the same chain", found["cached"] / _CHAIN, 0.003, "3 ms", **bare),
        Row(what="the whole command, by task of the chain", measured=commands, **bare),
        within("1,000 tasks side by side, two cores", many["wide"], 15.0, "15 s", **forks),
        within("a loop of 1,000 tasks, two cores", many["loop"], 15.0, "15 s", **forks),
    ]


def _anew(stage: Stage, name: str) -> float:
    return _length(stage.answer("run", name, "--no-cache"))


def _length(answer: Any) -> float:
    """How long a run took, from its first task's turn to its end."""
    begun, ended = (datetime.fromisoformat(answer[name]) for name in ("started_at", "ended_at"))
    return (ended - begun).total_seconds()
