"""`palmette history` and `palmette leaderboard`, in a real repository, here and on a server."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from conftest import Hub, Project

GRADED = """
    from dataclasses import dataclass
    from palmette import Evaluation, Metric, algorithm, step

    @dataclass(frozen=True)
    class Config:
        wrong: int = 40

    @step
    def ask() -> list[int]:
        return list(range(100))

    @step
    def answer(asked: list[int], wrong: int) -> Evaluation:
        labels = [each % 2 for each in asked]
        given = [1 - label if place < wrong else label for place, label in enumerate(labels)]
        share = sum(map(int.__eq__, labels, given)) / len(asked)
        return Evaluation(metrics={"share": share, "more": 1.0}, keys=asked, labels=labels, predictions=given)

    @algorithm(config=Config, presets={"toy": Config(wrong=50)}, metrics=[Metric("share", primary=True)])
    def graded(config: Config) -> None:
        answer(ask(), config.wrong)
"""


@pytest.fixture
def graded(bare: Project) -> Project:
    """A repository with one commit and no run."""
    bare.write("algorithms/graded.py", GRADED)
    bare.write(".gitignore", ".palmette/\n__pycache__/\n")
    bare.git("init", "--initial-branch=main")
    bare.git("add", ".")
    bare.git("commit", "--message=Start")
    return bare


def _committed(project: Project, wrong: int, subject: str) -> Any:
    project.write("algorithms/graded.py", GRADED.replace("wrong: int = 40", f"wrong: int = {wrong}"))
    project.git("commit", "--all", f"--message={subject}")
    return project.run("graded")


def test_a_metric_is_shown_over_the_commits_of_a_branch_and_the_runs_best_first(graded: Project, hub: Hub) -> None:
    assert "No runs yet" in graded("history", "graded").err
    assert "No runs yet" in graded("leaderboard", "graded").err
    assert (graded.json("history", "graded")["commits"], graded.json("leaderboard", "graded")["rankings"]) == ([], [])
    graded.run("graded")
    graded.run("graded", "wrong=1")
    second = _committed(graded, 30, "Ask <b>twice</b>")
    graded.git("checkout", "--quiet", "-b", "topic")
    third = _committed(graded, 20, "Ask again")
    graded.server = hub.of(graded.directory / ".palmette")

    found = graded.json("history", "graded", "share")
    assert [each["value"] for each in found["commits"]] == [0.6, 0.7]
    assert found["commits"][1]["run"] == second["run_id"]
    assert (found["branch"], found["left"], found["not_counted"]) == ("main", None, {"with overrides": 1})
    own = graded.json("history", "graded", "--branch", "topic")
    assert [(each["value"], each["of_the_branch"]) for each in own["commits"]] == [
        (0.6, False), (0.7, False), (0.8, True),
    ]  # fmt: skip
    assert own["left"] == "main"

    said = graded("history", "graded", "--branch", "topic", "--svg", "chart.svg")
    assert "topic left main after" in said.out
    assert "1 with overrides" in said.err
    assert max(len(line) for line in said.out.splitlines() if "│" in line or "┤" in line) <= 80
    for verb in ("history", "leaderboard"):
        _, seen = graded.terminal(verb, "graded")
        assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()) for line in seen.splitlines()) <= 80
    drawn = ElementTree.fromstring((graded.directory / "chart.svg").read_text())
    assert any("Ask <b>twice</b>" in (each.text or "") for each in drawn.iter("{http://www.w3.org/2000/svg}title"))
    rows = [*csv.DictReader(io.StringIO(graded("history", "graded", "--csv").out))]
    assert [(row["value"], row["subject"]) for row in rows] == [("0.6", "Start"), ("0.7", "Ask <b>twice</b>")]
    assert [*csv.DictReader(io.StringIO(graded("history", "graded", "--csv", "--last", "1").out))] == rows[1:]

    (ranking,) = graded.json("leaderboard", "graded")["rankings"]
    assert [each["value"] for each in ranking["runs"]] == [0.99, 0.8, 0.7, 0.6]
    assert (ranking["runs"][0]["overrides"], ranking["runs"][1]["run"]) == ({"wrong": "1"}, third["run_id"])
    assert "wrong=1" in graded("leaderboard", "graded").out

    assert "Did you mean share" in graded("history", "graded", "shar", code=2).err
    assert "Did you mean graded" in graded("leaderboard", "grade", code=2).err
    assert "no point in time" in graded("history", "graded", "--since", "now or never", code=2).err
    assert "cannot be written" in graded("history", "graded", "--svg", "none/such.svg", code=2).err
    assert "or name it chart.svg" in graded("history", "graded", "--svg", "chart.png", code=2).err
    assert "No run of graded on nowhere yet" in graded("history", "graded", "--branch", "nowhere").err
    assert "Presets with runs: full" in graded("leaderboard", "graded", "--preset", "toy", code=2).err
