"""Metrics as they arrive."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MetricPoint:
    """One value of a metric; several of one name with steps are a curve."""

    name: str
    value: float
    #: the user's own counter (epoch, iteration); None for a single value
    step: int | None = None
    #: seconds since the epoch
    time: float = 0.0
