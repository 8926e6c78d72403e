"""A project that is pinned to the past runs, whatever the tool itself needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Installer, Place

PINS = ("pydantic==1.10.24", "sqlalchemy==1.4.54", "protobuf==3.20.3")
ALGORITHM = '''
"""Steps as a team of 2021 wrote them."""

from dataclasses import dataclass

import pydantic
import sqlalchemy
from google.protobuf.struct_pb2 import Struct
from palmette import Metrics, algorithm, step
from sqlalchemy.orm import declarative_base, sessionmaker

Base = declarative_base()


class Row(Base):
    __tablename__ = "rows"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    value = sqlalchemy.Column(sqlalchemy.Float)


class Checked(pydantic.BaseModel):
    value: float

    @pydantic.validator("value")
    def positive(cls, value: float) -> float:
        assert value > 0
        return value


@dataclass(frozen=True)
class Config:
    rows: int = 3


@step(fresh="always")
def fetch_dataset(rows: int) -> list[float]:
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    session = sessionmaker(engine)()
    session.add_all([Row(value=number + 1.0) for number in range(rows)])
    session.commit()
    return [value for value, in session.query(Row.value).order_by(Row.id)]


@step
def build_and_fit(values: list[float]) -> dict[str, float]:
    checked = [Checked(value=value).value for value in values]
    message = Struct()
    message.update({"mean": sum(checked) / len(checked)})
    return dict(message)


@step
def evaluate_model(model: dict[str, float]) -> Metrics:
    versions = (pydantic.VERSION, sqlalchemy.__version__)
    assert versions == ("1.10.24", "1.4.54"), versions
    return Metrics(mean=model["mean"])


@algorithm(config=Config)
def old(config: Config) -> None:
    evaluate_model(build_and_fit(fetch_dataset(config.rows)))
'''


@pytest.mark.timeout(300)
def test_pydantic_1_sqlalchemy_1_4_and_protobuf_3(installer: Installer, place: Place, tool: Path) -> None:
    python = installer.kept(*PINS)
    place.write("pyproject.toml", f'[project]\nname = "old"\nversion = "1"\n\n[tool.palmette]\npython = "{python}"\n')
    place.write("algorithms/old.py", ALGORITHM)
    first = place.json(tool, "run", "old")
    assert first["state"] == "succeeded"
    assert first["metrics"] == {"mean": 2.0}
    assert first["environment"]["packages"].items() >= dict(pin.split("==") for pin in PINS).items()
    second = place.json(tool, "run", "old", "rows=5")
    assert second["metrics"] == {"mean": 3.0}
    place(tool, "compile", "old", "-o", "old.yaml")
    pipeline = (place.directory / "old.yaml").read_text()
    assert '"sqlalchemy":"1.4.54"' in pipeline.replace(" ", "").replace("\\", "")


@pytest.mark.timeout(300)
def test_its_unit_tests_import_palmette_installed_without_what_it_requires(installer: Installer, place: Place) -> None:
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, *PINS)
    installer.uv("pip", "install", "--python", python, "--no-deps", installer.wheel)
    place.write("algorithms/old.py", ALGORITHM)
    place.write(
        "test_old.py",
        """
        from algorithms.old import build_and_fit, evaluate_model, fetch_dataset

        assert fetch_dataset(2) == [1.0, 2.0]
        assert evaluate_model(build_and_fit([1.0, 2.0]))["mean"] == 1.5
        """,
    )
    place(python, "test_old.py", PYTHONPATH=".")


@pytest.mark.timeout(300)
def test_python_drives_the_tool_from_there(installer: Installer, place: Place, tool: Path) -> None:
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, *PINS)
    installer.uv("pip", "install", "--python", python, "--no-deps", installer.wheel)
    place.write("pyproject.toml", '[project]\nname = "old"\nversion = "1"\n\n[tool.palmette]\n')
    place.write("algorithms/old.py", ALGORITHM)
    place.write(
        "drive.py",
        """
        import palmette

        run = palmette.run("old", rows=5, quiet=True)
        assert run.metrics == {"mean": 3.0}
        assert run["build_and_fit"].output == {"mean": 3.0}
        assert palmette.runs(frame=False)[0].id == run.id
        """,
    )
    # The environment's own `palmette` is first on the PATH, and lacks what it requires.
    path = f"{place.directory / '.venv' / 'bin'}:{tool.parent}"
    place(python, "drive.py", PATH=path)
    place(python, "drive.py", PALMETTE_TOOL=str(tool))
