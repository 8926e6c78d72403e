"""The shipped GitLab file, run by a real client of GitLab's jobs, from the first push of a branch to its deletion.

What is asserted is the state of the servers: Palmette's, GitLab's and JIRA's stand-ins. A story is one test, since each
of its chapters begins where the one before it ended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.world import BRANCH, World, build
from tests.standins import jira
from tests.standins.gitlab import TOKEN

#: long enough for a machine that does eight other things
_LONG = 900
SAYING = {"algorithms/tumour.py": ("    return scaled(", "    print('fitting')\n    return scaled(")}


@pytest.fixture
def world(tmp_path: Path, gitlab_ci_local: tuple[str, ...], clinic_python: Path) -> Iterator[World]:
    made = build(tmp_path, gitlab_ci_local, clinic_python)
    made.jira.issues["IA-1742"] = "DOC TYPE"
    yield made
    made.end()


def patiently(world: World) -> dict[str, tuple[str, str]]:
    """A change by which a full training, whose C is 1, takes as long as the test wants it to."""
    waits = f"""    import pathlib, time
    while C == 1.0 and not pathlib.Path("{world.top}/go").exists():
        time.sleep(0.05)
    print("fitted")
"""
    return {"algorithms/tumour.py": ("    print('fitting')\n", waits)}


def served(world: World, python: Path) -> None:
    """A team's server, which may write to GitLab, and a project's variables."""
    world.serve(python)
    world.variables |= {
        "PALMETTE_FORGE_TOKEN": TOKEN,
        "JIRA_URL": world.jira.url,
        "JIRA_USER": jira.USER,
        "JIRA_TOKEN": jira.TOKEN,
    }
    opens = world.top / "forge.env"
    opens.write_text(f"token={TOKEN}\nurl={world.gitlab.api}\nkind=gitlab\n")
    world.palmette("secret", "set", "forge", "--env-file", str(opens), "--for", "clinic", "--home", "home")


@pytest.mark.timeout(_LONG)
def test_a_branch_is_trained_from_its_first_push_to_its_merge(
    world: World, clinic_python: Path, subtests: pytest.Subtests
) -> None:
    served(world, clinic_python)
    first = world.git("rev-parse", "main")

    world.pipeline("main", number=2, variables=world.form("tumour"))
    with subtests.test("the default branch has an experiment, a version of each pipeline, and a toy run of each"):
        assert set(world.experiments()) >= {"main"}
        assert world.versions("tumour") == world.versions("progression") == [f"main@{first[:8]}"]
        tried = world.checks(first)
        assert {name: unchanged for name, (_, unchanged) in tried.items()} == {"progression": False, "tumour": False}
        assert {world.ended(run) for run, _ in tried.values()} == {"SUCCEEDED"}
    with subtests.test("a form that names an algorithm trains it in full"):
        baseline, _ = world.checks(first, "full")["tumour"]
        world.eventually(lambda: world.ended(baseline) == "SUCCEEDED")
    world.repeat("nightly", "tumour", {"C": 0.7})

    head = world.push(BRANCH, "Say what is fitted", SAYING)
    world.pipeline(BRANCH, number=3)
    with subtests.test("a branch is an experiment, and its commit a version"):
        experiment = world.experiments()[BRANCH]
        assert world.versions("tumour") == [f"{BRANCH}@{head[:8]}", f"main@{first[:8]}"]
        assert world.checks(head) == {}
        assert world.follows("nightly") == f"main@{first[:8]}"
        assert world.branch(BRANCH) == (head, experiment["experiment_id"], "")

    second = world.push(BRANCH, "Say it when it is done", patiently(world))
    for _ in range(2):
        world.pipeline(BRANCH, number=4)
    with subtests.test("a second push adds a version to the same experiment, and a job that is started twice nothing"):
        same = world.experiments()[BRANCH]
        assert same["experiment_id"] == experiment["experiment_id"]
        assert same["description"].splitlines()[0] == "[IA-1742] DOC TYPE"
        assert {each.path.rpartition("/")[2] for each in world.jira.requests} == {"IA-1742"}
        assert world.versions("tumour") == [f"{BRANCH}@{second[:8]}", f"{BRANCH}@{head[:8]}", f"main@{first[:8]}"]
        assert world.branch(BRANCH)[0] == second

    where = world.checkout(BRANCH), world.checkout(BRANCH)
    requested = world.requested(BRANCH)
    both = [world.start(each, number=5, variables=requested, without=["CI_COMMIT_BRANCH"]) for each in where]
    for process, each in zip(both, where, strict=True):
        world.finish(process, each)
    with subtests.test("two copies of a merge request's pipeline try what changed, once"):
        assert {name: unchanged for name, (_, unchanged) in world.checks(second).items()} == {
            "progression": True,
            "tumour": False,
        }
        run, _ = world.checks(second)["tumour"]
        assert [each for (each,) in world.rows("SELECT id FROM runs WHERE git_commit = ?", second)] == [run]
        assert world.branch(BRANCH) == (second, experiment["experiment_id"], "7")
        assert (where[0] / "palmette-report").is_dir() or (where[1] / "palmette-report").is_dir()

    world.pipeline(BRANCH, "palmette:toy", number=5, variables=requested, without=["CI_COMMIT_BRANCH"])
    with subtests.test("a job that is started again finds its run"):
        assert world.checks(second)["tumour"] == (run, False)
    with subtests.test("all of them write one note, with both algorithms in it, and the commit's status"):
        (note,) = world.gitlab.notes[7]
        assert "palmette:report:clinic" in note["body"]
        assert all(name in note["body"] for name in ("tumour", "progression"))
        assert world.gitlab.state(second, "palmette/trains") == "success"

    asked = requested | {"PALMETTE_ALGORITHM": "tumour"}
    world.pipeline(BRANCH, "palmette:train", number=5, variables=asked, without=["CI_COMMIT_BRANCH"])
    full, _ = world.checks(second, "full")["tumour"]
    with subtests.test("the job of a full training ends before the training does, and says that it goes on"):
        assert world.ended(full) in ("PENDING", "RUNNING")
        assert world.gitlab.state(second, "palmette/quality") in ("pending", "running")
        assert full in world.gitlab.notes[7][0]["body"]
        said = world.gitlab.notes[7][0]["body"]

    valued = asked | {"PALMETTE_OVERRIDES": "C=0.5"}
    world.pipeline(BRANCH, "palmette:train", number=5, variables=valued, without=["CI_COMMIT_BRANCH"])
    with subtests.test("a training with values of its own is an experiment beside it"):
        variant, _ = world.checks(second, "variant")["tumour"]
        assert world.checks(second, "full")["tumour"] == (full, False)
        world.eventually(lambda: world.ended(variant) == "SUCCEEDED")
        world.eventually(lambda: variant in world.gitlab.notes[7][0]["body"])
        assert world.gitlab.state(second, "palmette/quality") in ("pending", "running")
    (world.top / "go").touch()
    world.eventually(lambda: world.gitlab.state(second, "palmette/quality") not in ("pending", "running"))
    with subtests.test("note and status are rewritten when it ends, by the server"):
        assert world.ended(full) == "SUCCEEDED"
        assert world.gitlab.state(second, "palmette/quality") == "success"
        (note,) = world.gitlab.notes[7]
        assert note["body"] != said
        assert baseline in note["body"]

    merged = world.merge(BRANCH)
    world.pipeline("main", number=6)
    with subtests.test("a merge moves the recurring runs, and keeps what people edited there"):
        assert world.versions("tumour")[0] == f"main@{merged[:8]}"
        assert world.follows("nightly") == f"main@{merged[:8]}"
        assert world.recurring("nightly")["runtime_config"]["parameters"]["C"] == 0.7

    world.pipeline("main", "palmette:update", number=1, commit=first)
    with subtests.test("a pipeline that comes late moves nothing back"):
        assert world.follows("nightly") == f"main@{merged[:8]}"
        assert world.branch("main")[0] == merged

    world.delete(BRANCH)
    scheduled = {"CI_PIPELINE_SOURCE": "schedule"}
    world.pipeline("main", number=7, variables=scheduled)
    with subtests.test("the experiment of a branch that is gone is archived after its days of grace"):
        assert world.experiments()[BRANCH]["storage_state"] == "AVAILABLE"
        world.rows("UPDATE branches SET gone = gone - ? WHERE name = ?", 15 * 86400, BRANCH, change=True)
        world.pipeline("main", "palmette:gc", number=8, variables=scheduled)
        assert world.experiments()[BRANCH]["storage_state"] == "ARCHIVED"
        assert world.experiments()["main"]["storage_state"] == "AVAILABLE"


@pytest.mark.timeout(_LONG)
def test_a_tracker_that_is_down_fails_nothing_and_its_text_is_filled_in_later(
    world: World, clinic_python: Path
) -> None:
    served(world, clinic_python)
    world.jira.mode = "down"
    world.push(BRANCH, "Say what is fitted", SAYING)
    world.pipeline(BRANCH, number=1)
    before = world.experiments()[BRANCH]
    assert "IA-1742" in before["description"]
    assert "DOC TYPE" not in before["description"]
    world.jira.mode = ""
    world.pipeline(BRANCH, number=2)
    after = world.experiments()[BRANCH]
    assert after["experiment_id"] == before["experiment_id"]
    assert after["description"].splitlines()[0] == "[IA-1742] DOC TYPE"


@pytest.mark.timeout(_LONG)
def test_without_any_token_each_job_trains_by_itself(world: World) -> None:
    ended = world.pipeline("main", number=1)
    with closing(sqlite3.connect(ended.checkout / ".palmette" / "store.db")) as store:
        runs = store.execute("SELECT algorithm, preset, state FROM runs ORDER BY algorithm").fetchall()
    assert runs == [("progression", "toy", "SUCCEEDED"), ("tumour", "toy", "SUCCEEDED")]
    assert {each.name for each in (ended.checkout / ".gitlab-ci-local" / "artifacts").rglob("report.*")} == {
        "report.html", "report.md"
    }  # fmt: skip
    assert [each for each in world.gitlab.requests if each.method != "GET"] == []
    assert world.jira.requests == []
