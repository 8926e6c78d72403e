"""Trainings that were repeated: several seeds on each side, or the earlier runs of the default branch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from statistics import fmean
from typing import Final

from palmette.comparison.evidence import (
    BAND,
    SEEDS,
    SEEDS_PAIRED,
    Estimate,
    Evidence,
    Interval,
    Method,
    Refusal,
    Scope,
    by_student,
)

#: seeds a side, and earlier runs, below which nothing is said
FEWEST_SEEDS: Final = 3
FEWEST_RUNS: Final = 4
#: how many of the newest earlier runs count
BAND_LENGTH: Final = 64


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A run of the default branch with the baseline's config and data."""

    run: str
    value: float
    #: what stands for the training itself, such as "RUN/TASK" that made the model: a model that was reused is one model
    training: str


def over_seeds(head: Mapping[str, float], baseline: Mapping[str, float]) -> Evidence | Refusal | None:
    """Compare trainings that were repeated with other seeds, seed by seed where they agree; None below three a side."""
    head, baseline = _finite(head), _finite(baseline)
    if min(len(head), len(baseline)) < FEWEST_SEEDS:
        return None
    common = [seed for seed in head if seed in baseline]
    if len(common) >= FEWEST_SEEDS:
        return _paired([head[seed] for seed in common], [baseline[seed] for seed in common])
    return _welch([*head.values()], [*baseline.values()])


def noise_band(head: float, earlier: Iterable[Earlier]) -> Evidence | Refusal:
    """Compare a number with those of earlier runs, the newest first: where would one more of them lie?"""
    trainings = {each.training: each.value for each in [*earlier][:BAND_LENGTH][::-1] if isfinite(each.value)}
    values = [*trainings.values()]
    if len(values) < FEWEST_RUNS:
        return Refusal(method=BAND, reason=f"{_count(len(values), 'earlier training')} with the same config and data")
    if len(set(values)) == 1:
        return Refusal(method=BAND, reason=f"{len(values)} earlier trainings all gave the same number")
    mean, freedom = fmean(values), len(values) - 1.0
    # In floats, in two passes: exact fractions, as `statistics` has them, take most of the time of many metrics.
    spread = sqrt(fsum((value - mean) ** 2 for value in values) / freedom * (1.0 + 1.0 / len(values)))
    found = Estimate(head=head, baseline=mean, error=spread, freedom=freedom)
    return by_student(BAND, Scope.CHANGE, found, len(values))


def _paired(head: Sequence[float], baseline: Sequence[float]) -> Evidence | Refusal:
    differences = [after - before for after, before in zip(head, baseline, strict=True)]
    spread = variance(differences)
    if not _spreads(spread, [*head, *baseline]):
        return _without_spread(SEEDS_PAIRED, differences[0], head, baseline)
    n = len(differences)
    found = Estimate(head=fmean(head), baseline=fmean(baseline), error=sqrt(spread / n), freedom=n - 1.0)
    return by_student(SEEDS_PAIRED, Scope.CHANGE, found, n)


def _welch(head: Sequence[float], baseline: Sequence[float]) -> Evidence | Refusal:
    parts = [variance(values) / len(values) for values in (head, baseline)]
    if not _spreads(sum(parts), [*head, *baseline]):
        return _without_spread(SEEDS, fmean(head) - fmean(baseline), head, baseline)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (head, baseline), strict=True)
    )
    if len(head) != len(baseline):
        # With three seeds beside ten, Welch's freedom finds a difference in 6.4 % of null comparisons.
        freedom = min(len(head), len(baseline)) - 1.0
    found = Estimate(head=fmean(head), baseline=fmean(baseline), error=sqrt(sum(parts)), freedom=freedom)
    return by_student(SEEDS, Scope.CHANGE, found, len(head), len(baseline))


def _without_spread(
    method: Method, difference: float, head: Sequence[float], baseline: Sequence[float]
) -> Evidence | Refusal:
    """Numbers that do not vary estimate no error; equal ones on both sides are no difference all the same."""
    if difference == 0.0:
        nothing = Interval(low=0.0, high=0.0)
        return Evidence(
            method=method,
            scope=Scope.CHANGE,
            head=fmean(head),
            baseline=fmean(baseline),
            difference=0.0,
            narrow=nothing,
            wide=nothing,
            p=1.0,
            n=len(head),
            identical=True,
        )
    return Refusal(method=method, reason="every seed moved by the same amount, so their spread is unknown")


def variance(values: Sequence[float]) -> float:
    """Of a sample; that of `statistics` counts in fractions, which takes fifty times as long."""
    mean = fmean(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _spreads(found: float, values: Iterable[float]) -> bool:
    """Whether a variance is more than what rounding leaves."""
    return sqrt(found) > 1e-12 * max(map(abs, values))


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {seed: value for seed, value in values.items() if isfinite(value)}


def _count(number: int, noun: str) -> str:
    return f"only {number} {noun}{'' if number == 1 else 's'}" if number else f"no {noun}s"
