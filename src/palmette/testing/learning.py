"""Does an algorithm still learn? Trained for real, small and quick, in a store that is thrown away."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmette.authoring.algorithms import AlgorithmDefinition
from palmette.client import tool
from palmette.client.runs import Run, start
from palmette.client.tool import Place
from palmette.client.values import written
from palmette.errors import RunFailed


def run_toy(
    algorithm: str | AlgorithmDefinition[..., Any],
    *,
    preset: str = "toy",
    overrides: Mapping[str, Any] | None = None,
    project: str | os.PathLike[str] | None = None,
    **fields: Any,
) -> Run:
    """Train an algorithm's toy preset in a store of its own, which is gone with the run; RunFailed if it does not
    succeed.

    >>> run_toy("example").metrics["mae"] < 5
    True
    """
    place = tool.here(project)
    store = tempfile.TemporaryDirectory(prefix="palmette-")
    private = Place(place.directory, {**place.variables, "PALMETTE_STORE": str(Path(store.name) / "store")})
    values = {**(overrides or {}), **fields}
    options = ["--preset", preset, *(f"{name}={written(value)}" for name, value in values.items())]
    try:
        run = start(private, _name(algorithm), options, wait=True, quiet=True)
    except RunFailed as error:
        weakref.finalize(error.run, store.cleanup)
        raise
    except BaseException:
        store.cleanup()
        raise
    weakref.finalize(run, store.cleanup)
    return run


def _name(algorithm: str | AlgorithmDefinition[..., Any]) -> str:
    return algorithm if isinstance(algorithm, str) else algorithm.name


def assert_learns(
    algorithm: str | AlgorithmDefinition[..., Any],
    *,
    metric: str,
    better_than: float | Mapping[str, Any],
    goal: str = "",
    margin: float = 0.0,
    preset: str = "toy",
    overrides: Mapping[str, Any] | None = None,
    project: str | os.PathLike[str] | None = None,
) -> Run:
    """Train the toy preset and demand that its metric beats a bound, by more than `margin`; the run.

    `better_than` is a number: what guessing would give (an AUC of 0.5, the share of the most frequent class), or what
    must not be lost. Or it is a handicap: overrides under which the algorithm should do worse, such as
    ``{"epochs": 1}`` or ``{"rows": 50}``; it is trained with them too. Which way is better follows from the metric's
    declaration, else from `goal`.

    >>> _ = assert_learns("example", metric="mae", better_than=5)
    >>> _ = assert_learns("example", metric="mae", better_than={"held_out": 8}, overrides={"held_out": 3})
    """
    run = run_toy(algorithm, preset=preset, overrides=overrides, project=project)
    name = _name(algorithm)
    way = goal or run.goals.get(metric, "max")
    reached = _value(run, metric)
    if isinstance(better_than, Mapping):
        given = " ".join(f"{field}={written(value)}" for field, value in better_than.items())
        handicapped = {**(overrides or {}), **better_than}
        bound = _value(run_toy(algorithm, preset=preset, overrides=handicapped, project=project), metric)
        what = f"{bound:.6g}, which it reaches with {given}"
    else:
        bound, what = float(better_than), f"{better_than:.6g}"
    gain = reached - bound if way == "max" else bound - reached
    if not gain > margin:
        by = f" by more than {margin:.6g}" if margin else ""
        word = "above" if way == "max" else "below"
        settings = " ".join(f"{field}={written(value)}" for field, value in run.config.items())
        metrics = ", ".join(f"{each} {value:.6g}" for each, value in run.metrics.items())
        raise AssertionError(
            f"{name} does not learn: with preset {preset}, {metric} is {reached:.6g}, and should be {word} {what}{by}\n"
            f"  config: {settings}\n  metrics: {metrics}"
        )
    return run


def _value(run: Run, metric: str) -> float:
    if metric not in run.metrics:
        raise AssertionError(f"{run.algorithm} has no metric {metric!r}; it has {', '.join(run.metrics) or 'none'}")
    return run.metrics[metric]
