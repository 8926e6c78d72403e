"""What changed between two real runs, gathered from what is kept of them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from palmette.comparison.changes import Comparison, ConfigEdit, Edit
from palmette.domain import wire
from palmette.operations import between, comparing
from palmette.operations.comparing import Compared
from palmette.operations.home import serve_home

if TYPE_CHECKING:
    from conftest import Project

JOB = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metric, Metrics, Text, algorithm, log_metric, step
    from rules import scale

    @dataclass(frozen=True)
    class Config:
        factor: float = 2.0

    @step(fresh="always")
    def fetch() -> Text:
        return Text((Path("{here}") / "data").read_text())

    @step
    def clean(data: Text) -> Text:
        return Text(data.strip())

    @step
    def fit(data: Text, factor: float) -> float:
        for n in range(3):
            log_metric("loss", factor / (n + 1), step=n)
        return scale(len(data), factor)

    @step
    def judge(model: float) -> Metrics:
        return Metrics(score=model)

    @algorithm(config=Config, metrics=[Metric("score", goal="max", primary=True)])
    def job(config: Config) -> None:
        judge(fit(clean(fetch()), config.factor))
"""


@pytest.fixture
def job(bare: Project) -> Project:
    """A repository with one commit, and a run of it."""
    bare.write("algorithms/job.py", JOB)
    bare.write("rules.py", "def scale(value, factor):\n    return value * factor\n")
    bare.write("words.py", "# nothing\n")
    bare.write("data", "abc")
    bare.write(".gitignore", "data\n.palmette\n__pycache__\n")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        bare.git(*command)
    bare.run("job")
    return bare


def compared(job: Project) -> Comparison:
    """The last run beside the one before it, as a server would send it."""
    found = comparing.diff(serve_home(job.directory / ".palmette", None), "last")
    assert wire.load(Compared, json.loads(json.dumps(wire.dump(found)))) == found
    return between.told(found, job.directory, job.environ).comparison


def test_code_is_shown_from_the_bundles_with_the_commits_between(job: Project) -> None:
    job.replace("rules.py", "value * factor", "value * factor + 1")
    job.git("commit", "-q", "-a", "-m", "Add one")
    job.write("rules.py", "# scaling\n" + (job.directory / "rules.py").read_text())
    job.run("job")
    found = compared(job)
    assert [(each.path, each.edit, each.added, each.removed, each.steps) for each in found.files] == [
        ("rules.py", Edit.CHANGED, 2, 1, ("fit",))
    ]
    assert "-    return value * factor\n+    return value * factor + 1\n" in found.diff
    assert "+# scaling\n" in found.diff
    assert found.commits is not None
    assert [each.subject for each in found.commits] == ["Add one"]
    assert (found.dirty, found.causes, found.remarks) == ((True, False), ("code",), ())
    again = [(each.task, each.because, each.same) for each in found.reruns]
    assert again == [
        ("fetch", ("it reads the outside world",), True),
        ("fit", ("code",), False),
        ("judge", ("model 6 → 7",), False),
    ]


def test_a_default_that_changed_is_told_apart_and_its_curve_is_shown(job: Project) -> None:
    job.replace("algorithms/job.py", "factor: float = 2.0", "factor: float = 3.0")
    job.run("job")
    found = compared(job)
    assert [(each.name, each.edit) for each in found.config] == [("factor", ConfigEdit.DEFAULT)]
    assert found.only == found.config[0]
    assert [(each.path, each.steps) for each in found.files] == [("algorithms/job.py", ())]
    [curve] = found.numbers.curves
    assert curve.head is not None
    assert (curve.name, curve.head.xs, curve.head.ys) == ("loss", (0.0, 1.0, 2.0), (3.0, 1.5, 1.0))


def test_data_that_came_in_are_the_cause_and_the_change_ends_where_nothing_differs(job: Project) -> None:
    job.write("data", "abc ")
    job.run("job")
    found = compared(job)
    assert [(each.task, each.source, each.follows) for each in found.data] == [("fetch", True, ())]
    assert found.causes == ("data",)
    assert [(each.task, each.because, each.same) for each in found.reruns] == [
        ("fetch", ("it reads the outside world",), False),
        ("clean", ("its input data",), True),
    ]


def test_data_whose_step_changed_are_no_cause(job: Project) -> None:
    job.replace("algorithms/job.py", ".read_text())", ".read_text() * 2)")
    job.run("job")
    found = compared(job)
    assert (found.causes, found.data[0].follows) == (("code",), ("code",))


def test_code_that_is_not_kept_any_more_is_said(job: Project) -> None:
    job.replace("rules.py", "value * factor", "value + factor")
    job.run("job")
    shutil.rmtree(next((job.directory / ".palmette" / "bundles").iterdir()))
    found = compared(job)
    assert (found.files, found.diff) == ((), "")
    assert found.causes == ("code",)
    assert [remark.split(" run ")[0] for remark in found.remarks] == ["files not compared, as those of"]
