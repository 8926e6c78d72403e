"""Curves of two runs, thin enough to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.authoring.results import Evaluation
from palmette.comparison.numbers import Curve, Curves
from palmette.comparison.pairs import Pair, encoded
from palmette.comparison.sides import union
from palmette.domain.metric import MetricPoint

Array: TypeAlias = npt.NDArray[Any]
#: the x and the y of each point
Points: TypeAlias = "tuple[Array, Array]"

MOST_POINTS: Final = 200
_ROC: Final = ("false positive rate", "true positive rate")
_PRECISION: Final = ("recall", "precision")


def logged(
    head: Mapping[str, Sequence[MetricPoint]], baseline: Mapping[str, Sequence[MetricPoint]]
) -> tuple[Curves, ...]:
    """What was logged step by step, as far as it differs."""
    found = (
        beside(name, ("step", name), *(_steps(side[name]) if name in side else None for side in (head, baseline)))
        for name in union(head, baseline)
    )
    return tuple(each for each in found if each is not None)


def given(head: Evaluation | None, baseline: Evaluation | None) -> tuple[Curves, ...]:
    """The curves that the evaluations hold, as far as they differ."""
    sides = [each.curves if each else {} for each in (head, baseline)]
    found = (
        beside(name, ("x", name), *(_numbers(side[name]) if name in side else None for side in sides))
        for name in union(*sides)
    )
    return tuple(each for each in found if each is not None)


def ranked(pair: Pair) -> tuple[Curves | None, Curves | None]:
    """ROC, and precision over recall, of the examples that are compared; None without scores of two classes."""
    positive = None if pair.labels is None else _positive(pair.labels)
    if positive is None or pair.scores is None:
        return None, None
    head, baseline = map(_column, pair.scores)
    if head is None or baseline is None or np.array_equal(head, baseline):
        return None, None
    sides = [_counted(positive, head), _counted(positive, baseline)]
    return (
        Curves(name="ROC", x=_ROC[0], y=_ROC[1], head=_roc(*sides[0]), baseline=_roc(*sides[1])),
        Curves(name="precision and recall", x=_PRECISION[0], y=_PRECISION[1],
               head=_precision(*sides[0]), baseline=_precision(*sides[1])),
    )  # fmt: skip


def apart(head: Evaluation | None, baseline: Evaluation | None) -> tuple[Curves | None, Curves | None]:
    """The same of evaluations whose examples differ, each on its own; else the ROC that they hold."""
    sides = [None if each is None else _own(each) for each in (head, baseline)]
    name = "ROC (each on its own examples)" if all(sides) else "ROC"
    rocs = [_roc(*side) if side else _held(each) for side, each in zip(sides, (head, baseline), strict=True)]
    lines = [_precision(*side) if side else None for side in sides]
    return _unless_same(name, _ROC, rocs), _unless_same(name.replace("ROC", "precision and recall"), _PRECISION, lines)


def beside(name: str, axes: tuple[str, str], head: Points | None, baseline: Points | None) -> Curves | None:
    """A curve of both; None where it is the same, or there is nothing to be drawn."""
    if head is not None and baseline is not None and all(map(np.array_equal, head, baseline)):
        return None
    return _unless_same(name, axes, [None if side is None else thinned(*side) for side in (head, baseline)])


def thinned(xs: Array, ys: Array, most: int = MOST_POINTS) -> Curve:
    """At most so many of the points, the first and the last, and the lowest and the highest of each stretch."""
    if len(xs) > most:
        kept = _extremes(ys, np.linspace(0, len(ys), most // 2).astype(np.intp))
        xs, ys = xs[kept], ys[kept]
    return _curve(xs, ys)


def _extremes(ys: Array, edges: Array) -> Array:
    """The places of the lowest and the highest between each two edges, and both ends; in order."""
    kept = {0, len(ys) - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if end > start:
            part = ys[start:end]
            kept |= {start + int(part.argmin()), start + int(part.argmax())}
    return np.array(sorted(kept))


def _curve(xs: Array, ys: Array) -> Curve:
    return Curve(xs=tuple(xs.tolist()), ys=tuple(ys.tolist()))


def _unless_same(name: str, axes: tuple[str, str], sides: Sequence[Curve | None]) -> Curves | None:
    head, baseline = (side if side and side.xs else None for side in sides)
    return None if head == baseline else Curves(name=name, x=axes[0], y=axes[1], head=head, baseline=baseline)


def _steps(points: Sequence[MetricPoint]) -> Points | None:
    """By the steps, which need not come in order; by their number where one has no step."""
    values = np.array([point.value for point in points], dtype=float)
    steps = [point.step for point in points if point.step is not None]
    if len(steps) < len(points):
        return _finite(np.arange(len(points), dtype=float), values)
    order = np.argsort(steps, kind="stable")
    return _finite(np.array(steps, dtype=float)[order], values[order])


def _numbers(given: tuple[Any, Any]) -> Points | None:
    xs, ys = (np.asarray(each) for each in given)
    plain = all(each.ndim == 1 and each.dtype.kind in "iufb" for each in (xs, ys)) and len(xs) == len(ys)
    return _finite(xs.astype(float), ys.astype(float)) if plain else None


def _finite(xs: Array, ys: Array) -> Points:
    """Where a training diverged the curve ends: what is no number cannot be drawn."""
    drawn = np.isfinite(xs) & np.isfinite(ys)
    return xs[drawn], ys[drawn]


# Two classes


def _positive(labels: Array) -> Array | None:
    if labels.ndim != 1:
        return None
    (codes,), classes = encoded(labels)
    return codes == 1 if len(classes) == 2 else None


def _column(scores: Array) -> Array | None:
    if scores.dtype.kind not in "fiub" or not np.isfinite(scores).all():
        return None
    if scores.ndim == 2 and scores.shape[1] == 2:
        return scores[:, 1]
    return scores if scores.ndim == 1 else None


def _own(side: Evaluation) -> tuple[Array, Array] | None:
    if side.labels is None or side.scores is None:
        return None
    positive, column = _positive(np.asarray(side.labels)), _column(np.asarray(side.scores))
    return None if positive is None or column is None else _counted(positive, column)


def _counted(positive: Array, scores: Array) -> tuple[Array, Array]:
    """How many negatives and positives score at or above each score that there is, from the highest down."""
    order = np.argsort(scores)[::-1]
    ordered, hits = scores[order], np.cumsum(positive[order])
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    return last + 1 - hits[last], hits[last]


def _roc(negatives: Array, positives: Array) -> Curve:
    """Points at equal distances along the curve, so that none of its corners is far from one."""
    xs = np.concatenate(([0.0], negatives / max(1, int(negatives[-1]))))
    ys = np.concatenate(([0.0], positives / max(1, int(positives[-1]))))
    # A line that goes on as it came needs no point there.
    turns = np.ones(len(xs), dtype=bool)
    turns[1:-1] = ~((xs[:-2] == xs[2:]) | (ys[:-2] == ys[2:]))
    xs, ys = xs[turns], ys[turns]
    if len(xs) > MOST_POINTS:
        along = xs + ys
        kept = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], MOST_POINTS)))
        xs, ys = xs[kept], ys[kept]
    return _curve(xs, ys)


def _precision(negatives: Array, positives: Array) -> Curve:
    xs = np.concatenate(([0.0], positives / max(1, int(positives[-1]))))
    ys = np.concatenate(([1.0], positives / (positives + negatives)))
    if len(xs) > MOST_POINTS:
        kept = _extremes(ys, np.searchsorted(xs, np.linspace(0.0, 1.0, MOST_POINTS // 2)))
        xs, ys = xs[kept], ys[kept]
    return _curve(xs, ys)


def _held(side: Evaluation | None) -> Curve | None:
    if side is None or side.roc is None:
        return None
    points = _numbers((side.roc[0], side.roc[1]))
    return None if points is None else thinned(*points)
