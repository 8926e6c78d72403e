"""Runs from elsewhere are written all at once, and once, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from palmette.domain.run import Git, Run, Setting
from palmette.domain.states import RunState
from palmette.errors import StoreError
from palmette.store import identity, imports, metrics, runs
from palmette.store.database import Store
from palmette.store.imports import Imported

RUN = Run(
    id="a00000000000",
    project="clinic",
    algorithm="tumour",
    state=RunState.SUCCEEDED,
    settings=(Setting(name="C", value=0.5), Setting(name="penalty", value="l1")),
    git=Git(branch="main", commit="c" * 40, author="Ada"),
    trigger="import",
    created=5.0,
    started=5.0,
    ended=9.0,
    tags=("old",),
    note="half \0 a pair \ud800",
)


def test_an_imported_run_reads_like_any_other(store: Store) -> None:
    assert imports.add(store, [Imported(run=RUN, metrics={"auc": 0.9, "loss": float("nan")})]) == frozenset()

    found = runs.get(store, "tumour")

    assert found == replace(RUN, note=found.note)
    assert found.imported
    assert metrics.last(store, RUN.id)["auc"] == 0.9
    assert metrics.history(store, RUN.id, "auc")[0].points[0].time == 9.0
    (listed,) = runs.page(store)
    assert (listed.run.id, listed.tasks) == (RUN.id, {})


def test_what_is_there_already_stays_as_it_is(store: Store, accept: Callable[..., Run]) -> None:
    own = accept(note="mine")
    other = replace(RUN, id=own.id, note="theirs")

    assert imports.add(store, [Imported(run=other, metrics={}), Imported(run=RUN, metrics={})]) == {own.id}
    assert imports.add(store, [Imported(run=RUN, metrics={"auc": 1.0})]) == {RUN.id}

    assert runs.get(store, own.id).note == "mine"
    assert metrics.last(store, RUN.id) == {}


def test_all_runs_or_none(store: Store) -> None:
    twice = replace(RUN, id="b00000000000", settings=(Setting(name="C", value=1), Setting(name="C", value=2)))

    with pytest.raises(StoreError):
        imports.add(store, [Imported(run=RUN, metrics={}), Imported(run=twice, metrics={})])

    assert imports.known(store, [RUN.id, twice.id]) == frozenset()


def test_more_runs_than_a_statement_takes(store: Store) -> None:
    entries = [
        Imported(run=replace(RUN, id=identity.derived_run_id(str(number))), metrics={"auc": number / 1000})
        for number in range(1100)
    ]

    imports.add(store, entries)

    assert len(imports.known(store, (entry.run.id for entry in entries))) == 1100
    assert metrics.last(store, entries[-1].run.id) == {"auc": 1.099}


def test_names_that_follow_from_a_text_are_always_the_same_and_names_of_runs() -> None:
    names = {identity.derived_run_id(str(number)) for number in range(2000)}

    assert len(names) == 2000
    assert all(identity.is_run_id(name) for name in names)
    assert identity.derived_run_id("x") == identity.derived_run_id("x")
    assert identity.is_run_id(identity.new_run_id())
    assert not identity.is_run_id("0123456789abcdef")
