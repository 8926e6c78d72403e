"""Which run a run is compared with."""

from __future__ import annotations

from dataclasses import replace

from palmette.comparison.baseline import Candidate, Rule, choose
from palmette.domain.lines import Line, Start

HEAD = Candidate(
    run="head", algorithm="tumour", preset="full", commit="h", branch="feature", created=9.0, succeeded=True, data="d1"
)
LINE = Line(target="main", start=Start.MERGE_BASE, commits=("c3", "c2", "c1"))


def on(commit: str, run: str = "", **more: object) -> Candidate:
    named = replace(HEAD, run=run or f"run of {commit}", commit=commit, branch="main", created=1.0)
    return replace(named, **more)  # type: ignore[arg-type]


def test_the_pinned_baseline_comes_first() -> None:
    found = choose(HEAD, LINE, [on("c3")], pinned=on("c1", algorithm="other"))
    assert (found.run, found.rule, found.distance) == ("run of c1", Rule.PINNED, 2)


def test_a_run_is_not_compared_with_itself_even_if_it_is_pinned() -> None:
    found = choose(HEAD, LINE, [HEAD, on("c2")], pinned=HEAD)
    assert (found.run, found.rule) == ("run of c2", Rule.NEAREST)
    assert found.remarks == ("the pinned baseline is this very run",)


def test_the_nearest_commit_with_a_run_is_taken_and_its_distance_said() -> None:
    found = choose(HEAD, LINE, [on("c1"), on("c2")])
    assert (found.run, found.distance, found.sentence) == (
        "run of c2",
        1,
        "nearest run on main, 1 commit before the merge base",
    )


def test_what_does_not_fit_is_passed_over_with_the_reason() -> None:
    unfit = [
        on("c3", "toy", preset="toy", created=5.0),
        on("c3", "broken", succeeded=False, created=4.0),
        on("c3", "tried", overrides=("C", "seed"), created=3.0),
        on("c3", "edited", dirty=True, created=2.0),
        on("c3", "elsewhere", algorithm="other"),
    ]
    found = choose(HEAD, LINE, [*unfit, on("c2")])
    assert found.run == "run of c2"
    assert [(each.run, each.reason) for each in found.passed_over] == [
        ("toy", "another preset (toy)"),
        ("broken", "it did not succeed"),
        ("tried", "overrides (C, seed)"),
        ("edited", "uncommitted changes"),
    ]


def test_among_the_runs_of_a_commit_the_same_data_comes_first_then_the_newest() -> None:
    old, new, other = (
        on("c3", "old", created=1.0),
        on("c3", "new", created=2.0),
        on("c3", "other", data="d2", created=3.0),
    )
    assert choose(HEAD, LINE, [old, new, other]).run == "new"
    assert choose(replace(HEAD, data="d3"), LINE, [old, new, other]).run == "other"


def test_other_data_is_no_reason_to_walk_on() -> None:
    found = choose(HEAD, LINE, [on("c3", data="d2"), on("c2", data="d1")])
    assert (found.run, found.same_data) == ("run of c3", False)
    assert choose(HEAD, LINE, [on("c3", data="")]).same_data is None


def test_without_a_commit_that_has_a_run_it_is_the_newest_of_the_target_branch() -> None:
    gone = [on("x1", "old", created=1.0), on("x2", "new", created=2.0), on("x3", "mine", branch="feature", created=3.0)]
    found = choose(HEAD, replace(LINE, shallow=True), gone)
    assert (found.run, found.rule, found.distance) == ("new", Rule.NEWEST, None)
    assert found.remarks == (
        "this clone is shallow: only 3 commits of main are known",
        "the baseline's commit x2 is not among those of main that this run is known to come from",
    )


def test_a_second_run_of_the_first_commit_is_compared_with_the_first_one() -> None:
    root = Line(target="main", start=Start.FIRST_PARENT)
    found = choose(replace(HEAD, branch="main"), root, [on("h", "before")])
    assert (found.run, found.remarks) == ("before", ())
    assert found.sentence == "newest run on main, as no commit before it is known"
    assert choose(HEAD, root, []).sentence == "no other run on main to compare with"


def test_without_history_the_newest_is_taken_and_what_was_newer_is_named() -> None:
    line = Line(target="main", start=Start.NONE)
    found = choose(HEAD, line, [on("c1", "good", created=1.0), on("c2", "broken", succeeded=False, created=2.0)])
    assert found.run == "good"
    assert [each.run for each in found.passed_over] == ["broken"]
    assert found.remarks[0] == "no commit is known at which this branch left main"


def test_without_any_run_there_is_no_baseline_and_that_is_said() -> None:
    found = choose(HEAD, LINE, [HEAD, on("c3", "toy", preset="toy")])
    assert (found.run, found.rule) == ("", Rule.NONE)
    assert found.sentence == "no run on main to compare with"
    assert [each.reason for each in found.passed_over] == ["another preset (toy)"]
    assert found.as_json()["run"] is None
