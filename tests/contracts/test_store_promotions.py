"""What an alias is and was, on every database."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from palmette.domain.run import Lease, Run, RunChanged
from palmette.domain.states import RunState
from palmette.errors import Conflict, NotFound
from palmette.store import filing, leases, promotions, retention, runs
from palmette.store.database import Store
from palmette.store.ledger import RunLedger
from palmette.store.promotions import Promotion, Ruled, Ruling

Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]


def promoted(store: Store, run: Run, *, after: int, alias: str = "production", **values: object) -> Promotion | None:
    made = Promotion(project=run.project, algorithm=run.algorithm, alias=alias, run=run.id, **values)  # type: ignore[arg-type]
    return promotions.add(store, made, after=after)


def over(store: Store, run: Run, drive: Drive) -> Run:
    lease = drive(run)
    ledger = RunLedger(store, lease, lambda _: True)
    ledger.record([RunChanged(state=RunState.RUNNING, time=1.0), RunChanged(state=RunState.SUCCEEDED, time=3.0)])
    leases.release(store, lease)
    return runs.get(store, run.id)


def test_an_alias_is_what_was_promoted_last_and_names_that_run(store: Store, accept: Accept) -> None:
    first, second, other = accept(), accept(), accept(algorithm="other")
    ruling = Ruling(
        baseline=first.id,
        gate="inconclusive",
        gates=(Ruled(metric="auc", gate="minimum", outcome="passed", limit=0.9, value=math.nan),),
        forced=True,
    )

    promoted(store, first, after=0, created=9.0)
    promoted(store, second, after=1, author="Ada", reason="it is better\0", ruling=ruling, created=5.0)
    promoted(store, other, after=0, created=7.0)

    assert runs.get(store, "tumour@production", project="clinic").id == second.id
    assert runs.get(store, "other@production").id == other.id
    newest, oldest = promotions.log(store, project="clinic", algorithm="tumour", alias="production")
    assert (newest.serial, newest.author, newest.reason) == (2, "Ada", "it is better\ufffd")
    assert newest.ruling.gates[0].value is None
    assert (newest.ruling.baseline, newest.ruling.forced, newest.ruling.gate) == (first.id, True, "inconclusive")
    assert (oldest.run, oldest.restored, oldest.ruling) == (first.id, None, Ruling())
    assert [each.run for each in promotions.current(store)] == [other.id, second.id]
    assert [each.run for each in promotions.log(store)] == [first.id, other.id, second.id]


def test_a_reference_without_such_an_alias_says_which_there_are(store: Store, accept: Accept) -> None:
    run = accept()
    promoted(store, run, after=0)
    promoted(store, accept(project="elsewhere"), after=0)

    for reference, project, words in (
        ("tumour@staging", "clinic", "There is tumour@production."),
        ("nothing@production", "clinic", "palmette promote RUN --as production"),
        ("tumour@production", "", "clinic, elsewhere"),
    ):
        with pytest.raises(NotFound) as caught:
            runs.get(store, reference, project=project)
        assert words in caught.value.hint
    with pytest.raises(NotFound, match="there is no run 'tumour@'"):
        runs.get(store, "tumour@", project="clinic")
    named = accept(algorithm="tumour@staging")
    assert runs.get(store, "tumour@staging", project="clinic").id == named.id


def test_of_two_that_saw_the_same_one_is_written_and_the_other_looks_again(store: Store, accept: Accept) -> None:
    asked = [accept() for _ in range(4)]
    start = Barrier(len(asked))

    def add(run: Run) -> list[int]:
        start.wait()
        tries = []
        for after in range(len(asked)):
            tries.append(after)
            if promoted(store, run, after=after):
                break
        return tries

    with ThreadPoolExecutor(len(asked)) as pool:
        tries = list(pool.map(add, asked))

    log = promotions.log(store, project="clinic", algorithm="tumour", alias="production")
    assert [each.serial for each in log] == [4, 3, 2, 1]
    assert {each.run for each in log} == {run.id for run in asked}
    assert sorted(len(each) for each in tries) == [1, 2, 3, 4]
    assert runs.get(store, "tumour@production").id == log[0].run


def test_what_was_promoted_stays(store: Store, accept: Accept, drive: Drive) -> None:
    run, plain = (over(store, accept(), drive) for _ in range(2))
    chosen = {each.id: each.epoch for each in retention.candidates(store, "clinic")}
    promoted(store, run, after=0)

    assert {each.id: each.promoted for each in retention.candidates(store, "clinic")} == {run.id: True, plain.id: False}
    retention.collect(store, [run.id, plain.id], "--keep-last 0", 1.0)
    assert [retention.collection(store, each) is None for each in (run.id, plain.id)] == [True, False]
    with pytest.raises(Conflict, match="was promoted"):
        filing.remove(store, run.id)
    assert retention.delete_runs(store, chosen) == (plain.id,)
    assert runs.get(store, "tumour@production").id == run.id
    with pytest.raises(NotFound, match="was deleted"):
        promoted(store, plain, after=1)
