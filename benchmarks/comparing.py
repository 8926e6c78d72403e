"""Whether a verdict is quick: two large runs, and what sorting their scores, or reading them, alone would take."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row, interleaved, timed
from benchmarks.trained import Past, Told
from palmette.authoring.results import Evaluation
from palmette.comparison.functions import known
from palmette.comparison.judgement import Question, judge
from palmette.comparison.pairs import Pair, Unpaired, pair
from palmette.comparison.repeats import Earlier
from palmette.comparison.verdict import Verdict
from palmette.domain.graph import MetricSpec
from palmette.domain.lines import Line, Start
from palmette.operations import evaluations, judging
from palmette.operations.comparing import Compared
from palmette.store import tasks, trainings

_FUNCTIONS = (
    *(("accuracy_score", 0), ("roc_auc_score", 0), ("log_loss", 0), ("balanced_accuracy_score", 0)),
    *(("f1_score", 1), ("precision_score", 1), ("recall_score", 1)),
)


def measure(*, quick: bool) -> list[Row]:
    """Two runs with 1,000 metrics and 200,000 predictions each, and twenty with 500 metrics."""
    large, small = _sides(200_000, by_name=True), _sides(19_999, by_name=False)
    questions, few = _questions(pair(*large), 1_000), _questions(pair(*small), 1_000)
    with tempfile.TemporaryDirectory() as directory:
        past = Past(Path(directory) / ".palmette")
        head, baseline = _trained(past, large, questions)
        others = _logged(past, 20, 500)
        found = interleaved(
            3 if quick else 7,
            {
                "whole": lambda: timed(partial(_whole, past, head)),
                "read": lambda: timed(partial(_read, past, head, baseline)),
                "large": lambda: timed(partial(_judge, large, questions)),
                "small": lambda: timed(partial(_judge, small, few)),
                "many": lambda: timed(partial(_judge_many, past, others)),
                "sort": lambda: timed(partial(_sort, large)),
            },
        )
    sorting = {"against": "sorting both sides' scores and keys", "limit": found["sort"]}
    reading = {"against": "reading both sides' examples", "limit": found["read"]}
    return [
        _row("comparing 2 runs of a store, 1,000 metrics, 200,000 predictions", found["whole"], 1.0, "1 s", **reading),
        _row("judging them, once they are read", found["large"], 1.0, "1 s", **sorting),
        Row(what="the same with 19,999 predictions, resampled", measured=found["small"]),
        _row("comparing 20 runs of a store, 500 metrics each", found["many"], 0.5, "500 ms"),
    ]


def _row(what: str, measured: float, most: float, budget: str, **more: object) -> Row:
    return Row(what=what, measured=measured, budget=budget, met=measured <= most, **more)  # type: ignore[arg-type]


def _judge(sides: tuple[Evaluation, Evaluation], questions: list[Question]) -> Verdict:
    return judge(questions, pair(*sides))


def _trained(past: Past, sides: tuple[Evaluation, Evaluation], questions: list[Question]) -> tuple[str, str]:
    """Two runs of these examples and metrics, after twelve of the target branch."""
    metrics = tuple(question.metric for question in questions)
    random = np.random.default_rng(2)
    for _ in range(12):
        numbers = dict(zip((metric.name for metric in metrics), random.random(len(metrics)).tolist(), strict=True))
        past.add(Told(metrics=metrics, numbers=numbers, commit="a" * 40))
    both = []
    for place, (commit, branch) in enumerate((("b" * 40, "main"), ("c" * 40, "idea"))):
        values = (question.head if place else question.baseline for question in questions)
        numbers = {metric.name: value for metric, value in zip(metrics, values, strict=True) if value is not None}
        told = Told(metrics=metrics, numbers=numbers, evaluation=sides[1 - place], commit=commit, branch=branch)
        both.append(past.add(told))
    return both[1], both[0]


def _logged(past: Past, runs: int, metrics: int) -> list[str]:
    """Runs that logged so many numbers each."""
    random = np.random.default_rng(3)
    names = [f"metric {number}" for number in range(metrics)]
    told = (Told(algorithm="many", numbers=dict(zip(names, random.random(metrics).tolist(), strict=True)))
            for _ in range(runs))  # fmt: skip
    return [past.add(each) for each in told]


def _whole(past: Past, head: str) -> Compared:
    line = Line(target="main", start=Start.MERGE_BASE, commits=("b" * 40, "a" * 40))
    return judging.judged(past.home, head, None, line)


def _read(past: Past, head: str, baseline: str) -> None:
    records = (tasks.of_run(past.home.store, run) for run in (head, baseline))
    evaluations.load_both(past.home, evaluations.matched(*records))


def _judge_many(past: Past, runs: list[str]) -> list[Verdict]:
    """Each beside the first, by what all of them logged."""
    names = [f"metric {number}" for number in range(500)]
    found = trainings.readings(past.home.store, runs, names)
    metrics = [MetricSpec(name=name, goal="max", tolerance=0.01) for name in names]
    first, earlier = found[runs[0]], {name: _earlier(found, name) for name in names}
    return [
        judge(
            [
                Question(
                    metric=metric,
                    head=found[run][metric.name].value,
                    baseline=first[metric.name].value,
                    earlier=earlier[metric.name],
                )
                for metric in metrics
            ],
            None,
        )
        for run in runs
    ]


def _earlier(found: dict[str, dict[str, trainings.Reading]], name: str) -> tuple[Earlier, ...]:
    return tuple(Earlier(run=run, value=said[name].value, training=run) for run, said in found.items())


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
        arrays: dict[str, Any] = {"keys": keys, "labels": labels, "scores": scores, "predictions": predictions}
        sides.append(Evaluation(**{name: array[order] for name, array in arrays.items()}, train_keys=trained))
    return sides[0], sides[1]
