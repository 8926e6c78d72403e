"""Each way to judge a difference, against published numbers or SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from palmette.comparison.areas import area, delong, placements
from palmette.comparison.evidence import PAIRED, Evidence, Interval, Refusal, Scope
from palmette.comparison.proportions import Answers, mcnemar, mid_p, newcombe
from palmette.comparison.repeats import Earlier, noise_band, over_seeds
from palmette.comparison.smooth import mean_difference, replicated

# The ovarian cancer data of DeLong, DeLong & Clarke-Pearson 1988: albumin, total protein, K-G score, survival.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
# Student 1908: hours of sleep that two drugs gave to ten patients.
FIRST = {f"patient {n}": hours for n, hours in enumerate((0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0))}
SECOND = {f"patient {n}": hours for n, hours in enumerate((1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4))}


def evidence(found: object) -> Evidence:
    assert isinstance(found, Evidence)
    return found


def ovarian() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4)
    return rows[:, 3] == 1, rows[:, 0], rows[:, 1], 10 - rows[:, 2]


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def test_the_areas_and_their_errors_are_those_of_delongs_paper() -> None:
    survived, albumin, protein, score = ovarian()
    areas = [area(survived, each) for each in (albumin, protein, score)]
    assert areas == pytest.approx([0.7366, 0.6478, 0.7258], abs=5e-5)
    found = delong(survived, score, albumin)
    assert evidence(found).difference == pytest.approx(-0.0108, abs=5e-5)
    parts = zip(placements(survived, score), placements(survived, albumin), strict=True)
    error = sum(np.var(one - other, ddof=1) / len(one) for one, other in parts) ** 0.5
    assert error == pytest.approx(0.0953, abs=5e-5)
    assert (evidence(found).difference / error) ** 2 == pytest.approx(0.0127, abs=5e-5)


def test_delongs_interval_is_wider_than_the_normal_one_with_few_examples_and_the_same_with_many() -> None:
    random = np.random.default_rng(3)
    for n, low, high in ((30, 1.02, 1.2), (30_000, 0.9999, 1.001)):
        positive = np.arange(n) % 3 == 0
        head, baseline = (positive + random.normal(size=n) for _ in range(2))
        found = evidence(delong(positive, head, baseline))
        normal = (found.wide.high - found.difference) / stats.norm.ppf(0.975)
        parts = zip(placements(positive, head), placements(positive, baseline), strict=True)
        error = sum(np.var(one - other, ddof=1) / len(one) for one, other in parts) ** 0.5
        assert low < normal / error < high


def test_placements_follow_from_the_ranks_of_scipy_ties_included() -> None:
    random = np.random.default_rng(0)
    scores, positive = random.integers(0, 20, size=500).astype(float), random.random(500) < 0.3
    every = stats.rankdata(scores)
    above, below = placements(positive, scores)
    ones, zeros = int(positive.sum()), int((~positive).sum())
    assert above == pytest.approx((every[positive] - stats.rankdata(scores[positive])) / zeros)
    assert below == pytest.approx(1 - (every[~positive] - stats.rankdata(scores[~positive])) / ones)


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(1)
    positive, scores = random.random(80) < 0.4, random.integers(0, 9, size=80).astype(float)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert area(positive, scores) == pytest.approx(float(np.mean(pairs)))


def test_equal_scores_are_identical_and_too_simple_ones_are_refused() -> None:
    positive = np.array([True, False] * 10)
    scores = np.linspace(0, 1, 20)
    assert evidence(delong(positive, scores, scores)).identical
    found = delong(positive, positive.astype(float), np.zeros(20))
    assert isinstance(found, Refusal)
    assert "too simple" in found.reason


def test_the_interval_of_paired_proportions_is_newcombes() -> None:
    # Newcombe 1998, table II: (36, 12, 2, 0), by method 10.
    found = newcombe(Answers(both=36, head=12, baseline=2, neither=0), 0.95)
    assert ends(found) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_airway_reactions_are_judged_as_in_fagerlands_tables() -> None:
    # Fagerland, Lydersen & Laake 2013 and 2014: 21 children before and after a transplantation.
    found = mcnemar(Answers(both=1, head=1, baseline=7, neither=12))
    assert found.p == pytest.approx(0.0391, abs=5e-5)
    assert ends(found.wide) == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert found.scope is Scope.MODEL


def test_mcnemars_mid_p_is_the_binomial_one() -> None:
    for head, baseline in ((0, 6), (3, 9), (40, 61)):
        total = head + baseline
        expected = 2 * stats.binom.cdf(head, total, 0.5) - stats.binom.pmf(head, total, 0.5)
        assert mid_p(head, baseline) == mid_p(baseline, head) == pytest.approx(expected)
    assert mid_p(5, 5) == mid_p(0, 0) == 1.0


@pytest.mark.parametrize(("n", "differing", "right"), [(30, 0.3, 0.6), (50, 0.1, 0.6), (143, 0.05, 0.9)])
def test_newcombes_interval_excludes_zero_in_at_most_a_twentieth_of_null_comparisons(
    n: int, differing: float, right: float
) -> None:
    wrong = 0.0
    for unlike in range(n + 1):
        weight = stats.binom.pmf(unlike, n, differing)
        both = round((n - unlike) * right)
        for head in range(unlike + 1) if weight > 1e-9 else ():
            answers = Answers(both=both, head=head, baseline=unlike - head, neither=n - unlike - both)
            wrong += weight * stats.binom.pmf(head, unlike, 0.5) * newcombe(answers, 0.95).excludes_zero
    assert 0.005 < wrong <= 0.05


def test_seeds_that_both_sides_have_are_compared_in_pairs() -> None:
    found = evidence(over_seeds(FIRST, SECOND))
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert ends(found.wide) == pytest.approx((-2.4598858, -0.7001142), abs=5e-7)
    assert (found.method.name, found.n, found.scope) == ("paired t over seeds", 10, Scope.CHANGE)
    expected = stats.ttest_rel([*FIRST.values()], [*SECOND.values()]).confidence_interval(0.90)
    assert ends(found.narrow) == pytest.approx((expected.low, expected.high))


def test_other_seeds_are_compared_as_welch_does() -> None:
    found = evidence(over_seeds(FIRST, {f"another {name}": value for name, value in SECOND.items()}))
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert ends(found.wide) == pytest.approx((-3.3654832, 0.2054832), abs=5e-7)
    assert (found.method.name, found.n, found.n_baseline) == ("Welch's t over seeds", 10, 10)


def test_unequal_numbers_of_seeds_are_judged_by_the_fewer() -> None:
    few = {f"another {n}": value for n, value in enumerate((1.0, 2.0, 4.0))}
    found = evidence(over_seeds(FIRST, few))
    error = (np.var([*FIRST.values()], ddof=1) / 10 + np.var([*few.values()], ddof=1) / 3) ** 0.5
    assert (found.wide.high - found.difference) / error == pytest.approx(stats.t.ppf(0.975, 2))
    assert (found.n, found.n_baseline) == (10, 3)


def test_fewer_than_three_seeds_a_side_are_no_evidence() -> None:
    few = dict([*FIRST.items()][:2])
    assert over_seeds(few, SECOND) is None
    assert over_seeds(SECOND, few) is None
    assert over_seeds({**few, "broken": float("nan")}, SECOND) is None


def test_seeds_without_any_spread_are_refused_unless_nothing_differs() -> None:
    same = {"0": 0.9, "1": 0.8, "2": 0.7}
    assert evidence(over_seeds(same, same)).identical
    found = over_seeds({seed: value + 0.1 for seed, value in same.items()}, same)
    assert isinstance(found, Refusal)
    assert "by the same amount" in found.reason


def test_the_noise_band_is_where_one_more_run_would_lie() -> None:
    values = (0.91, 0.93, 0.92, 0.94, 0.90)
    earlier = [Earlier(run=f"{n}", value=value, training=f"{n}") for n, value in enumerate(values)]
    found = evidence(noise_band(0.86, earlier))
    reach = stats.t.ppf(0.975, 4) * np.std(values, ddof=1) * (1 + 1 / 5) ** 0.5
    assert found.baseline == pytest.approx(0.92)
    assert ends(found.wide) == pytest.approx((-0.06 - reach, -0.06 + reach))
    assert (found.n, found.scope) == (5, Scope.CHANGE)


def test_a_model_that_was_reused_counts_once_in_the_noise_band() -> None:
    earlier = [Earlier(run=f"{n}", value=0.9 + n / 100, training="fit of run 0") for n in range(10)]
    found = noise_band(0.9, earlier)
    assert isinstance(found, Refusal)
    assert found.reason == "only 1 earlier training with the same config and data"


def test_earlier_runs_that_all_gave_the_same_number_show_no_noise() -> None:
    earlier = [Earlier(run=f"{n}", value=0.9, training=f"{n}") for n in range(10)]
    found = noise_band(0.8, earlier)
    assert isinstance(found, Refusal)
    assert found.reason == "10 earlier trainings all gave the same number"


def test_errors_of_the_same_examples_are_compared_in_pairs() -> None:
    random = np.random.default_rng(2)
    head, baseline = np.abs(random.normal(size=50)), np.abs(random.normal(size=50))
    found = evidence(mean_difference(PAIRED, head, baseline))
    expected = stats.ttest_rel(head, baseline)
    assert found.p == pytest.approx(expected.pvalue)
    assert ends(found.wide) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_what_the_projects_function_gave_for_resamples_is_a_standard_interval() -> None:
    random = np.random.default_rng(4)
    resamples = np.array([0.8, 0.7]) + 0.01 * random.normal(size=(1000, 2))
    found = evidence(replicated(0.8, 0.7, resamples, 100))
    assert found.difference == pytest.approx(0.1)
    assert (found.wide.high - 0.1) / stats.t.ppf(0.975, 99) == pytest.approx(0.01 * 2**0.5, rel=0.08)
    assert isinstance(replicated(0.8, 0.7, resamples[:100], 100), Refusal)
