"""The numbers of a comparison and of a leaderboard in words."""

from __future__ import annotations

import pytest

from palmette.comparison.changes import MetricChange
from palmette.present import figures, leaderboards


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (0.3, 0.1 + 0.2, ("0", "")),
        (0.5, 0.5001, ("+0.0001", "+0.02 %")),
        (0.5, 0.6, ("+0.1000", "+20.0 %")),
        (1.0, 20.0, ("+19", "×20.0")),
    ],
)
def test_what_adding_in_another_order_makes_is_no_change(before: float, after: float, shown: tuple[str, str]) -> None:
    measure = figures.bare(MetricChange(name="auc", before=before, after=after))
    assert (measure.change, measure.relative) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (-0.0011231, 0.0008114, "−0.0011 … +0.0008"),
        (-0.0276, -0.0013, "−0.028 … −0.001"),
        (-0.0276, -0.0003, "−0.0276 … −0.0003"),
        (-31.0, 42.0, "−31 … +42"),
        (0.0, 0.0, "0.0000 … 0.0000"),
    ],
)
def test_both_ends_of_an_interval_have_as_many_digits_as_it_makes_sense_of(low: float, high: float, shown: str) -> None:
    assert leaderboards.interval(low, high) == shown
