"""The baseline of a run, chosen among the runs of a real store, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.blobs import Blobs
from palmette.comparison.baseline import Rule
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.lines import Commit, Fork, Line, Start
from palmette.domain.run import Git, Run, Setting, Source, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.errors import NotFound
from palmette.operations import baselines
from palmette.operations.home import Home
from palmette.store import arrivals, candidates, commits, filing, pins, promotions, trainings
from palmette.store.arrivals import Whole
from palmette.store.database import Store
from palmette.store.pins import Pin
from palmette.store.promotions import Promotion


def sha(number: int) -> str:
    return f"{number:040x}"


Made = Callable[..., Run]
LINE = Line(target="main", start=Start.MERGE_BASE, commits=(sha(3), sha(2), sha(1)))
HISTORY = tuple(Commit(sha=sha(each), parent=sha(each - 1) if each > 1 else "", committed=each) for each in (3, 2, 1))


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    return Home(directory=tmp_path, project="clinic", store=store, blobs=Blobs(tmp_path / "blobs"))


@pytest.fixture
def made(home: Home) -> Made:
    """Keep a run of a commit of main that succeeded, newer than the one before, unless it is said otherwise."""
    moments = iter(range(1, 1000))

    def make(id: str, commit: int, *, source: Source = Source.DEFAULT, data: str = "", **more: Any) -> Run:
        git = Git(
            branch=more.pop("branch", "main"), commit=sha(commit) if commit else "", dirty=more.pop("dirty", False)
        )
        values: dict[str, Any] = {
            "project": "clinic",
            "algorithm": "tumour",
            "state": RunState.SUCCEEDED,
            "created": next(moments),
        }
        settings = (Setting(name="C", value=1.0, source=source),)
        run = Run(id=id, git=git, settings=settings, **(values | more))
        arrivals.accept(home.store, Whole(run=run, tasks=_tasks(id, data) if data else ()), None)
        return run

    return make


def _tasks(run: str, data: str) -> tuple[TaskRecord, ...]:
    """A source that gave those data, and steps behind it that gave something else each time."""
    gave = Outputs(artifacts={"output": Artifact(type="system.Dataset", digest=data, size=1, filename="d")})
    other = Outputs(parameters={"n": run})
    state = TaskState.SUCCEEDED
    return (
        TaskRecord(name="fetch", executor="exec-fetch", state=state, outputs=gave),
        TaskRecord(name="group", needs=("fetch",), state=state),
        TaskRecord(name="group.first", executor="exec-first", state=state, outputs=other),
        TaskRecord(name="fit", executor="exec-fit", needs=("fetch",), state=state, outputs=other),
    )


@pytest.fixture
def head(made: Made) -> Run:
    return made("head00000000", 9, branch="feature", data="sha256:a")


def test_the_nearest_commit_that_has_a_fitting_run_is_found(home: Home, made: Made, head: Run) -> None:
    made("older0000000", 1, data="sha256:a")
    made("wanted000000", 2, data="sha256:b", branch="elsewhere")
    made("overrides000", 3, source=Source.OVERRIDE)
    made("file00000000", 3, source=Source.FILE)
    made("preset000000", 2, source=Source.PRESET, preset="toy")
    made("failed000000", 3, state=RunState.FAILED)
    made("dirty0000000", 3, dirty=True)
    made("comparison00", 3, trigger="comparison")
    made("algorithm000", 3, algorithm="margin")
    made("project00000", 3, project="other")
    made("newest000000", 8)
    found = baselines.choose(home, head, LINE)
    assert (found.run, found.rule, found.distance, found.same_data) == ("wanted000000", Rule.NEAREST, 1, False)
    assert [(each.run, each.reason) for each in found.passed_over] == [
        ("dirty0000000", "uncommitted changes"),
        ("failed000000", "it did not succeed"),
        ("file00000000", "overrides (C)"),
        ("overrides000", "overrides (C)"),
        ("preset000000", "another preset (toy)"),
    ]


def test_of_one_commits_runs_one_with_the_same_data_comes_first(home: Home, made: Made, head: Run) -> None:
    made("same00000000", 3, data="sha256:a")
    made("other0000000", 3, data="sha256:b")
    found = baselines.choose(home, head, LINE)
    assert (found.run, found.same_data, found.distance) == ("same00000000", True, 0)


def test_the_data_of_a_run_are_what_its_source_steps_gave(home: Home, made: Made) -> None:
    made("one000000000", 1, data="sha256:a")
    made("two000000000", 2, data="sha256:a")
    made("three0000000", 2, data="sha256:b")
    made("four00000000", 2)
    names = ("one000000000", "two000000000", "three0000000", "four00000000")
    one, two, three, four = (each.data for name in names if (each := candidates.standing(home.store, name)))
    assert one == two != three
    assert four == ""
    # It is what repetitions are told by, too.
    assert one == trainings.data(trainings.made(home.store, names)["one000000000"])


def test_where_no_commit_has_one_it_is_the_newest_of_the_target_branch(home: Home, made: Made, head: Run) -> None:
    made("gone00000000", 7)
    made("feature00000", 6, branch="feature")
    # Checked out detached on main, as a CI does.
    made("detached0000", 8, branch="", fork=Fork(target="main", start=Start.FIRST_PARENT, commit=sha(7)))
    made("lost00000000", 8, branch="", fork=Fork(target="main", start=Start.MERGE_BASE, commit=sha(7)))
    made("failed000000", 8, state=RunState.FAILED)
    found = baselines.choose(home, head, LINE)
    assert (found.run, found.rule, found.distance) == ("detached0000", Rule.NEWEST, None)
    assert [each.run for each in found.passed_over] == ["failed000000"]
    told = f"the baseline's commit {sha(8)[:8]} is not among those of main that this run is known to come from"
    assert found.remarks == (told,)


def test_without_a_repository_the_run_remembers_its_line(home: Home, made: Made) -> None:
    fork = Fork(target="main", start=Start.MERGE_BASE, commit=sha(3))
    head = made("head00000000", 9, branch="feature", fork=fork)
    made("wanted000000", 2)
    # Nobody told of its history yet; its name is enough for the start.
    assert baselines.choose(home, head, None).line.commits == (sha(3),)
    commits.keep(home.store, "clinic", HISTORY)
    found = baselines.choose(home, head, None)
    assert (found.run, found.rule, found.distance) == ("wanted000000", Rule.NEAREST, 1)
    assert found.line == replace(LINE, commits=(sha(3), sha(2), sha(1)))


def test_a_run_of_the_target_branch_itself_remembers_what_it_is(home: Home, made: Made) -> None:
    commits.keep(home.store, "clinic", HISTORY)
    fork = Fork(target="main", start=Start.FIRST_PARENT, commit=sha(2))
    clean = made("clean0000000", 3, fork=fork)
    tried = made("tried0000000", 3, fork=fork, source=Source.OVERRIDE)
    made("before000000", 2)
    assert baselines.choose(home, clean, None).run == "before000000"
    found = baselines.choose(home, tried, None)
    assert (found.run, found.line.start, found.distance) == ("clean0000000", Start.COMMIT, 0)
    assert found.sentence == "nearest run on main, of the same commit"


def test_a_shallow_clones_line_goes_on_with_what_runs_told_of(home: Home, made: Made, head: Run) -> None:
    commits.keep(home.store, "clinic", HISTORY)
    made("wanted000000", 1)
    found = baselines.choose(home, head, replace(LINE, commits=(sha(3), sha(2)), shallow=True))
    assert (found.run, found.distance) == ("wanted000000", 2)
    assert found.remarks == ("this clone is shallow: only 3 commits of main are known",)


def test_what_a_clone_does_not_know_the_run_or_another_one_of_its_commit_does(
    home: Home, made: Made, head: Run
) -> None:
    commits.keep(home.store, "clinic", HISTORY)
    made("wanted000000", 3)
    cut = Line(target="main", start=Start.NONE, shallow=True, remarks=("this clone does not have main",))
    assert baselines.choose(home, head, cut).rule is Rule.NEWEST
    made("again0000000", 9, branch="feature", fork=Fork(target="main", start=Start.MERGE_BASE, commit=sha(3)))
    found = baselines.choose(home, head, cut)
    assert (found.run, found.rule) == ("wanted000000", Rule.NEAREST)
    assert found.remarks == (
        "this clone does not have main",
        "where it left main was recorded with the run",
        "where it stood is known from another run of its commit",
    )


def test_a_clone_without_the_target_branch_is_told_where_it_left_it_by_other_runs(
    home: Home, made: Made, head: Run
) -> None:
    commits.keep(home.store, "clinic", HISTORY)
    made("wanted000000", 1)
    single = Line(target="main", start=Start.NONE, own=(head.git.commit, sha(8), sha(2)), shallow=True)
    # That a commit is known does not say whose it is.
    made("release00000", 3, branch="release", fork=Fork(target="release", start=Start.FIRST_PARENT, commit=sha(2)))
    assert baselines.choose(home, head, single).rule is Rule.NEWEST
    made(
        "other0000000", 7, branch="other", fork=Fork(target="main", start=Start.MERGE_BASE, commit=sha(3)), preset="toy"
    )
    found = baselines.choose(home, head, single)
    assert (found.run, found.rule, found.line.start, found.distance) == (
        *("wanted000000", Rule.NEAREST),
        *(Start.MERGE_BASE, 1),
    )
    assert "where it left main is known from other runs' commits" in found.remarks
    on_main = baselines.choose(home, made("mine00000000", 3), replace(single, own=(sha(3),)))
    assert (on_main.run, on_main.line.start, on_main.distance) == ("wanted000000", Start.FIRST_PARENT, 1)


def test_a_run_that_saw_its_branch_alone_remembers_what_it_comes_from(home: Home, made: Made) -> None:
    commits.keep(home.store, "clinic", HISTORY)
    made("old", 1)
    made("main", 3, fork=Fork(target="main", start=Start.FIRST_PARENT, commit=sha(2)))
    own = (Commit(sha=sha(12), parent=sha(11), committed=12), Commit(sha=sha(11), parent=sha(1), committed=11))
    commits.keep(home.store, "clinic", own)
    plain = made("plain", 12, branch="feature", fork=Fork(target="main"))
    assert baselines.choose(home, plain, None).run == "old"
    # The target was merged into the branch since.
    merging = made("merging", 12, branch="feature", fork=Fork(target="main", merged=(sha(3),)))
    found = baselines.choose(home, merging, None)
    assert (found.run, found.rule, found.distance, found.line.start) == ("main", Rule.NEAREST, 0, Start.MERGE_BASE)
    assert found.remarks == ("where it left main is known from other runs' commits",)
    # So it does where the clone had an old state of the target.
    stale = made("stale", 12, branch="feature", fork=replace(merging.fork, start=Start.MERGE_BASE, commit=sha(1)))
    assert baselines.choose(home, stale, None).run == "main"


def test_the_base_that_the_ci_gave_is_kept_to(home: Home, made: Made) -> None:
    commits.keep(home.store, "clinic", HISTORY)
    fork = Fork(target="release", start=Start.DIFF_BASE, commit=sha(2))
    head = made("head00000000", 9, branch="feature", fork=fork)
    made("wanted000000", 2)
    made("nearer000000", 3)
    assert baselines.choose(home, head, LINE).run == "wanted000000"


def test_without_commits_it_is_the_run_before(home: Home, made: Made) -> None:
    made("old000000000", 0, branch="")
    made("wanted000000", 0, branch="", source=Source.OVERRIDE)
    made("failed000000", 0, branch="", state=RunState.FAILED)
    head = made("head00000000", 0, branch="")
    made("later0000000", 0, branch="")
    found = baselines.choose(home, head, None)
    assert (found.run, found.rule, found.remarks) == ("wanted000000", Rule.PREVIOUS, ())
    assert [(each.run, each.reason) for each in found.passed_over] == [("failed000000", "it did not succeed")]
    assert baselines.choose(home, replace(head, created=0.5), None).rule is Rule.NONE


def pin(run: str, **more: Any) -> Pin:
    return Pin(**({"project": "clinic", "algorithm": "tumour", "preset": "full", "run": run} | more))


def test_a_pinned_run_comes_first_and_that_of_the_branch_before_all(home: Home, made: Made, head: Run) -> None:
    for name in ("nearest00000", "everyone0000", "branch000000", "preset000000"):
        made(name, 3 if name == "nearest00000" else 1)
    pins.put(home.store, pin("preset000000", preset="toy"))
    pins.put(home.store, pin("branch000000", branch="other"))
    assert baselines.choose(home, head, LINE).run == "nearest00000"
    pins.put(home.store, pin("everyone0000"))
    found = baselines.choose(home, head, LINE)
    assert (found.run, found.rule, found.distance) == ("everyone0000", Rule.PINNED, 2)
    pins.put(home.store, pin("branch000000", branch="feature"))
    assert baselines.choose(home, head, LINE).run == "branch000000"
    # Gone with its run.
    filing.remove(home.store, "branch000000")
    assert [each.run for each in pins.listed(home.store, "clinic")] == ["everyone0000", "preset000000"]
    assert baselines.choose(home, head, LINE).run == "everyone0000"
    with pytest.raises(NotFound):
        pins.put(home.store, pin("branch000000"))


def test_a_run_that_is_pinned_itself_is_compared_by_the_rule(home: Home, made: Made, head: Run) -> None:
    made("nearest00000", 3)
    pins.put(home.store, pin(head.id))
    found = baselines.choose(home, head, LINE)
    assert (found.run, found.remarks) == ("nearest00000", ("the pinned baseline is this very run",))


def test_another_algorithm_can_be_what_is_compared_with(home: Home, made: Made) -> None:
    made("own000000000", 3, algorithm="margin")
    made("tumour000000", 2)
    made("production00", 1, source=Source.OVERRIDE)
    against = made("head00000000", 9, algorithm="margin", branch="feature", fork=Fork(target="main", against="tumour"))
    found = baselines.choose(home, against, LINE)
    assert (found.run, found.rule, found.alias) == ("tumour000000", Rule.NEAREST, "tumour")
    assert found.sentence == "nearest tumour run on main, 1 commit before the merge base"
    aliased = replace(against, fork=Fork(target="main", against="tumour@production"))
    found = baselines.choose(home, aliased, LINE)
    assert (found.run, found.remarks[0]) == ("tumour000000", "tumour@production is no run yet")
    now = Promotion(project="clinic", algorithm="tumour", alias="production", run="production00")
    promotions.add(home.store, now, after=0)
    found = baselines.choose(home, aliased, LINE)
    assert (found.run, found.rule, found.sentence) == (
        *("production00", Rule.ALIAS),
        "the run that tumour@production is",
    )
    assert found.remarks == ("the baseline is no usual one: overrides (C)",)


def test_whoever_asks_may_name_it(home: Home, made: Made, head: Run) -> None:
    made("production00", 1)
    made("nearest00000", 3)
    made("margin000000", 2, algorithm="margin")
    promotions.add(
        home.store, Promotion(project="clinic", algorithm="tumour", alias="production", run="production00"), after=0
    )
    for named, expected in {
        "nearest00000": ("nearest00000", Rule.NAMED, ""),
        "marg": ("margin000000", Rule.NAMED, ""),
        "margin": ("margin000000", Rule.NEAREST, "margin"),
        "tumour": ("nearest00000", Rule.NEAREST, ""),
        "tumour@production": ("production00", Rule.ALIAS, "tumour@production"),
    }.items():
        found = baselines.choose(home, head, LINE, named)
        assert (found.run, found.rule, found.alias) == expected
    for named in ("nothing", "tumour@staging"):
        with pytest.raises(NotFound):
            baselines.choose(home, head, LINE, named)
