"""Curves, and what single examples came to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from palmette.authoring.results import Evaluation
from palmette.comparison.curves import MOST_POINTS, apart, given, logged, ranked, thinned
from palmette.comparison.numbers import Numbers
from palmette.comparison.pairs import Pair, Unpaired, pair
from palmette.comparison.reckoning import MOST_CURVES, Told, numbers
from palmette.domain.graph import MetricSpec
from palmette.domain.metric import MetricPoint

LABELS = np.array([1, 1, 1, 0, 0, 0, 1, 0])
ACCURACY = MetricSpec(name="acc", goal="max", of="sklearn.metrics:accuracy_score")


def evaluated(scores: list[float], **more: Any) -> Evaluation:
    values = np.array(scores)
    arrays = {"keys": np.arange(len(values)), "labels": LABELS[: len(values)], "scores": values}
    return Evaluation(**{**arrays, "predictions": (values > 0.5).astype(int), **more})


def paired(head: Evaluation, baseline: Evaluation) -> Pair:
    found = pair(head, baseline)
    assert isinstance(found, Pair)
    return found


HEAD = evaluated([0.9, 0.8, 0.4, 0.3, 0.2, 0.1, 0.7, 0.6])
BASELINE = evaluated([0.9, 0.4, 0.4, 0.3, 0.6, 0.1, 0.7, 0.6])


def points(*values: float, steps: bool = True) -> tuple[MetricPoint, ...]:
    return tuple(MetricPoint(name="loss", value=value, step=n if steps else None) for n, value in enumerate(values))


def test_a_curve_is_thinned_and_keeps_its_extremes_and_its_ends() -> None:
    xs, ys = np.arange(10_000.0), np.sin(np.arange(10_000.0))
    ys[[4321, 77]] = 9.0, -9.0
    found = thinned(xs, ys)
    assert len(found.xs) == len(found.ys) <= MOST_POINTS
    assert (max(found.ys), min(found.ys), found.xs[0], found.xs[-1]) == (9.0, -9.0, 0.0, 9999.0)
    assert found.xs == tuple(sorted(found.xs))
    assert thinned(xs[:MOST_POINTS], ys[:MOST_POINTS]).ys == tuple(ys[:MOST_POINTS].tolist())


def test_logged_curves_are_shown_as_far_as_they_differ() -> None:
    head = {"loss": points(3.0, 2.0), "same": points(1.0, 1.0), "new": points(1.0, 2.0, steps=False)}
    found = logged(head, {"loss": points(3.0, 2.5), "same": points(1.0, 1.0)})
    assert [each.name for each in found] == ["loss", "new"]
    assert found[0].head is not None
    assert found[0].baseline is not None
    assert (found[0].x, found[0].head.ys, found[0].baseline.ys) == ("step", (3.0, 2.0), (3.0, 2.5))
    assert found[1].baseline is None


def test_a_training_that_diverged_has_a_curve_up_to_there() -> None:
    (found,) = logged({"loss": points(3.0, float("nan"), float("inf"))}, {"loss": points(3.0, 2.0, 1.0)})
    assert found.head is not None
    assert found.head.ys == (3.0,)


def test_steps_that_came_out_of_order_are_drawn_in_order() -> None:
    mixed = (MetricPoint(name="loss", value=2.0, step=5), MetricPoint(name="loss", value=3.0, step=1))
    (found,) = logged({"loss": mixed}, {})
    assert found.head is not None
    assert (found.head.xs, found.head.ys) == ((1.0, 5.0), (3.0, 2.0))


def test_an_evaluations_own_curves_are_compared_if_they_are_numbers() -> None:
    curves = {"calibration": ([0, 1], [0.1, 0.9]), "words": (["a"], [1])}
    (found,) = given(Evaluation(curves=curves), Evaluation(curves={"words": (["b"], [1])}))
    assert (found.name, found.head and found.head.ys, found.baseline) == ("calibration", (0.1, 0.9), None)


def test_roc_and_precision_are_what_each_threshold_gives() -> None:
    roc, precision = ranked(paired(HEAD, BASELINE))
    assert roc is not None
    assert roc.head is not None
    assert roc.baseline is not None
    for side, curve in ((HEAD, roc.head), (BASELINE, roc.baseline)):
        thresholds = sorted({*side.scores.tolist()}, reverse=True)
        expected = [(0.0, 0.0)]
        for threshold in thresholds:
            chosen = side.scores >= threshold
            expected.append((float(chosen[LABELS == 0].mean()), float(chosen[LABELS == 1].mean())))
        assert [*zip(curve.xs, curve.ys, strict=True)] == [
            here
            for before, here, after in zip([None, *expected], expected, [*expected[1:], None], strict=False)
            if before is None or after is None or (before[0] != after[0] and before[1] != after[1])
        ]
    assert precision is not None
    assert precision.head is not None
    assert (precision.head.xs[-1], precision.head.ys[-1]) == (1.0, 0.5)
    assert (precision.head.xs[0], precision.head.ys[0]) == (0.0, 1.0)


def test_a_thinned_roc_has_the_area_of_the_whole() -> None:
    random = np.random.default_rng(4)
    labels = (random.random(20_000) < 0.02).astype(int)
    both = [Evaluation(keys=np.arange(20_000), labels=labels, scores=labels + random.normal(size=20_000)) for _ in "ab"]
    roc, precision = ranked(paired(*both))
    for found in (roc, precision):
        assert found is not None
        assert found.head is not None
        assert len(found.head.xs) <= MOST_POINTS
    assert roc is not None
    assert roc.head is not None
    scores = np.asarray(both[0].scores)
    order = np.argsort(scores)
    ranks = np.empty(20_000)
    ranks[order] = np.arange(1, 20_001)
    ones = int(labels.sum())
    area = (ranks[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * (20_000 - ones))
    assert np.trapezoid(roc.head.ys, roc.head.xs) == pytest.approx(area, abs=0.005)


def test_equal_scores_and_more_than_two_classes_have_no_roc() -> None:
    assert ranked(paired(HEAD, HEAD)) == (None, None)
    several = [evaluated([0.1 * n for n in range(3)], labels=np.arange(3), predictions=None) for _ in "ab"]
    assert ranked(paired(*several)) == (None, None)


def test_on_different_examples_each_has_its_own_roc_and_that_is_said() -> None:
    roc, precision = apart(HEAD, evaluated([0.9, 0.4, 0.4, 0.3]))
    assert roc is not None
    assert precision is not None
    assert (roc.name, precision.name) == (
        "ROC (each on its own examples)",
        "precision and recall (each on its own examples)",
    )
    held = apart(Evaluation(roc=([0, 1], [0.5, 1])), None)[0]
    assert held is not None
    assert (held.name, held.head and held.head.ys, held.baseline) == ("ROC", (0.5, 1.0), None)


def told(evaluation: Evaluation | None, **more: Any) -> Told:
    return Told(evaluation=evaluation, **more)


def test_only_what_differs_is_a_number() -> None:
    slices = {"ward": np.array(["a", "a", "a", "a", "a", "b", "b", "b"])}
    head = evaluated(HEAD.scores.tolist(), slices=slices)
    found = numbers(
        told(head, metrics={"acc": 0.75}), told(BASELINE), paired(head, BASELINE), metrics=(ACCURACY,), salt="s"
    )
    assert [(each.group, each.n, each.head, each.baseline) for each in found.slices] == [("a", 5, 0.8, 0.4)]
    assert found.flips is not None
    assert (found.flips.mended, found.flips.broken, found.flips.total) == (2, 0, 2)
    assert {(cell.label, cell.prediction): (cell.before, cell.after) for cell in found.confusion} == {
        ("1", "1"): (2, 3), ("1", "0"): (2, 1), ("0", "0"): (2, 3), ("0", "1"): (2, 1)
    }  # fmt: skip
    assert numbers(told(HEAD), told(HEAD), paired(HEAD, HEAD), metrics=(ACCURACY,), salt="s") == Numbers()


def test_the_other_way_round_the_numbers_are_mirrored() -> None:
    there = numbers(told(HEAD), told(BASELINE), paired(HEAD, BASELINE), salt="s")
    back = numbers(told(BASELINE), told(HEAD), paired(BASELINE, HEAD), salt="s")
    assert there.flips is not None
    assert back.flips is not None
    assert (there.flips.mended, there.flips.broken) == (back.flips.broken, back.flips.mended)
    assert {each.key for each in there.flips.listed} == {each.key for each in back.flips.listed}
    assert {(each.label, each.prediction, each.before, each.after) for each in there.confusion} == {
        (each.label, each.prediction, each.after, each.before) for each in back.confusion
    }
    assert there.roc is not None
    assert back.roc is not None
    assert (there.roc.head, there.roc.baseline) == (back.roc.baseline, back.roc.head)


def test_a_metric_that_was_logged_otherwise_has_no_slices() -> None:
    head = evaluated(HEAD.scores.tolist(), slices={"all": np.zeros(8, dtype=int)})
    both = paired(head, BASELINE)
    assert numbers(told(head, metrics={"acc": 0.9}), told(BASELINE), both, metrics=(ACCURACY,)).slices == ()
    assert numbers(told(head, metrics={"acc": 0.75}), told(BASELINE), both, metrics=(ACCURACY,)).slices != ()


def test_nothing_of_sensitive_examples_is_quoted() -> None:
    head = evaluated(HEAD.scores.tolist(), slices={"name": np.array(["Jo"] * 8)}, curves={"Jo": ([0, 1], [0, 1])})
    for sides in ((told(head, sensitive=True), told(BASELINE)), (told(head), told(BASELINE, sensitive=True))):
        found = numbers(*sides, paired(head, BASELINE), metrics=(ACCURACY,), salt="s")
        assert (found.slices, found.confusion, found.flips, found.curves) == ((), (), None, ())
        assert found.roc is not None
        assert len(found.remarks) == 1
        assert "Jo" not in repr(found)


def test_without_a_salt_flips_are_counted_and_not_listed() -> None:
    found = numbers(told(HEAD), told(BASELINE), paired(HEAD, BASELINE))
    assert found.flips is not None
    assert (found.flips.total, found.flips.listed) == (2, ())
    assert len(found.remarks) == 1


@pytest.mark.parametrize("shape", ["measures", "several"])
def test_predictions_that_are_no_classes_do_not_flip(shape: str) -> None:
    values = {"measures": np.linspace(0, 1, 8), "several": np.zeros((8, 3))}[shape]
    sides = [evaluated([0.5] * 8, predictions=values + shift) for shift in (0.25, 0.0)]
    found = numbers(told(sides[0]), told(sides[1]), paired(*sides), salt="s")
    assert (found.flips, found.confusion) == (None, ())


def test_curves_beyond_what_is_shown_are_counted() -> None:
    curves = {f"c{n}": points(1.0, 2.0) for n in range(MOST_CURVES + 2)}
    found = numbers(told(None, curves=curves), told(None), Unpaired(reason="none"), unread=3)
    assert len(found.curves) == MOST_CURVES
    assert found.remarks == ("5 more curves differ and are not shown",)
