"""Worlds from which comparisons are drawn: what the truth is, is known here.

A world gives what is known of two runs. With an `effect` of zero both are equally good; otherwise the head is worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.authoring.results import Evaluation
from palmette.comparison.functions import known
from palmette.comparison.judgement import Question, Replicates
from palmette.comparison.pairs import Pair, pair
from palmette.comparison.repeats import Earlier
from palmette.comparison.smooth import RESAMPLES, Sample, draws
from palmette.domain.graph import MetricSpec

Array: TypeAlias = npt.NDArray[Any]
Random: TypeAlias = np.random.Generator
Known: TypeAlias = "tuple[list[Question], Pair | None]"


@dataclass(frozen=True, kw_only=True)
class World:
    """Where comparisons come from."""

    name: str
    method: str
    scope: str
    draw: Callable[[Random, float], Known]
    #: how much worse the head is where it is
    effect: float
    #: the most that may be called better or worse though nothing differs
    allowed: float = 0.05


def worlds() -> Iterator[World]:
    """One for each method, in sizes at which it could go wrong."""
    for n in (60, 143, 1_000):
        yield _examples(f"accuracy, {n} examples", "McNemar", "accuracy_score", lambda r, e, n=n: _two(r, e, n), 0.6)
        yield _examples(f"AUC, {n} examples", "DeLong", "roc_auc_score", lambda r, e, n=n: _two(r, e, n), 0.6)
    yield _examples("AUC near 1, 143 examples", "DeLong", "roc_auc_score", lambda r, e: _two(r, e, 143, 3.0, 0.4), 1.0)
    yield _examples("log loss, 143 examples", "paired t", "log_loss", lambda r, e: _two(r, e, 143), 0.6, "min")
    yield _examples("F1, 143 examples", "paired bootstrap", "f1_score", lambda r, e: _two(r, e, 143), 0.6)
    yield _examples("macro F1, 6 classes", "paired bootstrap", "f1_score", lambda r, e: _six(r, e, 300), 0.1)
    yield _examples("macro F1 by the project's own", "paired bootstrap", "", lambda r, e: _six(r, e, 300), 0.1)
    yield _examples(
        "MAE, heavy tails", "paired t", "mean_absolute_error", lambda r, e: _curve(r, e, 143, 3), 0.4, "min"
    )
    yield _examples("RMSE", "paired bootstrap", "root_mean_squared_error", lambda r, e: _curve(r, e, 143), 0.4, "min")
    yield _examples("R²", "paired bootstrap", "r2_score", lambda r, e: _curve(r, e, 143), 0.4)
    yield World(name="primary and three guards", method="run", scope="model", draw=_several, effect=0.6, allowed=0.075)
    for name, sizes, paired in (
        ("3 seeds a side, the same", (3, 3), True),
        ("5 seeds a side, the same", (5, 5), True),
        ("3 and 3 other seeds", (3, 3), False),
        ("3 and 10 other seeds", (3, 10), False),
    ):
        method = "paired t" if paired else "Welch's t"
        yield World(
            name=name,
            method=method,
            scope="change",
            draw=lambda r, e, sizes=sizes, paired=paired: _seeds(r, e, sizes, paired),
            effect=0.45,
        )
    for count in (4, 12):
        yield World(
            name=f"{count} earlier runs",
            method="noise band",
            scope="change",
            draw=lambda r, e, count=count: _band(r, e, count),
            effect=0.45,
        )


def _examples(  # noqa: PLR0917  (a row of the table above)
    name: str, method: str, function: str, draw: Callable[..., list[Evaluation]], effect: float, goal: str = "max"
) -> World:
    def drawn(random: Random, size: float) -> Known:
        both = pair(*draw(random, size))
        assert isinstance(both, Pair)
        return [_question(both, function, goal)], both

    return World(name=name, method=method, scope="model", draw=drawn, effect=effect)


def _question(both: Pair, function: str, goal: str = "max", *, primary: bool = True) -> Question:
    reading = known(f"sklearn.metrics:{function or 'f1_score'}")
    which = reading[1] if len(reading) > 1 and not set(np.unique(both.labels)) <= {0, 1} else reading[0]
    head, baseline = which.values(both)
    of = f"sklearn.metrics:{function}" if function else "project:macro"
    metric = MetricSpec(name=function or "macro", goal=goal, primary=primary, of=of)
    replicates = None if function else Replicates(head=head, baseline=baseline, resampled=_resampled(both))
    return Question(metric=metric, head=head, baseline=baseline, replicates=replicates)


def _resampled(both: Pair) -> Array:
    """What the project's own function would give for resamples of the predictions."""
    sample, shape = known("sklearn.metrics:f1_score")[1]._sample(both)
    some = Sample(features=sample.features, counts=sample.counts)
    found = [np.stack(shape.sides(counts @ some.features / some.n), axis=1) for counts in draws(some, RESAMPLES // 4)]
    return np.concatenate(found)


def _two(random: Random, effect: float, n: int, apart: float = 1.5, share: float = 0.3) -> list[Evaluation]:
    """Two classes, and two models that err on much the same examples."""
    labels = (random.random(n) < share).astype(int)
    labels[:4] = 0, 1, 0, 1
    common, sides = random.normal(size=n), []
    for signal in (apart - effect, apart):
        seen = labels * signal + 0.8 * common + 0.6 * random.normal(size=n)
        odds = seen * apart - apart**2 / 2 + np.log(share / (1 - share))
        scores = 1 / (1 + np.exp(-odds))
        sides.append(_evaluation(labels, (scores > 0.5).astype(int), scores))
    return sides


def _six(random: Random, effect: float, n: int) -> list[Evaluation]:
    labels = random.choice(6, size=n, p=np.arange(1, 7) / 21)
    common, sides = random.random(n), []
    for right in (0.8 - effect, 0.8):
        known_one = np.where(random.random(n) < 0.6, common, random.random(n)) < right
        sides.append(_evaluation(labels, np.where(known_one, labels, random.integers(0, 6, size=n))))
    return sides


def _curve(random: Random, effect: float, n: int, tails: int = 6) -> list[Evaluation]:
    """Numbers, and two models with errors of Student's distribution."""
    labels = 2 * random.normal(size=n)
    common = random.standard_t(tails, size=n)
    return [
        _evaluation(labels, labels + (0.7 * common + 0.5 * random.normal(size=n)) * (1 + size)) for size in (effect, 0)
    ]


def _several(random: Random, effect: float) -> Known:
    both = pair(*_two(random, effect, 143))
    assert isinstance(both, Pair)
    others = (("accuracy_score", "max"), ("log_loss", "min"), ("precision_score", "max"))
    return [
        _question(both, "roc_auc_score"),
        *(_question(both, name, goal, primary=False) for name, goal in others),
    ], both


class _Laboratory:
    """Real trainings, small ones: ridge regression on random features, of which the seed decides; always the same data.
    What is measured is the accuracy on 200 examples, so that values repeat."""

    def __init__(self, random: Random) -> None:
        truth = random.normal(size=8)
        self._inputs, self._test = random.normal(size=(80, 8)), random.normal(size=(200, 8))
        self._targets, self._labels = (
            np.sign(np.sin(data @ truth) + 0.3 * random.normal(size=len(data))) for data in (self._inputs, self._test)
        )

    def train(self, seed: Random, harm: float) -> float:
        """The accuracy of one more training; `harm` is the share of training labels that are turned over."""
        weights, phase = seed.normal(size=(8, 24)), seed.random(24) * 6.28
        features, test = (np.cos(data @ weights / 3 + phase) for data in (self._inputs, self._test))
        targets = np.where(seed.random(80) < harm, -self._targets, self._targets)
        found = np.linalg.solve(features.T @ features + np.eye(24), features.T @ targets)
        return float((np.sign(test @ found) == self._labels).mean())


_LABORATORY = _Laboratory(np.random.default_rng(5))


def _seeds(random: Random, effect: float, sizes: tuple[int, int], paired: bool) -> Known:
    head = {f"{number}": _LABORATORY.train(random, effect) for number in range(sizes[0])}
    other = {f"{number if paired else number + 100}": _LABORATORY.train(random, 0) for number in range(sizes[1])}
    metric, first = MetricSpec(name="accuracy", goal="max", primary=True), "0" if paired else "100"
    return [Question(metric=metric, head=head["0"], baseline=other[first], head_seeds=head, baseline_seeds=other)], None


def _band(random: Random, effect: float, count: int) -> Known:
    earlier = tuple(
        Earlier(run=f"{number}", value=_LABORATORY.train(random, 0), training=f"{number}") for number in range(count)
    )
    metric = MetricSpec(name="accuracy", goal="max", primary=True)
    head = _LABORATORY.train(random, effect)
    return [Question(metric=metric, head=head, baseline=earlier[0].value, earlier=earlier)], None


def _evaluation(labels: Array, predictions: Array, scores: Array | None = None) -> Evaluation:
    return Evaluation(keys=np.arange(len(labels)), labels=labels, predictions=predictions, scores=scores)
