"""A project's own metrics, computed again by its own code: what is taken, what is refused, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palmette.authoring.results import Evaluation
from palmette.domain.artifact import Artifact
from palmette.domain.run import TaskRecord
from palmette.operations import resampling
from palmette.operations.evaluations import Kept
from palmette.runtime.recompute import recompute

KEYS = np.arange(40)
LABELS = KEYS % 2
HEAD = np.where(KEYS % 10 == 0, 1 - LABELS, LABELS)
BASELINE = np.where(KEYS % 5 == 0, 1 - LABELS, LABELS)


def hits(labels: Any, answers: Any) -> float:
    return float(np.mean(np.asarray(labels) == np.asarray(answers)))


def certain(labels: Any, scores: Any) -> float:
    """One that wants scores, and refuses predictions."""
    assert scores.dtype.kind == "f"
    return float(np.mean(scores))


def picky(labels: Any, answers: Any) -> float:
    """One that needs every example."""
    if not np.array_equal(labels, LABELS):
        raise ValueError("the name of a patient")
    return hits(labels, answers)


def side(answers: Any, train_keys: Any = None, keys: Any = KEYS) -> Evaluation:
    return Evaluation(keys=keys, labels=keys % 2, predictions=answers, scores=answers / 2.0, train_keys=train_keys)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps work in a directory of their own."""
    monkeypatch.chdir(tmp_path)


def computed(function: Any, head: Evaluation, baseline: Evaluation, trained: Evaluation, *logged: float | None) -> Any:
    of = f"{__name__}:{function.__name__}"
    asked = [{"name": "own", "of": of, "head": logged[0], "baseline": logged[1]}]
    return json.loads(recompute(head, baseline, trained, asked).read_text())["own"]


def test_both_sides_are_resampled_with_the_same_examples_in_whatever_order_they_are() -> None:
    back = KEYS[::-1]
    found = computed(hits, side(HEAD), side(BASELINE[::-1], keys=back), side(BASELINE), 0.9, 0.8)
    assert (found["head"], found["baseline"]) == (0.9, 0.8)
    rows = np.array(found["resampled"])
    assert rows.shape == (500, 2)
    # Wherever the head is wrong the baseline is too, so no resample can show otherwise.
    assert (rows[:, 0] >= rows[:, 1]).all()
    assert found == computed(hits, side(HEAD), side(BASELINE), side(BASELINE), 0.9, 0.8)


def test_what_either_model_was_trained_on_is_left_out_after_the_logged_values_were_met() -> None:
    # The baseline's own run was trained on what it gets wrong; the rescored evaluation does not know.
    wrong = KEYS[KEYS % 5 == 0]
    found = computed(hits, side(HEAD), side(BASELINE, train_keys=[99]), side(BASELINE, train_keys=wrong), 0.9, 0.8)
    assert (found["head"], found["baseline"]) == (1.0, 1.0)


def test_scores_are_given_where_predictions_do_not_give_the_logged_value() -> None:
    found = computed(certain, side(HEAD), side(BASELINE), side(BASELINE), np.mean(HEAD) / 2, np.mean(BASELINE) / 2)
    assert found["head"] == pytest.approx(np.mean(HEAD) / 2)


def test_another_value_than_the_logged_one_is_refused_with_both() -> None:
    found = computed(hits, side(HEAD), side(BASELINE), side(BASELINE), 0.9, 0.7)
    assert found == {"refused": "recomputed from the examples of the baseline it is 0.8, not the logged 0.7"}


def test_what_the_function_says_when_it_fails_is_not_quoted() -> None:
    found = computed(picky, side(HEAD), side(BASELINE), side(BASELINE), 0.9, 0.8)
    assert found == {"refused": "on a resample it raised ValueError"}
    asked = [{"name": "own", "of": "no_such:f", "head": 1, "baseline": 1}]
    answers = json.loads(recompute(side(HEAD), side(BASELINE), side(BASELINE), asked).read_text())
    assert answers["own"] == {"refused": "no_such:f cannot be imported (ModuleNotFoundError)"}


def kept(*holds: str) -> Kept:
    metadata = {"format": "evaluation", "holds": list(holds)}
    artifact = Artifact(type="system.Metrics", digest="sha256:a", size=1, filename="output.npz", metadata=metadata)
    return Kept(task=TaskRecord(name="evaluate"), output="output", artifact=artifact)


def test_so_many_examples_are_not_resampled_and_nothing_is_without_answers() -> None:
    whole = kept("keys", "labels", "scores")
    assert resampling.impossible(whole, whole, 19_999) == ""
    assert "only below 20,000 examples" in resampling.impossible(whole, whole, 20_000)
    bare = kept("keys", "labels")
    assert resampling.impossible(whole, bare, 10) == (
        "the evaluation of the baseline does not hold keys, labels and predictions"
    )


def test_a_number_that_nobody_logged_for_the_baseline_is_given() -> None:
    found = computed(hits, side(HEAD), side(BASELINE), side(BASELINE, train_keys=[1]), 0.9, None)
    assert (found["whole"], found["baseline"]) == (0.8, hits(LABELS[KEYS != 1], BASELINE[KEYS != 1]))
    assert "not the logged" in computed(hits, side(HEAD), side(BASELINE), side(BASELINE), 0.5, None)["refused"]
