"""Axes of charts: which range they show, and where their numbers stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Final

#: beyond this, differences overflow; nothing that is measured is as large
_LARGEST: Final = 1e300
#: a range below this part of its numbers is rounding, and below the second nothing can be told apart
_NARROWEST: Final = 1e-12
_SMALLEST: Final = 1e-290


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis from its low to its high end, which differ."""

    low: float
    high: float
    #: round numbers between the ends, and how they are written
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """How far along the axis a number lies: 0 at the low end, 1 at the high one, kept within sight of both."""
        return min(max((value - self.low) / (self.high - self.low), -2.0), 3.0)


def finite(value: float) -> bool:
    """Whether a number can be drawn."""
    return isfinite(value) and abs(value) < _LARGEST


def scale(values: Iterable[float], given: tuple[float, float] | None, *, most: int, whole: bool, air: float) -> Scale:
    """The axis that shows the values, with so much air as a share at both ends, and about so many ticks."""
    known = [value for value in values if finite(value)]
    if given is not None and all(map(finite, given)) and _apart(*given):
        (low, high), air = given, 0.0
    elif known:
        low, high = min(known), max(known)
    else:
        low, high = 0.0, 1.0
    if not _apart(low, high):
        # A single whole number, such as the only step, has its neighbours beside it.
        around = 1.0 if low == 0.0 or (whole and abs(low) < 1e6) else max(abs(low) * 0.05, 10 * _SMALLEST)
        low, high = low - around, high + around
    low, high = low - air * (high - low), high + air * (high - low)
    return Scale(low=low, high=high, ticks=tuple(_ticks(low, high, most, whole=whole)))


def _apart(low: float, high: float) -> bool:
    """Whether a range is more than what rounding leaves."""
    return high - low > max(_NARROWEST * max(abs(low), abs(high)), _SMALLEST)


def _ticks(low: float, high: float, most: int, *, whole: bool) -> list[tuple[float, str]]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    step = _step((high - low) / max(1, most))
    if whole:
        step = max(1.0, step)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    if last - first > 4 * most:
        # The numbers are so large that the step is lost in them.
        return [(low, f"{low:.6g}"), (high, f"{high:.6g}")]
    return [(index * step, _written(index * step, step)) for index in range(first, last + 1)]


def _step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= rough * 0.999), 10.0 * power)


def _written(value: float, step: float) -> str:
    """With as many decimals as the step has; very large and very small ones with a power of ten."""
    if value == 0.0:
        return "0"
    if abs(value) >= 1e6 or step < 1e-6:
        return f"{value:.4g}"
    return f"{value:.{max(0, -floor(log10(step) + 1e-9))}f}"
