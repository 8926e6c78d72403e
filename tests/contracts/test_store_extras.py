"""What was executed for a comparison, on every database: kept for the pair, listed nowhere, gone with either run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from palmette.domain.listing import Slice
from palmette.domain.query import Query
from palmette.domain.run import Lease, Run, RunChanged, Setting
from palmette.domain.states import RunState
from palmette.errors import NotFound
from palmette.store import answers, extras, filing, leases, names, retention, runs, search
from palmette.store.database import Store
from palmette.store.extras import Place
from palmette.store.identity import new_run_id
from palmette.store.ledger import RunLedger

Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]


def over(store: Store, drive: Drive, run: Run) -> Run:
    lease = drive(run)
    RunLedger(store, lease, lambda _: True).record(
        [RunChanged(state=RunState.RUNNING, time=1.0), RunChanged(state=RunState.SUCCEEDED, time=2.0)]
    )
    leases.release(store, lease)
    return runs.get(store, run.id)


def extra(head: Run) -> Run:
    """A run for a comparison of that one, which is not in the store yet."""
    name = f"{head.algorithm}: rescored"
    asked = (Setting(name="asked", value=1),)
    run = replace(head, id=new_run_id(), algorithm=name, trigger=runs.EXTRA, origin=head.id)
    return replace(run, spec="sha256:extra", settings=asked)


def test_one_run_is_kept_for_a_pair_and_a_purpose(store: Store, accept: Accept) -> None:
    head, baseline = accept(), accept()
    place = Place(head=head.id, baseline=baseline.id, purpose="rescored")
    first, second = extra(head), extra(head)

    assert extras.accept(store, place, first, ())
    assert not extras.accept(store, place, second, ())
    assert extras.of(store, head.id, baseline.id)["rescored"].id == first.id
    assert extras.accept(store, place, second, (), instead=first.id)

    assert {purpose: run.id for purpose, run in extras.of(store, head.id, baseline.id).items()} == {
        "rescored": second.id
    }
    assert extras.of(store, baseline.id, head.id) == {}
    with pytest.raises(NotFound):
        runs.get(store, first.id)


def test_it_is_found_by_its_id_alone(store: Store, accept: Accept) -> None:
    head, baseline = accept(algorithm="tumour"), accept(algorithm="tumour")
    run = extra(head)
    extras.accept(store, Place(head=head.id, baseline=baseline.id, purpose="rescored"), run, ())
    both = {head.id, baseline.id}

    assert runs.get(store, run.id).origin == head.id
    assert runs.get(store, "last").id in both
    assert {each.run.id for each in runs.page(store)} == both
    assert {each.run.id for each in search.find(store, head.project, Query(), limit=9).runs} == both
    assert {each.run.id for each in search.find(store, "", Query(), limit=9, few=0).runs} == both
    listed = filing.page(store, Slice(size=9, order="created"))
    assert ({each.id for each in listed.items}, listed.total) == (both, 2)
    assert set(names.names(store, "algorithm", head.project)) == {"tumour"}
    assert {each.id for each in retention.candidates(store, head.project)} == both
    assert not any(each.origin for each in retention.candidates(store, head.project))
    assert answers.names(store, head.project) == ()


@pytest.mark.parametrize("which", ["head", "baseline"])
def test_it_goes_with_either_run(store: Store, accept: Accept, drive: Drive, which: str) -> None:
    head, baseline = over(store, drive, accept(bundle="b1")), over(store, drive, accept(bundle="b1"))
    run = extra(head)
    extras.accept(store, Place(head=head.id, baseline=baseline.id, purpose="rescored"), run, ())
    over(store, drive, run)
    going = {"head": head, "baseline": baseline}[which]
    if which == "head":
        assert "sha256:extra" not in retention.needed(store, deleted=[head.id])

    retention.delete_runs(store, {going.id: 1})

    with pytest.raises(NotFound):
        runs.get(store, run.id)
    assert "sha256:extra" not in retention.needed(store)
