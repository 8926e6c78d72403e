"""The distributions that verdicts need, against SciPy."""

from __future__ import annotations

import pytest
from scipy import stats

from palmette.comparison.distributions import (
    binomial_at,
    binomial_below,
    normal_quantile,
    normal_tail,
    student_quantile,
    student_tail,
)

FREEDOM = (1.0, 1.3, 2.0, 2.7, 5.0, 17.776, 100.0, 1e3, 1e5, 1e6)


@pytest.mark.parametrize("freedom", FREEDOM)
def test_tails_of_student_are_those_of_scipy(freedom: float) -> None:
    places = (-3.0, -0.2, 0.0, 1e-6, 0.1, 0.5, 1.0, 1.96, 3.0, 6.0, 12.0)
    found = [student_tail(t, freedom) for t in places]
    assert found == pytest.approx([stats.t.sf(t, freedom) for t in places], rel=2e-8, abs=1e-300)


@pytest.mark.parametrize("freedom", FREEDOM)
def test_quantiles_of_student_are_those_of_scipy(freedom: float) -> None:
    shares = (1e-4, 0.025, 0.05, 0.4, 0.5, 0.501, 0.6, 0.9, 0.95, 0.975, 0.995, 0.9999)
    found = [student_quantile(share, freedom) for share in shares]
    assert found == pytest.approx([stats.t.ppf(share, freedom) for share in shares], rel=2e-8, abs=1e-9)


def test_a_quantile_outside_of_the_distribution_is_refused() -> None:
    for share, freedom in ((0.0, 5.0), (1.0, 5.0), (0.5, 0.0)):
        with pytest.raises(ValueError, match="no quantile"):
            student_quantile(share, freedom)


def test_the_normal_distribution_is_that_of_scipy() -> None:
    places = (-8.0, -1.0, 0.0, 0.5, 1.96, 5.0, 20.0, 37.0)
    assert [normal_tail(z) for z in places] == pytest.approx([stats.norm.sf(z) for z in places], rel=1e-12)
    shares = (1e-9, 0.025, 0.5, 0.95, 1.0 - 1e-9)
    assert [normal_quantile(share) for share in shares] == pytest.approx(
        [stats.norm.ppf(share) for share in shares], rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("trials", [1, 2, 10, 143, 2_000, 200_000])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.93])
def test_the_binomial_distribution_is_that_of_scipy(trials: int, share: float) -> None:
    counts = sorted({0, 1, trials // 3, int(trials * share), trials - 1, trials})
    expected = [stats.binom.cdf(count, trials, share) for count in counts]
    assert [binomial_below(count, trials, share) for count in counts] == pytest.approx(expected, rel=1e-8, abs=1e-250)
    expected = [stats.binom.pmf(count, trials, share) for count in counts]
    assert [binomial_at(count, trials, share) for count in counts] == pytest.approx(expected, rel=1e-8, abs=1e-250)
    assert binomial_below(-1, trials, share) == 0.0
