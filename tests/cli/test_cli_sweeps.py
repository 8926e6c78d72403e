"""Sweeps: a run a point, nothing twice, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project

JOB = """
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metric, Metrics, algorithm, step

    HERE = Path("{here}")

    def note(text: str) -> None:
        with (HERE / "notes").open("a") as file:
            file.write(text + "\\n")

    def wait_for(name: str) -> None:
        while not (HERE / name).exists():
            time.sleep(0.02)

    @dataclass(frozen=True)
    class Config:
        slope: float = 1.0
        kind: str = "plain"
        seed: int = 0
        gate: str = ""
        broken: float = -1.0

    @step
    def load() -> list[int]:
        note("load")
        return [1, 2, 3]

    @step
    def fit(data: list[int], slope: float, seed: int, gate: str, broken: float) -> float:
        note(f"fit {slope} {seed}")
        if slope == broken:
            raise ValueError("this slope is broken")
        if gate and slope >= 2.0:
            note("waits")
            wait_for(gate)
        return sum(data) * slope + seed / 10

    @step
    def score(model: float, kind: str) -> Metrics:
        return Metrics(error=abs(model - 12.0), other=1.0)

    @algorithm(config=Config, presets={"toy": Config(slope=0.5)}, metrics=[Metric("error", goal="min", primary=True)])
    def job(config: Config) -> None:
        data = load()
        model = fit(data, config.slope, config.seed, config.gate, config.broken)
        score(model, config.kind)
"""


@pytest.fixture
def sweeping(bare: Project) -> Project:
    """A project whose steps note what they do."""
    bare.write("algorithms/__init__.py", "")
    bare.write("algorithms/job.py", JOB)
    return bare


def points(found: dict[str, Any]) -> list[tuple[object, ...]]:
    return [tuple(run["point"].values()) for run in found["runs"]]


def test_each_point_is_a_run_and_the_best_is_named(sweeping: Project) -> None:
    found = sweeping.json("run", "job", "slope=1..3lin3", "kind=plain,odd", "--seeds", "2")
    assert Counter(points(found)) == Counter(
        (slope, kind, seed) for slope in (1.0, 2.0, 3.0) for kind in ("plain", "odd") for seed in (0, 1)
    )
    assert {run["state"] for run in found["runs"]} == {"succeeded"}
    assert found["standings"][0]["point"]["slope"] == 2.0
    assert found["standings"][0]["mean"] == pytest.approx(0.05)
    assert found["standings"][0]["deviation"] == pytest.approx(0.0707, abs=1e-4)
    runs = sweeping.json("runs")
    assert {run["trigger"] for run in runs} == {"sweep"}
    assert {run["run_id"] for run in runs} == {run["run_id"] for run in found["runs"]}


def test_what_points_share_is_carried_out_once(sweeping: Project) -> None:
    sweeping("run", "job", "slope=1,2,3", "kind=plain,odd", "--jobs", "4")
    assert Counter(sweeping.lines("notes")) == Counter(["load", "fit 1.0 0", "fit 2.0 0", "fit 3.0 0"])


def test_the_screens_say_what_it_comes_to_and_how_it_went(sweeping: Project) -> None:
    ended = sweeping("run", "job", "slope=1,2", "--seeds", "2")
    assert "4 runs of job: 12 steps, 3 of them shared with another run" in ended.err
    assert re.search(r"best: slope=2  error 0\.0500 ± 0\.0707 \(2 seeds\)", ended.out)
    assert all(len(line) <= 80 for line in ended.out.splitlines())
    again = sweeping("sweep")
    assert again.out == ended.out
    listed = sweeping("sweeps").out
    assert "4/4" in listed
    assert "slope=2  error 0.0500 ± 0.0707" in listed


def test_a_dry_run_shows_the_points_and_leaves_nothing(sweeping: Project) -> None:
    ended = sweeping("run", "job", "slope=1,2", "kind=plain,odd", "--dry-run")
    assert [line.split() for line in ended.out.splitlines()[1:]] == [
        ["1", "plain"],
        ["1", "odd"],
        ["2", "plain"],
        ["2", "odd"],
    ]
    assert sweeping("runs").err.startswith("No runs yet")
    assert sweeping("sweeps").err == "No sweeps yet. Begin one: palmette run ALGORITHM FIELD=1,2,3\n"


def test_a_point_that_fails_stops_no_other(sweeping: Project) -> None:
    ended = sweeping("run", "job", "slope=1,2,3", "broken=2", code=3)
    assert "2 succeeded" in ended.out
    assert "1 failed" in ended.out
    assert "this slope is broken" in ended.err
    found = sweeping.json("sweep")
    assert {run["point"]["slope"]: run["state"] for run in found["runs"]} == {
        1.0: "succeeded",
        2.0: "failed",
        3.0: "succeeded",
    }


def test_no_other_point_is_begun_after_a_failure_if_that_is_asked_for(sweeping: Project) -> None:
    sweeping("run", "job", "slope=2,1,3", "broken=2", "--jobs", "1", "--stop-on-failure", code=3)
    assert points(sweeping.json("sweep")) == [(2.0,)]


def test_a_killed_sweep_is_continued_and_nothing_is_done_twice(sweeping: Project) -> None:
    process = sweeping.start("run", "job", "slope=1,2,3,4", "gate=go", "--jobs", "1")
    sweeping.eventually(lambda: "waits" in sweeping.lines("notes"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    sweep = sweeping.json("sweep")["sweep_id"]
    assert "palmette resume" in sweeping("sweep").out
    # The code is that of the beginning, whatever the files say now.
    sweeping.replace("algorithms/job.py", "sum(data) * slope", "sum(data) * slope * 1000")
    sweeping.touch("go")
    ended = sweeping("resume", sweep[:5])
    assert "1 of 4 runs are done already" in ended.err
    found = sweeping.json("sweep", sweep)
    assert sorted(points(found)) == [(1.0,), (2.0,), (3.0,), (4.0,)]
    assert {run["state"] for run in found["runs"]} == {"succeeded"}
    assert found["standings"][0]["mean"] == 0.0
    done = Counter(sweeping.lines("notes"))
    assert done["load"] == 1
    assert done["fit 1.0 0"] == done["fit 3.0 0"] == 1
    assert done["fit 2.0 0"] == 2  # it was running when it was killed
    assert "4 of 4" in sweeping("resume", sweep).err


def test_ctrl_c_cancels_what_runs_and_resume_goes_on(sweeping: Project) -> None:
    process = sweeping.start("run", "job", "slope=1,2,3", "gate=go", "--jobs", "1")
    sweeping.eventually(lambda: "waits" in sweeping.lines("notes"))
    process.send_signal(signal.SIGINT)
    ended = sweeping.finished(process, 130)
    assert "1 canceled" in ended.out
    assert "2 left" in ended.out
    assert sweeping.processes() == []
    sweeping.touch("go")
    sweep = sweeping.json("sweep")["sweep_id"]
    found = sweeping.json("resume", sweep)
    assert Counter(run["state"] for run in found["runs"]) == {"succeeded": 3, "canceled": 1}
    assert len(found["standings"]) == 3


def test_two_processes_do_not_drive_one_sweep(sweeping: Project) -> None:
    process = sweeping.start("run", "job", "slope=1,2", "gate=go", "--jobs", "1")
    sweeping.eventually(lambda: "waits" in sweeping.lines("notes"))
    sweep = sweeping.json("sweep")["sweep_id"]
    assert "is driven by another process now" in sweeping("resume", sweep, code=75).err
    sweeping.touch("go")
    sweeping.finished(process, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["slope=1,x"], "slope=1,x: 'x' is not a number"),
        (["slope=0.1..1"], "Say 0.1..1lin5 or 0.1..1log5."),
        (["slope=1", "--dry-run"], "this is one run and no sweep"),
        (["slope=1,2", "--seeds", "2", "--seed-field", "dice"], "there is no field 'dice'"),
        (["seed=1..101"], "101 runs are more than 100"),
        (["--search", "optuna"], "--search and --trials go together"),
        (["slope=1", "--search", "optuna", "--trials", "3"], "there is nothing to search"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(sweeping: Project, arguments: list[str], message: str) -> None:
    ended = sweeping("run", "job", *arguments, code=2)
    assert message in ended.err
    assert ended.out == ""
    assert not sweeping.exists(".palmette")


def test_a_sweep_that_is_not_there_is_named_with_those_that_are(sweeping: Project) -> None:
    sweeping("run", "job")
    assert "there are no sweeps yet" in sweeping("sweep", code=2).err
    sweeping("run", "job", "slope=1,2")
    known = sweeping.json("sweep")["sweep_id"]
    assert f"The newest are: {known}." in sweeping("sweep", "zzzzzz", code=2).err


def test_a_search_finds_the_minimum_and_goes_on_from_the_store_alone(sweeping: Project) -> None:
    pytest.importorskip("optuna")
    arguments = ["slope=0.5..8", "--search", "optuna", "--trials", "8", "--jobs", "1", "gate=go"]
    process = sweeping.start("run", "job", *arguments)
    sweeping.eventually(lambda: "waits" in sweeping.lines("notes"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    sweeping.touch("go")
    sweep = sweeping.json("sweep")["sweep_id"]
    found = json.loads(sweeping("resume", sweep, "--json").out)
    assert len(found["runs"]) == 8
    assert {run["state"] for run in found["runs"]} == {"succeeded"}
    scores = [run["metrics"]["error"] for run in found["runs"]]
    assert found["standings"][0]["mean"] == min(scores)
    assert len({run["point"]["slope"] for run in found["runs"]}) == 8
