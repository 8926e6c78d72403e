"""Runs of another host, written down look after look."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from palmette.domain.hosting import MIRRORED
from palmette.domain.metric import MetricPoint
from palmette.domain.run import PointsLogged, Run, Setting, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.store import metrics, mirrors, runs, tasks
from palmette.store.arrivals import Whole
from palmette.store.database import Store
from palmette.store.mirrors import Mirror

RUN = "run000000001"
LOOK = Mirror(run=RUN, host="https://kfp.example", id="a-b-c", progress={"called": "cluster"}, seen=10.0)


def seen(state: RunState, **changes: object) -> Whole:
    """The run as it is at a look."""
    over = state.final
    run = Run(
        id=RUN,
        project="ia",
        algorithm="tumour",
        state=state,
        settings=(Setting(name="C", value=1.0),),
        queue=MIRRORED,
        created=5.0,
        ended=20.0 if over else None,
    )
    task = TaskRecord(name="fit", executor="exec-fit", state=TaskState.SUCCEEDED if over else TaskState.RUNNING)
    point = MetricPoint(name="auc", value=0.9, time=20.0)
    logged = (PointsLogged(task="fit", serial=0, points=(point,), position=1),) if over else ()
    return Whole(run=replace(run, **changes), tasks=(task,), logged=logged)  # type: ignore[arg-type]  # fields of it


def test_a_run_is_written_anew_until_it_is_over_and_then_stays(store: Store) -> None:
    assert mirrors.write(store, seen(RunState.RUNNING), LOOK, None)
    assert mirrors.known(store, LOOK.host, ["a-b-c", "another"]) == {"a-b-c": False}
    assert mirrors.live(store, LOOK.host, "ia") == ("a-b-c",)
    assert mirrors.live(store, LOOK.host, "another") == ()

    assert mirrors.write(store, seen(RunState.SUCCEEDED), replace(LOOK, seen=11.0), None)
    assert [task.state for task in tasks.of_run(store, RUN)] == [TaskState.SUCCEEDED]
    assert metrics.last(store, RUN) == {"auc": 0.9}
    assert mirrors.known(store, LOOK.host, ["a-b-c"]) == {"a-b-c": True}
    assert mirrors.live(store, LOOK.host, "ia") == ()

    assert not mirrors.write(store, seen(RunState.FAILED), replace(LOOK, seen=12.0), None)
    assert runs.get(store, RUN).state is RunState.SUCCEEDED
    assert mirrors.of_run(store, RUN) == replace(LOOK, seen=11.0)


def test_an_older_look_changes_nothing(store: Store) -> None:
    mirrors.write(store, seen(RunState.RUNNING), LOOK, None)
    assert not mirrors.write(store, seen(RunState.PENDING), replace(LOOK, seen=9.0), None)
    assert runs.get(store, RUN).state is RunState.RUNNING


def test_what_was_seen_by_a_clock_that_was_put_back_is_no_earlier_look(store: Store) -> None:
    mirrors.write(store, seen(RunState.PENDING), replace(LOOK, seen=3610.0), None)

    assert mirrors.write(store, seen(RunState.RUNNING), LOOK, None)
    # Whoever saw it end saw more, whatever the clocks say.
    assert mirrors.write(store, seen(RunState.SUCCEEDED), replace(LOOK, seen=9.0), None)
    assert runs.get(store, RUN).state is RunState.SUCCEEDED


def test_what_people_wrote_on_a_run_outlives_the_next_look(store: Store) -> None:
    mirrors.write(store, seen(RunState.RUNNING), LOOK, None)
    runs.tag(store, RUN, ["keep"])
    runs.note(store, RUN, "look at this")
    mirrors.write(store, seen(RunState.SUCCEEDED), replace(LOOK, seen=11.0), None)
    found = runs.get(store, RUN)
    assert (found.tags, found.note) == (("keep",), "look at this")


def test_of_several_mirrors_at_once_one_writes(store: Store) -> None:
    barrier = Barrier(4)

    def write(_: int) -> bool:
        barrier.wait()
        return mirrors.write(store, seen(RunState.SUCCEEDED), LOOK, None)

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(write, range(4)))
    assert sum(written) == 1
    assert metrics.last(store, RUN) == {"auc": 0.9}


def test_a_run_of_this_store_is_executed_nowhere_else(store: Store) -> None:
    runs.create(store, Run(id=RUN, project="ia", algorithm="tumour"))
    assert mirrors.of_run(store, RUN) is None
    assert not mirrors.write(store, seen(RunState.SUCCEEDED), LOOK, None), "it is another run of that name"
