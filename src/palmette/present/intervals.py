"""The interval of a change as a small bar: where it lies to zero, and to what would be tolerated."""

from __future__ import annotations

from html import escape
from math import isfinite
from typing import Final

from palmette.present.entries import Measure

_WIDTH: Final = 150.0
_HEIGHT: Final = 22.0


def bar(measure: Measure) -> str:
    """The bar as one SVG element; nothing where there is no interval to draw."""
    span, difference = measure.span, measure.difference
    if span is None or difference is None or not all(map(isfinite, (span.low, span.high, difference))):
        return ""
    tolerance = measure.tolerance if measure.tolerance and isfinite(measure.tolerance) else 0.0
    reach = 1.12 * max(abs(span.low), abs(span.high), abs(difference), tolerance) or 1.0

    def across(value: float) -> float:
        return _WIDTH / 2 + value / reach * (_WIDTH / 2 - 3)

    middle, zero = _HEIGHT / 2, across(0.0)
    told = f"change {measure.change}, 95 % interval {measure.interval or 'of no width'}"
    shade = ""
    if tolerance:
        told += f", tolerance ±{tolerance:g}"
        left = across(-tolerance)
        shade = (
            f'<rect x="{left:.1f}" y="3" width="{across(tolerance) - left:.1f}" height="{_HEIGHT - 6:g}" '
            'fill="currentColor" fill-opacity=".13"/>'
        )
    low, high = across(span.low), across(span.high)
    ends = f"M{low:.1f} {middle:g}H{high:.1f}M{low:.1f} {middle - 4:g}v8M{high:.1f} {middle - 4:g}v8"
    return (
        f'<svg class="bar" role="img" width="{_WIDTH:g}" height="{_HEIGHT:g}" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" '
        f'aria-label="{escape(told)}"><title>{escape(told)}</title>{shade}'
        f'<path d="M{zero:.1f} 1V{_HEIGHT - 1:g}" stroke="currentColor" stroke-opacity=".45" stroke-dasharray="2 2"/>'
        f'<path d="{ends}" stroke="currentColor" stroke-width="1.5" fill="none"/>'
        f'<circle cx="{across(difference):.1f}" cy="{middle:g}" r="3.5" fill="currentColor"/></svg>'
    )
