"""Whether a leaderboard and a history are there at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Row, interleaved, timed
from benchmarks.trained import Past, Told
from palmette.authoring.results import Evaluation
from palmette.domain.graph import MetricSpec
from palmette.operations.histories import history
from palmette.operations.leaderboards import leaderboard
from palmette.runtime.evaluations import read_evaluation

_RUNS = 20
_METRICS = 500
_EXAMPLES = 2_000
_COMMITS = 1_000
_SPEC = MetricSpec(name="accuracy", goal="max", primary=True, of="sklearn.metrics._classification:accuracy_score")


def measure(*, quick: bool) -> list[Row]:
    """Twenty runs with 500 metrics and their predictions; a metric over a thousand commits."""
    commits = _COMMITS // 4 if quick else _COMMITS
    with TemporaryDirectory() as place:
        board, line = Past(Path(place) / "board"), Past(Path(place) / "line")
        _tried(board)
        _trained(line, commits)
        files = [*(board.home.directory / "blobs").rglob("*")]
        evaluations = [path for path in files if path.is_file() and path.read_bytes()[:2] == b"PK"]
        found = interleaved(
            3 if quick else 7,
            {
                "board": lambda: timed(partial(leaderboard, board.home, "tumour")),
                "reading": lambda: timed(lambda: [read_evaluation(path) for path in evaluations]),
                "line": lambda: timed(partial(history, line.home, "tumour", last=commits)),
            },
        )
    return [
        Row(
            what=f"leaderboard of {_RUNS} runs, {_METRICS} metrics, {_EXAMPLES:,} predictions each",
            measured=found["board"],
            budget="500 ms",
            met=found["board"] <= 0.5,
            against="reading their evaluations",
            limit=found["reading"],
        ),
        Row(what=f"history over {commits:,} commits, change points included", measured=found["line"]),
    ]


def _tried(past: Past) -> None:
    rng = np.random.default_rng(1)
    labels, keys = rng.integers(0, 2, _EXAMPLES), np.arange(_EXAMPLES)
    for _ in range(_RUNS):
        answers = np.where(rng.random(_EXAMPLES) < 0.9, labels, 1 - labels)
        numbers = {f"metric_{number}": float(number) for number in range(_METRICS - 1)}
        numbers["accuracy"] = float(np.mean(answers == labels))
        evaluation = Evaluation(metrics=numbers, labels=labels, predictions=answers, keys=keys, train_keys=-keys - 1)
        past.add(Told(metrics=(_SPEC,), numbers=numbers, evaluation=evaluation, config={"C": 1.0}))


def _trained(past: Past, commits: int) -> None:
    rng = np.random.default_rng(2)
    for number in range(commits):
        value = float(rng.normal(0.9 + 0.02 * (number > commits // 2), 0.005))
        past.add(Told(metrics=(_SPEC,), numbers={"accuracy": value}, config={"C": 1.0}, commit=f"{number:040x}"))
