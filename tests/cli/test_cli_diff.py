"""`palmette diff`: its verdict, its formats and its exit codes, here and on a server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from conftest import Hub, Project

JOB = """
    from dataclasses import dataclass
    from palmette import Metric, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        factor: float = 2.0

    @step
    def judge(factor: float) -> Metrics:
        return Metrics(score=factor)

    @algorithm(config=Config, metrics=[Metric("score", goal="max", minimum=1.0, max_drop=0.5)])
    def job(config: Config) -> None:
        judge(config.factor)
"""


@pytest.fixture
def job(bare: Project) -> Project:
    """A project with two runs of an algorithm whose drop cannot be told, since there is one number on each side."""
    bare.write("algorithms/job.py", JOB)
    bare.run("job")
    bare.run("job", "factor=3")
    return bare


def test_exit_codes_say_how_the_gates_went(job: Project, hub: Hub) -> None:
    job.server = hub.of(job.directory / ".palmette")
    found = job.json("diff", code=5)
    assert (found["verdict"], found["gate"]) == ("inconclusive", "inconclusive")
    job.run("job", "factor=0.5")
    out = job("diff", code=4).out
    assert "✗ score is at least 1" in out
    assert "score drops by at most 0.5  inconclusive" in out
    job.replace("algorithms/job.py", ", minimum=1.0, max_drop=0.5", "")
    job.run("job", "factor=0.5")
    assert "gates" not in job("diff").out


def test_formats_are_printed_or_written_and_combined(job: Project, hub: Hub) -> None:
    printed = job("diff", "--md", "--html", "page.html", "--junit=gates", "--json=all.json", code=5)
    assert printed.out.startswith("### 🟡 `job`: inconclusive\n")
    assert printed.err == "wrote page.html\nwrote gates\nwrote all.json\n"
    assert (job.directory / "page.html").read_text().startswith("<!doctype html>")
    [suite] = ElementTree.parse(job.directory / "gates").getroot()
    assert {case.get("name") for case in suite.iter("testcase")} >= {"score is at least 1"}
    assert json.loads((job.directory / "all.json").read_text()) == job.json("diff", code=5)
    assert job("diff", "--html", code=5).out == (job.directory / "page.html").read_text()
    job.server = hub.of(job.directory / ".palmette")
    assert job("diff", "--md", code=5).out == printed.out


def test_a_run_is_never_taken_for_a_file(job: Project) -> None:
    older, newer = (row["run_id"] for row in reversed(job.json("runs")))
    found = job("diff", "--json", older, newer, code=5).json
    assert (found["head"], found["baseline"]) == (older, newer)
    assert not job.exists(older)


MISTAKES = {
    ("--md", "--json"): "only one format can be printed, not --md and --json",
    ("--md=x", "--html=x"): "two formats would be written to",
    ("--md=",): "--md= names no file",
    ("--md=no/a.md", "--html=algorithms", "--json"): "2 files cannot be written",
    ("job", "nothing"): "nothing",
    ("--md", "note.txt"): "To write to that file: --md=note.txt.",
}


def test_what_cannot_be_asked_is_said_and_nothing_written(job: Project) -> None:
    before = sorted(job.directory.iterdir())
    for arguments, said in MISTAKES.items():
        done = job("diff", *arguments, code=2)
        assert said in done.err
        assert done.out == ""
    assert sorted(job.directory.iterdir()) == before


def test_a_terminal_shows_the_verdict_first_in_80_columns(job: Project) -> None:
    code, seen = job.terminal("diff")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    lines = [line for line in re.split(r"[\r\n]+", plain) if line.strip()]
    assert code == 5
    assert lines[0].startswith("job inconclusive: score 2 → 3")
    assert max(map(len, lines)) <= 80
    assert "\x1b[" in seen
    assert "\x1b" not in job("diff", code=5).out
