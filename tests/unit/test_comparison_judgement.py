"""From what is known of two runs to a verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from palmette.authoring.results import Evaluation
from palmette.comparison.evidence import DELONG, Evidence, Interval, Scope
from palmette.comparison.functions import known
from palmette.comparison.judgement import Question, Replicates, judge, rescored
from palmette.comparison.pairs import Pair, Unpaired, pair, relabelled
from palmette.comparison.repeats import Earlier
from palmette.comparison.verdict import GateOutcome, Outcome, Verdict, decide, holm
from palmette.comparison.wording import headline, sentence
from palmette.domain.graph import MetricSpec


def answers(n: int = 400, harm: float = 0.0, seed: int = 0, **more: Any) -> Evaluation:
    """A model of two classes; `harm` is how much of the signal it misses. Equal seeds see equal examples."""
    shared = np.random.default_rng(7)
    labels = (shared.random(n) < 0.4).astype(int)
    own = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-(labels * (2 - harm) - 1 + shared.normal(size=n) + 0.4 * own.normal(size=n))))
    return Evaluation(keys=np.arange(n), labels=labels, scores=scores, predictions=(scores > 0.5).astype(int), **more)


def paired(head: Evaluation, baseline: Evaluation, **more: Any) -> Pair:
    found = pair(head, baseline, **more)
    assert isinstance(found, Pair)
    return found


def asked(both: Pair, name: str = "accuracy_score", reading: int = 0, **declared: Any) -> Question:
    of = f"sklearn.metrics._somewhere:{name}"
    values = known(of)[reading].values(both.whole)
    assert isinstance(values, tuple)
    metric = MetricSpec(name=name, of=of, **{"goal": "max", **declared})
    return Question(metric=metric, head=values[0], baseline=values[1])


def only(verdict: Verdict) -> tuple[Outcome, str]:
    return verdict.metrics[0].outcome, verdict.metrics[0].reason


def interval(low: float, high: float) -> Evidence:
    middle, half = (low + high) / 2, (high - low) / 2
    narrow = Interval(low=middle - 0.84 * half, high=middle + 0.84 * half)
    return Evidence(
        method=DELONG, scope=Scope.MODEL, head=0.9 + middle, baseline=0.9, difference=middle, narrow=narrow,
        wide=Interval(low=low, high=high), p=0.01 if low * high > 0 else 0.4, n=143,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "goal", "tolerance", "expected"),
    [
        (0.01, 0.03, "max", None, Outcome.BETTER),
        (0.01, 0.03, "min", None, Outcome.WORSE),
        (-0.03, -0.01, "max", 0.005, Outcome.WORSE),
        (-0.03, -0.01, "min", 0.005, Outcome.BETTER),
        (-0.01, 0.02, "max", 0.005, Outcome.INCONCLUSIVE),
        (-0.01, 0.02, "max", None, Outcome.INCONCLUSIVE),
        (-0.001, 0.002, "max", 0.005, Outcome.EQUIVALENT),
        # Equivalence is asked first, even where the interval excludes zero.
        (0.001, 0.003, "max", 0.005, Outcome.EQUIVALENT),
        # The 95 % interval reaches beyond the tolerance, that of 90 % does not.
        (-0.0052, 0.0048, "max", 0.005, Outcome.EQUIVALENT),
        (0.0, 0.0, "max", 0.0, Outcome.INCONCLUSIVE),
    ],
)
def test_equivalence_is_asked_first_then_whether_zero_is_excluded(
    low: float, high: float, goal: str, tolerance: float | None, expected: Outcome
) -> None:
    assert decide(interval(low, high), goal, tolerance) is expected


def test_holms_correction_is_that_of_his_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_model_that_misses_more_is_worse_and_the_other_way_round_better() -> None:
    good, bad = answers(seed=1), answers(harm=1.5, seed=2)
    for name in ("accuracy_score", "roc_auc_score", "balanced_accuracy_score", "f1_score"):
        for head, baseline, expected in ((bad, good, Outcome.WORSE), (good, bad, Outcome.BETTER)):
            both = paired(head, baseline)
            found = judge([asked(both, name)], both)
            assert (found.outcome, found.scope) == (expected, Scope.MODEL), name


def test_a_loss_that_grew_is_worse() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    assert judge([asked(both, "log_loss", goal="min")], both).outcome is Outcome.WORSE


def test_identical_answers_are_equivalent_without_any_tolerance() -> None:
    both = paired(answers(seed=1), answers(seed=1))
    found = judge([asked(both, "roc_auc_score")], both)
    assert found.outcome is Outcome.EQUIVALENT
    assert sentence(found.metrics[0]).startswith("equivalent: roc_auc_score ")
    assert "identical outputs on 400 examples" in sentence(found.metrics[0])


def test_other_scores_with_the_same_predictions_are_equivalent_for_what_looks_at_predictions_alone() -> None:
    one = answers(seed=1)
    both = paired(one, replace(one, scores=one.scores**2))
    assert judge([asked(both)], both).outcome is Outcome.EQUIVALENT
    both = paired(replace(one, scores=one.scores**2 * (np.arange(400) % 2)), one)
    assert judge([asked(both, "roc_auc_score")], both).outcome is Outcome.WORSE


def test_the_order_of_the_examples_does_not_matter() -> None:
    head, baseline = answers(seed=1), answers(harm=0.5, seed=2)
    shuffled = np.random.default_rng(0).permutation(400)
    other = Evaluation(
        **{name: getattr(baseline, name)[shuffled] for name in ("keys", "labels", "scores", "predictions")}
    )
    one, two = (judge([asked(both, "roc_auc_score")], both) for both in (paired(head, baseline), paired(head, other)))
    assert one.metrics[0].evidence is not None
    assert two.metrics[0].evidence is not None
    assert one.metrics[0].evidence.p == pytest.approx(two.metrics[0].evidence.p)


def test_two_single_numbers_tell_nothing_however_far_they_lie_apart() -> None:
    question = Question(metric=MetricSpec(name="auc", goal="max", tolerance=0.01), head=0.99, baseline=0.51)
    outcome, reason = only(judge([question], None))
    assert outcome is Outcome.INCONCLUSIVE
    assert reason == (
        "two single numbers tell nothing (predictions: not both runs gave an evaluation; "
        "noise band: no earlier trainings with the same config and data)"
    )


def test_a_logged_value_that_the_predictions_do_not_give_refuses_them() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    question = replace(asked(both), head=0.123)
    outcome, reason = only(judge([question], both))
    assert outcome is Outcome.INCONCLUSIVE
    assert "recomputed from the predictions of this run" in reason
    assert "not the logged 0.123" in reason


def test_the_reading_of_an_f1_is_the_one_that_gives_the_logged_values() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    seen = set()
    for reading, average in enumerate(("binary", "macro", "weighted", "micro")):
        question = asked(both, "f1_score", reading)
        evidence = judge([question], both).metrics[0].evidence
        assert evidence is not None, average
        assert evidence.head == pytest.approx(question.head)
        seen.add(round(evidence.difference, 9))
    assert len(seen) == 4


def test_seeds_come_before_predictions_and_are_about_the_change() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    seeds = {f"{n}": 0.9 + n / 1000 for n in range(4)}
    baseline = {seed: value + (0.001 if seed in "02" else -0.001) for seed, value in seeds.items()}
    question = replace(asked(both, tolerance=0.01), head_seeds=seeds, baseline_seeds=baseline)
    found = judge([question], both)
    assert (found.outcome, found.scope) == (Outcome.EQUIVALENT, Scope.CHANGE)
    assert sentence(found.metrics[0]).endswith("paired t over seeds on 4 seeds; about this change")


def test_the_noise_band_stands_beside_predictions_and_changes_nothing() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    earlier = tuple(Earlier(run=f"{n}", value=0.5 + n / 10, training=f"{n}") for n in range(5))
    alone, beside = judge([asked(both)], both), judge([replace(asked(both), earlier=earlier)], both)
    assert beside.metrics[0].evidence == alone.metrics[0].evidence
    assert beside.metrics[0].band is not None
    assert "5 earlier trainings let a new one move by ±" in sentence(beside.metrics[0])
    assert "unknown" in sentence(alone.metrics[0])


def test_the_noise_band_decides_where_there_are_no_predictions() -> None:
    earlier = tuple(Earlier(run=f"{n}", value=0.93 + n / 1000, training=f"{n}") for n in range(8))
    question = Question(metric=MetricSpec(name="auc", goal="max"), head=0.90, baseline=0.93, earlier=earlier)
    found = judge([question], None)
    assert (found.outcome, found.scope) == (Outcome.WORSE, Scope.CHANGE)


def test_other_test_data_is_not_comparable_and_says_how_much_is_the_same() -> None:
    head, baseline = answers(seed=1), answers(seed=2)
    other = replace(head, keys=np.arange(400) + 100)
    found = pair(other, baseline)
    assert isinstance(found, Unpaired)
    assert found.rescoring_helps
    outcome, reason = only(judge([Question(metric=MetricSpec(name="auc", goal="max"), head=0.9, baseline=0.8)], found))
    assert outcome is Outcome.NOT_COMPARABLE
    assert reason == "the test data differ: 400 and 400 test examples, of which 300 are the same"


def test_labels_that_were_corrected_are_other_test_data() -> None:
    head = answers(seed=1)
    labels = head.labels.copy()
    labels[:3] = 1 - labels[:3]
    found = pair(head, replace(head, labels=labels))
    assert found == Unpaired(reason="the labels of 3 of 400 test examples differ", rescoring_helps=True)


def test_keys_that_are_missing_or_not_unique_pair_nothing() -> None:
    one = answers(seed=1)
    for other, reason in (
        (replace(one, keys=None), "has no keys"),
        (replace(one, labels=None), "has no labels"),
        (replace(one, keys=np.zeros(400, dtype=int)), "the same key"),
    ):
        found = pair(one, other)
        assert isinstance(found, Unpaired)
        assert reason in found.reason
        assert not found.rescoring_helps


def test_a_key_that_is_a_text_is_not_the_number_that_it_spells() -> None:
    one = answers(seed=1)
    assert isinstance(pair(one, replace(one, keys=np.arange(400).astype(str))), Unpaired)
    assert isinstance(
        pair(replace(one, keys=np.arange(400).astype(str)), replace(one, keys=one.keys.astype(str))), Pair
    )


def test_examples_that_a_model_was_trained_on_are_left_out_and_counted() -> None:
    head, baseline = answers(seed=1, train_keys=np.arange(395, 500)), answers(seed=2, train_keys=np.arange(3))
    both = paired(head, baseline, rescored=True)
    found = judge([asked(both, "roc_auc_score")], both)
    assert found.metrics[0].evidence is not None
    assert found.metrics[0].evidence.n == 392
    assert found.remarks == ("baseline rescored, 8 left out",)


def test_a_leaked_example_does_not_count_for_the_model_that_knew_it() -> None:
    honest, knowing = answers(harm=1.0, seed=2), answers(harm=1.0, seed=2)
    leaked = np.flatnonzero(honest.predictions != honest.labels)[:40]
    knowing = replace(knowing, predictions=knowing.predictions.copy())
    knowing.predictions[leaked] = knowing.labels[leaked]
    both = paired(knowing, honest)
    assert judge([asked(both)], both).outcome is Outcome.BETTER
    known_leak = paired(replace(knowing, train_keys=leaked), replace(honest, train_keys=np.array([1_000])))
    assert judge([asked(known_leak)], known_leak).outcome is Outcome.EQUIVALENT


def test_training_keys_that_are_unknown_are_said() -> None:
    both = paired(answers(seed=1), answers(seed=2), rescored=True)
    assert judge([asked(both)], both).remarks == (
        "baseline rescored, none left out",
        "training keys unknown, leaks not excluded",
    )


def test_training_keys_of_another_kind_say_nothing_of_the_examples() -> None:
    numbered, named = answers(seed=1, train_keys=np.arange(3)), np.array(["0", "1"])
    assert paired(numbered, answers(seed=2, train_keys=np.array([1_000]))).training_known
    assert paired(numbered, answers(seed=2, train_keys=np.array([]))).training_known
    assert not paired(numbered, answers(seed=2, train_keys=named)).training_known


def test_examples_that_stand_with_other_labels_are_counted() -> None:
    one = answers(20)
    moved = replace(one, keys=one.keys + 5)
    assert relabelled(one, one) == (0, 20)
    assert relabelled(moved, one) == (int(np.count_nonzero(one.labels[:15] != one.labels[5:])), 15)
    assert (
        relabelled(one, replace(one, keys=None)) == relabelled(one, replace(one, keys=one.keys.astype(str))) == (0, 0)
    )


def test_a_number_that_scoring_again_did_not_give_follows_from_the_predictions() -> None:
    both = paired(answers(seed=1), answers(seed=2, harm=1.0), rescored=True)
    question = asked(both)
    assert rescored(question.metric, question.head, both) == question.baseline
    # What the head's own predictions do not give was made of something else.
    assert rescored(question.metric, 0.123, both) is None
    assert only(judge([replace(question, baseline=None)], both)) == (
        Outcome.NOT_COMPARABLE,
        "the evaluation step gives no accuracy_score of the baseline's model",
    )


def test_a_run_is_worse_when_a_guard_is_and_otherwise_what_its_primary_metric_is() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    earlier = tuple(Earlier(run=f"{n}", value=0.7 + n / 1000, training=f"{n}") for n in range(8))
    cost = Question(metric=MetricSpec(name="cost", goal="min", primary=True), head=0.5, baseline=0.7, earlier=earlier)
    found = judge([asked(both, "roc_auc_score"), cost], both)
    assert [metric.name for metric in found.metrics] == ["cost", "roc_auc_score"]
    assert found.metrics[0].outcome is Outcome.BETTER
    assert (found.outcome, found.by, found.scope) == (Outcome.WORSE, "roc_auc_score", Scope.MODEL)
    assert headline(found).startswith("worse: roc_auc_score ")
    assert judge([cost], both).outcome is Outcome.BETTER


def test_a_guard_that_is_worse_by_itself_may_not_be_after_holms_correction() -> None:
    earlier = tuple(
        Earlier(run=f"{n}", value=value, training=f"{n}") for n, value in enumerate((0.7, 0.72, 0.74, 0.76))
    )

    def guard(name: str, head: float) -> Question:
        return Question(metric=MetricSpec(name=name, goal="max"), head=head, baseline=0.7, earlier=earlier)

    primary = replace(guard("primary", 0.73), metric=MetricSpec(name="primary", goal="max", primary=True))
    low = guard("low", 0.62)
    assert judge([primary, low], None).outcome is Outcome.WORSE
    several = judge([primary, low, *(guard(f"other {n}", 0.73) for n in range(4))], None)
    assert several.metrics[1].outcome is Outcome.WORSE
    assert several.metrics[1].adjusted is not None
    assert several.metrics[1].adjusted > 0.05
    assert several.outcome is Outcome.INCONCLUSIVE
    assert "not worse after Holm's correction" in sentence(several.metrics[1])


def test_numbers_that_are_missing_or_not_finite_are_not_comparable() -> None:
    metric = MetricSpec(name="auc", goal="max")
    assert only(judge([Question(metric=metric, head=None, baseline=0.9)], None)) == (
        Outcome.NOT_COMPARABLE,
        "this run has no auc",
    )
    assert only(judge([Question(metric=metric, head=0.9, baseline=float("nan"))], None))[0] is Outcome.NOT_COMPARABLE
    assert judge([], None).outcome is Outcome.NOT_COMPARABLE


def test_a_toy_run_is_judged_for_having_numbers_alone() -> None:
    metric = MetricSpec(name="auc", goal="max", minimum=0.9, max_drop=0.01)
    found = judge([Question(metric=metric, head=0.5, baseline=0.99)], None, toy=True)
    assert (found.outcome, found.gate) == (Outcome.NOT_COMPARABLE, GateOutcome.PASSED)
    assert headline(found) == "not comparable: a toy run shows that it trains, not how well"
    broken = judge([Question(metric=metric, head=float("nan"), baseline=0.99)], None, toy=True)
    assert broken.gate is GateOutcome.FAILED


@pytest.mark.parametrize(
    ("goal", "head", "limit", "expected"),
    [
        ("max", 0.8, 0.8, "passed"),
        ("max", 0.79, 0.8, "failed"),
        ("min", 0.1, 0.2, "passed"),
        ("min", 0.3, 0.2, "failed"),
    ],
)
def test_a_minimum_is_a_bound_on_the_number_itself(goal: str, head: float, limit: float, expected: str) -> None:
    metric = MetricSpec(name="m", goal=goal, minimum=limit)
    assert judge([Question(metric=metric, head=head, baseline=None)], None).gate.value == expected


def test_a_drop_passes_below_the_bound_fails_above_it_and_is_inconclusive_in_between() -> None:
    both = paired(answers(harm=1.0, seed=2), answers(seed=1))
    for limit, expected in ((0.5, "passed"), (0.001, "failed"), (0.16, "inconclusive")):
        found = judge([asked(both, "roc_auc_score", max_drop=limit)], both)
        assert found.gates[0].outcome.value == expected, found.gates
    alone = Question(metric=MetricSpec(name="m", goal="max", max_drop=0.1), head=0.9, baseline=0.9)
    assert judge([alone], None).gate is GateOutcome.INCONCLUSIVE


def test_what_the_projects_own_function_gave_must_be_the_logged_value() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    resampled = np.array([0.6, 0.9]) + np.random.default_rng(0).normal(size=(500, 2)) / 100
    given = Replicates(head=0.6, baseline=0.9, resampled=resampled)
    metric = MetricSpec(name="own", goal="max", of="clinic.metrics:own")
    question = Question(metric=metric, head=0.6, baseline=0.9, replicates=given)
    assert judge([question], both).outcome is Outcome.WORSE
    found = judge([replace(question, head=0.61)], both)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "not the logged 0.61" in found.metrics[0].reason


def test_the_same_comparison_gives_the_same_answer_twice() -> None:
    both = paired(answers(harm=0.3, seed=2), answers(seed=1))
    assert judge([asked(both, "f1_score")], both) == judge([asked(both, "f1_score")], both)


def test_a_verdict_is_said_in_json_with_its_scope() -> None:
    both = paired(answers(harm=1.5, seed=2), answers(seed=1))
    said = json.loads(json.dumps(judge([asked(both, max_drop=0.01)], both).as_json(), allow_nan=False))
    assert (said["verdict"], said["scope"], said["gate"]) == ("worse", "model", "failed")
    assert said["metrics"][0]["evidence"]["method"] == "McNemar"


def test_a_sentence_says_how_sure_by_what_and_about_what() -> None:
    found = interval(-0.012, -0.004)
    question = Question(metric=MetricSpec(name="auc", goal="max"), head=0.892, baseline=0.9)
    shown = replace(judge([question], None).metrics[0], outcome=Outcome.WORSE, evidence=found, reason="")
    assert sentence(shown) == (
        "worse: auc 0.900 → 0.892, −0.008 (95 % −0.012 … −0.004), DeLong on 143 examples; "
        "about this model: how much retraining alone would move it is unknown"
    )
