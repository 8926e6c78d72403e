"""A store of every past revision opens with all that is in it. `stores/` has one of each, as its release made it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from palmette.domain.lines import Fork, Start
from palmette.domain.listing import Slice
from palmette.domain.states import RunState, TaskState
from palmette.store import (
    artifacts,
    commits,
    database,
    experiments,
    extras,
    filing,
    identity,
    metrics,
    pins,
    promotions,
    retention,
    runs,
    schedules,
    schema,
    sweeps,
    tasks,
    tokens,
    versions,
    views,
)
from palmette.store.database import Store

STORES = Path(__file__).parent / "stores"


def opened(request: pytest.FixtureRequest, revision: str, directory: Path) -> Store:
    """A store of a past revision on the database of the fixture's parameter, opened by this version."""
    script = (STORES / f"{revision}.{request.param}.sql").read_text()
    if request.param == "sqlite":
        where = str(directory)
        with contextlib.closing(sqlite3.connect(directory / database.FILE)) as connection:
            connection.executescript(script)
    else:
        where = request.getfixturevalue("cluster").create(f"old_{identity.new_run_id()}")
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(script)
    return database.open(where)


@pytest.fixture(params=["sqlite", "postgresql"])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of revision 0001, opened by this version."""
    with contextlib.closing(opened(request, "0001", tmp_path)) as store:
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def second(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of revision 0002, opened by this version."""
    with contextlib.closing(opened(request, "0002", tmp_path)) as store:
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def third(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of revision 0003, opened by this version."""
    with contextlib.closing(opened(request, "0003", tmp_path)) as store:
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def fourth(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of revision 0004, opened by this version."""
    with contextlib.closing(opened(request, "0004", tmp_path)) as store:
        yield store


def test_every_past_revision_has_a_store_here() -> None:
    past = [f"{number:04}" for number in range(1, int(schema.REVISION))]
    expected = [f"{revision}.{dialect}.sql" for revision in past for dialect in ("postgresql", "sqlite")]
    assert sorted(path.name for path in STORES.iterdir()) == expected


def test_the_runs_of_the_first_release_are_all_there(first: Store) -> None:
    assert [row.run.id for row in runs.page(first)] == ["bare00000000", "full00000000"]
    run = runs.get(first, "full00000000")
    assert (run.state, run.message, run.note) == (RunState.FAILED, "fit: ValueError: boom", "noted")
    assert run.config == {"penalty": "l1", "C": 0.1, "folds": [1, 2], "deep.flag": True, "limit": None}
    assert run.tags == ("b", "champion")
    assert [task.state for task in tasks.of_run(first, run.id)] == [TaskState.SUCCEEDED, TaskState.FAILED]
    assert metrics.last(first, run.id) == {"auc": 0.9}
    table = artifacts.of_run(first, run.id)["fetch-dataset"].artifacts["output"]
    assert (table.metadata, table.uri) == ({"format": "parquet", "rows": 569}, "")


def test_what_a_search_asks_is_worked_out_for_them(first: Store) -> None:
    run = runs.get(first, "full00000000")
    assert (run.ticket, run.sweep, run.origin) == ("IA-1742", "", "")
    with first.read() as connection:
        texts = dict(connection.exec_driver_sql("SELECT run, text FROM texts").all())
        rows = connection.exec_driver_sql('SELECT "rows" FROM artifacts').scalars().all()
    assert texts["full00000000"] == "a name\nnoted\nwiden the margin\nfit: valueerror: boom\nia-1742"
    assert texts["bare00000000"] == ""
    assert rows == [569]


def test_an_upgraded_store_takes_what_a_new_one_does(first: Store) -> None:
    run = runs.get(first, "bare00000000")
    runs.note(first, run.id, "seen again")
    runs.tag(first, run.id, ["kept"])
    assert runs.get(first, run.id).note == "seen again"
    assert runs.get(first, run.id).tags == ("kept",)


def test_the_runs_of_the_second_release_are_all_there(second: Store) -> None:
    assert [row.run.id for row in runs.page(second)] == ["bare00000000", "full00000000"]
    run = runs.get(second, "full00000000")
    assert (run.sweep, run.origin, run.ticket) == ("sweep0000000", "bare00000000", "IA-1742")
    assert (run.config["C"], run.environments["torch"].python) == (0.1, "3.11.7")
    assert [pin.name for pin in run.environments["torch"].pins] == ["numpy", "pandas"]
    assert metrics.last(second, run.id) == {"auc": 0.9}


def test_what_the_second_release_kept_besides_is_there(second: Store) -> None:
    sweep = sweeps.find(second, "last", project="clinic")
    assert sweep is not None
    assert (sweep.id, sweep.plan, sweep.note) == ("sweep0000000", {"points": [{"C": 0.1}]}, "wide")
    assert [(view.name, view.query) for view in views.saved(second, "clinic")] == [("bad ones", "state=FAILED")]
    assert retention.collection(second, "full00000000") == retention.Collected(time=3000.0, rule="--keep-last 1")
    with second.read() as connection:
        for table in ("bundles", "closures"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 1


def test_runs_from_before_servers_belong_to_whoever_accepted_them(second: Store) -> None:
    run = runs.get(second, "full00000000")
    assert (run.queue, run.experiment, run.schedule, run.archived, run.notices) == ("", "", "", None, ())
    everything = filing.page(second, Slice())
    assert ([each.id for each in everything.items], everything.total) == (["full00000000", "bare00000000"], 2)
    assert experiments.page(second, Slice()).total == 0


def test_what_the_servers_of_the_third_release_kept_is_there(third: Store) -> None:
    assert [row.run.id for row in runs.page(third)] == ["serv00000000", "bare00000000", "full00000000"]
    run = runs.get(third, "serv00000000")
    assert (run.queue, run.owner, run.schedule, run.notices) == (
        *("server", "anna", "sched0000000"),
        ("its volume is a directory here",),
    )
    assert [each.name for each in experiments.page(third, Slice()).items] == ["nightly"]
    assert [each.name for each in versions.page(third, "pipe00000000", Slice()).items] == ["v1"]
    assert schedules.ticked(third, "sched0000000") == ((2100.0, "serv00000000"),)
    assert schedules.zone(third) == "Europe/Vienna"
    assert [each.name for each in tokens.listed(third)] == ["anna"]


def test_runs_from_before_comparisons_remember_no_fork(third: Store) -> None:
    assert runs.get(third, "full00000000").fork == Fork()
    with third.read() as connection:
        for table in ("commits", "pins", "promotions", "extras"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


def test_what_the_fourth_release_kept_of_comparisons_is_there(fourth: Store) -> None:
    run = runs.get(fourth, "fork00000000")
    assert run.fork == Fork(target="main", start=Start.MERGE_BASE, commit="c" * 40)
    assert [each.sha for each in commits.walk(fourth, "clinic", run.fork.commit)] == ["c" * 40, "b" * 40, "a" * 40]
    assert [(each.run, each.reason) for each in pins.listed(fourth, "clinic")] == [("full00000000", "the good one")]
    promotion = promotions.current(fourth, project="clinic", algorithm="tumour")[0]
    assert (promotion.name, promotion.ruling.verdict) == ("tumour@production", "better")
    assert list(extras.of(fourth, "fork00000000", "full00000000")) == ["rescore"]


def test_stores_from_before_continuous_learning_know_no_branches(fourth: Store) -> None:
    with fourth.read() as connection:
        for table in ("branches", "checks", "edits", "scopes", "tickets", "mirrored"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
