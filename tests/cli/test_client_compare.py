"""`palmette.compare`: the verdict as a value, in an interpreter that has nothing but Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Hub, Project

ROOT = Path(__file__).parents[2]
JOB = """
    from dataclasses import dataclass
    from palmette import Metric, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        depth: int = 3

    @step
    def fit(depth: int) -> Metrics:
        return Metrics(size=depth, cost=1 / depth)

    @algorithm(config=Config, metrics=[Metric("size", primary=True), Metric("cost", goal="min", minimum=0.5)])
    def job(config: Config) -> None:
        fit(config.depth)
"""
GATES = "\n[tool.palmette.gates.job]\nsize = {minimum = 4, max-drop = 1}\n"
TOLD = """
import json, palmette
from palmette.errors import NotFound
compared = COMPARED
try:
    compared["auc"]
except NotFound as error:
    lacking = str(error)
size = compared["size"]
print(json.dumps({
    "verdict": [compared.verdict, compared.scope, compared.gate], "sentence": compared.sentence,
    "gates": [[each.metric, each.kind, each.outcome, each.limit, each.value] for each in compared.gates],
    "size": [size.head, size.baseline, size.goal, size.primary, size.verdict, size.interval, size.method],
    "names": [*compared.metrics], "causes": compared.causes, "rule": compared.choice.rule, "lacking": lacking,
    "runs": [compared.head.id, compared.baseline.id], "config": compared.baseline.config,
    "shown": [repr(compared), compared._repr_html_().count("<tr>")], "record": compared.record,
}))
"""


@pytest.fixture
def job(bare: Project) -> Project:
    """A project with two runs, the newer of which is smaller than its gates allow."""
    bare.write("algorithms/__init__.py", "")
    bare.write("algorithms/job.py", JOB)
    file = bare.directory / "pyproject.toml"
    file.write_text(file.read_text() + GATES)
    bare.run("job")
    bare.run("job", "depth=2")
    return bare


@pytest.fixture
def ask(job: Project, tmp_path: Path) -> Callable[[str], Any]:
    """Runs a program in an interpreter without any third-party module."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "plain"], check=True)
    environ = job.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PALMETTE_TOOL": str(Path(sys.executable).parent / "palmette"),
    }

    def asked(compared: str) -> Any:
        code = TOLD.replace("COMPARED", compared)
        words = [tmp_path / "plain" / "bin" / "python", "-W", "error", "-c", code]
        done = subprocess.run(words, cwd=job.directory, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return asked


def test_a_comparison_is_a_value_here_and_on_a_server(ask: Callable[[str], Any], job: Project, hub: Hub) -> None:
    found = ask('palmette.compare("job")')
    newer, older = (row["run_id"] for row in job.json("runs"))
    assert found["verdict"] == ["inconclusive", "", "failed"]
    assert found["gates"] == [
        ["size", "minimum", "failed", 4.0, 2.0],
        ["size", "max_drop", "inconclusive", 1.0, 1.0],
        ["cost", "minimum", "passed", 0.5, 0.5],
    ]
    assert found["size"] == [2.0, 3.0, "max", True, "inconclusive", None, ""]
    assert (found["names"], found["causes"], found["runs"]) == (["size", "cost"], ["config"], [newer, older])
    assert found["sentence"].startswith("inconclusive: size 3 → 2: two single numbers tell nothing")
    assert (found["rule"], found["config"]) == ("previous", {"depth": 3})
    assert "neither run has a metric 'auc'" in found["lacking"]
    assert found["shown"] == [f"<Comparison of {newer} with {older}: inconclusive>", 3]
    assert found["record"] == job("diff", "--json", code=4).json
    url = hub.of(job.directory / ".palmette")
    there = ask(f'palmette.connect("{url}", project="{job.json("show")["project"]}").compare("job")')
    assert there == found

    turned = ask(f'palmette.compare(palmette.get("{older}"), palmette.get("{newer}"))')
    assert (turned["runs"], turned["rule"], turned["verdict"][2]) == ([older, newer], "named", "failed")
