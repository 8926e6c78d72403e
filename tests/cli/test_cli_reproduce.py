"""`palmette reproduce`: a run rebuilt from what is kept of it, executed again, and a certificate."""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from palmette.store.database import FILE

if TYPE_CHECKING:
    from conftest import Project

STUDY = """
    import random
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metric, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        factor: float = 2.0

    @step
    def load() -> list[float]:
        return [float(line) for line in Path("{here}/data.txt").read_text().split()]

    @step
    def fit(data: list[float], factor: float) -> float:
        return factor * sum(data)

    @step
    def score(model: float) -> Metrics:
        return Metrics(loss=model)

    @algorithm(config=Config, metrics=[Metric("loss", goal="min", tolerance=0.5)])
    def study(config: Config) -> None:
        score(fit(load(), config.factor))
"""


@pytest.fixture
def study(bare: Project) -> Project:
    """A committed project whose first step reads the outside world."""
    bare.write("algorithms/study.py", STUDY)
    bare.write("data.txt", "1 2 3\n")
    bare.write(".gitignore", ".palmette\n__pycache__\n")
    bare.git("init", "--initial-branch=main")
    bare.git("add", ".")
    bare.git("commit", "--message=Begin the study")
    return bare


def outcomes(certificate: Any) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in certificate["steps"]}


def test_a_run_is_reproduced_though_code_and_data_have_moved_on(study: Project) -> None:
    run = study.run("study", "factor=3")
    study.replace("algorithms/study.py", "factor * sum(data)", "0.0")
    study.write("data.txt", "7\n")
    made = study.json("reproduce", run["run_id"])
    assert made["reproduced"] is True
    assert outcomes(made) == {"load": "not repeated", "fit": "identical", "score": "identical"}
    assert made["metrics"] == [{"name": "loss", "then": 18.0, "now": 18.0, "tolerance": 0.5, "good": True}]
    again = study.show()
    assert (again["run_id"], again["trigger"], again["tags"]) == (
        made["again"]["run_id"],
        "reproduce",
        ["reproduction"],
    )
    assert again.states == {"load": "cached", "fit": "succeeded", "score": "succeeded"}
    assert made["gone"] == []


def test_the_world_may_be_read_again(study: Project) -> None:
    study.run("study")
    study.write("data.txt", "7\n")
    made = study.json("reproduce", "last", "--refetch", code=1)
    assert made["reproduced"] is False
    assert outcomes(made) == {"load": "differs", "fit": "differs", "score": "differs"}
    assert [(each["then"], each["now"], each["good"]) for each in made["metrics"]] == [(12.0, 14.0, False)]
    assert study.show().cached == set()


def test_other_bytes_with_metrics_within_their_tolerance_are_said_to_be_that(study: Project) -> None:
    study.replace(
        "algorithms/study.py", "return factor * sum(data)", "return factor * sum(data) + random.random() / 10"
    )
    study.run("study")
    made = study.json("reproduce", "last")
    assert made["reproduced"] is True
    assert outcomes(made) == {"load": "not repeated", "fit": "equal metrics", "score": "equal metrics"}


def test_without_the_bundle_the_code_is_taken_from_the_commit_and_the_changes_to_it(study: Project) -> None:
    study.replace("algorithms/study.py", "factor * sum(data)", "factor + sum(data)")
    run = study.run("study")
    assert run["git"]["dirty"]
    study.git("checkout", "--", "algorithms")
    shutil.rmtree(study.directory / ".palmette" / "bundles")
    made = study.json("reproduce", run["run_id"])
    assert made["reproduced"] is True
    assert made["code"] == f"commit {run['git']['commit'][:8]}"
    assert "is not in the store any more" in made["gone"][0]
    assert made["metrics"][0]["now"] == 8.0


def test_what_is_gone_is_named_and_nothing_is_begun(study: Project) -> None:
    run = study.run("study")["run_id"]
    shutil.rmtree(study.directory / ".palmette" / "bundles")
    shutil.rmtree(study.directory / ".git")
    done = study("reproduce", run, code=69)
    assert f"the code of run {run} is gone" in done.err
    assert "and so is its commit" in done.err
    assert len(study.json("runs")) == 1


def test_a_python_that_is_not_there_is_named(study: Project) -> None:
    study.run("study")
    with sqlite3.connect(study.directory / ".palmette" / FILE) as store:
        store.execute("UPDATE runs SET python = '3.99.1'")
    done = study("reproduce", "last", "--environment", "recorded", code=69)
    assert "there is no Python 3.99 on this machine" in done.err
    assert "--environment current" in done.err
    made = study.json("reproduce", "last", "--environment", "current")
    assert "Python 3.99.1 → 3." in made["environment"]


def test_the_certificate_is_a_page_or_json(study: Project) -> None:
    run = study.run("study")["run_id"]
    done = study("reproduce", run, "-o", "certificate.md")
    assert done.out.endswith(f"run {run} was reproduced\n")
    assert "\x1b" not in done.out
    page = (study.directory / "certificate.md").read_text()
    assert page.startswith(f"# Run {run} was reproduced\n")
    assert "| fit | identical |" in page
    study("reproduce", run, "-o", "certificate.json")
    assert json.loads((study.directory / "certificate.json").read_text())["reproduced"] is True
    assert "cannot be written" in study("reproduce", run, "-o", "nowhere/x.md", code=2).err


def test_a_run_that_is_not_there_or_failed_is_told(study: Project) -> None:
    study.run("study")
    assert "no run" in study("reproduce", "zzzzzz", code=2).err
    study.replace("algorithms/study.py", "factor * sum(data)", "1 / 0")
    study.run("study", code=3)
    made = study.json("reproduce", "last", code=1)
    assert outcomes(made) == {"load": "not repeated", "fit": "not executed", "score": "not executed"}


def test_a_reproduction_that_is_canceled_certifies_nothing(study: Project) -> None:
    gate = 'while Path("{here}/gate").exists(): pass\n    '.replace("{here}", str(study.directory))
    study.replace("algorithms/study.py", "return factor * sum(data)", f"{gate}return factor * sum(data)")
    origin = study.run("study")["run_id"]
    study.touch("gate")
    process = study.start("reproduce", origin, "-o", "certificate.md")
    study.eventually(lambda: study.show()["run_id"] != origin and study.show().states["fit"] == "running")
    study("cancel", "last")
    ended = study.finished(process, 130)
    assert "nothing is certified" in ended.err
    assert not study.exists("certificate.md")
