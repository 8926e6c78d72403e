"""What is kept of branches that are gone, on both databases."""

from __future__ import annotations

from collections.abc import Callable

from palmette.domain.branches import Branch, Check, Kind
from palmette.domain.run import Git, Run
from palmette.domain.states import RunState
from palmette.store import branches, checks, departures, overviews, pins
from palmette.store.database import Store
from palmette.store.pins import Pin

NAME = "feature/ä"


def keep(store: Store, **values: object) -> Branch:
    made = Branch(**{"project": "clinic", "name": NAME, "seen": 1700000000.123456, **values})  # type: ignore[arg-type]
    return branches.change(store, made, lambda _: made)[1]


def test_a_branch_is_gone_unless_it_was_updated_since_it_was_looked_at(store: Store) -> None:
    seen = keep(store).seen
    assert departures.leave(store, "clinic", {NAME: seen + 1, "unknown": 1.0}, 9.0) == ()
    assert departures.leave(store, "other", {NAME: seen}, 9.0) == ()
    assert departures.leave(store, "clinic", {NAME: seen}, 9.0) == (NAME,)
    assert departures.leave(store, "clinic", {NAME: seen}, 10.0) == ()
    assert not departures.archived(store, "clinic", NAME, seen + 1, 11.0)
    assert departures.archived(store, "clinic", NAME, seen, 11.0)
    assert branches.named(store, "clinic", NAME) == keep(store, gone=9.0, archived=11.0)
    departures.come_back(store, "clinic", [NAME])
    assert not departures.archived(store, "clinic", NAME, seen, 12.0)
    assert branches.named(store, "clinic", NAME) == keep(store, archived=11.0)


def test_a_branch_that_is_known_stays_as_it_is_where_it_is_remembered_as_gone(store: Store) -> None:
    known = keep(store)
    departures.remember(store, [Branch(project="clinic", name=each, gone=9.0) for each in (NAME, "new")])
    assert branches.named(store, "clinic", NAME) == known
    assert branches.named(store, "clinic", "new") == Branch(project="clinic", name="new", gone=9.0)


def test_runs_that_others_are_held_against_are_baselines(store: Store, accept: Callable[..., Run]) -> None:
    plain, pinned, judged = (accept(git=Git(branch=NAME), state=RunState.SUCCEEDED) for _ in range(3))
    accept(git=Git(branch="main"))
    pins.put(store, Pin(project="clinic", algorithm="tumour", preset="full", run=pinned.id))
    verdict = {"outcome": "better", "baseline": judged.id}
    checks.put(store, Check(project="clinic", commit="c", algorithm="a", kind=Kind.FULL, run="r", verdict=verdict))
    found = {each.id: each.baseline for each in departures.of_branches(store, "clinic", [NAME])}
    assert found == {plain.id: False, pinned.id: True, judged.id: True}


def test_commits_that_no_branch_has_are_those_that_were_named_last(store: Store, accept: Callable[..., Run]) -> None:
    for commit in ("a", "b", "b"):
        accept(git=Git(branch=NAME, commit=commit))
    accept(git=Git(commit="detached"))
    assert departures.commits(store, "clinic") == ("a", "b")
    assert departures.orphan(store, "clinic", ["a"], 1.0) == 1
    assert departures.orphan(store, "clinic", ["a", "b"], 2.0) == 1
    assert overviews.orphaned(store, "clinic", ["a", "b", "c"]) == {"a", "b"}
    assert overviews.orphaned(store, "other", ["a"]) == set()
    assert departures.orphan(store, "clinic", [], 3.0) == 0
    assert overviews.orphaned(store, "clinic", ["a", "b"]) == set()
