"""The areas under two ROC curves over the same examples."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.comparison.evidence import DELONG, Estimate, Evidence, Refusal, Scope, by_student, identical

Array: TypeAlias = npt.NDArray[Any]


def area(positive: Array, scores: Array) -> float:
    """The probability that a positive example scores above a negative one; ties count half."""
    above, _ = placements(positive, scores)
    return float(above.mean())


def delong(positive: Array, head: Array, baseline: Array) -> Evidence | Refusal:
    """Compare two areas by DeLong's test. Its variance is a sum of two, over positive and negative examples, so the
    difference is judged by Student's distribution with Satterthwaite's freedom, which matters where either are few."""
    if np.array_equal(head, baseline):
        return identical(area(positive, head), len(positive))
    above, below = (
        np.stack(pair) for pair in zip(placements(positive, head), placements(positive, baseline), strict=True)
    )
    areas = above.mean(axis=1)
    difference = float(areas[0] - areas[1])
    if min(above.shape[1], below.shape[1]) < 2:
        return Refusal(method=DELONG, reason="fewer than two examples of a class")
    parts = [float(np.var(each[0] - each[1], ddof=1)) / each.shape[1] for each in (above, below)]
    error = sum(parts) ** 0.5
    if error <= 1e-12:
        if difference == 0.0:
            return identical(float(areas[0]), len(positive))
        return Refusal(method=DELONG, reason="the scores are too simple to tell how much the areas may vary")
    freedom = sum(parts) ** 2 / sum(
        part**2 / (each.shape[1] - 1) for part, each in zip(parts, (above, below), strict=True)
    )
    found = Estimate(head=float(areas[0]), baseline=float(areas[1]), error=error, freedom=freedom)
    return by_student(DELONG, Scope.MODEL, found, len(positive))


def placements(positive: Array, scores: Array) -> tuple[Array, Array]:
    """For each positive example the share of negatives below it, for each negative the share of positives above it:
    from one sorting, in O(n log n) (Sun & Xu 2014)."""
    order = np.argsort(scores)
    ordered, mask = scores[order], np.asarray(positive, dtype=bool)[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(starts, len(ordered)))
    ones = np.add.reduceat(mask.astype(np.int64), starts)
    zeros = sizes - ones
    # Of each score: the negatives below it and half of those that share it, and the same of the positives above.
    below = (np.cumsum(zeros) - zeros / 2.0) / max(1, int(zeros.sum()))
    above = 1.0 - (np.cumsum(ones) - ones / 2.0) / max(1, int(ones.sum()))
    shares = np.empty(len(ordered))
    shares[order] = np.where(mask, np.repeat(below, sizes), np.repeat(above, sizes))
    chosen = np.asarray(positive, dtype=bool)
    return shares[chosen], shares[~chosen]
