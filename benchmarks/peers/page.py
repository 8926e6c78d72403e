"""The figures of the last measurement, in the page that compares Palmette with others."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmarks.stage import ROOT

if TYPE_CHECKING:
    from benchmarks.peers import Cost

PAGE: Final = ROOT / "docs" / "explanation" / "how-it-compares.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_HEAD: Final = (
    "tool", "4 steps, first", "again", "unchanged", "one trivial step", "a step, chain", "a step, fan", "a step, cached"
)  # fmt: skip


def write(costs: Sequence[Cost]) -> None:
    """Put the figures between the page's markers."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    PAGE.write_text(f"{before}{_BEGIN}\n{figures(costs)}\n{_END}{after}", encoding="utf-8")


def figures(costs: Sequence[Cost]) -> str:
    """The table, and where and when it was measured."""
    lines = [_row(_HEAD), _row(["---"] * len(_HEAD)), *(_row(_cells(cost)) for cost in costs)]
    day, load = datetime.now(UTC).strftime("%Y-%m-%d"), os.getloadavg()[0]
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    return "\n".join([f"Measured on {day}: {where}.", "", *lines])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(cost: Cost) -> list[str]:
    name = f"{cost.tool} {cost.version}".strip()
    whole = [_seconds(value) for value in (cost.first, cost.again, cost.unchanged, cost.single)]
    return [name, *whole, *(_milliseconds(value) for value in (cost.chain, cost.fan, cost.cached))]


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{max(value, 0.0) * 1000:.1f} ms"
