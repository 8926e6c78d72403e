"""Branches and how they do, from rows as they are kept, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from palmette.blobs import Blobs
from palmette.domain.branches import Branch, Check, Kind
from palmette.domain.footer import signed
from palmette.domain.graph import MetricSpec
from palmette.domain.hosting import Pipeline, Version
from palmette.domain.lines import Commit, Fork, Start
from palmette.domain.metric import MetricPoint
from palmette.domain.run import Git, PointsLogged, Run, TaskRecord
from palmette.domain.states import RunState
from palmette.errors import NotFound
from palmette.operations import branches, checks, overviews
from palmette.operations.attention import Need
from palmette.operations.home import Home
from palmette.store import pipelines, versions
from palmette.store.arrivals import Whole, accept
from palmette.store.database import Store
from palmette.store.overviews import counted

FIRST, LEFT, HEAD = "1" * 40, "2" * 40, "3" * 40
BRANCH = "feature/IA-1742-doc-type"
LINE = (Commit(sha=LEFT, parent=FIRST, committed=20.0), Commit(sha=FIRST, committed=10.0))
FORK = Fork(target="main", start=Start.MERGE_BASE, commit=LEFT)
WORSE = {"outcome": "worse", "primary": {"metric": "auc", "head": 0.7, "baseline": 0.8, "difference": -0.1}}


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    return Home(directory=tmp_path, project="clinic", store=store, blobs=Blobs(tmp_path / "blobs"))


@pytest.fixture
def ran(home: Home) -> Callable[..., str]:
    """Keep a run of "tumour" that is over, and what it logged."""

    def create(id: str, branch: str, commit: str, auc: float = 0.0, **values: object) -> str:
        state = RunState.SUCCEEDED if auc else RunState.FAILED
        git = Git(branch=branch, commit=commit, author="Ada", committed=float(commit[0]) * 10)
        specs = (MetricSpec(name="auc", goal="max", primary=True),)
        run = Run(id=id.ljust(12, "0"), project="clinic", algorithm="tumour", git=git, metrics=specs, state=state)
        run = replace(run, created=git.committed + 1, **values)  # type: ignore[arg-type]
        point = MetricPoint(name="auc", value=auc, time=1.0)
        logged = (PointsLogged(task="fit", serial=1, points=(point,), position=1),) if auc else ()
        task = TaskRecord(name="fit", component="fit")
        accept(home.store, Whole(run=run, tasks=(task,), logged=logged, history=LINE), None)
        return run.id

    return create


def put(home: Home, kind: Kind, run: str, branch: str = BRANCH, commit: str = HEAD, **values: object) -> None:
    made = Check(project=home.project, commit=commit, algorithm="tumour", kind=kind, run=run, branch=branch)
    checks.record(home, replace(made, **values))  # type: ignore[arg-type]


def test_branches_come_by_what_they_need_with_those_that_only_runs_tell_of(home: Home, ran: Callable[..., str]) -> None:
    branches.advance(home, Branch(project="clinic", name="main", head=LEFT))
    branches.advance(home, Branch(project="clinic", name=BRANCH, head=HEAD, target="main", ahead=1, behind=0))
    branches.advance(home, Branch(project="clinic", name="old", head=FIRST, target="main", seen=5.0))
    put(home, Kind.TOY, ran("toy", BRANCH, HEAD, 0.5, preset="toy"))
    put(home, Kind.FULL, ran("full", BRANCH, HEAD, 0.7, fork=FORK), verdict=WORSE)
    ran("mine", "mine", LEFT, fork=FORK)
    ran("other", "elsewhere", LEFT, project="other")
    found = overviews.branches(home)
    assert [(each.branch.name, each.need, each.updated) for each in found.items] == [
        ("mine", Need.FAILED, False),
        (BRANCH, Need.WORSE, True),
        ("main", Need.QUIET, True),
        ("old", Need.QUIET, True),
    ]
    assert found.items[1].runs == {"SUCCEEDED": 2}
    assert found.items[0].branch.target == "main"
    assert (found.items[2].trunk, found.total, found.needs["worse"]) == (True, 4, 1)
    assert [each.branch.name for each in overviews.branches(home, limit=1).items] == ["mine"]
    every = overviews.branches(replace(home, project=""))
    assert ("other", "elsewhere") in {(each.branch.project, each.branch.name) for each in every.items}


def test_a_branch_has_its_history_from_where_it_left_its_checks_and_its_versions(
    home: Home, ran: Callable[..., str]
) -> None:
    branches.advance(home, Branch(project="clinic", name=BRANCH, head=HEAD, target="main"))
    trunk = Fork(target="main", start=Start.FIRST_PARENT, commit=FIRST)
    ran("one", "main", FIRST, 0.8, fork=trunk)
    ran("two", "main", LEFT, 0.9, fork=trunk)
    put(home, Kind.FULL, ran("three", BRANCH, HEAD, 0.7, fork=FORK), verdict=WORSE)
    pipelines.create(home.store, Pipeline(id="pipe", name="tumour", project="clinic"))
    for id, branch, project in (("a", BRANCH, "clinic"), ("b", BRANCH, "other"), ("c", f"{BRANCH}@33", "clinic")):
        facts = signed("", {"project": project, "branch": branch, "commit": HEAD})
        version = Version(id=id, pipeline="pipe", name=f"{branch}@33333333 {id}", description=facts)
        assert versions.create(home.store, version)
    page = overviews.branch(home, BRANCH)
    (history,) = page.histories
    assert [each.value for each in history.entries] == [0.8, 0.9, 0.7]
    assert (history.target, history.fork) == ("main", 2)
    assert [each.commit for each in page.tried] == [HEAD]
    assert page.tried[0].verdict == page.overview.findings[0].verdict
    assert [each.run for each in page.runs] == ["three0000000"]
    assert [(each.pipeline, each.id, each.commit) for each in page.versions] == [("tumour", "a", HEAD)]
    assert (page.orphaned, page.experiment) == ((), None)


def test_what_a_report_found_of_a_branch_that_no_ci_told_of_is_listed(home: Home, ran: Callable[..., str]) -> None:
    put(home, Kind.FULL, ran("mine", "mine", HEAD, 0.7), branch="mine", verdict=WORSE)
    (listed,) = overviews.branches(home).items
    assert (listed.need, listed.updated) == (Need.WORSE, False)
    page = overviews.branch(home, "mine")
    assert (page.overview.need, page.overview.findings) == (Need.WORSE, listed.findings)
    assert len(page.tried) == 1


def test_what_is_not_known_is_not_found(home: Home, ran: Callable[..., str]) -> None:
    with pytest.raises(NotFound, match="no branch 'nope'"):
        overviews.branch(home, "nope")
    ran("mine", "mine", LEFT)
    assert overviews.branch(home, "mine").overview.updated is False


def test_runs_are_counted_however_long_the_name_of_their_branch_is(home: Home, ran: Callable[..., str]) -> None:
    names = [letter * length for letter, length in (("a", 200), ("b", 201), ("c", 3_000))]
    for number, name in enumerate(names):
        ran(f"run{number}", name, HEAD, 0.7)
    ran("again", names[-1], LEFT)
    found = {each.branch.name: each.runs for each in overviews.branches(home).items}
    assert found == {
        names[0]: {"SUCCEEDED": 1},
        names[1]: {"SUCCEEDED": 1},
        names[2]: {"SUCCEEDED": 1, "FAILED": 1},
    }


def test_counting_the_runs_of_branches_reads_an_index_alone(store: Store) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(store._reader, "before_cursor_execute", note)
    counted(store, "clinic")
    event.remove(store._reader, "before_cursor_execute", note)
    with store.read() as connection:
        server = connection.dialect.name == "postgresql"
        if server:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN" if server else "EXPLAIN QUERY PLAN"
        counts = [each for each in asked if "count(*)" in each[0]]
        plans = [
            "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
            for statement, parameters in counts
        ]
    names = ["ix_runs_counted_short", "ix_runs_counted_long"] if server else ["COVERING INDEX ix_runs_counted"]
    assert [name for name, plan in zip(names, plans, strict=True) if name not in plan] == [], plans
    assert not server or "Index Only Scan" in plans[0]
