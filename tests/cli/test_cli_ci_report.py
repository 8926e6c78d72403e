"""`palmette ci report` and `palmette ci settle`, as a job calls them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from benchmarks.trained import Past, Told
from tests.cli.conftest import SETTINGS, Project
from tests.standins import github, gitlab
from tests.standins.gitlab import GitLab

from palmette.authoring.results import Evaluation
from palmette.domain.graph import MetricSpec

OF = "sklearn.metrics:accuracy_score"
BRANCH = "feature/IA-1742-doc-type"
ALGORITHM = """
from dataclasses import dataclass
from palmette import Metric, Metrics, algorithm, step

@dataclass(frozen=True)
class Config:
    C: float = 1.0

@step
def evaluate(C: float) -> Metrics:
    return Metrics(accuracy=C)

@algorithm(config=Config, presets={"toy": Config(C=0.5)}, metrics=[Metric("accuracy", primary=True)])
def tumour(config: Config):
    evaluate(config.C)
"""


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


class Job:
    """A checkout of a branch whose full training is over, in a job of GitLab."""

    def __init__(self, project: Project, lab: GitLab) -> None:
        self.project, self.lab = project, lab
        git(project.directory, "init", "-q", "-b", "main")
        git(project.directory, "add", "-A")
        git(project.directory, "commit", "-qm", "first")
        self.base = git(project.directory, "rev-parse", "HEAD")
        git(project.directory, "checkout", "-qb", BRANCH)
        git(project.directory, "commit", "-qm", "second", "--allow-empty")
        self.sha = git(project.directory, "rev-parse", "HEAD")
        self.environ = {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_API_V4_URL": lab.api,
            "CI_PROJECT_ID": "1217",
            "CI_PROJECT_PATH": "acme/ia",
            "CI_COMMIT_SHA": self.sha,
            "CI_COMMIT_BRANCH": BRANCH,
            "CI_COMMIT_REF_NAME": BRANCH,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PIPELINE_ID": "5",
            "CI_JOB_ID": "9",
            "CI_JOB_URL": "https://gitlab.example/jobs/9",
            "CI_PIPELINE_SOURCE": "push",
        }

    def trained(self, before: float, after: float, *, minimum: float | None = None) -> None:
        """One training on main and one of the branch are in the home."""
        metric = MetricSpec(name="accuracy", goal="max", primary=True, tolerance=0.01, minimum=minimum, of=OF)
        past = Past(self.project.directory / ".palmette")
        for right, branch, commit in ((before, "main", self.base), (after, BRANCH, self.sha)):
            labels = np.arange(400) % 2
            predictions = np.where(np.random.default_rng(1).permutation(400) < right * 400, labels, 1 - labels)
            evaluation = Evaluation(keys=np.arange(400), labels=labels, predictions=predictions)
            past.add(
                Told(
                    metrics=(metric,), numbers={"accuracy": right}, evaluation=evaluation, branch=branch, commit=commit
                )
            )
        past.home.store.close()


@pytest.fixture
def lab() -> Iterator[GitLab]:
    made = gitlab.start()
    yield made
    made.stop()


@pytest.fixture
def job(bare: Project, lab: GitLab) -> Job:
    bare.write("pyproject.toml", SETTINGS.replace('"tiny"', '"clinic"'))
    bare.write("algorithms/tumour.py", ALGORITHM)
    return Job(bare, lab)


def test_a_job_writes_note_statuses_and_files(job: Job) -> None:
    job.trained(0.6, 0.95)
    job.lab.open(BRANCH, sha=job.sha)
    token = {"PALMETTE_FORGE_TOKEN": gitlab.TOKEN}
    done = job.project("ci", "report", "--output-dir", "out/report", "--json", environ=job.environ | token)
    (note,) = job.lab.notes[7]
    assert "#### 🟢 `tumour`: better" in note["body"]
    assert {job.lab.state(job.sha, name) for name in ("palmette/trains", "palmette/quality")} == {"success"}
    told = done.json
    assert told["algorithms"][0]["comparison"]["verdict"] == "better"
    assert told["forge"]["statuses"] == {"palmette/trains": "success", "palmette/quality": "success"}
    files = {each.name: each.read_text() for each in (job.project.directory / "out/report").iterdir()}
    assert sorted(files) == [".gitignore", "palmette-junit.xml", "report.html", "report.md"]
    job.project.git("check-ignore", "out/report/report.html")
    assert ElementTree.fromstring(files["palmette-junit.xml"]).get("failures") == "0"
    assert "palmette:" not in files["report.md"]
    # Nothing in the page is fetched from anywhere.
    assert "https://" not in files["report.html"]
    assert gitlab.TOKEN not in json.dumps([*files.values(), done.out, done.err])
    again = job.project("ci", "report", environ=job.environ | token)
    assert len(job.lab.notes[7]) == 1
    assert max(map(len, again.out.splitlines())) < 1000
    settled = job.project("ci", "settle", environ=job.environ | token)
    assert settled.err == "Nothing to report: every training that ended was reported.\n"


def test_a_gate_that_fails_is_an_exit_code_unless_nothing_is_to_fail(job: Job) -> None:
    job.trained(0.9, 0.6, minimum=0.8)
    job.project("ci", "report", environ=job.environ, code=4)
    job.project("ci", "report", "--fail-on", "nothing", environ=job.environ)


def test_without_a_token_all_else_is_done_and_the_variable_is_named(job: Job) -> None:
    job.trained(0.9, 0.9)
    summary = job.project.directory / "summary.md"
    more = {"CI_JOB_TOKEN": gitlab.JOB, "GITHUB_STEP_SUMMARY": str(summary)}
    done = job.project("ci", "report", "--output-dir", "out", environ=job.environ | more)
    assert "PALMETTE_FORGE_TOKEN is not set, and CI_JOB_TOKEN may only read" in done.err
    assert "#### 🔵 `tumour`: equivalent" in summary.read_text()
    assert (job.project.directory / "out" / "report.html").is_file()
    assert job.lab.requests == []
    assert "PALMETTE_FORGE_TOKEN" in job.project("ci", "settle", environ=job.environ).err


def test_a_forge_that_does_not_answer_fails_no_job(job: Job) -> None:
    job.trained(0.9, 0.9)
    job.lab.mode = "502"
    done = job.project("ci", "report", environ=job.environ | {"GITLAB_TOKEN": gitlab.TOKEN})
    assert "was not written: GitLab" in done.err


def test_without_an_open_merge_request_there_is_no_note_but_the_status(job: Job) -> None:
    job.trained(0.9, 0.9)
    done = job.project("ci", "report", environ=job.environ | {"PALMETTE_FORGE_TOKEN": gitlab.TOKEN})
    assert f"no merge request of {BRANCH} is open" in done.err
    assert job.lab.state(job.sha, "palmette/quality") == "success"


def test_before_anything_was_run_the_report_says_how_to_begin(job: Job) -> None:
    done = job.project("ci", "report", environ=job.environ)
    assert "Not tried at this commit: tumour. Try: palmette ci toy" in done.out
    assert "Did you mean tumour?" in job.project("ci", "report", "tumor", environ=job.environ, code=2).err
    assert not (job.project.directory / ".palmette").exists()


def test_a_pull_request_on_github_gets_the_same(job: Job, tmp_path: Path) -> None:
    job.trained(0.6, 0.95)
    hub = github.start()
    hub.open(BRANCH, sha=job.sha)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"number": 7, "pull_request": {"number": 7, "head": {"sha": job.sha, "ref": BRANCH}}}))
    environ = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": hub.api,
        "GITHUB_REPOSITORY": "acme/ia",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_HEAD_REF": BRANCH,
        "GITHUB_SHA": job.sha,
    }
    refused = job.project("ci", "report", environ=environ | {"GITHUB_TOKEN": github.READING})
    assert "permissions pull-requests: write" in refused.err
    job.project("ci", "report", environ=environ | {"GITHUB_TOKEN": github.TOKEN})
    (comment,) = hub.comments[7]
    assert "#### 🟢 `tumour`: better" in comment["body"]
    assert hub.state(job.sha, "palmette/quality") == "success"
    hub.stop()
