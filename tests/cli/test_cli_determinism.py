"""`palmette check --determinism`: planted faults are found and named, and what is sound passes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from conftest import Project

Findings: TypeAlias = "dict[str, dict[str, Any]]"

FAULTS = """
    import os
    import random
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import dataclass
    from datetime import date
    from pathlib import Path
    from palmette import Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        rows: int = 2000

    @step
    def load(rows: int) -> list[float]:
        return [1 / (number + 1) for number in range(rows)]

    @step
    def sound(data: list[float]) -> Metrics:
        return Metrics(mean=sum(data) / len(data), least=random.Random(0).choice(data))

    @step
    def ordered_by_hash(data: list[float]) -> list[str]:
        return list({str(number) for number in data[:50]})

    @step
    def summed_by_threads(data: list[float]) -> float:
        parts = int(os.environ["OMP_NUM_THREADS"])
        with ThreadPoolExecutor(parts) as pool:
            return sum(pool.map(sum, [data[part::parts] for part in range(parts)]))

    @step
    def dated(data: list[float]) -> dict[str, str]:
        return {"rows": str(len(data)), "on": date.today().isoformat()}

    @step
    def drawn(data: list[float]) -> float:
        return random.choice(data)

    @step
    def placed(data: list[float]) -> str:
        return str(Path.cwd())

    @step
    def random_and_ordered(data: list[float]) -> dict[str, list[str]]:
        return {"kept": list({str(number) for number in data[:50]}), "drawn": [str(random.random())]}

    @step
    def counted(data: list[float]) -> int:
        with open("{here}/count.txt", "a+") as file:
            file.write(".")
            return file.tell()

    @step
    def late(data: list[float]) -> int:
        if date.today().year > {year}:
            raise ValueError("the licence has expired")
        return len(data)

    @algorithm(config=Config, presets={"toy": Config(rows=1000)})
    def faults(config: Config) -> None:
        data = load(config.rows)
        sound(data)
        ordered_by_hash(data)
        summed_by_threads(data)
        dated(data)
        drawn(data)
        placed(data)
        counted(data)
        random_and_ordered(data)
        late(data)
"""


@pytest.fixture
def faults(bare: Project) -> Project:
    """A project whose steps have one fault each, and one that has none."""
    bare.write("algorithms/faults.py", FAULTS.replace("{year}", str(datetime.now(UTC).year)))
    return bare


def found(project: Project, *arguments: str, code: int = 1) -> Findings:
    """The findings of the only algorithm, by step."""
    (tested,) = project.json("check", "--determinism", *arguments, code=code)
    return {finding["step"]: finding for finding in tested["steps"]}


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory, user: dict[str, str], project_type: type[Project]) -> Findings:
    """The findings of all of its steps: none is named, so that one call finds them."""
    project = project_type(tmp_path_factory.mktemp("faults"), dict(user))
    project.write("pyproject.toml", f'[tool.palmette]\nalgorithms = ["algorithms"]\npython = "{sys.executable}"\n')
    project.write("algorithms/faults.py", FAULTS.replace("{year}", str(datetime.now(UTC).year)))
    return found(project)


@pytest.mark.parametrize(
    ("step", "cause", "said"),
    [
        ("ordered_by_hash", "hash order", "the same 50 items in another order"),
        ("summed_by_threads", "threads", "off by"),
        ("dated", "clock", "['on']"),
        ("drawn", "unseeded", "off by"),
        ("placed", "directory", "→"),
        ("counted", "race", "→"),
    ],
)
def test_a_planted_fault_is_found_and_named(tested: Findings, step: str, cause: str, said: str) -> None:
    finding = tested[step]
    assert (finding["verdict"], finding["causes"]) == ("differs", [cause])
    assert said in finding["outputs"]["output"][0]


def test_two_faults_of_one_step_are_both_named(tested: Findings) -> None:
    assert tested["random_and_ordered"]["causes"] == ["unseeded", "hash order"]


def test_a_step_that_fails_at_another_time_is_found(tested: Findings) -> None:
    finding = tested["late"]
    assert (finding["verdict"], finding["causes"]) == ("differs", ["clock"])
    assert "the licence has expired" in finding["message"]


def test_what_is_sound_passes_and_the_toy_preset_makes_the_inputs(faults: Project) -> None:
    finding = found(faults, "faults", "sound", code=0)["sound"]
    assert (finding["verdict"], finding["executions"]) == ("same", 2)
    assert [(run["preset"], run["state"]) for run in faults.json("runs")] == [("toy", "succeeded")]
    found(faults, "faults", "sound", code=0)
    assert len(faults.json("runs")) == 1
    assert found(faults, "sound", "--times", "4", code=0)["sound"]["executions"] == 4


def test_what_reads_the_world_is_executed_only_when_it_is_named(tested: Findings, faults: Project) -> None:
    assert (tested["load"]["verdict"], tested["load"]["executions"]) == ("reads the world", 0)
    finding = found(faults, "load", code=0)["load"]
    assert (finding["verdict"], finding["reads_world"]) == ("same", True)


def test_a_named_run_gives_its_own_code_and_inputs(faults: Project) -> None:
    run = faults.run("faults")["run_id"]
    faults.replace("algorithms/faults.py", "str(Path.cwd())", '"elsewhere"')
    assert found(faults, "placed", "--run", run)["placed"]["verdict"] == "differs"
    assert found(faults, "placed", code=0)["placed"]["verdict"] == "same"


def test_the_screen_fits_and_names_the_cause(faults: Project) -> None:
    done = faults("check", "--determinism", "ordered_by_hash", "sound", code=1)
    assert "differs when only PYTHONHASHSEED differs: hash order" in done.out
    assert "✓ sound  the same" in done.out
    assert done.out.endswith("1 step not deterministic\n")
    assert "\x1b" not in done.out + done.err


def test_mistakes_are_told(faults: Project) -> None:
    assert "the run has no step 'nothing'" in faults("check", "--determinism", "nothing", code=2).err
    assert "--run, --preset and --times belong to --determinism" in faults("check", "--run", "last", code=2).err
    assert "no preset is named 'none'" in faults("check", "--determinism", "--preset", "none", code=2).err


def test_the_steps_of_the_clinic_pass_and_a_sum_that_blas_threads_make_does_not(clinic: Project) -> None:
    steps = ("build_and_fit", "evaluate_model", "report")
    (tested,) = clinic.json("check", "--determinism", "tumour", *steps)
    assert {finding["step"]: finding["verdict"] for finding in tested["steps"]} == dict.fromkeys(steps, "same")
    clinic.write(
        "algorithms/product.py",
        """
        import numpy as np
        from palmette import algorithm, step

        @step
        def draw() -> np.ndarray:
            return np.random.default_rng(0).normal(size=(600, 600))

        @step
        def multiply(data: np.ndarray) -> np.ndarray:
            return data @ data.T @ data

        @algorithm
        def product() -> None:
            multiply(draw())
        """,
    )
    (tested,) = clinic.json("check", "--determinism", "product", code=1)
    finding = {finding["step"]: finding for finding in tested["steps"]}["multiply"]
    assert finding["causes"] == ["threads"]
    assert "values differ, by" in finding["outputs"]["output"][0]


def test_each_item_of_a_loop_is_a_step_of_its_own(bare: Project) -> None:
    bare.write(
        "algorithms/folds.py",
        """
        from palmette import algorithm, each, step

        @step
        def load() -> list[str]:
            return ["ab", "cdefghij"]

        @step
        def letters(fold: str) -> list[str]:
            return list(set(fold))

        @algorithm
        def folds() -> None:
            for fold in each(load()):
                letters(fold)
        """,
    )
    findings = found(bare, "folds", "--times", "3")
    assert findings["letters[1]"]["causes"] == ["hash order"]
    assert {"load", "letters[0]", "letters[1]"} == set(findings)
    assert found(bare, "letters")["letters[1]"]["reads_world"] is False


REFERRING = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import InputFile, Reference, algorithm, step

    @dataclass(frozen=True)
    class Config:
        labels: InputFile = InputFile("labels.csv")

    @step
    def scans() -> Reference:
        return Reference("{here}/raw")

    @step
    def count(scans: Path, labels: Path) -> int:
        return len(list(scans.iterdir())) + len(labels.read_text())

    @step
    def double(number: int) -> int:
        return 2 * number

    @algorithm(config=Config)
    def referring(config: Config) -> None:
        double(count(scans(), config.labels))
"""


def test_what_is_passed_by_reference_is_read_where_it_lies(bare: Project) -> None:
    bare.write("algorithms/referring.py", REFERRING)
    bare.write("labels.csv", "a,1\n")
    bare.write("raw/one.txt", "1")
    bare.run("referring")
    findings = found(bare, "referring", code=0)
    assert {name: finding["verdict"] for name, finding in findings.items() if name != "import-labels"} == {
        "scans": "reads the world",
        "count": "same",
        "double": "same",
    }
    assert found(bare, "referring", "scans", code=0)["scans"]["verdict"] == "same"


def test_a_step_whose_data_changed_since_does_not_keep_the_others_from_being_tested(bare: Project) -> None:
    bare.write("algorithms/referring.py", REFERRING)
    bare.write("labels.csv", "a,1\n")
    bare.write("raw/one.txt", "1")
    bare.run("referring")
    bare.write("raw/one.txt", "2")
    findings = found(bare, "referring")
    assert findings["count"]["verdict"] == "failed"
    assert "is not what it was" in findings["count"]["message"]
    assert findings["double"]["verdict"] == "same"
