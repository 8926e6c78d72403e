"""Which bytes are needed, and which runs go, on every database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.run import Lease, Run, RunChanged, TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.errors import NotFound
from palmette.store import artifacts, leases, metrics, retention, runs, tasks
from palmette.store.database import Store
from palmette.store.ledger import RunLedger

Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]


def made(store: Store, accept: Accept, drive: Drive, digest: str, **values: object) -> Run:
    """A run that is over, of one step that made these bytes."""
    run = accept(**values)
    lease = drive(run)
    artifact = Artifact(type="system.Model", digest=digest, size=1, filename="model")
    ledger = RunLedger(store, lease, lambda _: True)
    ledger.record([RunChanged(state=RunState.RUNNING, time=1.0)])
    outputs = Outputs(artifacts={"model": artifact})
    ledger.record([TaskChanged(task="fit", state=TaskState.SUCCEEDED, time=2.0, fingerprint="f", outputs=outputs)])
    ledger.record([RunChanged(state=RunState.SUCCEEDED, time=3.0)])
    leases.release(store, lease)
    return runs.get(store, run.id)


def test_bytes_are_needed_by_the_runs_that_refer_to_them(store: Store, accept: Accept, drive: Drive) -> None:
    first = made(store, accept, drive, "sha256:a", spec="sha256:spec", bundle="b1")
    second = made(store, accept, drive, "sha256:b", project="other", bundle="b2")

    assert retention.needed(store) == {"sha256:a", "sha256:b", "sha256:spec"}
    assert retention.needed(store, without=[first.id]) == {"sha256:b", "sha256:spec"}
    assert retention.needed(store, deleted=[first.id]) == {"sha256:b"}
    assert retention.bundles(store, deleted=[second.id]) == {"b1"}
    assert retention.known(store) == {first.id: 3.0, second.id: 3.0}


def test_a_collected_run_stays_and_says_when_and_why(store: Store, accept: Accept, drive: Drive) -> None:
    run = made(store, accept, drive, "sha256:a", spec="sha256:spec")

    retention.collect(store, [run.id], "--keep-last 3", 77.0)
    retention.collect(store, [run.id], "--keep-last 1", 99.0)

    assert retention.collection(store, run.id) == retention.Collected(time=77.0, rule="--keep-last 3")
    assert retention.needed(store) == {"sha256:spec"}
    assert runs.get(store, run.id).state is RunState.SUCCEEDED
    assert artifacts.of_run(store, run.id)["fit"].artifacts["model"].digest == "sha256:a"
    assert [found.collected for found in retention.candidates(store, run.project)] == [True]


def test_bytes_that_a_kept_run_reused_are_needed_though_their_maker_was_collected(
    store: Store, accept: Accept, drive: Drive
) -> None:
    maker = made(store, accept, drive, "sha256:a")
    made(store, accept, drive, "sha256:a")

    retention.collect(store, [maker.id], "", 1.0)

    assert retention.needed(store) == {"sha256:a"}


def test_a_run_that_is_not_over_is_never_collected(store: Store, accept: Accept) -> None:
    run = accept()

    retention.collect(store, [run.id], "", 1.0)

    assert retention.collection(store, run.id) is None


def test_a_deleted_run_leaves_nothing(store: Store, accept: Accept, drive: Drive) -> None:
    run = made(store, accept, drive, "sha256:a", tags=("x",))
    stays = made(store, accept, drive, "sha256:b")
    retention.collect(store, [run.id], "", 1.0)

    assert retention.delete_runs(store, {run.id: 1}) == (run.id,)

    assert [found.run.id for found in runs.page(store)] == [stays.id]
    assert tasks.of_run(store, run.id) == ()
    assert metrics.of_run(store, run.id) == ()
    assert artifacts.of_run(store, run.id) == {}
    assert retention.collection(store, run.id) is None
    with pytest.raises(NotFound):
        runs.get(store, run.id)


def test_a_run_that_was_taken_up_since_is_not_deleted(store: Store, accept: Accept, drive: Drive) -> None:
    run = accept()
    drive(run)

    assert retention.delete_runs(store, {run.id: 0}) == ()
    assert runs.get(store, run.id).id == run.id


def test_what_speaks_for_a_run_is_known(store: Store, accept: Accept, drive: Drive) -> None:
    first = made(store, accept, drive, "sha256:a", created=1.0, tags=("champion",), note="good")
    second = made(store, accept, drive, "sha256:b", created=2.0, origin=first.id)
    accept(project="other", created=3.0)

    newest, oldest = retention.candidates(store, "clinic")

    assert (newest.id, newest.final, newest.origin, newest.noted) == (second.id, True, False, False)
    assert (oldest.tags, oldest.noted, oldest.origin) == (frozenset({"champion"}), True, True)


def test_who_drives_is_known_with_the_age_of_the_run(store: Store, accept: Accept, drive: Drive) -> None:
    made(store, accept, drive, "sha256:a")
    going = accept(created=5.0)
    drive(going)

    ((created, holder),) = retention.holders(store)

    assert created == 5.0
    assert holder.lease.run == going.id
    assert holder.silent < 60
