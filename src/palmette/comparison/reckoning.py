"""From the examples and curves of two runs to the numbers that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Final

from palmette.authoring.results import Evaluation
from palmette.comparison import curves
from palmette.comparison.examples import Flips, counts_moved, flipped, sliced
from palmette.comparison.numbers import Numbers
from palmette.comparison.pairs import Pair, Unpaired
from palmette.domain.graph import MetricSpec
from palmette.domain.metric import MetricPoint

#: curves that are compared, and metrics that are computed for each group
MOST_CURVES: Final = 24
MOST_METRICS: Final = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """What one run says beyond its metrics."""

    evaluation: Evaluation | None = None
    #: the evaluation, or something that it was made from, is: nothing of its examples is quoted
    sensitive: bool = False
    #: name → what was logged step by step
    curves: Mapping[str, Sequence[MetricPoint]] = field(default_factory=dict)
    #: last value of each metric
    metrics: Mapping[str, float] = field(default_factory=dict)


def numbers(
    head: Told,
    baseline: Told,
    pair: Pair | Unpaired | None,
    *,
    metrics: Sequence[MetricSpec] = (),
    salt: str = "",
    unread: int = 0,
) -> Numbers:
    """What differs. The pair may be of a baseline that was rescored, which then stands for what the baseline told.
    Keys are hashed with the salt; without one no example is listed. `unread`: curves that differ and are not told."""
    private = head.sensitive or baseline.sensitive
    both = pair if isinstance(pair, Pair) else None
    roc, precision = curves.ranked(both) if both else (None, None)
    if roc is None and (both is None or both.scores is None):
        roc, precision = curves.apart(head.evaluation, baseline.evaluation)
    shown = curves.logged(head.curves, baseline.curves)
    if not private:
        shown += curves.given(head.evaluation, baseline.evaluation)
    computed = sorted((metric for metric in metrics if metric.of), key=lambda metric: not metric.primary)[:MOST_METRICS]
    open_pair = None if private else both
    slices = sliced(open_pair, computed, head.metrics) if open_pair else ()
    flips = _flips(open_pair, salt)
    hidden = unread + max(0, len(shown) - MOST_CURVES)
    return Numbers(
        slices=tuple(each for each in slices if each.head != each.baseline and isfinite(each.head + each.baseline)),
        curves=shown[:MOST_CURVES],
        roc=roc,
        precision_recall=precision,
        confusion=(counts_moved(open_pair) or ()) if open_pair else (),
        flips=flips,
        remarks=tuple(
            _remarks(private=private and both is not None, unnamed=flips is not None and not salt, hidden=hidden)
        ),
    )


def _flips(pair: Pair | None, salt: str) -> Flips | None:
    found = flipped(pair, salt, *(() if salt else (0,))) if pair else None
    return found if found and found.total else None


def _remarks(*, private: bool, unnamed: bool, hidden: int) -> Iterator[str]:
    if private:
        yield "groups, the confusion matrix and single examples are not shown, since they are sensitive"
    if unnamed:
        yield "single examples are not listed, as no secret can be kept here to hash their keys with"
    if hidden:
        yield f"{hidden:,} more {'curve differs and is' if hidden == 1 else 'curves differ and are'} not shown"
