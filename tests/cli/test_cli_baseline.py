"""`palmette baseline`, in a real repository and its clones, here and on a server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Hub, Project

JOB = """
    from dataclasses import dataclass
    from palmette import Metric, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        rows: int = 3
        value: float = 0.9

    @step
    def fetch(rows: int) -> list[int]:
        return list(range(rows))

    @step
    def score(data: list[int], value: float) -> Metrics:
        assert value < 5
        return Metrics(auc=value)

    @algorithm(config=Config, presets={"toy": Config(rows=1)}, metrics=[Metric("auc", primary=True)])
    def job(config: Config) -> None:
        score(fetch(config.rows), config.value)

    @algorithm(config=Config)
    def other(config: Config) -> None:
        score(fetch(config.rows), config.value)
"""


@pytest.fixture
def job(bare: Project) -> Project:
    """A repository with one commit on main, and no run."""
    bare.write("algorithms/job.py", JOB)
    bare.write(".gitignore", ".palmette/\n__pycache__/\n")
    bare.git("init", "--initial-branch=main")
    commit(bare, "Start")
    return bare


def commit(project: Project, message: str) -> None:
    project.git("add", ".")
    project.git("commit", "--allow-empty", "--message", message)


def shown(project: Project, run: str = "last", *, on: str = "") -> dict[str, object]:
    found: dict[str, object] = project.json("baseline", "show", run, *(["--on", on] if on else []))
    return found


def test_the_baseline_is_the_nearest_run_of_the_target_branch(job: Project, hub: Hub) -> None:
    assert "There" not in job("baseline").out
    assert "No run is pinned" in job("baseline").err
    first = job.run("job")["run_id"]
    screen = job("baseline", "show").out
    assert "no other run on main to compare with" in screen
    assert "Train it once more: palmette run job" in screen
    assert "palmette baseline pin RUN" in screen
    commit(job, "Two")
    job.run("job", "value=0.8")
    found = shown(job)
    # More than its commit, so its own commit comes first; that has none.
    assert (found["baseline"], found["start"], found["distance"]) == (first, "commit itself", 1)
    job.git("checkout", "-b", "feature")
    commit(job, "Three")
    head = job.run("job")["run_id"]
    on = hub.of(job.directory / ".palmette")
    for found in (shown(job), shown(job, on=on), shown(job, "job")):
        assert (found["run"], found["baseline"], found["rule"]) == (head, first, "nearest commit")
        assert (found["start"], found["distance"], found["same_data"]) == ("merge base", 1, True)
        assert [each["reason"] for each in found["passed_over"]] == ["overrides (value)"]  # type: ignore[attr-defined]
    screen = job("baseline", "show").out
    assert "nearest run on main, 1 commit before the merge base" in screen
    assert max(map(len, screen.splitlines())) <= 80
    assert screen == job("baseline", "show", "--on", on).out


def test_a_run_remembers_its_line_where_there_is_no_repository(job: Project) -> None:
    first = job.run("job")["run_id"]
    job.git("checkout", "-b", "feature")
    commit(job, "Two")
    head = job.run("job")["run_id"]
    job.git("checkout", "main")
    job.git("branch", "-D", "feature")
    found = shown(job, head)
    assert (found["baseline"], found["start"]) == (first, "merge base")
    assert "no branch has its commit" in str(found["remarks"])
    shutil.rmtree(job.directory / ".git")
    found = shown(job, head)
    assert (found["baseline"], found["rule"], found["remarks"]) == (first, "nearest commit", [])


def test_a_shallow_clone_finds_the_same_baseline(job: Project) -> None:
    first = job.run("job")["run_id"]
    for name in ("Two", "Three"):
        commit(job, name)
    job.run("job", "rows=2")
    job.git("checkout", "-b", "feature")
    commit(job, "Four")
    head = job.run("job")["run_id"]
    job.git("clone", "--quiet", "--depth=1", f"file://{job.directory}", "shallow")
    clone = job.directory / "shallow"
    store = {"PALMETTE_STORE": str(job.directory / ".palmette")}
    shutil.copy(job.directory / "pyproject.toml", clone)
    found = job("baseline", "show", head, "--json", cwd=clone, environ=store).json
    assert (found["baseline"], found["distance"]) == (first, 2)


def test_a_ci_that_fetches_its_branch_alone_finds_the_same_baseline(job: Project) -> None:
    job.run("job")
    job.git("clone", "--quiet", f"file://{job.directory}", "old")
    commit(job, "Two")
    second = job.run("job")["run_id"]
    job.git("checkout", "-b", "feature")
    commit(job, "Three")
    job.git("checkout", "main")
    commit(job, "Four")
    job.run("job")
    old = job.directory / "old"
    job.git("-C", "old", "fetch", "--quiet", "origin", "feature")
    job.git("-C", "old", "checkout", "--quiet", "--detach", "FETCH_HEAD")
    shutil.copy(job.directory / "pyproject.toml", old)
    ci = {"CI": "true", "PALMETTE_STORE": str(job.directory / ".palmette")}
    # There is one commit of main that it has not fetched.
    head = job("run", "job", "--json", cwd=old, environ=ci).json["run_id"]
    found = job("baseline", "show", head, "--json", cwd=old, environ=ci).json
    assert (found["baseline"], found["distance"]) == (second, 0)
    assert "known from other runs' commits" in str(found["remarks"])
    # It is remembered with the run, so that no repository is needed.
    shutil.rmtree(job.directory / ".git")
    assert (shown(job, head)["baseline"], shown(job, head)["start"]) == (second, "merge base")


def test_a_whole_clone_knows_what_is_before_the_base_that_a_ci_named(job: Project) -> None:
    first = job.run("job")["run_id"]
    commit(job, "Two")
    commit(job, "Three")
    base = (job.directory / ".git/refs/heads/main").read_text().strip()
    job.git("checkout", "-b", "feature")
    commit(job, "Four")
    job.git("clone", "--quiet", "--depth=1", f"file://{job.directory}", "shallow")
    shutil.copy(job.directory / "pyproject.toml", job.directory / "shallow")
    named = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_DIFF_BASE_SHA": base}
    environ = {"PALMETTE_STORE": str(job.directory / ".palmette"), **named}
    head = job("run", "job", "--json", cwd=job.directory / "shallow", environ=environ).json["run_id"]
    found = shown(job, head)
    assert (found["baseline"], found["start"], found["distance"]) == (first, "diff base", 2)


def test_a_pinned_run_precedes_the_rule_here_and_on_a_server(job: Project, hub: Hub) -> None:
    first = job.run("job")["run_id"]
    second = job.run("job", "value=0.8")["run_id"]
    head = job.run("job", "value=0.7")["run_id"]
    on = hub.of(job.directory / ".palmette")
    assert shown(job)["baseline"] == first
    assert f"{second} is the baseline of job (full) now" in job("baseline", "pin", second, "--reason", "it [b]is").out
    found = shown(job)
    assert (found["baseline"], found["rule"]) == (second, "pinned")
    assert "the baseline is no usual one: overrides (value)" in found["remarks"]  # type: ignore[operator]
    assert "it [b]is" in job("baseline").out
    pinned = job.json("baseline", "pin", first, "--branch", "main", "--on", on)
    assert (pinned["run"], pinned["branch"], pinned["preset"]) == (first, "main", "full")
    assert [each["run"] for each in job.json("baseline", "list", "--on", on)] == [second, first]
    assert shown(job, head, on=on)["baseline"] == first
    assert "full on main" in job("baseline", "unpin", "job", "--preset", "toy", code=2).err
    assert [each["run"] for each in job.json("baseline", "unpin", "job", "--branch", "main", "--on", on)] == [first]
    job("baseline", "unpin", "job")
    assert job.json("baseline") == []
    assert "Nothing is pinned" in job("baseline", "unpin", "job", code=2).err


def test_what_cannot_be_a_baseline_is_refused(job: Project) -> None:
    job.run("job", "value=9", code=3)
    refused = job("baseline", "pin", "last", code=1).err
    assert "cannot be a baseline" in refused
    assert "it failed" in refused
    assert "there is no run 'nothing'" in job("baseline", "pin", "nothing", code=2).err
    assert job.json("baseline") == []


def test_an_algorithm_can_be_compared_with_another_one(job: Project) -> None:
    first = job.run("job")["run_id"]
    job.replace("pyproject.toml", "[tool.palmette]", '[tool.palmette]\nbaselines = {other = "job"}')
    commit(job, "Two")
    job.run("other")
    found = shown(job)
    assert (found["baseline"], found["alias"]) == (first, "job")
    assert found["sentence"] == "nearest job run on main, 1 commit before this one"
    job.replace("pyproject.toml", '"job"', '"job@"')
    assert "baselines" in job("run", "other", code=2).err


def test_without_a_repository_it_is_the_run_before(job: Project) -> None:
    shutil.rmtree(job.directory / ".git")
    job.run("job")
    second = job.run("job", "value=0.8")["run_id"]
    job.run("job", "value=0.7")
    found = shown(job)
    assert (found["baseline"], found["rule"], found["target"]) == (second, "previous", "")
