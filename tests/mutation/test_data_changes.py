"""New data retrain what they reach, equal data stop there, and who reads the world says how long it stands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.mutation.conftest import Place

DOWNSTREAM = {"fit", "report"}


@pytest.fixture
def project(tmp_path: Path, place_in: Callable[[Path], Place]) -> Place:
    """A project whose world is the file world.json."""
    place = place_in(tmp_path / "project")
    place.write("pyproject.toml", f"""
        [project]
        name = "worldly"
        version = "0.1.0"

        [tool.palmette]
        algorithms = ["algorithms"]
        python = "{sys.executable}"
    """)  # fmt: skip
    place.write("reading.py", """
        import json
        from pathlib import Path

        def world():
            return json.loads(Path("{here}/world.json").read_text())

        def version():
            return Path("{here}/version.txt").read_text()
    """)  # fmt: skip
    place.write("algorithms/line.py", """
        from dataclasses import dataclass
        from palmette import HTML, Metrics, algorithm, step
        from reading import version, world

        @dataclass(frozen=True)
        class Config:
            seed: int = 0

        @step(OPTIONS)
        def fetch(seed: int) -> list[float]:
            return [float(x) for x in world()]

        @step
        def fit(data: list[float]) -> Metrics:
            return Metrics(mean=sum(data) / len(data))

        @step
        def report(metrics: Metrics) -> HTML:
            return HTML(f"<p>{metrics['mean']}")

        @algorithm(config=Config)
        def line(config):
            report(fit(fetch(config.seed)))
    """)  # fmt: skip
    world(place, 1, 2)
    place.write("version.txt", "1")
    return place


def world(place: Place, *numbers: float) -> None:
    place.write("world.json", json.dumps(numbers))


def fresh(place: Place, options: str) -> None:
    place.replace("algorithms/line.py", "@step(OPTIONS)", f"@step({options})")


def test_new_data_retrain_what_they_reach(project: Place) -> None:
    fresh(project, 'fresh="always"')
    project.run("line")
    world(project, 3, 4)
    run = project.run("line")
    assert (project.cached(run), run["metrics"]["mean"]) == (set(), 3.5)


def test_equal_data_stop_a_change_at_the_fetch(project: Place) -> None:
    fresh(project, 'fresh="always"')
    project.run("line")
    assert project.cached(project.run("line")) == DOWNSTREAM


def test_a_changed_helper_that_fetches_the_same_reruns_the_fetch_alone(project: Place) -> None:
    fresh(project, 'fresh="30d"')
    project.run("line")
    project.replace("reading.py", "return json.loads(", "return [] + json.loads(")
    assert project.cached(project.run("line")) == DOWNSTREAM


def test_a_table_that_is_fetched_by_other_code_and_is_equal_reruns_the_fetch_alone(
    tmp_path: Path, clinic_in: Callable[[Path], Place]
) -> None:
    clinic = clinic_in(tmp_path / "clinic")
    clinic.run("tumour")
    clinic.replace("clinic/quality.py", "quality = inspect(table)", "quality = inspect(table.copy())")
    assert clinic.cached(clinic.run("tumour")) == {"build_and_fit", "evaluate_model", "report"}


def test_where_nothing_is_said_a_run_of_ones_own_reuses_and_one_from_ci_does_not(project: Place) -> None:
    fresh(project, "")
    project.run("line")
    world(project, 3, 4)
    assert project.cached(project.run("line")) == {"fetch", *DOWNSTREAM}
    run = project.run("line", environ={"CI": "true"})
    assert (project.cached(run), run["metrics"]["mean"]) == (set(), 3.5)
    assert project.cached(project.run("line", environ={"CI": "true"})) == DOWNSTREAM


@pytest.mark.parametrize("surroundings", [{}, {"CI": "true"}])
def test_what_stands_for_a_day_is_reused_everywhere_unless_a_refresh_is_asked_for(
    project: Place, surroundings: dict[str, str]
) -> None:
    fresh(project, 'fresh="1d"')
    project.run("line")
    world(project, 3, 4)
    assert project.cached(project.run("line", environ=surroundings)) == {"fetch", *DOWNSTREAM}
    assert project.cached(project.run("line", "--refresh", environ=surroundings)) == set()


def test_what_stands_for_no_time_is_read_again(project: Place) -> None:
    fresh(project, 'fresh="0.001s"')
    project.run("line")
    assert project.cached(project.run("line")) == DOWNSTREAM


def test_a_function_says_whether_the_world_has_changed(project: Place) -> None:
    fresh(project, "fresh=version")
    project.run("line")
    world(project, 3, 4)
    assert project.cached(project.run("line", environ={"CI": "true"})) == {"fetch", *DOWNSTREAM}
    project.write("version.txt", "2")
    assert project.cached(project.run("line")) == set()
    [said] = project.json("why", "last", "fetch")
    assert said["changed"] == ["token"]


def test_nothing_is_reused_where_reuse_is_switched_off(project: Place) -> None:
    fresh(project, 'fresh="30d"')
    project.run("line")
    assert project.cached(project.run("line", "--no-cache")) == set()
