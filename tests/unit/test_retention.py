"""Rules choose the runs that are let go; what speaks for a run keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from palmette.errors import UsageError
from palmette.operations.retention import Rules, age, choose
from palmette.store.retention import Candidate

DAY = 86_400.0
NOW = 1000 * DAY


def run(name: str, days: float = 0, **values: object) -> Candidate:
    """A run of "tumour" on main that is over, so many days old."""
    plain = Candidate(
        id=name,
        algorithm="tumour",
        branch="main",
        created=NOW - days * DAY,
        final=True,
        epoch=1,
        tags=frozenset(),
        noted=False,
        origin=False,
        promoted=False,
        collected=False,
    )
    return replace(plain, **values)  # type: ignore[arg-type]


def collected(rules: Rules, *runs: Candidate) -> set[str]:
    return set(choose(rules, runs, NOW).collect)


def test_without_rules_every_run_keeps_everything() -> None:
    assert choose(Rules(), [run("a", 900)], NOW).collect == ()


def test_the_newest_are_counted_by_algorithm_and_branch() -> None:
    runs = [run("a", 1), run("b", 2), run("c", 3, branch="feat"), run("d", 4, algorithm="digits"), run("e", 5)]

    assert collected(Rules(keep_last=1), *runs) == {"b", "e"}
    assert collected(Rules(keep_last=0), *runs) == {"a", "b", "c", "d", "e"}


def test_with_both_rules_a_run_must_be_beyond_the_newest_and_old() -> None:
    runs = [run("a", 100), run("b", 101), run("c", 10)]

    assert collected(Rules(older_than=90 * DAY), *runs) == {"a", "b"}
    assert collected(Rules(keep_last=1, older_than=90 * DAY), *runs) == {"b"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"tags": frozenset({"champion"})}, "tagged"),
        ({"noted": True}, "noted"),
        ({"promoted": True}, "promoted"),
        ({"origin": True}, "another run was made from it"),
        ({"final": False}, "not over"),
    ],
)
def test_what_speaks_for_a_run_keeps_it_and_is_said(values: dict[str, object], reason: str) -> None:
    choice = choose(Rules(keep_last=0), [run("a", 1, **values)], NOW)

    assert choice.collect == ()
    assert choice.spared == {reason: 1}
    assert choose(Rules(found=("a",)), [run("a", 1, **values)], NOW).delete == {}
    with pytest.raises(UsageError, match="a: "):
        choose(Rules(named=("a",)), [run("a", 1, **values)], NOW)


def test_once_a_tag_is_named_other_tags_protect_no_run() -> None:
    runs = [run("a", 1, tags=frozenset({"champion"})), run("b", 2, tags=frozenset({"tried"}))]

    assert collected(Rules(keep_last=0, keep=("champion",)), *runs) == {"b"}


def test_runs_that_are_named_or_found_are_deleted_under_the_epoch_they_had() -> None:
    choice = choose(Rules(named=("a",), found=("b", "a")), [run("a"), run("b", epoch=3), run("c")], NOW)

    assert choice.delete == {"a": 1, "b": 3}
    assert choice.collect == ()


def test_a_run_whose_bytes_went_before_is_not_counted_again() -> None:
    assert collected(Rules(keep_last=0), run("a", collected=True)) == set()


@pytest.mark.parametrize(("text", "seconds"), [("90d", 90 * DAY), ("12h", 43_200), ("1.5h", 5400), ("2w", 14 * DAY)])
def test_ages_are_read(text: str, seconds: float) -> None:
    assert age(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "9y", "-1d", "1 d"])
def test_other_texts_are_no_ages(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        age(text)
