"""How things are measured, and what a result is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; times in seconds."""

    what: str
    measured: float
    #: what it is compared with, measured in the same run, and how long that takes
    against: str = ""
    limit: float | None = None
    #: as it is written in the design; empty where this is a limit or a peer
    budget: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the limit."""
        return self.measured / self.limit if self.limit else None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "ratio": self.ratio}


def within(what: str, measured: float, most: float, budget: str, **more: Any) -> Row:
    """A row with a budget of at most so many seconds."""
    return Row(what=what, measured=measured, budget=budget, met=measured <= most, **more)


def interleaved(rounds: int, things: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, measured in turns (A B A B), so that a noisy neighbour disturbs all of them alike."""
    found: dict[str, list[float]] = {name: [] for name in things}
    for _ in range(rounds):
        for name, measure in things.items():
            found[name].append(measure())
    return {name: statistics.median(times) for name, times in found.items()}


def timed(act: Callable[[], object]) -> float:
    """How long it takes, once."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def each(count: int, act: Callable[[], object]) -> float:
    """How long it takes, the median of many."""
    return statistics.median(timed(act) for _ in range(count))


def table(rows: Sequence[Row]) -> str:
    """For eyes."""
    head = ("what", "measured", "compared with", "takes", "ratio", "budget", "")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = (1, 3, 4)
    texts = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        _time(row.measured),
        row.against,
        "" if row.limit is None else _time(row.limit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.budget,
        {None: "", True: "met", False: "MISSED"}[row.met],
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms" if seconds >= 0.1 else _short(seconds)


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.001 else f"{seconds * 1000:.2f} ms"
