"""Whether a verdict is quick: two large runs, and what sorting their scores alone would take."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.measure import Row, interleaved, timed
from palmette.authoring.results import Evaluation
from palmette.comparison.functions import known
from palmette.comparison.judgement import Question, judge
from palmette.comparison.pairs import Pair, Unpaired, pair
from palmette.comparison.repeats import Earlier
from palmette.comparison.verdict import Verdict
from palmette.domain.graph import MetricSpec

_FUNCTIONS = (
    *(("accuracy_score", 0), ("roc_auc_score", 0), ("log_loss", 0), ("balanced_accuracy_score", 0)),
    *(("f1_score", 1), ("precision_score", 1), ("recall_score", 1)),
)


def measure(*, quick: bool) -> list[Row]:
    """Two runs with 1,000 metrics and 200,000 predictions each, and twenty with 500 metrics."""
    large, small = _sides(200_000, by_name=True), _sides(19_999, by_name=False)
    questions, few = _questions(pair(*large), 1_000), _questions(pair(*small), 1_000)
    sorting = partial(_sort, large)
    found = interleaved(
        3 if quick else 7,
        {
            "large": lambda: timed(partial(_judge, large, questions)),
            "small": lambda: timed(partial(_judge, small, few)),
            "many": lambda: timed(partial(_judge_many, 20, 500)),
            "sort": lambda: timed(sorting),
        },
    )
    beside = {"against": "sorting both sides' scores and keys", "limit": found["sort"]}
    return [
        _row("judging 2 runs, 1,000 metrics, 200,000 predictions", found["large"], 1.0, "1 s", **beside),
        Row(what="the same with 19,999 predictions, resampled", measured=found["small"]),
        _row("judging 20 runs, 500 metrics each", found["many"], 0.5, "500 ms"),
    ]


def _row(what: str, measured: float, most: float, budget: str, **more: object) -> Row:
    return Row(what=what, measured=measured, budget=budget, met=measured <= most, **more)  # type: ignore[arg-type]


def _judge(sides: tuple[Evaluation, Evaluation], questions: list[Question]) -> Verdict:
    return judge(questions, pair(*sides))


def _judge_many(runs: int, metrics: int) -> list[Verdict]:
    questions = _questions(None, metrics)
    return [judge(questions, None) for _ in range(runs)]


def _sort(sides: tuple[Evaluation, Evaluation]) -> None:
    for side in sides:
        np.sort(side.scores)
        np.sort(side.keys)


def _questions(both: Pair | Unpaired | None, count: int) -> list[Question]:
    """Seven metrics that the examples tell of, and others with twelve earlier runs each."""
    asked = []
    for name, reading in _FUNCTIONS if isinstance(both, Pair) else ():
        values = known(f"sklearn.metrics:{name}")[reading].values(both)
        assert isinstance(values, tuple)
        goal = "min" if name == "log_loss" else "max"
        metric = MetricSpec(name=name, goal=goal, of=f"sklearn.metrics:{name}", tolerance=0.001)
        asked.append(Question(metric=metric, head=values[0], baseline=values[1]))
    random = np.random.default_rng(0)
    values = random.random((count, 14))
    for number in range(len(asked), count):
        metric = MetricSpec(name=f"metric {number}", goal="max", tolerance=0.01)
        row = values[number].tolist()
        earlier = tuple(Earlier(run=f"{n}", value=value, training=f"{n}") for n, value in enumerate(row[2:]))
        asked.append(Question(metric=metric, head=row[0], baseline=row[1], earlier=earlier))
    return asked


def _sides(n: int, *, by_name: bool) -> tuple[Evaluation, Evaluation]:
    """A head and a baseline in another order, with keys as texts or as numbers."""
    random = np.random.default_rng(1)
    labels, common = (random.random(n) < 0.3).astype(int), random.normal(size=n)
    every = np.char.add("patient-", np.arange(2 * n).astype(str)) if by_name else np.arange(2 * n)
    keys, trained = every[:n], every[n:]
    sides = []
    for order in (np.arange(n), random.permutation(n)):
        scores = 1 / (1 + np.exp(-(labels * 2 - 1 + common + 0.5 * random.normal(size=n))))
        predictions = (scores > 0.5).astype(int)
        arrays = {"keys": keys, "labels": labels, "scores": scores, "predictions": predictions}
        sides.append(Evaluation(**{name: array[order] for name, array in arrays.items()}, train_keys=trained))
    return sides[0], sides[1]
