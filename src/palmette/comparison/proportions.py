"""Right and wrong answers of two models to the same examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from palmette.comparison.distributions import binomial_at, binomial_below, normal_quantile
from palmette.comparison.evidence import MCNEMAR, NARROW, WIDE, Evidence, Interval, Scope, identical


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How many examples which side got right."""

    both: int
    head: int
    baseline: int
    neither: int

    @property
    def total(self) -> int:
        """All examples."""
        return self.both + self.head + self.baseline + self.neither


def mcnemar(answers: Answers, *, same: bool = False) -> Evidence:
    """Compare two accuracies; `same` says that the answers themselves are equal, right or wrong."""
    total = answers.total
    head, baseline = (answers.both + answers.head) / total, (answers.both + answers.baseline) / total
    if same:
        return identical(head, total)
    return Evidence(
        method=MCNEMAR,
        scope=Scope.MODEL,
        head=head,
        baseline=baseline,
        difference=(answers.head - answers.baseline) / total,
        narrow=newcombe(answers, NARROW),
        wide=newcombe(answers, WIDE),
        p=mid_p(answers.head, answers.baseline),
        n=total,
    )


def mid_p(head: int, baseline: int) -> float:
    """McNemar's exact test, mid-p: how likely examples on which the two differ would be shared out so unevenly."""
    if head == baseline:
        return 1.0
    fewer, differing = min(head, baseline), head + baseline
    return 2.0 * binomial_below(fewer, differing, 0.5) - binomial_at(fewer, differing, 0.5)


def newcombe(answers: Answers, level: float) -> Interval:
    """The interval of the difference of two paired proportions: Newcombe 1998, method 10 (square and add of Wilson's
    intervals, with the continuity correction of their correlation)."""
    total = answers.total
    right = (answers.both + answers.head, answers.both + answers.baseline)
    head, baseline = (count / total for count in right)
    (low, high), (least, most) = (_wilson(count, total, level) for count in right)
    correlation = _correlation(answers)

    def distance(one: float, other: float) -> float:
        return sqrt(max(0.0, one**2 - 2.0 * correlation * one * other + other**2))

    difference = (answers.head - answers.baseline) / total
    return Interval(
        low=difference - distance(head - low, most - baseline),
        high=difference + distance(high - head, baseline - least),
    )


def _wilson(count: int, total: int, level: float) -> Iterator[float]:
    z, share = normal_quantile(0.5 + level / 2.0), count / total
    middle = (count + z * z / 2.0) / (total + z * z)
    reach = z * sqrt(share * (1.0 - share) * total + z * z / 4.0) / (total + z * z)
    return iter((max(0.0, middle - reach), min(1.0, middle + reach)))


def _correlation(answers: Answers) -> float:
    both, head, baseline, neither = answers.both, answers.head, answers.baseline, answers.neither
    margins = (both + head) * (baseline + neither) * (both + baseline) * (head + neither)
    if not margins:
        return 0.0
    product = float(both * neither - head * baseline)
    if product > 0.0:
        product = max(0.0, product - answers.total / 2.0)
    return product / sqrt(margins)
