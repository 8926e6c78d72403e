"""Metrics that are a smooth function of means over the examples: F1, balanced accuracy, R², RMSE …

The difference of two such metrics is judged by how much each example weighs in it (its influence): by a paired
bootstrap that is studentised with it, or with many examples directly (the delta method).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.comparison.distributions import student_quantile
from palmette.comparison.evidence import (
    BOOTSTRAP,
    DELTA,
    NARROW,
    REPLICATES,
    WIDE,
    Estimate,
    Evidence,
    Interval,
    Method,
    Refusal,
    Scope,
    by_student,
)

Array: TypeAlias = npt.NDArray[Any]

#: from so many examples on nothing is resampled
MANY: Final = 20_000
#: below so many examples a resampling says too little of its tails
FEW: Final = 20
RESAMPLES: Final = 1_999
#: every comparison draws the same, so that it gives the same answer twice
SEED: Final = 20_081_128
#: numbers that are held at once while resampling
_CHUNK: Final = 1 << 21
#: examples for each row from which on it is quicker to draw how often each row occurs than to draw examples
_ALIKE: Final = 16


class Shape(Protocol):
    """How the metric follows from the means of some features; for many sets of means at once, features last."""

    def value(self, means: Array) -> Array:
        """Head minus baseline, for each set of means."""
        ...

    def gradient(self, means: Array) -> Array:
        """By each of the means."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What there is of each example. Examples that are alike are one row that counts for several."""

    #: rows × features
    features: Array
    #: how many examples each row stands for
    counts: Array

    @property
    def n(self) -> int:
        """How many examples there are."""
        return int(self.counts.sum())


def compared(sample: Sample, shape: Shape, head: float, baseline: float) -> Evidence | Refusal:
    """Judge head minus baseline by the examples."""
    method = BOOTSTRAP if sample.n < MANY else DELTA
    difference, error = (float(each[0]) for each in _estimated(sample, shape, sample.counts[None, :].astype(float)))
    if sample.n < FEW:
        return Refusal(method=method, reason=f"only {sample.n} examples")
    if not isfinite(difference) or not error > 1e-12 * max(1.0, abs(head), abs(baseline)):
        return Refusal(method=method, reason="the two differ too little to tell how much the difference may vary")
    rough = _by_student(method, (head, baseline), error, sample.n)
    if sample.n >= MANY:
        return rough
    distances = np.sort(_distances(sample, shape, difference))
    # Where few examples differ, the resamples say less than Student's distribution, which is then the safer one.
    reach = {level: max(_quantile(distances, level), _student(level, sample.n)) * error for level in (NARROW, WIDE)}
    if reach[WIDE] == inf:
        return Refusal(method=method, reason="the two differ on too few examples to tell more")
    further = len(distances) - int(np.searchsorted(distances, abs(difference) / error * (1.0 - 1e-12)))
    return replace(
        rough,
        narrow=Interval(low=difference - reach[NARROW], high=difference + reach[NARROW]),
        wide=Interval(low=difference - reach[WIDE], high=difference + reach[WIDE]),
        p=max(rough.p, (further + 1) / (len(distances) + 1)),
    )


def replicated(head: float, baseline: float, replicates: Array, n: int) -> Evidence | Refusal:
    """Judge a metric that only the project's own code can compute, by what that gave for `replicates` (resamples × head
    and baseline) of the same `n` examples."""
    kept = replicates[np.isfinite(replicates).all(axis=1)]
    if n < FEW:
        return Refusal(method=REPLICATES, reason=f"only {n} examples")
    if len(kept) < 200 or len(kept) < 0.95 * len(replicates):
        return Refusal(method=REPLICATES, reason=f"only {len(kept):,} resamples have a value")
    error = float(np.std(kept[:, 0] - kept[:, 1], ddof=1)) * (n / (n - 1.0)) ** 0.5
    if error <= 1e-12 * max(1.0, abs(head), abs(baseline)):
        return Refusal(method=REPLICATES, reason="the two differ too little to tell how much the difference may vary")
    return _by_student(REPLICATES, (head, baseline), error, n)


def mean_difference(method: Method, head: Array, baseline: Array) -> Evidence | Refusal:
    """Judge the difference of two means over the same examples, such as of their errors."""
    differences = head - baseline
    n, values = len(differences), (float(head.mean()), float(baseline.mean()))
    if n < 2:
        return Refusal(method=method, reason="only one example")
    error = float(np.std(differences, ddof=1)) / n**0.5
    if error <= 1e-14 * max(abs(values[0]), abs(values[1])):
        return Refusal(method=method, reason="every example moved by the same amount, so the spread is unknown")
    return _by_student(method, values, error, n)


def draws(sample: Sample, resamples: int, seed: int = SEED) -> Iterator[Array]:
    """How often each row is drawn in each resample, some resamples at a time."""
    random, n, rows = np.random.default_rng(seed), sample.n, len(sample.counts)
    alike = n > _ALIKE * rows
    at_once = max(1, _CHUNK // (rows if alike else n))
    row = np.repeat(np.arange(rows, dtype=np.int32), sample.counts)
    for begun in range(0, resamples, at_once):
        size = min(at_once, resamples - begun)
        if alike:
            yield random.multinomial(n, sample.counts / n, size=size).astype(float)
        else:
            drawn = row[random.integers(0, n, size=(size, n), dtype=np.int32)]
            drawn += np.arange(size, dtype=np.int32)[:, None] * np.int32(rows)
            yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(float)


def _distances(sample: Sample, shape: Shape, difference: float) -> Array:
    """How many of its own standard errors each resample lies from the difference."""
    found = []
    for counts in draws(sample, RESAMPLES):
        values, errors = _estimated(sample, shape, counts)
        away = np.abs(values - difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = away / errors
        distance[np.isnan(distance)] = inf
        distance[away <= 1e-15] = 0.0
        found.append(distance)
    return np.concatenate(found)


def _estimated(sample: Sample, shape: Shape, counts: Array) -> tuple[Array, Array]:
    """The difference in each resample, and its standard error by the examples' influence."""
    n = float(sample.n)
    means = counts @ sample.features / n
    influence = shape.gradient(means) @ sample.features.T
    centre = np.einsum("ij,ij->i", counts, influence) / n
    squares = np.einsum("ij,ij,ij->i", counts, influence, influence)
    variance = np.maximum(0.0, squares - n * centre**2) / (n * (n - 1.0))
    # What rounding leaves of a variance is none.
    variance[variance <= 1e-13 * squares / n**2] = 0.0
    return shape.value(means), np.sqrt(variance)


def _by_student(method: Method, values: tuple[float, float], error: float, n: int) -> Evidence:
    found = Estimate(head=values[0], baseline=values[1], error=error, freedom=n - 1.0)
    return by_student(method, Scope.MODEL, found, n)


def _student(level: float, n: int) -> float:
    return student_quantile(0.5 + level / 2.0, n - 1.0)


def _quantile(ordered: Array, level: float) -> float:
    place = int(np.ceil((len(ordered) + 1) * level)) - 1
    return float(ordered[min(place, len(ordered) - 1)])
