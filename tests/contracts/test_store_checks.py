"""What CI did about algorithms at commits, on every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from palmette.blobs import Blobs
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context
from palmette.domain.run import Lease, Run, RunChanged
from palmette.domain.states import RunState
from palmette.errors import UsageError
from palmette.operations import checks
from palmette.operations.home import Home
from palmette.store.database import Store
from palmette.store.ledger import RunLedger

COMMIT, OTHER = "a" * 40, "b" * 40
Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    return Home(directory=tmp_path, project="clinic", store=store, blobs=Blobs(tmp_path / "blobs"))


def check(**values: Any) -> Check:
    usual = {"project": "clinic", "commit": COMMIT, "algorithm": "tumour", "kind": Kind.TOY, "branch": "main"}
    return Check(**{**usual, **values})


def over(store: Store, run: Run, drive: Drive, state: RunState) -> Run:
    ledger = RunLedger(store, drive(run), lambda _: True)
    ledger.record([RunChanged(state=RunState.RUNNING, time=1.0), RunChanged(state=state, time=3.0)])
    return run


def test_a_commit_has_one_check_of_an_algorithm_and_a_kind_the_newest(home: Home) -> None:
    context = Context(branch="main", deadline=2.5, remarks=("odd\0",))
    first = checks.record(home, check(run="r1", key="k1", context=context, parts={"lock": "1"}, created=1.0))
    assert first.context.deadline == 2.5
    checks.record(home, check(run="r2", key="k2", created=2.0))
    checks.record(home, check(run="r3", kind=Kind.FULL))
    checks.record(home, check(run="r4", commit=OTHER))
    for variant in ("a", "b"):
        checks.record(home, check(run=f"r5{variant}", kind=Kind.VARIANT, variant=variant))

    assert [(each.kind, each.run) for each in checks.of(home, COMMIT)] == [
        (Kind.FULL, "r3"),
        (Kind.TOY, "r2"),
        (Kind.VARIANT, "r5a"),
        (Kind.VARIANT, "r5b"),
    ]
    assert [each.check.run for each in checks.newest(home, Kind.TOY, "main")] == ["r4"]
    with pytest.raises(UsageError):
        checks.record(home, check(project="other"))


def test_whoever_asks_for_the_same_at_once_gets_the_same_run(home: Home) -> None:
    barrier = Barrier(4)

    def ask(number: int) -> Check:
        barrier.wait()
        return checks.record(home, check(run=f"r{number}", key="one job"))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))

    assert len({each.run for each in found}) == 1
    assert checks.of(home, COMMIT) == (found[0],)
    assert checks.record(home, check(run="new", key="another job")).run == "new"


def test_of_two_that_settle_a_check_one_does(home: Home) -> None:
    checks.record(home, check(algorithm="no run"))
    checks.record(home, check(run="r1", key="k1"))
    [seen] = checks.unsettled(home)

    tried = checks.settle(home, seen, trouble="the forge does not answer")
    assert tried is not None
    assert (tried.tries, tried.trouble) == (1, "the forge does not answer")
    assert checks.settle(home, seen, settled=9.0) is None
    assert checks.settle(home, tried, settled=9.0, verdict={"verdict": "better"}) is not None
    assert checks.settle(home, tried, settled=9.5) is None

    assert checks.unsettled(home) == ()
    [kept] = [each for each in checks.of(home, COMMIT) if each.run]
    assert (kept.settled, kept.verdict, kept.trouble) == (9.0, {"verdict": "better"}, "")
    # A merge request asks about the same run: it is to be told, too, and the verdict is the run's.
    again = checks.record(home, check(run="r1", key="k2"))
    assert (again.settled, again.verdict) == (None, {"verdict": "better"})


def test_what_trained_last_is_told_from_what_was_tried_last(
    home: Home, store: Store, accept: Accept, drive: Drive
) -> None:
    good = over(store, accept(), drive, RunState.SUCCEEDED)
    bad = over(store, accept(), drive, RunState.FAILED)
    live = accept(algorithm="digits")
    checks.record(home, check(run=good.id, created=1.0))
    checks.record(home, check(run=bad.id, commit=OTHER, created=2.0))
    checks.record(home, check(run=live.id, algorithm="digits", created=3.0))
    checks.record(home, check(run=good.id, branch="other", commit="c" * 40, created=4.0))

    assert [(each.check.run, each.state) for each in checks.tried(home, Kind.TOY, "main")] == [
        (good.id, RunState.SUCCEEDED)
    ]
    newest = {each.check.algorithm: each.state for each in checks.newest(home, Kind.TOY, "main")}
    assert newest == {"tumour": RunState.FAILED, "digits": RunState.PENDING}
    assert [each.check.run for each in checks.on_branch(home, "main")] == [live.id, bad.id, good.id]
    assert checks.states(home, [good.id, "gone"]) == {good.id: RunState.SUCCEEDED}
    assert checks.states(replace(home, project="other"), [good.id]) == {}
