"""Recurring runs: each tick has one run, on both databases, whoever makes it and whenever."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from palmette.blobs import Blobs
from palmette.domain.hosting import Catchup, Cron, Periodic, Schedule
from palmette.domain.listing import Slice
from palmette.domain.run import Run, RunChanged
from palmette.domain.states import RunState
from palmette.errors import ConfigError, Conflict, NotFound, UsageError
from palmette.operations import experiments, pipelines, schedules, submitting
from palmette.operations.home import Home, hold
from palmette.store import database, leases
from palmette.store import schedules as rows
from palmette.store.database import Store
from palmette.store.ledger import RunLedger

TEXT = yaml.safe_dump(
    {
        "pipelineInfo": {"name": "nightly"},
        "schemaVersion": "2.1.0",
        "root": {
            "inputDefinitions": {"parameters": {"day": {"parameterType": "STRING", "isOptional": True}}},
            "dag": {"tasks": {"train": {"taskInfo": {"name": "train"}, "componentRef": {"name": "comp-train"}}}},
        },
        "components": {"comp-train": {"executorLabel": "exec-train"}},
        "deploymentSpec": {"executors": {"exec-train": {"container": {"image": "python:3.11", "command": ["true"]}}}},
    }
).encode()
START = datetime(2026, 5, 13, 10, tzinfo=UTC).timestamp()


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    """A server's home, empty."""
    return Home(directory=tmp_path, project="", store=store, blobs=Blobs(tmp_path / "blobs"))


@pytest.fixture
def recurring(home: Home) -> Callable[..., Schedule]:
    """Make a recurring run, hourly from START unless it is said otherwise."""

    def made(*, document: bytes | None = TEXT, **values: Any) -> Schedule:
        usual = Schedule(id="", name="hourly", trigger=Periodic(interval=3600), max_concurrency=10, created=START)
        return schedules.create(home, replace(usual, **values), document)

    return made


def made(home: Home, schedule: Schedule) -> list[Run]:
    """Its runs, in the order of their ticks."""
    found = submitting.runs(home, Slice(order="scheduled", size=200)).items
    return [run for run in found if run.schedule == schedule.id]


def ticks(home: Home, schedule: Schedule) -> list[float]:
    """Its ticks that have a run, in hours since START."""
    return [((run.scheduled or 0) - START) / 3600 for run in made(home, schedule)]


def end(home: Home, run: Run) -> None:
    lease = hold(home, run.id, "here")
    RunLedger(home.store, lease, lambda _: True).record([RunChanged(state=RunState.SUCCEEDED, time=START)])
    leases.release(home.store, lease)


def after(hours: float) -> float:
    return START + hours * 3600


def test_a_tick_has_one_run_however_often_it_is_looked_at(home: Home, recurring: Callable[..., Schedule]) -> None:
    schedule = recurring()
    assert [schedules.tick(home, after(hours)) for hours in (0.9, 1, 1, 1.9, 2, 2.5)] == [0, 1, 0, 0, 1, 0]
    assert ticks(home, schedule) == [1, 2]
    runs = made(home, schedule)
    assert [run.name for run in runs] == ["hourly-1", "hourly-2"]
    assert {(run.trigger, run.state, run.experiment) for run in runs} == {
        ("schedule", RunState.PENDING, experiments.default(home).id)
    }
    now = schedules.get(home, schedule.id)
    assert (now.last, now.count, now.next) == (after(2), 2, after(3))
    assert rows.ticked(home.store, schedule.id) == tuple((run.scheduled, run.id) for run in runs)


def test_each_missed_tick_is_caught_up_or_only_the_latest(home: Home, recurring: Callable[..., Schedule]) -> None:
    each = recurring(name="each")
    latest = recurring(name="latest", catchup=Catchup.LATEST)
    by_cron = recurring(name="cron", catchup=Catchup.LATEST, trigger=Cron(expression="0 0/20 * * * *"))
    assert schedules.tick(home, after(4.5)) == 6
    assert ticks(home, each) == [1, 2, 3, 4]
    assert ticks(home, latest) == [4]
    assert ticks(home, by_cron) == [pytest.approx(4 + 1 / 3)]
    assert schedules.get(home, latest.id).next == after(5)


def test_a_start_in_the_past_is_caught_up_from_there_until_the_end(
    home: Home, recurring: Callable[..., Schedule]
) -> None:
    schedule = recurring(trigger=Cron(expression="@hourly", start=after(-3), end=after(-1)))
    assert schedules.tick(home, after(9)) == 3
    assert ticks(home, schedule) == [-3, -2, -1]
    assert schedules.get(home, schedule.id).next is None
    assert schedules.tick(home, after(99)) == 0


def test_ticks_over_the_limit_wait_until_a_run_is_over(home: Home, recurring: Callable[..., Schedule]) -> None:
    each = recurring(name="each", max_concurrency=2)
    assert schedules.tick(home, after(3)) == 2
    assert schedules.tick(home, after(4)) == 0
    end(home, made(home, each)[0])
    assert schedules.tick(home, after(4)) == 1
    assert ticks(home, each) == [1, 2, 3]


def test_a_disabled_one_makes_no_runs_and_goes_on_where_it_stopped(
    home: Home, recurring: Callable[..., Schedule]
) -> None:
    each, latest = recurring(name="each"), recurring(name="latest", catchup=Catchup.LATEST)
    schedules.tick(home, after(1))
    for schedule in (each, latest):
        schedules.disable(home, schedule.id)
    assert schedules.tick(home, after(4)) == 0
    for schedule in (each, latest):
        schedules.enable(home, schedule.id)
    schedules.tick(home, after(4))
    assert ticks(home, each) == [1, 2, 3, 4]
    assert ticks(home, latest) == [1, 4]


def test_without_a_version_each_tick_runs_the_newest(home: Home, recurring: Callable[..., Schedule]) -> None:
    pipeline, first = pipelines.upload(home, TEXT, filename="p.yaml")
    floating = recurring(name="floating", document=None, pipeline=pipeline.id)
    pinned = recurring(name="pinned", document=None, pipeline=pipeline.id, version=first.id)
    schedules.tick(home, after(1))
    second = pipelines.add_version(home, pipeline.id, TEXT, filename="p.yaml", name="two")
    schedules.tick(home, after(2))
    assert [run.pipeline_version for run in made(home, floating)] == [first.id, second.id]
    assert [run.pipeline_version for run in made(home, pinned)] == [first.id, first.id]


def test_a_tick_whose_pipeline_is_gone_is_a_run_that_failed_and_says_why(
    home: Home, recurring: Callable[..., Schedule]
) -> None:
    pipeline, _ = pipelines.upload(home, TEXT, filename="p.yaml")
    schedule = recurring(document=None, pipeline=pipeline.id)
    pipelines.delete(home, pipeline.id, cascade=True)
    assert schedules.tick(home, after(1)) == 1
    assert schedules.tick(home, after(1)) == 0
    (run,) = made(home, schedule)
    assert (run.state, run.scheduled) == (RunState.FAILED, after(1))
    assert run.message == f"it could not begin: there is no pipeline {pipeline.id!r}"


def test_macros_are_expanded_at_each_tick(home: Home, recurring: Callable[..., Schedule]) -> None:
    schedule = recurring(parameters={"day": "[[ScheduledTime.2006-01-02 15:04]] [[Index]]"})
    schedules.tick(home, after(2))
    assert [run.config["day"] for run in made(home, schedule)] == ["2026-05-13 11:00 1", "2026-05-13 12:00 2"]


def test_an_edit_keeps_what_was_and_goes_on_from_now(home: Home, recurring: Callable[..., Schedule]) -> None:
    schedule = recurring()
    schedules.tick(home, after(2))
    before = schedules.get(home, schedule.id)
    edited = schedules.update(
        home, replace(before, name="daily", parameters={"day": "x"}, trigger=Cron(expression="@daily"))
    )
    assert (edited.count, edited.last, edited.created) == (2, after(2), START)
    assert edited.next is not None
    assert edited.next > edited.updated
    assert ticks(home, schedule) == [1, 2]
    # What was read before is not written over what is there now.
    assert not rows.replace(home.store, before, edited)
    same = schedules.update(home, replace(schedules.get(home, schedule.id), max_concurrency=3))
    assert same.next == edited.next


def test_a_deleted_one_leaves_its_runs(home: Home, recurring: Callable[..., Schedule]) -> None:
    schedule = recurring()
    schedules.tick(home, after(1))
    schedules.delete(home, schedule.id)
    assert schedules.tick(home, after(5)) == 0
    assert len(made(home, schedule)) == 1
    with pytest.raises(NotFound):
        schedules.get(home, schedule.id)


def test_the_time_zone_is_the_stores_and_moves_the_ticks_that_come(
    home: Home, recurring: Callable[..., Schedule]
) -> None:
    schedule = recurring(trigger=Cron(expression="0 0 13 * * *"))
    assert schedule.next == after(3)
    schedules.settle_zone(home, {"CRON_SCHEDULE_TIMEZONE": "Europe/Paris"})
    assert schedules.get(home, schedule.id).next == after(1)
    schedules.tick(home, after(1))
    assert schedules.get(home, schedule.id).next == after(25)
    with pytest.raises(UsageError, match="no time zone"):
        schedules.settle_zone(home, {"CRON_SCHEDULE_TIMEZONE": "Mars/Olympus"})


def test_what_cannot_recur_is_refused_whole(home: Home, recurring: Callable[..., Schedule]) -> None:
    with pytest.raises(UsageError) as refused:
        recurring(name="", version="v", trigger=Cron(expression="0 99 * * * *", start=9.0, end=8.0))
    assert [problem.where for problem in refused.value.problems] == ["name", "cron, minute", "end", "version"]
    with pytest.raises(UsageError):
        recurring(trigger=Periodic(interval=0))
    with pytest.raises(UsageError, match="neither"):
        recurring(document=None)
    with pytest.raises(ConfigError):
        recurring(parameters={"day": 1})
    assert schedules.page(home, Slice()).total == 0


def test_a_limit_beyond_what_there_is_is_brought_within(recurring: Callable[..., Schedule]) -> None:
    assert [recurring(max_concurrency=asked).max_concurrency for asked in (-1, 0, 4, 99)] == [1, 1, 4, 10]


def test_a_tick_waits_for_nobody_whose_experiment_was_archived_meanwhile(
    home: Home, recurring: Callable[..., Schedule]
) -> None:
    archived, other = recurring(name="archived", experiment=experiments.create(home, "old").id), recurring()
    (read,) = (each for each in rows.due(home.store, after(1)) if each.id == archived.id)
    experiments.archive(home, archived.experiment)
    run = submitting.prepare(home, submitting.Submission(document=TEXT, experiment=other.experiment)).run
    assert not rows.fire(home.store, read, after(1), following=None, run=run, records=())
    assert schedules.tick(home, after(1)) == 1
    assert ticks(home, archived) == []
    with pytest.raises(Conflict):
        schedules.enable(home, archived.id)


# Several servers


def server(where: str, directory: str, start: Any, results: Any) -> None:
    """Look at the ticks of many hours as a server of its own."""
    home = Home(
        directory=Path(directory), project="", store=database.open(where), blobs=Blobs(Path(directory) / "blobs")
    )
    start.wait(60)
    results.put(sum(schedules.tick(home, after(hours)) for hours in range(1, 9)))
    home.store.close()


def test_of_two_servers_that_look_at_once_one_makes_the_run(location: str, tmp_path: Path) -> None:
    home = Home(directory=tmp_path, project="", store=database.open(location), blobs=Blobs(tmp_path / "blobs"))
    usual = Schedule(id="", name="hourly", trigger=Periodic(interval=3600), max_concurrency=10, created=START)
    found = [schedules.create(home, usual, TEXT) for _ in range(3)]
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=server, args=(location, str(tmp_path), start, results)) for _ in range(2)]
    for process in processes:
        process.start()
    counts = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)

    assert sum(counts) == 3 * 8
    for schedule in found:
        assert ticks(home, schedule) == list(range(1, 9))
        assert schedules.get(home, schedule.id).count == 8
    home.store.close()


def test_of_many_threads_that_fire_one_tick_one_does(home: Home, recurring: Callable[..., Schedule]) -> None:
    schedule = recurring(max_concurrency=1)
    gate = threading.Barrier(4)

    def look() -> int:
        gate.wait(60)
        return schedules.tick(home, after(1))

    with ThreadPoolExecutor(4) as pool:
        counts = [each.result() for each in [pool.submit(look) for _ in range(4)]]
    assert sorted(counts) == [0, 0, 0, 1]
    assert ticks(home, schedule) == [1]
