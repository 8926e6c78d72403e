"""The project's algorithms, recorded in a process of their own, from the bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import palmette

Describe = Callable[..., dict[str, Any]]

HEAD = """
from dataclasses import dataclass
from palmette.authoring.algorithms import algorithm
from palmette.authoring.steps import step

@dataclass(frozen=True)
class Config:
    rows: int = 3
"""

GOOD = (
    HEAD
    + """
def moved():
    print("called")
    return "Tuesday"

@step(fresh=moved)
def fetch(rows: int) -> int:
    return rows

@algorithm(config=Config)
def tumour(config):
    fetch(config.rows)
"""
)


@pytest.fixture
def describe(make_bundle: Callable[..., Any], tmp_path: Path) -> Describe:
    """What the recording of these modules gives."""
    project = tmp_path / "project"

    def run(files: Mapping[str, str], algorithm: str | None = None, **more: Any) -> dict[str, Any]:
        bundle = make_bundle(files)
        for path, text in files.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        modules = [path.removesuffix(".py").replace("/", ".") for path in files]
        asked = {"modules": modules, "algorithm": algorithm, **more}
        result = tmp_path / "result.json"
        done = subprocess.run(
            [sys.executable, "-P", "-m", "palmette.runtime.describe", str(bundle.directory), json.dumps(asked), result],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(palmette.__file__).parents[1]),
                "PALMETTE_BUNDLES": str(bundle.home),
                "PALMETTE_PROJECT": str(project),
                "PALMETTE_SOURCES": str(project),
            },
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(result.read_text())
        return {**found, "printed": done.stdout}

    return run


def test_algorithms_are_recorded_with_the_tokens_of_their_fresh_functions(describe: Describe) -> None:
    found = describe({"algorithms/tumour.py": GOOD})
    assert found["problems"] == []
    (algorithm,) = found["algorithms"]
    assert (algorithm["kind"], algorithm["name"]) == ("Algorithm", "tumour")
    assert [step["target"] for step in algorithm["steps"]] == ["algorithms.tumour:fetch"]
    assert found["tokens"] == {"tumour/fetch": "Tuesday"}


def test_fresh_functions_are_left_alone_when_nobody_asks(describe: Describe) -> None:
    found = describe({"algorithms/tumour.py": GOOD}, tokens=False)
    assert (found["tokens"], found["printed"]) == ({}, "")


def test_every_module_that_cannot_be_imported_is_a_problem_with_its_place(describe: Describe) -> None:
    found = describe(
        {
            "algorithms/tumour.py": GOOD,
            "algorithms/absent.py": "\nimport a_library_that_is_absent\n",
            "algorithms/broken.py": "x = (\n",
            "algorithms/failing.py": "def load():\n    raise RuntimeError\nload()\n",
            "algorithms/leaving.py": "import sys\nsys.exit('no GPU')\n",
        }
    )
    assert [each["name"] for each in found["algorithms"]] == ["tumour"]
    assert [(each["where"], each["what"]) for each in found["problems"]] == [
        (
            "algorithms/absent.py:2",
            "algorithms.absent cannot be imported: ModuleNotFoundError: No module named 'a_library_that_is_absent'",
        ),
        (
            "algorithms/broken.py:1",
            "algorithms.broken cannot be imported: SyntaxError: '(' was never closed (broken.py, line 1)",
        ),
        ("algorithms/failing.py:2", "algorithms.failing cannot be imported: RuntimeError"),
        ("algorithms/leaving.py:2", "algorithms.leaving cannot be imported: SystemExit: no GPU"),
    ]


def test_definition_errors_and_failing_fresh_functions_are_told_together(describe: Describe) -> None:
    failing = GOOD.replace('return "Tuesday"', "return 1 / 0").replace("fetch(config.rows)", "fetch(config.absent)")
    found = describe({"algorithms/tumour.py": failing})
    whats = [each["what"] for each in found["problems"]]
    assert any("raised ZeroDivisionError: division by zero" in what for what in whats)
    assert any("absent" in what for what in whats)


def test_a_token_may_be_any_plain_value(describe: Describe) -> None:
    for value, problem in (
        ("[1, 'a']", False),
        ("__import__('datetime').date(2024, 5, 31)", False),
        ("object()", True),
    ):
        found = describe({"algorithms/tumour.py": GOOD.replace('"Tuesday"', value)})
        assert bool(found["problems"]) is problem
        assert ("tumour/fetch" in found["tokens"]) is not problem


def test_one_algorithm_can_be_asked_for(describe: Describe) -> None:
    files = {"algorithms/tumour.py": GOOD, "algorithms/other.py": GOOD.replace("def tumour", "def other")}
    found = describe(files, "other")
    assert [each["name"] for each in found["algorithms"]] == ["other"]
    assert list(found["tokens"]) == ["other/fetch"]
