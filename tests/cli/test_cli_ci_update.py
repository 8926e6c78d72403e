"""`palmette ci update`: what a host is afterwards, on this machine and on a server."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.standins.kubeflow import Kubeflow

from palmette.ci import updating
from palmette.domain.branches import Branch, Ticket
from palmette.domain.context import Context
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Cron, Schedule
from palmette.domain.lines import Start
from palmette.domain.listing import Slice
from palmette.domain.run import Source
from palmette.ir.dialects import Dialect
from palmette.operations import branches, experiments, hosting, pipelines, schedules, submitting
from palmette.operations.closures import closures
from palmette.operations.compiling import compile_all, compile_for_kubeflow
from palmette.operations.home import Home, serve_home
from palmette.operations.hosts import Order
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Here, Place
from palmette.operations.project import find
from palmette.operations.scopes import Names
from palmette.operations.verbs import verb_of
from palmette.store import commits

if TYPE_CHECKING:
    from conftest import Hub, Project

SETTINGS = f"""
    [tool.palmette]
    name = "{{name}}"
    python = "{sys.executable}"
    algorithms = ["algorithms"]
    """
ALGORITHM = """
    from dataclasses import dataclass
    from palmette import Metric, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        rounds: int = 10
        depth: int = 3

    @step
    def fit(rounds: int, depth: int) -> Metrics:
        return Metrics(auc=0.9)

    @algorithm(config=Config, presets={{"toy": Config(rounds=1)}}, metrics=[Metric("auc", primary=True)])
    def {name}(config: Config) -> None:
        fit(config.rounds, config.depth)
    """
EVERYTHING = Slice(size=100)
#: what does not depend on where the home is
HERE = pytest.mark.parametrize("repository", ["here"], indirect=True)


class State:
    """What a home holds, by names."""

    def __init__(self, directory: Path) -> None:
        self.home: Home = serve_home(directory)

    @property
    def versions(self) -> dict[str, str]:
        """ "tumour: main@6f1c0a2b" → its identifier."""
        found = pipelines.page(self.home, EVERYTHING).items
        return {
            f"{each.name}: {version.name}": version.id
            for each in found
            for version in pipelines.versions(self.home, each.id, EVERYTHING).items
        }

    @property
    def experiments(self) -> dict[str, str]:
        """Name → description."""
        return {each.name: each.description for each in experiments.page(self.home, EVERYTHING).items}

    @property
    def schedules(self) -> dict[str, Schedule]:
        return {each.name: each for each in schedules.page(self.home, EVERYTHING).items}

    def branch(self, name: str, project: str = "ia") -> Branch | None:
        return branches.named(replace(self.home, project=project), name)

    def everything(self) -> Any:
        """All of it, to be compared with later; but for when a branch was seen."""
        seen = [replace(each, seen=0.0) for each in branches.known(self.home)]
        return self.versions, self.experiments, self.schedules, seen


@pytest.fixture(params=["here", "server"])
def repository(request: pytest.FixtureRequest, empty: Project, hub: Hub, tmp_path: Path) -> Project:
    """A repository with two algorithms, whose home is here or on a server; `state` says what is there."""
    begun(empty)
    if request.param == "server":
        empty.environ["PALMETTE_ON"] = hub.of(tmp_path / "served")
    return empty


@pytest.fixture
def state(repository: Project, tmp_path: Path) -> Callable[[], State]:
    served = "PALMETTE_ON" in repository.environ
    return partial(State, tmp_path / "served" if served else repository.directory / ".palmette")


def begun(project: Project, name: str = "ia") -> None:
    """A repository on `main` with one commit, in a job of a CI that is none of the known ones."""
    project.write("pyproject.toml", SETTINGS.format(name=name))
    project.write(".gitignore", ".palmette/\n__pycache__/\n")
    for algorithm in ("tumour", "doc_type"):
        project.write(f"algorithms/{algorithm}.py", ALGORITHM.format(name=algorithm))
    project.git("init", "--initial-branch=main")
    commit(project, "Two algorithms")


def commit(project: Project, message: str) -> str:
    """Commit everything; the SHA."""
    project.git("add", ".")
    project.git("commit", "--allow-empty", f"--message={message}")
    return head(project)


def head(project: Project) -> str:
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(asked, cwd=project.directory, check=True, capture_output=True, text=True).stdout.strip()


def nightly(state: State, name: str, version: str, **values: Any) -> None:
    """A recurring run of tumour, as somebody made it."""
    pipeline = pipelines.named(state.home, "tumour")
    wanted = {"parameters": {}, "description": "Each night", "trigger": Cron(expression="0 0 3 * * *"), **values}
    at = state.versions[f"tumour: {version}"] if version else ""
    schedules.create(state.home, Schedule(id="", name=name, pipeline=pipeline.id, version=at, project="ia", **wanted))


def test_every_commit_is_a_version_and_every_branch_an_experiment(
    repository: Project, state: Callable[[], State]
) -> None:
    main = head(repository)
    shown = repository("ci", "update")
    repository.git("checkout", "-b", "feature/IA-1742-doc-type")
    feature = commit(repository, "Doc type\n\nat length")
    told = repository.json("ci", "update")

    now = state()
    assert set(now.versions) == {
        f"{algorithm}: {branch}@{sha[:8]}"
        for algorithm in ("tumour", "doc_type")
        for branch, sha in (("main", main), ("feature/IA-1742-doc-type", feature))
    }
    footer = split(now.experiments["feature/IA-1742-doc-type"])[1]
    assert (footer["project"], footer["branch"], footer["tickets"]) == ("ia", "feature/IA-1742-doc-type", ["IA-1742"])
    branch = now.branch("feature/IA-1742-doc-type")
    assert branch is not None
    assert (branch.head, branch.target, branch.fork, branch.ahead, branch.behind) == (feature, "main", main, 1, 0)
    assert (branch.author, branch.experiment) == ("Ada", told["experiment"]["experiment_id"])
    assert [each["already_there"] for each in told["versions"]] == [False, False]
    assert f"tumour    main@{main[:8]}  uploaded" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert told["warnings"] == []
    repository.write("algorithms/tumour.py", ALGORITHM.format(name="tumour").replace("10", "20"))
    (warning,) = repository.json("ci", "update", "--dry-run")["warnings"]
    assert "uncommitted changes" in warning


@HERE
def test_called_again_it_changes_nothing(repository: Project, state: Callable[[], State]) -> None:
    repository("ci", "update")
    nightly(state(), "nightly", f"main@{head(repository)[:8]}")
    repository("ci", "update")
    before = state().everything()

    told = repository.json("ci", "update")

    assert state().everything() == before
    assert [each["already_there"] for each in told["versions"]] == [True, True]
    assert [each["moved"] for each in told["recurring_runs"]] == [False]


@HERE
def test_a_dry_run_says_what_would_be_done_and_does_nothing(repository: Project, state: Callable[[], State]) -> None:
    told = repository.json("ci", "update", "--dry-run")

    assert [(each["already_there"], each["version_id"]) for each in told["versions"]] == [(False, None)] * 2
    assert (told["experiment"]["done"], told["experiment"]["experiment_id"]) == ("made", None)
    assert not (repository.directory / ".palmette").exists()
    assert state().versions == {}


def test_recurring_runs_follow_the_default_branch_and_keep_what_people_edited(
    repository: Project, state: Callable[[], State]
) -> None:
    old = head(repository)
    repository("ci", "update")
    repository("ci", "update", "-b", "feature/x")
    main = f"main@{old[:8]}"
    nightly(state(), "follows", main, parameters={"rounds": 10, "depth": 7})
    nightly(state(), "newest", "", enabled=False)
    nightly(state(), "feature", f"feature/x@{old[:8]}")
    nightly(state(), "pinned", main, description=signed("", {"project": "ia", "follows": ""}))
    repository.replace("algorithms/tumour.py", "rounds: int = 10", "rounds: int = 20")
    new = commit(repository, "More rounds")

    told = {each["name"]: each for each in repository.json("ci", "update")["recurring_runs"]}

    now = state()
    at = {version: name.removeprefix("tumour: ") for name, version in now.versions.items()}
    kept = now.schedules
    assert {name: at[each.version] for name, each in kept.items()} == {
        "follows": f"main@{new[:8]}",
        "newest": f"main@{new[:8]}",
        "feature": f"feature/x@{old[:8]}",
        "pinned": main,
    }
    assert kept["follows"].parameters == {"rounds": 20, "depth": 7}
    assert split(kept["follows"].description) == ("Each night", {"project": "ia", "follows": "main"})
    assert (kept["newest"].enabled, kept["follows"].enabled) == (False, True)
    assert kept["follows"].trigger == Cron(expression="0 0 3 * * *")
    assert told["follows"]["new_defaults"] == ["rounds"]
    assert "now it is pinned" in told["newest"]["why"]
    assert told["feature"]["why"] == "it is at a version of feature/x"
    edit = schedules.history(now.home, kept["follows"].id)[0]
    assert edit.why == f"main is at {new[:8]}"


@HERE
def test_one_whose_parameter_is_gone_stays_and_it_is_said_why(repository: Project, state: Callable[[], State]) -> None:
    old = f"main@{head(repository)[:8]}"
    repository("ci", "update")
    nightly(state(), "nightly", old, parameters={"depth": 9})
    before = state().schedules
    repository.replace("algorithms/tumour.py", "    depth: int = 3\n", "")
    repository.replace("algorithms/tumour.py", "fit(config.rounds, config.depth)", "fit(config.rounds, 3)")
    commit(repository, "No depth")

    shown = repository("ci", "update").out

    assert state().schedules == before
    assert f"recurring run nightly  stays at {old}" in shown
    assert "depth is no parameter of this pipeline" in shown


@HERE
def test_a_recurring_run_that_names_another_branch_moves_with_that_branch(
    repository: Project, state: Callable[[], State]
) -> None:
    old = head(repository)
    repository("ci", "update", "-b", "feature/x")
    nightly(state(), "own", f"feature/x@{old[:8]}", description=signed("", {"project": "ia", "follows": "feature/x"}))
    nightly(state(), "by-hand", f"feature/x@{old[:8]}")
    new = commit(repository, "Newer")

    told = repository.json("ci", "update", "-b", "feature/x")["recurring_runs"]

    assert [(each["name"], each["moved"]) for each in told] == [("own", True)]
    now = state()
    assert now.schedules["own"].version == now.versions[f"tumour: feature/x@{new[:8]}"]


@HERE
def test_an_older_commit_that_comes_late_moves_nothing_back(repository: Project, state: Callable[[], State]) -> None:
    old = head(repository)
    new = commit(repository, "Newer")
    repository("ci", "update")
    nightly(state(), "nightly", f"main@{new[:8]}")
    repository("ci", "update")
    before = state().schedules
    repository.git("checkout", "--detach", old)

    told = repository.json("ci", "update", "-b", "main")

    now = state()
    assert f"tumour: main@{old[:8]}" in now.versions
    assert now.schedules == before
    branch = now.branch("main")
    assert branch is not None
    assert branch.head == told["head"] == new
    assert told["stays"] == f"main is at {new[:8]} already, which comes after {old[:8]}"


@HERE
def test_the_same_commit_with_other_code_is_a_version_beside_the_first(
    repository: Project, state: Callable[[], State]
) -> None:
    base = f"main@{head(repository)[:8]}"
    repository("ci", "update")
    repository.replace("algorithms/tumour.py", "0.9", "0.8")
    for _ in range(2):
        warned = repository("ci", "update").out
        assert f"warning: tumour: {base} has another document, so this one is {base}-2" in warned

    assert set(state().versions) == {f"tumour: {base}", f"tumour: {base}-2", f"doc_type: {base}"}


@HERE
def test_where_an_algorithm_does_not_compile_nothing_is_uploaded(
    repository: Project, state: Callable[[], State]
) -> None:
    for name in ("tumour", "doc_type"):
        repository.replace(f"algorithms/{name}.py", "-> Metrics:", "-> object:")

    error = repository("ci", "update", code=1).err

    assert "2 algorithms cannot be compiled" in error
    assert "algorithms/tumour.py" in error
    assert "algorithms/doc_type.py" in error
    assert state().everything() == ({}, {}, {}, [])


@HERE
def test_a_tag_has_versions_and_no_experiment(repository: Project, state: Callable[[], State]) -> None:
    sha = head(repository)
    repository.git("checkout", "--detach")

    told = repository.json("ci", "update", environ={"PALMETTE_TAG": "v1.0", "PALMETTE_COMMIT": sha})

    assert (told["tag"], told["branch"], told["experiment"]) == ("v1.0", None, None)
    assert set(state().versions) == {f"{name}: v1.0@{sha[:8]}" for name in ("tumour", "doc_type")}
    assert branches.known(state().home) == ()


@pytest.mark.parametrize("repository", ["server"], indirect=True)
def test_two_projects_on_one_server_do_not_meet(repository: Project, state: Callable[[], State]) -> None:
    """Both have a `main` and a `tumour`."""
    other = type(repository)(repository.directory.parent / "other", repository.environ)
    other.directory.mkdir()
    begun(other, "clinic")
    commit(other, "Of its own")
    repository("ci", "update")
    nightly(state(), "nightly", f"main@{head(repository)[:8]}")
    repository("ci", "update")
    mine, kept = state().versions, state().schedules

    other("ci", "update")

    now = state()
    assert set(now.versions) - set(mine) == {f"clinic: {it}: main@{head(other)[:8]}" for it in ("tumour", "doc_type")}
    assert now.schedules == kept
    owners = {name: split(text)[1]["project"] for name, text in now.experiments.items() if name != "Default"}
    assert owners == {"main": "ia", "clinic: main": "clinic"}
    for pipeline in ("tumour", "clinic: tumour"):
        # As the stock client asks: no project is named.
        hosting.begin_run(now.home, Order(name="by hand", pipeline=pipelines.named(now.home, pipeline).id))
    for project, each in (("ia", repository), ("clinic", other)):
        branch = now.branch("main", project)
        assert branch is not None
        assert branch.head == head(each)
        (found,) = each.json("runs", "branch = main")
        assert (found["algorithm"], found["git"]["commit"]) == ("tumour", head(each))


@HERE
def test_runs_of_a_host_are_of_the_commit_that_their_version_is_of(
    repository: Project, state: Callable[[], State]
) -> None:
    root = head(repository)
    sha = commit(repository, "Second\n\nat length")
    repository("ci", "update")
    nightly(state(), "nightly", f"main@{sha[:8]}", parameters={"rounds": 10, "depth": 5})
    home, pipeline = state().home, pipelines.named(state().home, "doc_type")
    schedule = state().schedules["nightly"]
    toy = signed("", {"preset": "toy", "kind": "toy"})

    hosting.begin_run(home, Order(name="toy", description=toy, pipeline=pipeline.id, parameters={"rounds": 1}))
    schedules.fire(home, schedule.id)

    first, ticked = (submitting.get(home, each.id) for each in reversed(hosting.list_runs(home).items))
    assert (first.git.branch, first.git.commit, first.git.author, first.git.message) == ("main", sha, "Ada", "Second")
    assert first.git.committed > 0
    assert not first.git.dirty
    assert (first.algorithm, first.project, first.preset) == ("doc_type", "ia", "toy")
    assert {each.name: each.source for each in first.settings} == {"rounds": Source.PRESET, "depth": Source.DEFAULT}
    assert (first.fork.target, first.fork.start, first.fork.commit) == ("main", Start.FIRST_PARENT, root)
    # It has overrides, so it is compared with its own commit.
    assert (ticked.algorithm, ticked.git.commit) == ("tumour", sha)
    assert (ticked.fork.start, ticked.fork.commit) == (Start.COMMIT, sha)
    assert [each.sha for each in commits.walk(home.store, "ia", sha)] == [sha, root]


class Died(BaseException):
    """As if the process was killed."""


class Mortal:
    """A place where everything ends before so many changes are made."""

    def __init__(self, place: Place, changes: int) -> None:
        self.place, self.left = place, changes

    def __call__(self, operation: Any, *values: Any, **named: Any) -> Any:
        if verb_of(operation).method != "GET":
            if self.left == 0:
                raise Died
            self.left -= 1
        return self.place(operation, *values, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.place, name)

    def begun(self) -> Mortal:
        return self


@HERE
def test_killed_between_any_two_changes_it_is_completed_by_the_next_one(repository: Project, tmp_path: Path) -> None:
    (repository.directory / "algorithms/doc_type.py").unlink()
    old = commit(repository, "One algorithm")

    def prepared(sha: str) -> Any:
        project = find(repository.directory, repository.environ)
        context = Context(branch="main", default_branch="main", commit=sha, head=sha)
        host, names = PlacedHost(Here(project)), Names(prefix="", project="ia")
        return updating.prepared(host, project, repository.environ, context, (), names=names, image="")

    def updated(store: Path, changes: int, subject: updating.Subject, built: Any) -> None:
        place: Any = Mortal(Here(replace(subject.project, home=store)).begun(), changes)
        place(hosting.claim, "ia")
        updating.carry_out(place, replace(subject, host=PlacedHost(place)), built, str)

    def at(store: Path) -> Any:
        """What is there, by names."""
        state = State(store)
        names = {"": "", **{version: name for name, version in state.versions.items()}}
        followed = {name: (names[each.version], dict(each.parameters)) for name, each in state.schedules.items()}
        return set(names.values()), state.experiments, followed, [each.head for each in branches.known(state.home)]

    whole = tmp_path / "whole"
    updated(whole, 99, *prepared(old))
    nightly(State(whole), "nightly", f"main@{old[:8]}", parameters={"rounds": 10})
    nightly(State(whole), "newest", "")
    # As before there was an experiment, so that it is made once more.
    experiments.delete(State(whole).home, experiments.named(State(whole).home, "main").id)
    begun_with = shutil.copytree(whole, tmp_path / "begun")
    repository.replace("algorithms/tumour.py", "rounds: int = 10", "rounds: int = 20")
    new = commit(repository, "More rounds")
    ready = prepared(new)
    updated(whole, 99, *ready)

    deaths = 0
    for changes in range(99):
        store = shutil.copytree(begun_with, tmp_path / str(changes))
        try:
            updated(store, changes, *ready)
        except Died:
            deaths += 1
            assert all(split(text)[1] for name, text in at(store)[1].items() if name != "Default")
            assert set(at(store)[2]) == {"nightly", "newest"}
            updated(store, 99, *ready)
            assert at(store) == at(whole)
        else:
            break
    # The claim, the version, the experiment, the branch, two recurring runs.
    assert deaths == 6


class Overtaken(Mortal):
    """A place where somebody else does all of his before so many changes are made."""

    def __init__(self, place: Place, changes: int, other: Callable[[], object]) -> None:
        super().__init__(place, changes)
        self.other = other

    def __call__(self, operation: Any, *values: Any, **named: Any) -> Any:
        try:
            return super().__call__(operation, *values, **named)
        except Died:
            self.left = 99
            self.other()
            return self.place(operation, *values, **named)


@HERE
def test_overtaken_between_any_two_changes_the_later_commit_has_the_last_word(
    repository: Project, tmp_path: Path
) -> None:
    (repository.directory / "algorithms/doc_type.py").unlink()

    def prepared(sha: str, title: str) -> Any:
        project = find(repository.directory, repository.environ)
        context = Context(branch="main", default_branch="main", commit=sha, head=sha)
        host, names = PlacedHost(Here(project)), Names(prefix="", project="ia")
        tickets = (Ticket(key="IA-1", title=title),)
        return updating.prepared(host, project, repository.environ, context, tickets, names=names, image="")

    def carried_out(place: Any, ready: Any) -> None:
        updating.carry_out(place, replace(ready[0], host=PlacedHost(place)), ready[1], str)

    older = prepared(commit(repository, "Older"), "OLD")
    repository.replace("algorithms/tumour.py", "rounds: int = 10", "rounds: int = 20")
    newest = commit(repository, "Newer")
    newer = prepared(newest, "NEW")

    for changes in range(4):  # before the version, the experiment, the branch; and after all
        here = Here(replace(older[0].project, home=tmp_path / str(changes))).begun()
        carried_out(Overtaken(here, changes, partial(carried_out, here, newer)), older)
        if changes == 3:
            carried_out(here, newer)
        now = State(tmp_path / str(changes))
        branch = now.branch("main")
        assert branch is not None
        assert branch.head == newest
        assert split(now.experiments["main"])[0] == "[IA-1] NEW"
        assert len(now.versions) == 2


def job(order: int, sha: str) -> dict[str, str]:
    """The variables of a job of GitLab on main."""
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PIPELINE_ID": str(1000 + order),
        "CI_PIPELINE_IID": str(order),
        "CI_COMMIT_SHA": sha,
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_REF_NAME": "main",
        "CI_DEFAULT_BRANCH": "main",
        "CI_PIPELINE_SOURCE": "push",
    }


@pytest.mark.parametrize("repository", ["server"], indirect=True)
def test_of_jobs_that_race_the_latest_commit_stays_and_each_version_is_there_once(
    repository: Project, state: Callable[[], State]
) -> None:
    first = head(repository)
    repository("ci", "update", environ=job(1, first))
    nightly(state(), "nightly", f"main@{first[:8]}")
    older = commit(repository, "Older")
    clone = type(repository)(repository.directory.parent / "clone", repository.environ)
    shutil.copytree(repository.directory, clone.directory)
    newer = commit(repository, "Newer")

    racing = [
        clone.start("ci", "update", environ=job(2, older)),
        *(repository.start("ci", "update", environ=job(3, newer)) for _ in range(2)),
    ]
    for process in racing:
        repository.finished(process, 0)

    now = state()
    versions = [f"{name}: main@{sha[:8]}" for name in ("tumour", "doc_type") for sha in (first, older, newer)]
    assert sorted(now.versions) == sorted(versions)
    branch = now.branch("main")
    assert branch is not None
    assert (branch.head, branch.order) == (newer, 3)
    assert now.schedules["nightly"].version == now.versions[f"tumour: main@{newer[:8]}"]


@HERE
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_ended_leaves_what_is_whole(
    repository: Project, state: Callable[[], State], number: signal.Signals
) -> None:
    process = repository.start("ci", "update")
    repository.eventually(lambda: process.poll() is not None or (repository.exists(".palmette/store.db")))
    process.send_signal(number)
    process.communicate()

    assert process.returncode in (0, -signal.SIGKILL, 128 + signal.SIGTERM)
    assert all(split(text)[1] for name, text in state().experiments.items() if name != "Default")
    repository("ci", "update")
    assert set(state().experiments) - {"Default"} == {"main"}
    assert len(state().versions) == 2


def test_what_is_wrong_with_the_server_has_its_exit_code(bare: Project, hub: Hub, tmp_path: Path) -> None:
    begun(bare)
    sha = {"PALMETTE_COMMIT": head(bare)}
    guarded = hub.of(tmp_path / "guarded", host="example.org")

    assert "nobody answers" in bare("ci", "update", "--on", "http://127.0.0.1:9", code=69).err
    assert "token" in bare("ci", "update", "--on", guarded, code=77).err
    forked = bare("ci", "update", "--on", guarded, "-b", "stranger:main", environ=sha)
    assert "jobs of a fork have no rights there" in forked.out


def test_it_says_what_it_lacks(bare: Project) -> None:
    bare.write("algorithms/__init__.py", "")
    error = bare("ci", "update", code=2).err

    assert "no commit is known" in error
    assert "no branch is known" in error


def test_on_a_kubeflow_it_is_the_same_and_recurring_runs_are_made_anew(
    empty: Project, hub: Hub, tmp_path: Path
) -> None:
    """Through the official client; the home is a job's own and remembers nothing, so the host does."""
    begun(empty)
    cluster = Kubeflow(behind=hub.of(tmp_path / "cluster"))
    try:
        target = f'\n[tool.palmette.targets.cluster]\nhost = "{cluster.url}"\nimage = "ia:1"\ndialect = "2.5"\n'
        empty.write("pyproject.toml", SETTINGS.format(name="ia") + target)
        old = commit(empty, "A cluster")
        on = ("ci", "update", "--target", "cluster")
        empty(*on)
        state = State(tmp_path / "cluster")
        nightly(state, "nightly", f"main@{old[:8]}", parameters={"rounds": 10, "depth": 7})
        empty.replace("algorithms/tumour.py", "rounds: int = 10", "rounds: int = 20")
        new = commit(empty, "More rounds")
        shutil.rmtree(empty.directory / ".palmette")

        told = empty.json(*on)

        at = {version: name for name, version in state.versions.items()}
        (followed,) = state.schedules.values()
        assert at[followed.version] == f"tumour: main@{new[:8]}"
        assert (followed.parameters, followed.enabled) == ({"rounds": 20, "depth": 7}, True)
        assert told["recurring_runs"][0]["moved"]
        document = pipelines.document(state.home, pipelines.newest(state.home, followed.pipeline).spec)
        images = {each.container.image for each in document.pipeline.executors.values() if each.container}
        assert images == {"ia:1"}

        shutil.rmtree(empty.directory / ".palmette")
        empty.git("checkout", "--detach", old)
        late = empty.json(*on, "-b", "main")
        assert late["stays"] == f"main is at {new[:8]} already, which comes after {old[:8]}"
        assert list(state.schedules.values()) == [followed]
    finally:
        cluster.stop()


def test_what_is_compiled_together_is_what_each_alone_compiles_to(bare: Project) -> None:
    begun(bare)
    project = find(bare.directory, bare.environ)

    together = compile_all(project, bare.environ, image="ia:1", dialect=Dialect.V2_5)

    for name, built in together.items():
        alone = compile_for_kubeflow(project, bare.environ, name, image="ia:1", dialect=Dialect.V2_5)
        assert built.text.decode() == alone.text
        assert built.bundle == alone.bundle
    assert list(together) == ["doc_type", "tumour"]
    assert together["tumour"].closure == closures(project)["tumour"].digest
