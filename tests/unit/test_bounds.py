"""Gates that pyproject.toml declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from palmette.domain.graph import MetricSpec
from palmette.errors import ProjectError
from palmette.operations.bounds import Bounds, merged, require_known
from palmette.operations.project import Project, find, look

ALGORITHM = """
from palmette import algorithm

@algorithm
def tumour(): ...
"""
METRICS = (
    MetricSpec(name="auc", goal="max", primary=True, tolerance=0.005, minimum=0.9, max_drop=0.02),
    MetricSpec(name="loss", goal="min"),
)


def project(root: Path, settings: str) -> Project:
    (root / "algorithms").mkdir()
    (root / "algorithms" / "tumour.py").write_text(ALGORITHM)
    (root / "pyproject.toml").write_text(f'[project]\nname = "clinic"\n[tool.palmette]\n{settings}')
    return find(root, {})


def test_a_gate_of_the_settings_takes_the_place_of_the_codes_and_leaves_the_rest(tmp_path: Path) -> None:
    found = project(tmp_path, "[tool.palmette.gates.tumour]\nauc = {minimum = 0.97}\nloss = {max-drop = 1}\n")
    require_known(found.gates, look(found))
    auc, loss = merged("tumour", METRICS, found.gates)
    assert (auc.minimum, auc.max_drop, auc.tolerance, auc.primary) == (0.97, 0.02, 0.005, True)
    assert (loss.minimum, loss.max_drop) == (None, 1.0)
    assert merged("other", METRICS, found.gates) == METRICS


def test_each_gate_that_cannot_be_meant_is_a_problem_of_its_own(tmp_path: Path) -> None:
    settings = (
        "gates.tumour.auc = {minimum = '0.97', max_dorp = 1}\ngates.tumour.loss = {max-drop = -1}\n"
        "gates.tumour.f1 = 0.9\ngates.other = 1\ngates.tumour.r2 = {minimum = nan}\n"
        "gates.tumour.mae = {minimum = true}\n"
    )
    with pytest.raises(ProjectError) as caught:
        project(tmp_path, settings)
    said = {each.where.partition("gates.")[2]: f"{each.what} {each.hint}" for each in caught.value.problems}
    assert [*said] == [
        "tumour] auc.minimum", "tumour] auc.max_dorp", "tumour] loss.max-drop", "tumour] f1", "tumour] r2.minimum",
        "tumour] mae.minimum", "other]",
    ]  # fmt: skip
    assert "Did you mean 'max-drop'?" in said["tumour] auc.max_dorp"]
    assert "-1 is below 0" in said["tumour] loss.max-drop"]


def test_gates_of_what_is_not_there_are_refused_since_they_would_let_everything_through(tmp_path: Path) -> None:
    found = project(tmp_path, "[tool.palmette.gates.tumor]\nauc = {minimum = 0.97}\n")
    with pytest.raises(ProjectError) as caught:
        require_known(found.gates, look(found))
    assert [(each.what, each.hint) for each in caught.value.problems] == [
        ("there is no such algorithm", "Did you mean tumour?")
    ]
    with pytest.raises(ProjectError) as caught:
        merged("tumour", METRICS, {"tumour": {"acu": Bounds(minimum=1.0), "f1": Bounds(minimum=1.0)}})
    assert [each.what for each in caught.value.problems] == [
        "tumour declares no metric acu",
        "tumour declares no metric f1",
    ]
