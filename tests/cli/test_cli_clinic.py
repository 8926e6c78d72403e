"""The example as its team uses it: real algorithms, a Git repository, the project's own interpreter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import _pytest
import iniconfig
import pluggy
import pygments
import pytest

import packaging

if TYPE_CHECKING:
    from conftest import Project

ROOT = Path(__file__).parents[2]


def test_two_trainings_are_run_and_compared(clinic: Project) -> None:
    first = clinic.run("tumour", "--preset", "toy")
    assert first["metrics"]["auc"] > 0.98
    assert first["git"]["branch"] == "main"
    assert first["git"]["message"] == "Train two algorithms"
    assert not first["git"]["dirty"]
    assert first["environment"]["packages"]["scikit-learn"]
    dataset = first.task("fetch_dataset")["artifacts"]["output"]
    assert dataset["type"] == "system.Dataset"
    assert dataset["metadata"]["rows"] == 569
    second = clinic.run("tumour", "--preset", "toy", "C=0.01")
    assert second.cached == {"fetch_dataset"}
    out = clinic("diff").out
    assert "Only C changed." in out
    assert "auc" in out
    assert "C  0.1 → 0.01" in clinic("why", "last", "build_and_fit").out
    clinic("artifacts", "get", "last", "report", "-o", "report.html")
    assert "<h1>Tumour" in (clinic.directory / "report.html").read_text()


def test_a_change_reruns_what_it_reaches_and_no_other_step(clinic: Project) -> None:
    clinic.run("tumour", "--preset", "toy")
    clinic.replace("clinic/charts.py", "<h1>{escape(title)}</h1>", "<h1>{escape(title)}!</h1>")
    changed = clinic.run("tumour", "--preset", "toy")
    assert changed.cached == {"fetch_dataset", "build_and_fit", "evaluate_model"}
    assert changed["git"]["dirty"]
    out = clinic("why", "last", "report").out
    assert "clinic.charts:page  changed" in out
    assert "clinic.charts:page" in clinic("diff").out


def test_uncommitted_files_that_are_not_kept_are_named_with_the_reason(clinic: Project) -> None:
    clinic.write("patients.csv", "name\n")
    done = clinic("run", "tumour", "--preset", "toy")
    assert "note: uncommitted, and not kept with the run: patients.csv (data)" in done.err


def test_curves_of_a_text_classifier_are_kept(clinic: Project) -> None:
    run = clinic.run("diagnosis", "--preset", "toy")
    assert [point["step"] for point in run["curves"]["train_accuracy"]] == [1, 2]
    assert run["metrics"]["f1"] > 0.2
    assert run["metrics"]["terms"] == 2000


def test_its_unit_tests_need_only_the_vocabulary(clinic: Project, clinic_python: Path, tmp_path: Path) -> None:
    """As after `pip install --no-deps palmette`: the package is there, and none of what the tool is made of."""
    site = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "palmette", site / "palmette", ignore=ignored)
    for module in (pytest, _pytest, iniconfig, packaging, pluggy, pygments):
        home = Path(str(module.__file__)).parent
        shutil.copytree(home, site / home.name, ignore=ignored)
    shutil.copy(Path(_pytest.__file__).parents[1] / "py.py", site)
    surroundings = clinic.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import sys, pytest; code = pytest.main(['-q', '-p', 'no:cacheprovider']); print('LOADED', *sys.modules)"
    done = subprocess.run(
        [clinic_python, "-c", f"{code}; sys.exit(code)"],
        cwd=clinic.directory,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "palmette.authoring.steps" in loaded
    assert not loaded & {"sqlalchemy", "rich", "yaml", "click", "alembic", "palmette.operations", "palmette.engine"}
