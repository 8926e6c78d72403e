"""`palmette ci gc`, in a clone of a real bare repository whose branches come and go."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.standins.gitlab import JOB, GitLab

from palmette.ci import archiving
from palmette.ci.archiving import Scene
from palmette.domain.branches import Branch, Check, Kind
from palmette.domain.footer import signed
from palmette.domain.hosting import Experiment, Pipeline, Schedule
from palmette.domain.run import Git, Run
from palmette.domain.states import RunState
from palmette.operations import project as projects
from palmette.operations import upstream
from palmette.operations.departures import Fate
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Here
from palmette.store import branches, checks, database, experiments, pins, pipelines, retention, runs, schedules
from palmette.store.database import Store
from palmette.store.pins import Pin

if TYPE_CHECKING:
    from conftest import Hub, Project

NOW, OLD = ("--grace", "0d"), ("--grace", "1d")


class Repository:
    """A project in a clone, the bare repository that it was pushed to, and the store of its home."""

    def __init__(self, project: Project, remote: Path) -> None:
        self.project, self.remote = project, remote
        self.store: Store = database.open(project.directory / ".palmette")

    def push(self, name: str) -> str:
        """Make a branch with a commit of its own, as CI would know it; the full SHA."""
        self.project.git("checkout", "--quiet", "-B", name, "main")
        self.project.git("commit", "--quiet", "--allow-empty", f"--message={name}")
        self.project.git("push", "--quiet", "--force", "origin", name)
        commit = self.commit(name)
        self.update(name, commit)
        return commit

    def update(self, name: str, commit: str, project: str = "tiny") -> None:
        description = signed("", {"project": project, "branch": name})
        prefix = "" if project == "tiny" else f"{project}: "
        experiments.create(
            self.store, Experiment(id=f"{project}-{name}", name=f"{prefix}{name}", description=description, created=1.0)
        )
        made = Branch(project=project, name=name, head=commit, experiment=f"{project}-{name}", seen=2.0)
        branches.change(self.store, made, lambda _: made)

    def commit(self, name: str) -> str:
        told = subprocess.run(["git", "rev-parse", name], cwd=self.remote, check=True, capture_output=True, text=True)
        return told.stdout.strip()

    def delete(self, name: str) -> None:
        self.project.git("push", "--quiet", "origin", "--delete", name)

    def run(self, id: str, name: str, state: RunState = RunState.SUCCEEDED, commit: str = "") -> None:
        git = Git(branch=name, commit=commit)
        run = Run(id=id.ljust(12, "0"), project="tiny", algorithm="tumour", git=git, state=state)
        runs.create(self.store, replace(run, experiment=f"tiny-{name}", created=3.0))

    def archived(self, name: str, project: str = "tiny") -> bool:
        found = experiments.get(self.store, f"{project}-{name}")
        assert found is not None
        return found.archived is not None

    def gc(self, *arguments: str, code: int = 0) -> Any:
        """Branch → what became of it."""
        found = self.project.json("ci", "gc", *arguments, code=code)
        return {each["branch"]: each["what"] for each in found["gone"]}


@pytest.fixture
def repository(bare: Project, tmp_path: Path) -> Any:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", remote], check=True)
    bare.write("algorithms/nothing.py", "")
    bare.write(".gitignore", ".palmette/\n__pycache__/\n")
    bare.git("init", "--quiet", "--initial-branch=main")
    bare.git("add", ".")
    bare.git("commit", "--quiet", "--message=Start")
    bare.git("remote", "add", "origin", str(remote))
    bare.git("push", "--quiet", "origin", "main")
    bare.git("remote", "set-head", "origin", "main")
    made = Repository(bare, remote)
    yield made
    made.store.close()


def test_a_branch_that_is_deleted_is_noted_and_archived_after_the_grace_period(repository: Repository) -> None:
    repository.push("feature/a")
    repository.push("kept")
    repository.delete("feature/a")
    assert repository.gc("--dry-run", *OLD) == {"feature/a": "left"}
    assert branches.named(repository.store, "tiny", "feature/a").gone is None  # type: ignore[union-attr]
    assert repository.gc(*OLD) == {"feature/a": "left"}
    gone = branches.named(repository.store, "tiny", "feature/a")
    assert gone is not None
    assert gone.gone is not None
    assert repository.gc(*OLD) == {"feature/a": "waiting"}
    assert not repository.archived("feature/a")
    assert repository.gc("--dry-run", *NOW) == {"feature/a": "archive"}
    assert not repository.archived("feature/a")
    assert repository.gc(*NOW) == {"feature/a": "archive"}
    assert repository.archived("feature/a")
    assert not repository.archived("kept")
    assert repository.gc(*NOW) == {"feature/a": "done"}
    shown = branches.named(repository.store, "tiny", "feature/a")
    assert shown is not None
    assert (shown.gone, shown.archived is not None) == (gone.gone, True)
    repository.push("feature/a")
    # As a push alone leaves it: no update has told the home of it yet.
    branches.change(repository.store, shown, lambda _: shown)
    assert repository.gc(*NOW) == {"feature/a": "back"}
    assert repository.gc(*NOW) == {}


def test_an_experiment_stays_while_its_runs_go_on_and_what_it_disables_is_said(repository: Repository) -> None:
    repository.push("busy")
    repository.run("live", "busy", RunState.RUNNING)
    pipelines.create(repository.store, Pipeline(id="pipe", name="tumour", project="tiny"))
    nightly = Schedule(id="nightly", name="nightly", experiment="tiny-busy", pipeline="pipe")
    schedules.create(repository.store, nightly)
    repository.delete("busy")
    found = repository.project.json("ci", "gc", *NOW)["gone"][0]
    assert (found["what"], found["runs"]) == ("busy", ["live00000000"])
    assert not repository.archived("busy")
    with repository.store.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'SUCCEEDED'")
    found = repository.project.json("ci", "gc", *NOW)["gone"][0]
    assert (found["what"], found["recurring_runs"]) == ("archive", ["nightly"])
    assert repository.archived("busy")
    assert schedules.get(repository.store, "nightly").enabled is False  # type: ignore[union-attr]


def test_nothing_is_done_where_nobody_says_which_branches_there_are(repository: Repository) -> None:
    repository.push("feature/a")
    repository.delete("feature/a")
    repository.project.git("remote", "set-url", "origin", "http://anna:geheim@127.0.0.1:9/gone.git")
    said = repository.project("ci", "gc", *NOW, code=69)
    assert "Nothing was archived" in said.err
    assert "geheim" not in said.err
    other = repository.remote.parent / "other.git"
    subprocess.run(["git", "init", "--quiet", "--bare", other], check=True)
    repository.project.git("remote", "set-url", "origin", str(other))
    assert "names no branch at all" in repository.project("ci", "gc", *NOW).err
    repository.project.git("push", "--quiet", "origin", "main:unrelated")
    assert "does not name the default branch main" in repository.project("ci", "gc", *NOW, code=69).err
    kept = branches.named(repository.store, "tiny", "feature/a")
    assert (kept and kept.gone, repository.archived("feature/a")) == (None, False)


def scene(repository: Repository) -> Scene:
    """What `ci gc` goes by, without a grace period."""
    project = projects.find(repository.project.directory, repository.project.environ)
    found = upstream.heads(project.root, repository.project.environ)
    place = Here(project)
    return Scene(
        place=place,
        host=PlacedHost(place),
        project=project,
        environ=repository.project.environ,
        heads=found,
        now=1e9,
        grace=0.0,
        default="main",
    )


def test_a_branch_that_comes_back_while_it_is_archived_is_taken_out_again(repository: Repository) -> None:
    commit = repository.push("feature/a")
    repository.delete("feature/a")
    now = scene(repository)
    plan = archiving.survey(now)
    again = Branch(project="tiny", name="feature/a", head=commit, experiment="tiny-feature/a", seen=5e8)
    branches.change(repository.store, again, lambda _: again)
    (done,) = archiving.carry_out(now, plan).departures
    assert (done.fate, repository.archived("feature/a")) == (Fate.BACK, False)
    assert branches.named(repository.store, "tiny", "feature/a") == again


def test_two_at_once_and_one_that_was_cut_short_come_to_the_same(repository: Repository) -> None:
    repository.push("feature/a")
    repository.delete("feature/a")
    first = scene(repository)
    second = replace(first, now=first.now + 1)
    plans = [archiving.survey(first), archiving.survey(second)]
    # The first one ends between the host and the home.
    experiments.archive(repository.store, "tiny-feature/a", 1e9)
    for now, plan in zip((first, second), plans, strict=True):
        assert [each.fate for each in archiving.carry_out(now, plan).departures] == [Fate.ARCHIVE]
    kept = branches.named(repository.store, "tiny", "feature/a")
    assert (kept and kept.gone, kept and kept.archived, repository.archived("feature/a")) == (1e9, 1e9 + 1, True)


def test_a_branch_that_comes_back_while_it_is_looked_at_is_let_be(repository: Repository) -> None:
    repository.push("feature/a")
    pipelines.create(repository.store, Pipeline(id="pipe", name="tumour", project="tiny"))
    nightly = Schedule(id="nightly", name="nightly", experiment="tiny-feature/a", pipeline="pipe")
    schedules.create(repository.store, nightly)
    repository.delete("feature/a")
    now = scene(repository)
    plan = archiving.survey(now)
    known = branches.named(repository.store, "tiny", "feature/a")
    assert known is not None
    branches.change(repository.store, known, lambda before: replace(before, seen=3.0))
    assert [each.fate for each in archiving.carry_out(now, plan).departures] == [Fate.BACK]
    # Taken out of the archive again it would be disabled.
    found = schedules.get(repository.store, "nightly")
    assert found is not None
    assert (found.enabled, repository.archived("feature/a")) == (True, False)


def test_the_forge_is_asked_first_and_the_remote_where_it_does_not_answer(repository: Repository) -> None:
    repository.push("a")
    repository.push("b")
    repository.project.git("push", "--quiet", "origin", "--delete", "b")
    with contextlib.ExitStack() as stack:
        gitlab = GitLab()
        stack.callback(gitlab.stop)
        gitlab.branches = ["main", "b", *(f"more/{number}" for number in range(30))]
        job = {"GITLAB_CI": "true", "CI": "true", "CI_PIPELINE_ID": "1", "CI_API_V4_URL": gitlab.api}
        job |= {"CI_PROJECT_ID": str(gitlab.number), "CI_DEFAULT_BRANCH": "main", "CI_JOB_TOKEN": JOB}
        found = repository.project.json("ci", "gc", "--dry-run", environ=job)
        assert (found["source"], [each["branch"] for each in found["gone"]]) == ("GitLab", ["a"])
        assert found["branches"] == 32
        gitlab.mode = "502"
        found = repository.project.json("ci", "gc", "--dry-run", environ=job)
        assert (found["source"], [each["branch"] for each in found["gone"]]) == ("git ls-remote origin", ["b"])
        assert "GitLab was asked for branches" in found["remarks"][0]


def test_what_is_protected_or_of_another_project_or_made_by_hand_stays(repository: Repository) -> None:
    repository.push("release")
    onto = Branch(project="tiny", name="fix", head=repository.push("fix"), target="release", seen=2.0)
    branches.change(repository.store, onto, lambda _: onto)
    repository.update("develop", "a" * 40)
    repository.update("gone", "b" * 40, project="other")
    experiments.create(repository.store, Experiment(id="nightly", name="nightly", project="tiny", created=1.0))
    repository.delete("release")
    assert repository.gc(*NOW) == {}
    assert not repository.archived("gone", project="other")


def test_runs_of_branches_that_are_gone_are_thinned_if_the_settings_say_so(repository: Repository) -> None:
    commit = repository.push("old")
    for id in ("plain", "tagged", "pinned", "against"):
        repository.run(id, "old", commit=commit)
    repository.run("else", "main", commit=repository.commit("main"))
    runs.tag(repository.store, "tagged000000", ["keep"])
    pins.put(repository.store, Pin(project="tiny", algorithm="tumour", preset="full", run="pinned000000"))
    verdict = {"outcome": "better", "baseline": "against00000"}
    judged = Check(project="tiny", commit="c" * 40, algorithm="tumour", kind=Kind.FULL, run="else00000000")
    checks.put(repository.store, replace(judged, branch="main", verdict=verdict))
    repository.project.git("checkout", "--quiet", "main")
    repository.delete("old")
    repository.project.write("pyproject.toml", (repository.project.directory / "pyproject.toml").read_text() + THIN)
    would = repository.project.json("ci", "gc", "--dry-run", *NOW)
    found = repository.project.json("ci", "gc", *NOW)
    assert found["thinned_runs"] == would["thinned_runs"] == ["plain0000000"]
    assert found["spared"] == {"tagged": 1, "a baseline": 2}
    given = retention.collection(repository.store, "plain0000000")
    assert given is not None
    assert given.rule == 'gone = "thin" in [tool.palmette.ci]'
    assert retention.collection(repository.store, "else00000000") is None
    assert repository.project.json("ci", "gc", *NOW)["thinned_runs"] == []


THIN = """
[tool.palmette.ci]
gone = "thin"
"""


def test_runs_of_commits_that_no_branch_has_are_kept_and_marked(repository: Repository, hub: Hub) -> None:
    lost = repository.push("moved")
    kept = repository.push("other")
    repository.run("lost", "moved", commit=lost)
    repository.run("kept", "other", commit=kept)
    repository.project.git("checkout", "--quiet", "-B", "moved", "main")
    repository.project.git("commit", "--quiet", "--allow-empty", "--message=Again")
    repository.project.git("push", "--quiet", "--force", "origin", "moved")
    assert repository.project.json("ci", "gc", "--dry-run")["orphaned_commits"] == 1
    page = repository.project.json("branches", "moved")
    assert page["latest_runs"][0]["orphaned"] is False
    server = hub.of(repository.project.directory / ".palmette")
    assert repository.project.json("ci", "gc", "--on", server)["orphaned_commits"] == 1
    (run,) = repository.project.json("branches", "moved")["latest_runs"]
    assert (run["run_id"], run["commit"], run["orphaned"]) == ("lost00000000", lost, True)
    assert repository.project.json("branches", "other")["latest_runs"][0]["orphaned"] is False
    repository.project.git("push", "--quiet", "origin", f"{lost}:refs/heads/rescued")
    assert repository.project.json("ci", "gc")["orphaned_commits"] == 0
    assert repository.project.json("branches", "moved")["latest_runs"][0]["orphaned"] is False
