"""Names that are settled once, and edits that are kept: on each database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from palmette.blobs import Blobs
from palmette.domain.hosting import Experiment, Periodic, Pipeline, Schedule
from palmette.domain.run import Run
from palmette.errors import AlreadyThere, Conflict
from palmette.operations import edits, experiments, schedules
from palmette.operations.home import Home
from palmette.store import experiments as experiment_rows
from palmette.store import pipelines, scopes
from palmette.store import schedules as schedule_rows
from palmette.store.database import Store


def together(*functions: Callable[[], object]) -> None:
    """Call them at once."""
    barrier = threading.Barrier(len(functions))

    def after(function: Callable[[], object]) -> None:
        barrier.wait()
        function()

    threads = [threading.Thread(target=after, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_projects_that_claim_at_once_one_is_given_no_prefix(store: Store) -> None:
    found: dict[str, str] = {}
    names = [f"p{number}" for number in range(5)]
    together(*(lambda name=name: found.update({name: scopes.claim(store, name)}) for name in names))  # type: ignore[misc]
    assert sorted(found.values()) == ["", *sorted(f"{name}: " for name in names if found[name])]
    assert {name: scopes.claim(store, name) for name in names} == found
    assert {name: scopes.expected(store, name) for name in names} == found


def test_whoever_had_objects_before_there_were_prefixes_keeps_plain_names(store: Store) -> None:
    assert scopes.expected(store, "ia") == ""
    pipelines.create(store, Pipeline(id="1", name="tumour", project="old", created=2.0))
    experiment_rows.create(store, Experiment(id="2", name="main", project="older", created=1.0))
    experiment_rows.create(store, Experiment(id="3", name="by hand", created=0.5))
    assert scopes.expected(store, "ia") == "ia: "
    assert scopes.claim(store, "ia") == "ia: "
    assert scopes.claim(store, "old") == "old: "
    assert scopes.claim(store, "older") == ""


def test_a_name_that_another_experiment_has_is_not_taken(store: Store, tmp_path: Path) -> None:
    home = Home(directory=tmp_path, project="ia", store=store, blobs=Blobs(tmp_path / "blobs"))
    first, second = (experiments.create(home, name) for name in ("a", "b"))
    assert experiments.rename(home, first.id, "a").name == "a"
    with pytest.raises(AlreadyThere):
        experiments.rename(home, first.id, "b")
    together(*(lambda each=each: _quietly(home, each.id) for each in (first, second)))  # type: ignore[misc]
    assert sorted(each.name for each in (experiments.get(home, one.id) for one in (first, second)))[-1] == "c"
    with pytest.raises(Conflict):
        experiments.rename(home, experiments.default(home).id, "other")


def _quietly(home: Home, id: str) -> None:
    try:
        experiments.rename(home, id, "c")
    except AlreadyThere:
        return


def test_edits_are_kept_in_order_and_a_tick_is_none(store: Store, tmp_path: Path) -> None:
    home = Home(directory=tmp_path, project="ia", store=store, blobs=Blobs(tmp_path / "blobs"))
    pipeline = Pipeline(id="p", name="p", created=1.0)
    pipelines.create(store, pipeline)
    experiment = experiments.default(home)
    made = Schedule(
        id="s", name="s", pipeline="p", experiment=experiment.id, trigger=Periodic(interval=60), created=1.0, next=61.0
    )
    schedule_rows.create(store, made)
    for number, seconds in enumerate((120, 180), start=1):
        before = schedules.get(home, "s")
        after = replace(before, trigger=Periodic(interval=seconds))
        edit = edits.between(before, after, author="ada", why=f"reason {number}")
        assert schedule_rows.replace(store, before, after, edit)
        assert not schedule_rows.replace(store, before, after, edit)
    assert [each.why for each in schedules.history(home, "s")] == ["reason 2", "reason 1"]
    read = schedules.get(home, "s")
    assert schedule_rows.fire(
        store, read, 61.0, following=121.0, run=Run(id="r1", project="p", algorithm="a"), records=()
    )
    assert edits.mark(schedules.get(home, "s")) == edits.mark(read)
    assert len(schedules.history(home, "s")) == 2
    schedules.delete(home, "s")
    schedule_rows.create(store, made)
    assert schedules.history(home, "s") == ()
