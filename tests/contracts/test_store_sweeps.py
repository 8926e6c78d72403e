"""Sweeps and earlier executions are found again, on every database."""

from __future__ import annotations

from collections.abc import Callable

from palmette.domain.run import Lease, Run, RunChanged, TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.store import history, runs, sweeps
from palmette.store.database import Store
from palmette.store.ledger import RunLedger
from palmette.store.sweeps import SweepRecord

Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]


def executed(store: Store, accept: Accept, drive: Drive, state: TaskState, created: float) -> Run:
    run = accept(created=created)
    ledger = RunLedger(store, drive(run), lambda _: True)
    ledger.record([RunChanged(state=RunState.RUNNING, time=1.0), TaskChanged(task="fit", state=state, time=2.0)])
    return runs.get(store, run.id)


def test_a_sweep_is_found_by_its_name_its_beginning_and_as_the_last(store: Store) -> None:
    first = SweepRecord(id="abcd00000000", project="clinic", algorithm="tumour", plan={"C": [0.1, 1]}, created=1.0)
    second = SweepRecord(id="wxyz00000000", project="clinic", algorithm="tumour", plan=None, note="n", created=2.0)
    for record in (first, second):
        sweeps.create(store, record)

    assert sweeps.find(store, "abcd00000000", project="clinic") == first
    assert sweeps.find(store, "wxyz", project="clinic") == second
    assert sweeps.find(store, "last", project="clinic") == second
    assert sweeps.find(store, "last", project="other") is None
    assert sweeps.find(store, "none", project="clinic") is None


def test_without_a_project_the_sweeps_of_all_are_found(store: Store) -> None:
    for number, project in enumerate(("clinic", "ward"), 1):
        id = f"{project}00000000"
        sweeps.create(store, SweepRecord(id=id, project=project, algorithm="a", plan=None, created=float(number)))

    assert [each.project for each in sweeps.page(store, project="", limit=9)] == ["ward", "clinic"]
    assert [each.project for each in sweeps.page(store, project="clinic", limit=9)] == ["clinic"]
    last, named = sweeps.find(store, "last", project=""), sweeps.find(store, "clin", project="")
    assert (last and last.project, named and named.project) == ("ward", "clinic")


def test_the_earlier_execution_of_a_task_is_the_newest_good_one(store: Store, accept: Accept, drive: Drive) -> None:
    good = executed(store, accept, drive, TaskState.SUCCEEDED, 1.0)
    bad = executed(store, accept, drive, TaskState.FAILED, 2.0)
    now = executed(store, accept, drive, TaskState.SUCCEEDED, 3.0)

    found = {run.id: history.earlier(store, run, "fit") for run in (good, bad, now)}

    assert found[good.id] is None
    assert [entry and entry[0].id for entry in (found[bad.id], found[now.id])] == [good.id, good.id]
