"""`palmette ci toy` where a Kubeflow executes the runs, and the home of each job is empty."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.standins.kubeflow import Kubeflow

from palmette.ci import ordering
from palmette.ci.launching import Ground
from palmette.domain.context import Context
from palmette.domain.footer import split
from palmette.domain.states import RunState
from palmette.operations.closures import closures
from palmette.operations.cluster import kubeflow
from palmette.operations.places import Here
from palmette.operations.project import find

if TYPE_CHECKING:
    from conftest import Hub, Project

TINY = """
    from dataclasses import dataclass
    from palmette import algorithm, step

    @dataclass(frozen=True)
    class Config:
        seed: int = 0
        size: int = 100

    @step
    def draw(seed: int, size: int) -> int:
        return seed * size

    @algorithm(config=Config, presets={"toy": Config(size=5)})
    def tiny(config):
        draw(config.seed, config.size)
"""


@pytest.fixture
def cluster(bare: Project, hub: Hub) -> Iterator[Kubeflow]:
    made = Kubeflow(behind=hub.of(bare.directory.parent / "cluster"))
    text = (bare.directory / "pyproject.toml").read_text()
    targets = f'[tool.palmette.targets.cluster]\nhost = "{made.url}"\nimage = "python:3.12"\n'
    bare.write("pyproject.toml", f'{text}\n[tool.palmette.ci]\ntarget = "cluster"\n{targets}')
    bare.write("algorithms/tiny.py", TINY)
    bare.write(".gitignore", ".palmette/\n__pycache__/\n")
    bare.git("init", "--initial-branch=main")
    bare.git("add", ".")
    bare.git("commit", "--message=one")
    yield made
    made.stop()


def test_a_run_begins_once_on_a_cluster_though_the_home_is_lost_in_between(bare: Project, cluster: Kubeflow) -> None:
    job: dict[str, str] = {"CI": "true", "CI_PIPELINE_ID": "7", "CI_DEFAULT_BRANCH": "main"}
    cluster.columns = 255
    first = bare.json("ci", "toy", "--no-wait", environ={**job, "CI_JOB_ID": "1"})["runs"]
    shutil.rmtree(bare.directory / ".palmette")
    again = bare.json("ci", "toy", "--no-wait", environ={**job, "CI_JOB_ID": "2"})["runs"]

    assert [(each["attached"], each["link"]) for each in (*first, *again)] == [
        (False, first[0]["link"]),
        (True, first[0]["link"]),
    ]
    assert first[0]["link"].startswith(f"{cluster.url}/#/runs/details/")
    with closing(sqlite3.connect(bare.directory.parent / "cluster" / "store.db")) as store:
        runs = store.execute("SELECT description, preset, pipeline_version FROM runs").fetchall()
        assert store.execute("SELECT name FROM experiments WHERE name = 'main'").fetchall() == [("main",)]
    assert len(runs) == 1
    description, preset, version = runs[0]
    facts: dict[str, Any] = split(description)[1]
    assert (preset, bool(version)) == ("toy", True)
    assert {name: facts[name] for name in ("project", "algorithm", "branch", "kind", "preset")} == {
        "project": "tiny",
        "algorithm": "tiny",
        "branch": "main",
        "kind": "toy",
        "preset": "toy",
    }
    assert facts["key"]
    # What a run has no room for stands in its version: by it an algorithm is known to be unchanged.
    assert "closure" not in facts
    project = find(bare.directory, {})
    before = ordering.before(kubeflow.reach(project.targets["cluster"], {}), project, "main")
    assert before is not None
    assert before.newest["tiny"].check.closure == closures(project)["tiny"].digest
    # The home of the second job knows the run by what was mirrored.
    with closing(sqlite3.connect(bare.directory / ".palmette" / "store.db")) as store:
        found = store.execute("SELECT checks.algorithm, runs.state FROM checks JOIN runs ON id = run").fetchall()
    assert found == [("tiny", "PENDING")]


def test_of_two_jobs_that_begin_the_same_at_the_same_moment_one_run_stays(bare: Project, cluster: Kubeflow) -> None:
    job: dict[str, str] = {"CI": "true", "CI_PIPELINE_ID": "7", "CI_DEFAULT_BRANCH": "main"}
    first = bare.json("ci", "toy", "--no-wait", environ={**job, "CI_JOB_ID": "1"})["runs"][0]
    # It was not written down yet when the other job looked, and still that one's comes first: a cluster counts in whole
    # seconds. So each job has seen its own before all others.
    with closing(sqlite3.connect(bare.directory.parent / "cluster" / "store.db")) as store, store:
        store.execute("UPDATE runs SET created = created + 3600")
    cluster.late = True
    home = {"PALMETTE_STORE": str(bare.directory.parent / "other")}
    second = bare.json("ci", "toy", "--no-wait", environ={**job, **home, "CI_JOB_ID": "2"})["runs"][0]

    assert (first["attached"], second["attached"], first["link"] != second["link"]) == (False, False, True)
    with closing(sqlite3.connect(bare.directory.parent / "cluster" / "store.db")) as store:
        states = dict(store.execute("SELECT id, state FROM runs").fetchall())
    one, two = (each["link"].rpartition("/")[2] for each in (first, second))
    assert (states[one], states[two]) == ("CANCELED", "PENDING")

    # Whoever waits for the one goes on with the other, and whoever asks for the one gets the other.
    project = find(bare.directory, {})
    ground = Ground(
        place=Here(project),
        host=kubeflow.reach(project.targets["cluster"], {}),
        project=project,
        environ={},
        context=Context(branch="main"),
        directory=bare.directory,
        say=lambda _: None,
    )
    executor = ordering.Ordered(ground=ground, update=lambda: None)
    assert executor.states([one]) == {one: RunState.PENDING}
    begun = executor.instead(one)
    assert begun is not None
    assert (begun.id, executor.instead(two)) == (two, None)
    again = bare.json("ci", "toy", "--no-wait", environ={**job, "CI_JOB_ID": "1"})["runs"][0]
    assert (again["attached"], again["link"]) == (True, second["link"])
