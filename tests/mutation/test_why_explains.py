"""`palmette why` names what changed: the definition, the parameter, the package, the data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.mutation.conftest import Place

TUMOUR = "algorithms/tumour.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, clinic_in: Callable[[Path], Place]) -> Place:
    """A clinic that has trained once."""
    place = clinic_in(tmp_path_factory.mktemp("trained") / "clinic")
    place.run("tumour")
    return place


@pytest.fixture
def clinic(tmp_path: Path, trained: Place) -> Place:
    """That clinic's copy, to be changed."""
    shutil.copytree(trained.directory, tmp_path / "clinic", symlinks=True)
    return trained.at(tmp_path / "clinic")


def reason(place: Place, step: str) -> Any:
    [said] = place.json("why", "last", step)
    return said


@pytest.mark.parametrize(
    ("file", "edit", "step", "definition"),
    [
        (TUMOUR, ("tol=1e-3", "tol=1e-2"), "build_and_fit", "algorithms.tumour:build_and_fit"),
        (TUMOUR, ("[0, 1], list", "[1, 0], list"), "report", "algorithms.tumour:report"),
        ("clinic/charts.py", ("margin:2rem", "margin:3rem"), "report", "clinic.charts:STYLE"),
        ("clinic/charts.py", (":.4f", ":.3f"), "report", "clinic.charts:figures"),
        ("clinic/quality.py", ("= 0.4", "= 0.3"), "fetch_dataset", "clinic.quality:MOST_MISSING"),
        ("clinic/quality.py", (":.1%", ":.2%"), "fetch_dataset", "clinic.quality:Quality"),
        ("clinic/imputation.py", ("=True", "=False"), "build_and_fit", "clinic.imputation:imputer"),
        ("clinic/scaling.py", ("Gaps = Gaps.MEDIAN", "Gaps = Gaps.MEAN"), "build_and_fit", "clinic.scaling:scaled"),
    ],
)  # fmt: skip
def test_a_changed_definition_is_named(
    clinic: Place, file: str, edit: tuple[str, str], step: str, definition: str
) -> None:
    clinic.replace(file, *edit)
    run = clinic.run("tumour")
    assert step not in clinic.cached(run)
    said = reason(clinic, step)
    assert said["changed"] == ["closure"]
    assert said["definitions"] == {definition: "changed"}


def test_a_definition_that_is_reached_anew_is_named(clinic: Place) -> None:
    clinic.replace("clinic/scaling.py", "def scaled", "def extra():\n    return 1\n\n\ndef scaled")
    clinic.replace("clinic/scaling.py", "return make_pipeline(", "assert extra()\n    return make_pipeline(")
    clinic.run("tumour")
    definitions = {"clinic.scaling:extra": "added", "clinic.scaling:scaled": "changed"}
    assert reason(clinic, "build_and_fit")["definitions"] == definitions


def test_a_changed_default_is_named_as_the_parameter_it_is(clinic: Place) -> None:
    clinic.replace(TUMOUR, "] = 1.0  #", "] = 0.5  #")
    run = clinic.run("tumour")
    assert "fetch_dataset" in clinic.cached(run)
    said = reason(clinic, "build_and_fit")
    assert (said["changed"], said["definitions"]) == (["parameters.C"], {})
    assert [(each["name"], float(each["before"]), float(each["after"])) for each in said["values"]] == [("C", 1.0, 0.5)]


def test_a_changed_preset_is_named_as_the_parameter_it_is(clinic: Place) -> None:
    clinic.run("tumour", "--preset", "toy")
    clinic.replace(TUMOUR, "C=0.1", "C=0.2")
    assert {"fetch_dataset"} < clinic.cached(clinic.run("tumour"))
    clinic.run("tumour", "--preset", "toy")
    said = reason(clinic, "build_and_fit")
    assert said["changed"] == ["parameters.C"]
    assert [(each["before"], each["after"]) for each in said["values"]] == [("0.1", "0.2")]


def test_data_that_changed_are_named(clinic: Place) -> None:
    clinic.replace("clinic/quality.py", "ignore_index=True)", "ignore_index=True).iloc[5:]")
    assert clinic.cached(clinic.run("tumour")) == set()
    said = reason(clinic, "build_and_fit")
    assert (said["changed"], said["definitions"]) == (["inputs.dataset"], {})
    assert [each["name"] for each in said["values"]] == ["dataset"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    train, _ = split", "    # the held-out rows are not used\n    train, _ = split"),
        ('"""Fit on the training rows."""', '"""Learn."""'),
        ("C=C, l1_ratio=ratio", "C = C,\n        l1_ratio=ratio"),
        ('@step(timeout="10m", retries=1)', '@step(timeout="20m", retries=2)'),
        ("tolerance=0.005", "tolerance=0.05"),
    ],
)
def test_nothing_is_explained_where_nothing_ran_again(clinic: Place, old: str, new: str) -> None:
    clinic.replace(TUMOUR, old, new)
    run = clinic.run("tumour")
    assert clinic.cached(run) == {"fetch_dataset", "build_and_fit", "evaluate_model", "report"}
    for said in clinic.json("why"):
        assert (said["state"], said["changed"], said["definitions"]) == ("cached", [], {})


def test_another_version_of_a_package_is_named(tmp_path: Path, place_in: Callable[[Path], Place]) -> None:
    place = place_in(tmp_path / "project")
    python = tmp_path / "environment" / "bin" / "python"
    place.environment(python.parent.parent)
    site = next((tmp_path / "environment" / "lib").glob("python*")) / "site-packages"
    (site / "thing.py").write_text("def number(): return 1\n")
    for version in ("1.0", "2.0"):
        shutil.rmtree(site / "thing-1.0.dist-info", ignore_errors=True)
        about = site / f"thing-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n")
        (about / "RECORD").write_text(f"thing.py,,\nthing-{version}.dist-info/METADATA,,\n")
        (about / "top_level.txt").write_text("thing\n")
        if version == "1.0":
            place.write("pyproject.toml", f"""
                [project]
                name = "things"
                version = "0.1.0"

                [tool.palmette]
                algorithms = ["algorithms"]
                python = "{python}"
            """)  # fmt: skip
            place.write("algorithms/things.py", """
                from dataclasses import dataclass
                import thing
                from palmette import algorithm, step

                @dataclass(frozen=True)
                class Config:
                    seed: int = 0

                @step
                def take(seed: int) -> int:
                    return thing.number() + seed

                @algorithm(config=Config)
                def things(config):
                    take(config.seed)
            """)  # fmt: skip
        place.run("things")
    said = reason(place, "take")
    assert said["changed"] == ["environment"]
    assert said["values"] == [{"name": "thing", "before": "1.0", "after": "2.0"}]


@pytest.mark.parametrize(
    ("python", "word"),
    [
        pytest.param("transform", "* 2", id="a method of a fitted transformer"),
        pytest.param("helper", "+ 1", id="what that method uses"),
    ],
)
def test_code_that_a_model_only_names_reaches_whoever_uses_the_model(
    tmp_path: Path, place_in: Callable[[Path], Place], clinic_python: Path, python: str, word: str
) -> None:
    place = place_in(tmp_path / "project")
    place.write("pyproject.toml", f"""
        [project]
        name = "doubles"
        version = "0.1.0"

        [tool.palmette]
        algorithms = ["algorithms"]
        python = "{clinic_python}"
    """)  # fmt: skip
    place.write("transformers.py", """
        from sklearn.base import BaseEstimator, TransformerMixin

        def helper(x):
            return x + 1

        class Doubled(TransformerMixin, BaseEstimator):
            def fit(self, X, y=None):
                self.fitted_ = True
                return self

            def transform(self, X):
                return helper(X) * 2
    """)  # fmt: skip
    place.write("algorithms/doubles.py", """
        from dataclasses import dataclass
        import numpy as np
        from sklearn.pipeline import Pipeline, make_pipeline
        from palmette import Metrics, algorithm, step
        from transformers import Doubled

        @dataclass(frozen=True)
        class Config:
            seed: int = 0

        @step
        def build(seed: int) -> Pipeline:
            return make_pipeline(Doubled()).fit(np.ones((2, 1)))

        @step
        def keep(model: Pipeline) -> Pipeline:
            return model

        @step
        def use(model: Pipeline) -> Metrics:
            return Metrics(total=float(model.transform(np.ones((2, 1))).sum()))

        @algorithm(config=Config)
        def doubles(config):
            use(keep(build(config.seed)))
    """)  # fmt: skip
    assert place.run("doubles")["metrics"]["total"] == 8.0
    assert place.cached(place.run("doubles")) == {"build", "keep", "use"}
    place.replace("transformers.py", word, f"{word}0")
    run = place.run("doubles")
    assert place.cached(run) == set(), python
    assert run["metrics"]["total"] != 8.0
    assert reason(place, "use")["changed"] == ["inputs.model"]
