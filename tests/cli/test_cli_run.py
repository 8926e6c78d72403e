"""`palmette run`: configs, what it prints, and when a step is not run again."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

CONFIGS = """
    from dataclasses import dataclass, field
    from datetime import date
    from enum import Enum
    from typing import Annotated, Literal

    from palmette import Metrics, Range, algorithm, step

    class Kind(Enum):
        LINE = "line"
        CURVE = "curve"

    @dataclass(frozen=True)
    class Model:
        depth: Annotated[int, Range(1, 9)] = 3
        kind: Kind = Kind.LINE

    @dataclass(frozen=True)
    class Config:
        C: Annotated[float, Range(0.0, 10.0)] = 1.0
        penalty: Literal["l1", "l2"] = "l2"
        layers: list[int] = field(default_factory=lambda: [8])
        since: date = date(2024, 1, 31)
        cap: int | None = None
        model: Model = Model()

    @step
    def fit(C: float, penalty: str, layers: list[int], since: date, cap: int | None, depth: int, kind: Kind) -> Metrics:
        assert isinstance(since, date) and isinstance(kind, Kind)
        return Metrics(size=depth * sum(layers) * C)

    @algorithm(config=Config, presets={"toy": Config(C=0.5, layers=[2])})
    def many(config: Config) -> None:
        fit(config.C, config.penalty, config.layers, config.since, config.cap, config.model.depth, config.model.kind)
"""

WORLD = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metrics, algorithm, step

    HERE = Path("{here}")

    def note(name: str) -> None:
        with (HERE / "ran").open("a") as file:
            file.write(name + chr(10))

    def stamp() -> str:
        return (HERE / "stamp").read_text()

    @dataclass(frozen=True)
    class Config:
        scale: float = 1.0

    @step(FRESH)
    def fetch() -> list[float]:
        note("fetch")
        return [float(line) for line in (HERE / "data").read_text().split()]

    @step
    def fit(data: list[float], scale: float) -> float:
        note("fit")
        return max(data) * scale

    @step
    def judge(model: float) -> Metrics:
        note("judge")
        return Metrics(top=model)

    @step
    def aside(data: list[float]) -> int:
        note("aside")
        return len(data)

    @algorithm(config=Config)
    def world(config: Config) -> None:
        data = fetch()
        judge(fit(data, config.scale))
        aside(data)
"""


def world(project: Project, fresh: str = "") -> Project:
    """A project with one algorithm, whose first step reads a file that nobody declared."""
    project.write("algorithms/world.py", WORLD.replace("(FRESH)", f"(fresh={fresh})" if fresh else ""))
    project.write("data", "1 2 3")
    return project


# What is printed


def test_one_object_tells_all_of_a_run(tiny: Project) -> None:
    done = tiny("run", "example", "held_out=4", "--tag", "first", "--note", "a try", "--json")
    run = json.loads(done.out)
    assert run["algorithm"] == "example"
    assert run["state"] == "succeeded"
    assert run["config"] == {"held_out": 4}
    assert run["provenance"]["held_out"] == {"source": "override", "origin": None}
    assert set(run["metrics"]) == {"mae"}
    assert run["tags"] == ["first"]
    assert run["note"] == "a try"
    assert [(task["name"], task["state"], task["cached"]) for task in run["tasks"]] == [
        (name, "succeeded", False) for name in ("fetch_dataset", "build_and_fit", "evaluate_model", "report")
    ]
    assert tiny.show(run["run_id"]) == run


def test_progress_goes_to_standard_error_in_plain_text(tiny: Project) -> None:
    done = tiny("run", "example")
    assert done.out == ""
    assert "\x1b" not in done.err
    assert "✓ build_and_fit" in done.err
    assert "mae" in done.err
    assert not [line for line in done.err.splitlines() if line != line.rstrip()]


def test_a_run_says_nothing_that_the_last_one_said_already(tiny: Project) -> None:
    tiny.git("init")
    tiny.git("add", ".")
    tiny.git("commit", "--message=Begin")
    assert "note:" not in tiny("run", "example").err


# Configs


def test_values_come_from_defaults_a_preset_a_file_and_the_command_in_this_order(bare: Project) -> None:
    bare.write("algorithms/many.py", CONFIGS)
    bare.write("more.toml", 'penalty = "l1"\nC = 2.0\n\n[model]\ndepth = 4\n')
    run = bare.run("many", "--preset", "toy", "--config", "more.toml", "C=4", "model.kind=CURVE", "cap=null")
    assert run["config"] == {
        "C": 4.0,
        "penalty": "l1",
        "layers": [2],
        "since": "2024-01-31",
        "cap": None,
        "model.depth": 4,
        "model.kind": "CURVE",
    }
    sources = {name: (entry["source"], entry["origin"]) for name, entry in run["provenance"].items()}
    assert sources["C"][0] == "override"
    assert sources["penalty"] == ("file", "more.toml")
    assert sources["layers"] == ("preset", "toy")
    assert sources["since"][0] == "default"
    assert run["preset"] == "toy"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.toml", "C = 3\nlayers = [4, 5]\n[model]\ndepth = 2\n"),
        ("c.yaml", "C: 3\nlayers: [4, 5]\nmodel: {depth: 2}\n"),
        ("c.json", '{"C": 3, "layers": [4, 5], "model.depth": 2}'),
    ],
)
def test_a_config_file_may_be_toml_yaml_or_json(bare: Project, name: str, text: str) -> None:
    bare.write("algorithms/many.py", CONFIGS)
    bare.write(name, text)
    config = bare.run("many", "--config", name)["config"]
    assert (config["C"], config["layers"], config["model.depth"]) == (3.0, [4, 5], 2)


def test_every_problem_of_a_config_is_told_at_once_and_nothing_is_left_behind(bare: Project) -> None:
    bare.write("algorithms/many.py", CONFIGS)
    bare.write("more.yaml", "penalty: l3\nmodel:\n  deep: 2\n")
    done = bare("run", "many", "--config", "more.yaml", "C=20", "layers=1,2", "sinse=2024-01-01", code=2)
    for word in ("penalty", "l1", "model.deep", "C", "10", "layers", "sinse", "since"):
        assert word in done.err
    if bare.exists(".palmette/store.db"):
        assert bare.json("runs") == []
    assert not bare.exists(".palmette/runs")


@pytest.mark.parametrize("arguments", [["exampel"], ["example", "--preset", "tyo"], ["example", "--config", "no.toml"]])
def test_a_name_that_nothing_has_is_wrong_usage(tiny: Project, arguments: list[str]) -> None:
    done = tiny("run", *arguments, code=2)
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert not tiny.exists(".palmette/runs")


# Reuse


def test_a_second_run_reuses_every_step(bare: Project) -> None:
    world(bare)
    first, second = bare.run("world"), bare.run("world")
    assert first.cached == set()
    assert second.cached == {"fetch", "fit", "judge", "aside"}
    assert second["metrics"] == first["metrics"]
    assert bare.lines("ran").count("fetch") == 1
    assert "from " + first["run_id"] in bare("run", "world").err


def test_new_data_retrains_what_it_reaches_and_equal_data_stops_there(bare: Project) -> None:
    world(bare)
    bare.run("world")
    assert bare.run("world", "--refresh").cached == {"fit", "judge", "aside"}
    bare.write("data", "1 1 3")
    # The same maximum of as many numbers: what follows from the two is as it was.
    assert bare.run("world", "--refresh").cached == {"judge"}
    bare.write("data", "1 2 9")
    changed = bare.run("world", "--refresh")
    assert changed.cached == set()
    assert changed["metrics"] == {"top": 9.0}


def test_without_the_cache_every_step_runs(bare: Project) -> None:
    world(bare)
    bare.run("world")
    assert bare.run("world", "--no-cache").cached == set()
    assert bare.lines("ran").count("judge") == 2


def test_a_changed_setting_runs_only_what_depends_on_it(bare: Project) -> None:
    world(bare)
    bare.run("world")
    assert bare.run("world", "scale=2").cached == {"fetch", "aside"}


def test_what_is_always_fresh_is_read_each_time(bare: Project) -> None:
    world(bare, '"always"')
    bare.run("world")
    assert bare.run("world").cached == {"fit", "judge", "aside"}


def test_what_stands_for_a_day_is_read_again_after_it(bare: Project) -> None:
    world(bare, '"1d"')
    bare.run("world")
    assert "fetch" in bare.run("world").cached
    with sqlite3.connect(bare.directory / ".palmette" / "store.db") as store:
        store.execute("UPDATE tasks SET made = made - 90000")
    store.close()
    assert bare.run("world").cached == {"fit", "judge", "aside"}


def test_a_function_says_whether_the_world_changed(bare: Project) -> None:
    world(bare, "stamp")
    bare.write("stamp", "monday")
    bare.run("world")
    assert "fetch" in bare.run("world").cached
    bare.write("stamp", "tuesday")
    assert bare.run("world").cached == {"fit", "judge", "aside"}
    assert "fresh function" in bare("why", "last", "fetch").out


def test_ci_reads_the_world_again_unless_the_step_says_how_long_it_stands(bare: Project) -> None:
    world(bare)
    bare.run("world")
    done = bare("run", "world", "--json", environ={"CI": "true"})
    assert "started by CI" in done.err
    assert "fetch" in done.err
    assert done.json["trigger"] == "ci"
    assert {task["name"] for task in done.json["tasks"] if task["cached"]} == {"fit", "judge", "aside"}
    assert "CI" in bare("why", "last", "fetch").out
    world(bare, '"1d"')
    bare.run("world")
    again = bare("run", "world", "--json", environ={"CI": "1"})
    assert "started by CI" not in again.err
    assert all(task["cached"] for task in again.json["tasks"])


def test_steps_can_be_fresh_processes(tiny: Project) -> None:
    run = tiny.run("example", "--isolated")
    assert {attempt["how"] for task in run["tasks"] for attempt in task["attempts"]} == {"process"}
    assert tiny.run("example").cached == {"build_and_fit", "evaluate_model", "report"}
