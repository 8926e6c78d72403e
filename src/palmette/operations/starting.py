"""Make a directory a Palmette project."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.errors import ProjectError

_EXAMPLE: Final = '''"""A first algorithm: a straight line through eleven points, with the standard library alone."""

from dataclasses import dataclass
from statistics import fmean, linear_regression
from typing import Annotated

from palmette import HTML, Metric, Metrics, Range, algorithm, step

# Anscombe, F. J. (1973): Graphs in statistical analysis. The American Statistician 27, set I.
POINTS = [[10, 8.04], [8, 6.95], [13, 7.58], [9, 8.81], [11, 8.33], [14, 9.96], [6, 7.24], [4, 4.26], [12, 10.84],
          [7, 4.82], [5, 5.68]]


@dataclass(frozen=True)
class Config:
    """How the line is fitted. Each field is a parameter: palmette run example held_out=4"""

    held_out: Annotated[int, Range(2, 8)] = 3  #: how many points are kept for the test


@step(fresh="always")
def fetch_dataset() -> dict[str, list[float]]:
    """Read the world: replace this by a query, a download, a file."""
    return {"x": [float(x) for x, _ in POINTS], "y": [float(y) for _, y in POINTS]}


@step
def build_and_fit(dataset: dict[str, list[float]], held_out: int) -> dict[str, float]:
    """Fit on all points but the last ones."""
    line = linear_regression(dataset["x"][:-held_out], dataset["y"][:-held_out])
    return {"slope": line.slope, "intercept": line.intercept}


@step
def evaluate_model(model: dict[str, float], dataset: dict[str, list[float]], held_out: int) -> Metrics:
    """Measure on the points that were held out."""
    test = list(zip(dataset["x"], dataset["y"]))[-held_out:]
    return Metrics(mae=fmean(abs(model["intercept"] + model["slope"] * x - y) for x, y in test))


@step
def report(model: dict[str, float], metrics: Metrics) -> HTML:
    """Say it to a person."""
    line = f"y = {model['intercept']:.2f} + {model['slope']:.2f} x"
    return HTML(f"<h1>{line}</h1><p>off by {metrics['mae']:.2f} on average")


@algorithm(
    config=Config,
    presets={"toy": Config(held_out=8)},
    metrics=[Metric("mae", goal="min", primary=True)],
)
def example(config: Config) -> None:
    """A straight line."""
    dataset = fetch_dataset()
    model = build_and_fit(dataset, config.held_out)
    metrics = evaluate_model(model, dataset, config.held_out)
    report(model, metrics)
'''


@dataclass(frozen=True, kw_only=True)
class Initialised:
    """What `init` did, in the order of doing."""

    root: Path
    #: files it wrote or added to, relative to the root
    written: tuple[str, ...]
    #: files that were there and were left as they are
    kept: tuple[str, ...]


def init(directory: Path) -> Initialised:
    """Make the directory a project: settings in pyproject.toml and a first algorithm. Nothing that is there is
    overwritten, and a second call changes nothing."""
    directory = directory.resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProjectError(f"{directory} cannot be made: {error.strerror}", "Name another directory.") from error
    written: list[str] = []
    kept: list[str] = []
    (written if _settings(directory) else kept).append("pyproject.toml")
    package = directory / "algorithms"
    if package.exists():
        kept.append("algorithms/")
    else:
        package.mkdir()
        (package / "__init__.py").write_text("", encoding="utf-8")
        (package / "example.py").write_text(_EXAMPLE, encoding="utf-8")
        written += ["algorithms/__init__.py", "algorithms/example.py"]
    return Initialised(root=directory, written=tuple(written), kept=tuple(kept))


def _settings(directory: Path) -> bool:
    """Add the table to pyproject.toml; whether anything was written."""
    path = directory / "pyproject.toml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{path} is not TOML: {error}", "Mend it, then run palmette init again.") from error
    if "palmette" in tool:
        return False
    name = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-") or "project"
    project = (
        ""
        if text
        else f'[project]\nname = "{name}"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = []\n'
    )
    gap = "\n" if text or project else ""
    addition = f'{project}{gap}[tool.palmette]\nalgorithms = ["algorithms"]\n'
    path.write_text(text + ("" if not text or text.endswith("\n") else "\n") + addition, encoding="utf-8")
    return True
