"""Which branch needs somebody, by table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from palmette.comparison.verdict import Outcome
from palmette.domain.branches import Kind
from palmette.domain.states import RunState
from palmette.operations.attention import Finding, Known, Need, Verdict, need, verdict

HEAD = "a" * 40


def toy(state: RunState | None, algorithm: str = "tumour", *, unchanged: bool = False) -> Finding:
    return Finding(algorithm=algorithm, kind=Kind.TOY, commit=HEAD, state=state, unchanged=unchanged)


def full(
    outcome: Outcome | None,
    algorithm: str = "tumour",
    state: RunState = RunState.SUCCEEDED,
    *,
    against: str = "run1",
) -> Finding:
    found = None if outcome is None else Verdict(outcome=outcome, against=against)
    return Finding(algorithm=algorithm, kind=Kind.FULL, commit=HEAD, state=state, verdict=found)


TRAINS = toy(RunState.SUCCEEDED)
TABLE = [
    ([toy(RunState.FAILED), full(Outcome.WORSE)], Need.FAILED, "tumour (toy) failed"),
    ([TRAINS, full(None, state=RunState.FAILED)], Need.FAILED, "tumour (full) failed"),
    ([TRAINS, full(Outcome.WORSE), full(Outcome.BETTER, "digits")], Need.WORSE, "tumour is worse"),
    ([TRAINS, full(Outcome.WORSE), full(None, "digits", RunState.RUNNING)], Need.WORSE, "tumour is worse"),
    ([TRAINS, full(Outcome.INCONCLUSIVE)], Need.UNCLEAR, "tumour is inconclusive"),
    ([TRAINS, full(Outcome.NOT_COMPARABLE)], Need.UNCLEAR, "tumour is not comparable"),
    (
        [TRAINS, full(Outcome.NOT_COMPARABLE, against="")],
        Need.QUIET,
        "trained in full; there is nothing to compare it with yet",
    ),
    ([toy(RunState.CANCELED)], Need.UNCLEAR, "tumour (toy) was canceled"),
    ([toy(RunState.PENDING), full(Outcome.BETTER)], Need.RUNNING, "tumour (toy) is not over"),
    ([TRAINS, full(Outcome.BETTER), full(Outcome.EQUIVALENT, "digits")], Need.READY, "tumour is better"),
    ([toy(None, unchanged=True), full(Outcome.EQUIVALENT)], Need.READY, "tumour is equivalent"),
    ([toy(None), full(Outcome.BETTER)], Need.QUIET, "its full training is not compared yet"),
    ([TRAINS, full(None)], Need.QUIET, "its full training is not compared yet"),
    ([TRAINS], Need.QUIET, "trains; no full training of its head yet"),
    ([toy(None)], Need.QUIET, "no run of its head is here"),
    ([replace(full(None), state=None)], Need.QUIET, "no run of its head is here"),
    ([TRAINS, replace(full(Outcome.BETTER), state=None)], Need.READY, "tumour is better"),
    ([full(Outcome.WORSE, each) for each in "abc"], Need.WORSE, "a is worse, b is worse, c is worse"),
    ([full(Outcome.WORSE, each) for each in "abcd"], Need.WORSE, "a is worse, b is worse and 2 more"),
]


def test_a_training_with_values_of_its_own_says_nothing_of_its_branch() -> None:
    variant = replace(full(Outcome.WORSE), kind=Kind.VARIANT)
    known = Known(head=HEAD, newest=RunState.SUCCEEDED, commit=HEAD, algorithm="tumour")
    assert need(replace(known, tried=[variant])) == need(known)
    assert need(replace(known, tried=[full(Outcome.BETTER), variant]))[0] is Need.READY


def test_what_a_report_found_counts_where_no_ci_told_of_the_branch_too() -> None:
    known = Known(updated=False, newest=RunState.SUCCEEDED, commit=HEAD, algorithm="tumour")
    assert need(replace(known, tried=[full(Outcome.WORSE)])) == (Need.WORSE, "tumour is worse")
    assert need(replace(known, tried=[full(Outcome.BETTER)], newest=RunState.FAILED))[0] is Need.FAILED


@pytest.mark.parametrize(("tried", "what", "why"), TABLE)
def test_what_was_tried_at_its_head_says_what_a_branch_needs(tried: list[Finding], what: Need, why: str) -> None:
    assert need(Known(head=HEAD, tried=tried, newest=RunState.FAILED, commit="b" * 40)) == (what, why)


def test_a_full_training_that_was_begun_by_hand_is_known_not_to_be_compared() -> None:
    said = need(Known(head=HEAD, tried=[TRAINS], newest=RunState.SUCCEEDED, commit=HEAD, trained=True))
    assert said == (Need.QUIET, "its full training is not compared yet")


def test_the_order_is_that_of_urgency() -> None:
    wanted = ["failed", "worse", "unclear", "stale", "running", "ready", "quiet", "gone"]
    assert [each.value for each in sorted(Need, key=lambda each: each.urgency)] == wanted


def test_a_head_at_which_nothing_was_tried_is_stale_if_something_was_before() -> None:
    older = Known(head=HEAD, before="b" * 40)
    assert need(older) == (Need.STALE, "nothing was tried at aaaaaaaa yet, the last at bbbbbbbb")
    assert need(Known(head=HEAD)) == (Need.QUIET, "nothing was tried yet")
    begun = Known(head=HEAD, newest=RunState.FAILED, commit="c" * 40, algorithm="tumour")
    assert need(begun) == (Need.STALE, "nothing was tried at aaaaaaaa yet, the last at cccccccc")
    assert need(replace(begun, before="b" * 40))[1] == "nothing was tried at aaaaaaaa yet, the last at bbbbbbbb"
    assert need(replace(begun, commit="")) == (Need.STALE, "nothing was tried at aaaaaaaa yet")


def test_a_head_that_only_a_run_is_of_is_as_that_run() -> None:
    known = Known(head=HEAD, newest=RunState.FAILED, commit=HEAD, algorithm="tumour", before="b" * 40)
    assert need(known) == (Need.FAILED, "its newest run (tumour) failed")


def test_a_branch_that_no_ci_told_of_is_as_its_newest_run() -> None:
    assert need(Known(newest=RunState.FAILED, algorithm="tumour"))[0] is Need.FAILED
    assert need(Known(newest=RunState.RUNNING, algorithm="tumour"))[0] is Need.RUNNING
    assert need(Known(newest=RunState.SUCCEEDED, algorithm="tumour"))[0] is Need.QUIET


def test_a_trunk_is_not_merged_and_what_is_gone_needs_nothing() -> None:
    assert need(Known(trunk=True, head=HEAD, tried=[TRAINS, full(Outcome.BETTER)])) == (Need.QUIET, "trains")
    for none in ([full(Outcome.BETTER)], [toy(None), full(Outcome.BETTER)]):
        assert need(Known(trunk=True, head=HEAD, tried=none)) == (Need.QUIET, "nothing is wrong")
    assert need(Known(gone=True, head=HEAD, tried=[toy(RunState.FAILED)]))[0] is Need.GONE


def test_a_verdict_that_is_not_understood_is_none() -> None:
    assert verdict({}) is None
    assert verdict({"outcome": "splendid"}) is None
    assert verdict({"outcome": ["worse"]}) is None
    assert verdict({"outcome": "worse", "primary": "auc", "baseline": 7}) == Verdict(outcome=Outcome.WORSE)
    strange = verdict({"outcome": "worse", "primary": {"metric": 3, "head": True, "difference": -0.1}})
    assert strange == Verdict(outcome=Outcome.WORSE, difference=-0.1)
    said = verdict({"outcome": "worse", "primary": {"metric": "auc", "head": 0.8, "baseline": 0.9}, "baseline": "run1"})
    assert said == Verdict(outcome=Outcome.WORSE, metric="auc", head=0.8, baseline=0.9, against="run1")
