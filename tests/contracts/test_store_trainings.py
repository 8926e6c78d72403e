"""Trainings that are like another one, on every database."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.trained import Past, Told

from palmette.domain.states import RunState
from palmette.store import runs, trainings
from palmette.store.database import Store
from palmette.store.trainings import Reading


@pytest.fixture
def past(store: Store, tmp_path: Path) -> Past:
    return Past(tmp_path / "home", store)


def test_what_may_be_a_sibling_is_found_newest_first_whatever_else_there_is(past: Past) -> None:
    first = past.add(Told(commit="a", config={"seed": 0, "C": 0.1}))
    past.add(Told(commit="a", state=RunState.FAILED))
    past.add(Told(commit="a", preset="toy"))
    past.add(Told(commit="a", algorithm="other"))
    past.add(Told(commit="a", trigger="comparison"))
    last = past.add(Told(commit="b", branch="idea", dirty=True))
    found = trainings.around(past.home.store, runs.get(past.home.store, first))
    assert [each.run for each in found] == [last, first]
    assert [each.config for each in found] == [{}, {"seed": "0", "C": "0.1"}]
    assert [(each.branch, each.commit, each.dirty) for each in found] == [("idea", "b", True), ("main", "a", False)]


def test_what_the_branch_trained_before_is_told_by_branch_or_commit(past: Past) -> None:
    on_branch, of_commit = past.add(Told(commit="a")), past.add(Told(commit="b", branch=""))
    past.add(Told(commit="c", branch="idea"))
    head = runs.get(past.home.store, past.add(Told(commit="d", branch="idea")))
    past.add(Told(commit="a"))
    asked = {"branch": "main", "created": head.created}
    found = trainings.before(past.home.store, head, commits=("b",), **asked)  # type: ignore[arg-type]
    assert [each.run for each in found] == [of_commit, on_branch]
    assert [each.run for each in trainings.before(past.home.store, head, commits=(), **asked)] == [on_branch]  # type: ignore[arg-type]


def test_tasks_say_what_they_made_and_who_made_it(past: Past) -> None:
    first = past.add(Told(numbers={"auc": 0.9, "loss": float("nan")}))
    again = past.add(Told(numbers={"auc": 0.9}, reused=first))
    made = trainings.made(past.home.store, [first, again])
    fetch, fit, evaluate = made[first]
    assert (fetch.needs, fit.needs, evaluate.needs) == ((), ("fetch",), ("fetch", "fit"))
    assert [kind for _, kind, _ in (*fetch.outputs, *fit.outputs)] == ["system.Dataset", "system.Model"]
    assert fit.code == ("fit", "", "fit 1")
    assert [task.maker for task in made[again]] == [task.maker for task in made[first]]
    found = trainings.readings(past.home.store, [first, again], ["auc"])
    assert found == {run: {"auc": Reading(task="evaluate", value=0.9)} for run in (first, again)}
    assert trainings.readings(past.home.store, [first], [str(number) for number in range(500)]) == {first: {}}
