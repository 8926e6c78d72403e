"""The values of known functions are scikit-learn's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from palmette.authoring.results import Evaluation
from palmette.comparison.evidence import BOOTSTRAP, DELTA, Evidence, Refusal
from palmette.comparison.functions import Values, known
from palmette.comparison.pairs import Pair, pair
from palmette.comparison.smooth import MANY

PROGRAM = """
import json, sys
from sklearn import metrics
for line in sys.stdin:
    asked, found = json.loads(line), []
    for name, of, more in asked["calls"]:
        function = getattr(metrics, name)
        found.append((function.__module__, function(asked["labels"], asked[of], **more)))
    print(json.dumps(found), flush=True)
"""
CLASSES = (
    ("accuracy_score", {}, 0),
    ("balanced_accuracy_score", {}, 0),
    *((f"{name}_score", {"average": average, "zero_division": 0.0}, reading)
      for name in ("f1", "precision", "recall")
      for reading, average in ((1, "macro"), (2, "weighted"), (3, "micro"))),
)  # fmt: skip
NUMBERS = tuple((name, {}, 0) for name in (
    "mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score",
))  # fmt: skip


Call = tuple[str, dict, int]
Scikit = Callable[[np.ndarray, np.ndarray, tuple[Call, ...]], list]


@pytest.fixture(scope="module")
def scikit(clinic_python: Path) -> Iterator[Scikit]:
    """What scikit-learn says to labels and answers; it is imported once for all questions."""
    command = [clinic_python, "-W", "ignore", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(labels: np.ndarray, answers: np.ndarray, calls: tuple[Call, ...]) -> list:
            asked = {
                "labels": labels.tolist(),
                "answers": answers.tolist(),
                "calls": [(name, "answers", more) for name, more, _ in calls],
            }
            print(json.dumps(asked), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask


def paired(head: Evaluation, baseline: Evaluation) -> Pair:
    found = pair(head, baseline)
    assert isinstance(found, Pair)
    return found


def value(found: Values) -> float:
    assert not isinstance(found, Refusal), found
    return found[0]


def both(labels: np.ndarray, *, head: np.ndarray, baseline: np.ndarray, of: str = "predictions") -> Pair:
    keys = np.arange(len(labels))
    return paired(*(Evaluation(keys=keys, labels=labels, **{of: answers}) for answers in (head, baseline)))


@pytest.mark.parametrize("kind", ["texts", "numbers", "two"])
def test_values_over_classes_are_those_of_scikit_learn(scikit: Scikit, kind: str) -> None:
    random = np.random.default_rng(1)
    size = 2 if kind == "two" else 6
    labels, head = random.integers(0, size, 300), random.integers(0, size, 300)
    # The head predicts a class that no label has, and never predicts one that some have.
    head = np.where(head == 1, size - 1, head) + (kind == "numbers") * (random.random(300) < 0.02) * 9
    if kind == "texts":
        labels, head = np.char.add("class ", labels.astype(str)), np.char.add("class ", head.astype(str))
    calls = CLASSES + ((("f1_score", {}, 0),) if kind == "two" else ())
    expected = scikit(labels, head, calls)
    pairs = both(labels, head=head, baseline=labels)
    for (name, more, reading), (module, number) in zip(calls, expected, strict=True):
        assert value(known(f"{module}:{name}")[reading].values(pairs)) == pytest.approx(number, rel=1e-12), (name, more)


def test_values_over_numbers_are_those_of_scikit_learn(scikit: Scikit) -> None:
    random = np.random.default_rng(2)
    labels = 1_000 + random.normal(size=300)
    head = labels + random.normal(size=300)
    for (name, _, reading), (module, number) in zip(NUMBERS, scikit(labels, head, NUMBERS), strict=True):
        found = known(f"{module}:{name}")[reading].values(both(labels, head=head, baseline=labels))
        assert value(found) == pytest.approx(number, rel=1e-9), name


def test_values_over_scores_are_those_of_scikit_learn(scikit: Scikit) -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 300)
    scores = np.round(np.clip(random.random(300) * 0.6 + labels * 0.4, 0, 1), 2)
    scores[:4] = 0.0, 1.0, 0.0, 1.0
    three = random.integers(0, 3, 300)
    shares = random.dirichlet([1, 1, 1], size=300)
    calls = (("roc_auc_score", {}, 0), ("log_loss", {}, 0))
    for target, answers, some in ((labels, scores, calls), (three, shares, calls[1:])):
        for (name, _, _), (module, number) in zip(some, scikit(target, answers, some), strict=True):
            pairs = both(target, head=answers, baseline=answers[::-1], of="scores")
            assert value(known(f"{module}:{name}")[0].values(pairs)) == pytest.approx(number, rel=1e-9), name


def test_a_function_of_the_projects_own_is_not_known_whatever_its_name() -> None:
    assert known("clinic.metrics:f1_score") == ()
    assert known("sklearn.metrics._plot:something") == ()
    assert known("sklearn.metricsness:f1_score") == ()
    assert known("") == ()


def test_what_a_function_cannot_be_computed_from_is_refused_with_the_reason() -> None:
    words, numbers = np.array(["a", "b"] * 20), np.arange(40.0)
    for name, pairs, reason in (
        ("roc_auc_score", both(words, head=words, baseline=words), "no scores"),
        ("roc_auc_score", both(numbers, head=numbers, baseline=numbers, of="scores"), "of 40 classes, not of two"),
        ("r2_score", both(words, head=words, baseline=words), "not numbers"),
        ("f1_score", both(words, head=words, baseline=words), "which is meant is unknown"),
        ("log_loss", both(words, head=numbers > 3, baseline=numbers > 3, of="scores"), "do not fit the labels"),
        ("accuracy_score", both(words, head=numbers, baseline=numbers, of="scores"), "no predictions"),
    ):
        found = known(f"sklearn.metrics:{name}")[0].values(pairs)
        assert isinstance(found, Refusal), name
        assert reason in found.reason


def test_the_bootstrap_and_the_delta_method_agree_where_one_gives_way_to_the_other() -> None:
    random = np.random.default_rng(4)
    found = []
    for n, method in ((MANY - 1, BOOTSTRAP), (MANY, DELTA)):
        labels = random.normal(size=MANY)[:n]
        head, baseline = (labels + random.normal(size=n) for _ in range(2))
        evidence = known("sklearn.metrics:r2_score")[0].evidence(both(labels, head=head, baseline=baseline))
        assert isinstance(evidence, Evidence)
        assert evidence.method == method
        found.append(evidence.wide.high - evidence.wide.low)
    assert found[0] == pytest.approx(found[1], rel=0.1)


def test_a_bootstrap_of_few_examples_is_refused() -> None:
    labels = np.array([0, 1] * 9)
    found = known("sklearn.metrics:f1_score")[0].evidence(both(labels, head=labels, baseline=1 - labels))
    assert isinstance(found, Refusal)
    assert found.reason == "only 18 examples"
