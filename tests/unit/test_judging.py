"""From the store to a verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.trained import Past, Told
from sqlalchemy import insert

from palmette.authoring.results import Evaluation
from palmette.comparison.baseline import Rule
from palmette.comparison.evidence import Scope
from palmette.comparison.verdict import GateOutcome, Outcome, Verdict
from palmette.comparison.wording import headline
from palmette.domain.graph import MetricSpec
from palmette.domain.lines import Line, Start
from palmette.domain.states import RunState
from palmette.operations import evaluations, judging
from palmette.store import tasks
from palmette.store.schema import extras

ACCURACY = MetricSpec(name="accuracy", goal="max", primary=True, tolerance=0.01, of="sklearn.metrics:accuracy_score")
LINE = Line(target="main", start=Start.MERGE_BASE, commits=("b" * 40, "a" * 40))


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path / ".palmette")


def answered(right: float, *, seed: int = 0, keys: Any = None, trained: Any = None) -> Evaluation:
    """400 examples, of which this share is answered right."""
    random = np.random.default_rng(seed)
    labels = np.arange(400) % 2
    predictions = np.where(random.permutation(400) < right * 400, labels, 1 - labels)
    every = np.arange(400) if keys is None else keys
    return Evaluation(keys=every, labels=labels, predictions=predictions, train_keys=trained)


def told(evaluation: Evaluation | None = None, **more: Any) -> Told:
    """A training whose accuracy is that of its answers."""
    found = {} if evaluation is None else {"accuracy": float((evaluation.labels == evaluation.predictions).mean())}
    given = {"metrics": (ACCURACY,), "numbers": found, "evaluation": evaluation, "config": {"C": 1.0, "seed": 0}}
    return Told(**{**given, "commit": "b" * 40, **more})


def head(past: Past, evaluation: Evaluation | None = None, **more: Any) -> str:
    return past.add(told(evaluation, **{"branch": "idea", "commit": "c" * 40, "code": "2", **more}))


def verdict(past: Past, run: str, baseline: str | None = None) -> Verdict:
    found = judging.judged(past.home, run, baseline, LINE).verdict
    assert found is not None
    return found


def test_the_baseline_is_found_and_what_is_concluded_is_of_this_model(past: Past) -> None:
    before = past.add(told(answered(0.95)))
    run = head(past, answered(0.6, seed=1))
    found = judging.judged(past.home, run, None, LINE)
    assert found.choice is not None
    assert found.verdict is not None
    assert (found.choice.run, found.choice.rule, found.choice.distance) == (before, Rule.NEAREST, 0)
    assert (found.verdict.outcome, found.verdict.scope) == (Outcome.WORSE, Scope.MODEL)
    assert verdict(past, before, run).outcome is Outcome.BETTER
    assert not found.wanting
    assert found.comparison.numbers.confusion


def test_three_seeds_a_side_are_about_the_change(past: Past) -> None:
    for seed in range(3):
        past.add(
            told(
                answered(0.9 + seed / 100, seed=seed), config={"C": 1.0, "seed": seed}, overrides=["seed"] * (seed > 0)
            )
        )
    # Other code, other data, another field: none of them is the same training with another seed.
    past.add(told(answered(0.1), config={"C": 1.0, "seed": 3}, code="0", commit="d" * 40, overrides=["seed"]))
    past.add(told(answered(0.1), config={"C": 1.0, "seed": 4}, data="tuesday", overrides=["seed"]))
    past.add(told(answered(0.1), config={"C": 2.0, "seed": 5}, overrides=["C", "seed"]))
    *_, run = [
        head(
            past, answered(0.7 + seed / 50, seed=seed), config={"C": 1.0, "seed": seed}, overrides=["seed"] * (seed > 0)
        )
        for seed in (2, 1, 0)
    ]
    metric = verdict(past, run).metrics[0]
    assert metric.evidence is not None
    assert (metric.outcome, metric.evidence.n, metric.evidence.method.name) == (Outcome.WORSE, 3, "paired t over seeds")
    assert verdict(past, run).scope is Scope.CHANGE


def test_seeds_that_choose_the_test_data_too_are_compared_seed_by_seed(past: Past) -> None:
    keys = [np.arange(400) + 1000 * seed for seed in range(3)]
    before = [
        past.add(
            told(answered(0.9 + seed / 100, keys=keys[seed]), config={"seed": seed}, overrides=["seed"] * (seed > 0))
        )
        for seed in range(3)
    ]
    runs = [
        head(past, answered(0.7 + seed / 50, keys=keys[seed]), config={"seed": seed}, overrides=["seed"] * (seed > 0))
        for seed in range(3)
    ]
    found = verdict(past, runs[2])
    assert (found.by, found.outcome, found.scope) == ("accuracy", Outcome.WORSE, Scope.CHANGE)
    # The same seed, and other test data: it is the change that moved them, so the numbers answer another question.
    moved = head(past, answered(0.7, keys=keys[0] + 7), config={"seed": 0}, commit="e" * 40)
    assert verdict(past, moved, before[0]).outcome is Outcome.NOT_COMPARABLE


def test_the_noise_band_is_of_the_target_branch_with_the_same_config_and_data(past: Past) -> None:
    values = (0.90, 0.91, 0.92, 0.93, 0.94)
    first, *_ = [past.add(told(numbers={"accuracy": value}, commit="a" * 40)) for value in values]
    past.add(told(numbers={"accuracy": 0.1}, commit="a" * 40, config={"C": 2.0, "seed": 0}, overrides=["C"]))
    past.add(told(numbers={"accuracy": 0.1}, commit="a" * 40, data="sunday"))
    past.add(told(numbers={"accuracy": 0.1}, commit="d" * 40, branch="other"))
    past.add(told(numbers={"accuracy": 0.1}, commit="a" * 40, state=RunState.FAILED))
    past.add(told(numbers={"accuracy": 0.1}, commit="a" * 40, trigger="comparison"))
    reused = past.add(told(numbers={"accuracy": 0.95}, commit="a" * 40, model="the same"))
    past.add(told(numbers={"accuracy": 0.95}, commit="b" * 40, model="the same"))
    run = head(past, numbers={"accuracy": 0.5})
    metric = verdict(past, run).metrics[0]
    assert metric.evidence is not None
    assert (metric.evidence.method.name, metric.evidence.n) == ("noise band", 6)
    assert (metric.outcome, verdict(past, run).scope) == (Outcome.WORSE, Scope.CHANGE)
    # Nothing that was trained later says what to expect of it; itself it is none of those.
    band = verdict(past, reused, first).metrics[0].evidence
    assert band is not None
    assert band.n == 5


def test_other_test_data_is_not_comparable_and_says_what_would_help(past: Past) -> None:
    before = past.add(told(answered(0.9)))
    run = head(past, answered(0.9, keys=np.arange(400) + 40), data="tuesday")
    found = judging.judged(past.home, run, None, LINE)
    assert found.verdict is not None
    assert found.verdict.outcome is Outcome.NOT_COMPARABLE
    assert found.verdict.reason == "the test data differ: 400 and 400 test examples, of which 360 are the same"
    assert found.verdict.hint == f"palmette run tumour --data-of {before}"
    assert found.wanting


def scored_again(past: Past, run: str, baseline: str, evaluation: Evaluation) -> None:
    """What the baseline's model answered to the run's examples."""
    again = past.add(replace(told(evaluation), trigger="comparison", numbers={}))
    with past.home.store.write() as connection:
        connection.execute(insert(extras).values(head=run, baseline=baseline, purpose="rescored", run=again))


def test_a_baseline_that_knew_every_example_is_not_compared_by_them(past: Past) -> None:
    keys = np.arange(400) + 40
    before = past.add(told(answered(0.9, trained=keys)))
    run = head(past, answered(0.8, keys=keys, trained=np.arange(10)), data="tuesday")
    scored_again(past, run, before, answered(1.0, keys=keys, trained=np.arange(10)))
    metric = verdict(past, run).metrics[0]
    assert (metric.outcome, metric.baseline) == (Outcome.NOT_COMPARABLE, 0.9)
    assert metric.reason.endswith("with the baseline rescored either model was trained on all of these test examples")
    assert verdict(past, run).hint == f"palmette run tumour --data-of {before}"


def test_examples_whose_keys_have_other_labels_are_said_when_the_baseline_was_scored_again(past: Past) -> None:
    keys = np.arange(400) + 1
    before = past.add(told(answered(0.9, trained=np.array([1]))))
    run = head(past, answered(0.9, keys=keys, trained=np.array([0])), data="tuesday")
    scored_again(past, run, before, answered(0.95, seed=1, keys=keys, trained=np.array([0])))
    found = verdict(past, run)
    # Its own run logged the number, the evaluation step did not: it follows from the predictions.
    assert (found.metrics[0].baseline, found.metrics[0].evidence is not None) == (0.95, True)
    assert found.remarks[0] == "baseline rescored, 1 left out"
    assert "399 of the 399 test examples in both runs have other labels now" in found.remarks[1]


@pytest.mark.parametrize(
    ("state", "reason", "gate"),
    [
        (RunState.FAILED, "this run failed", GateOutcome.PASSED),
        (RunState.RUNNING, "this run is not over", GateOutcome.INCONCLUSIVE),
    ],
)
def test_a_run_that_did_not_succeed_is_not_compared(
    past: Past, state: RunState, reason: str, gate: GateOutcome
) -> None:
    past.add(told(answered(0.9)))
    run = head(past, answered(0.5), state=state, metrics=(replace(ACCURACY, minimum=0.4),))
    found = verdict(past, run)
    assert (found.outcome, found.reason, found.gate) == (Outcome.NOT_COMPARABLE, reason, gate)


def test_with_nothing_to_compare_the_minima_alone_judge(past: Past) -> None:
    bounded = replace(ACCURACY, minimum=0.8, max_drop=0.01)
    found = verdict(past, head(past, answered(0.9), metrics=(bounded,)))
    assert (found.outcome, found.reason) == (Outcome.NOT_COMPARABLE, "no run on main to compare with")
    assert [(gate.kind, gate.outcome) for gate in found.gates] == [("minimum", "passed")]
    assert verdict(past, head(past, answered(0.7), metrics=(bounded,), commit="e" * 40)).gate is GateOutcome.FAILED


def test_a_toy_run_shows_that_it_trains(past: Past) -> None:
    past.add(told(answered(0.9), preset="toy"))
    run = head(past, answered(0.2), preset="toy", metrics=(replace(ACCURACY, minimum=0.8),))
    found = verdict(past, run)
    assert (found.outcome, found.gate) == (Outcome.NOT_COMPARABLE, GateOutcome.PASSED)
    alone = verdict(past, head(past, answered(0.2), preset="toy", algorithm="new"))
    assert (alone.outcome, [gate.kind for gate in alone.gates]) == (Outcome.NOT_COMPARABLE, ["present"])


def test_another_algorithm_is_compared_by_the_names_of_its_metrics(past: Past) -> None:
    old = past.add(told(answered(0.95), algorithm="old", metrics=()))
    found = judging.judged(past.home, head(past, answered(0.6, seed=1)), old, LINE)
    assert found.verdict is not None
    assert found.verdict.outcome is Outcome.WORSE


def test_without_a_declared_metric_nothing_is_judged(past: Past) -> None:
    past.add(told(answered(0.9), metrics=()))
    found = verdict(past, head(past, answered(0.8), metrics=()))
    assert (found.outcome, found.reason) == (Outcome.NOT_COMPARABLE, "no metric is declared")


def test_a_number_that_was_used_again_is_the_same_number(past: Past) -> None:
    before = past.add(told(numbers={"accuracy": 0.9}))
    same = head(past, numbers={"accuracy": 0.9}, reused=before)
    found = verdict(past, same)
    assert (found.outcome, found.scope) == (Outcome.EQUIVALENT, Scope.MODEL)
    assert headline(found) == "equivalent: accuracy 0.900, the same, outputs used again; about this model"
    # One that came out the same by itself might be another model's.
    assert verdict(past, head(past, numbers={"accuracy": 0.9}, commit="e" * 40)).outcome is Outcome.INCONCLUSIVE


def test_an_evaluation_that_cannot_be_used_says_why(past: Past) -> None:
    run = past.add(told(answered(0.9)))
    found = evaluations.kept(tasks.of_run(past.home.store, run))[0]
    assert evaluations.load(past.home, found).evaluation is not None
    digest = found.artifact.digest.partition(":")[2]
    path = past.home.directory / "blobs" / digest[:2] / digest[2:]
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[: len(whole) // 2])
    assert evaluations.load(past.home, found).reason == "has an evaluation whose bytes are damaged"
    path.unlink()
    assert "given up" in evaluations.load(past.home, found).reason
    assert evaluations.load(past.home, None).reason == "made no evaluation"
    other = head(past, answered(0.5))
    assert verdict(past, other, run).outcome is Outcome.INCONCLUSIVE
    assert "the baseline has given up the bytes of its evaluation" in verdict(past, other, run).metrics[0].reason


def test_what_is_sensitive_is_counted_and_not_quoted(past: Past) -> None:
    past.add(told(answered(0.95), sensitive=True))
    found = judging.judged(past.home, head(past, answered(0.6, seed=1), sensitive=True), None, LINE)
    assert found.verdict is not None
    assert found.verdict.outcome is Outcome.WORSE
    assert found.comparison.numbers.flips is None
    assert found.comparison.numbers.confusion == ()
