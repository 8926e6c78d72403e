"""Gates that pyproject.toml declares: ``[tool.palmette.gates.tumour]`` with ``auc = {minimum = 0.97}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import isfinite
from typing import Final, TypeAlias

from palmette.domain.graph import MetricSpec
from palmette.domain.values import Json
from palmette.errors import Problem, ProjectError
from palmette.operations.discovery import Surveyed
from palmette.operations.spelling import meant

_WHERE: Final = "[tool.palmette.gates"
_EXAMPLE: Final = "Write: auc = {minimum = 0.97, max-drop = 0.01}."
_FIELDS: Final = {"minimum": "minimum", "max-drop": "max_drop"}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a metric must keep; what is None stays as the code declares it."""

    minimum: float | None = None
    max_drop: float | None = None


#: algorithm → metric → bounds
Gates: TypeAlias = Mapping[str, Mapping[str, Bounds]]


def read(table: Json) -> tuple[Gates, tuple[Problem, ...]]:
    """Read the table; each thing that is not as it must be is a problem."""
    problems: list[Problem] = []
    if not isinstance(table, Mapping):
        wrong = Problem(where=f"{_WHERE}]", what="must be a table of algorithms", hint=f"[…gates.tumour]: {_EXAMPLE}")
        return {}, (wrong,)
    found: dict[str, Mapping[str, Bounds]] = {}
    for algorithm, metrics in table.items():
        where = f"{_WHERE}.{algorithm}]"
        if isinstance(metrics, Mapping):
            found[algorithm] = {name: _bounds(f"{where} {name}", each, problems) for name, each in metrics.items()}
        else:
            problems.append(Problem(where=where, what="must be a table of metrics", hint=_EXAMPLE))
    return found, tuple(problems)


def _bounds(where: str, said: Json, problems: list[Problem]) -> Bounds:
    if not isinstance(said, Mapping) or not said:
        problems.append(Problem(where=where, what=f"{said!r} is no table of bounds", hint=_EXAMPLE))
        return Bounds()
    values: dict[str, float] = {}
    for key, value in said.items():
        name = _FIELDS.get(key)
        if name is None:
            hint = meant(key, _FIELDS)
            problems.append(Problem(where=f"{where}.{key}", what="there is no such gate", hint=hint))
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            problems.append(Problem(where=f"{where}.{key}", what=f"{value!r} is not a number", hint=_EXAMPLE))
        elif name == "max_drop" and value < 0:
            what = f"{value!r} is below 0"
            problems.append(Problem(where=f"{where}.{key}", what=what, hint="It is the largest loss that is allowed."))
        else:
            values[name] = float(value)
    return Bounds(**values)


def require_known(gates: Gates, surveyed: Surveyed) -> None:
    """ProjectError for gates of algorithms that the project does not have: they would let everything through. Where not
    all of them can be found, nobody knows."""
    unknown = [name for name in gates if name not in surveyed.found]
    if unknown and not surveyed.flaws:
        raise ProjectError(
            "pyproject.toml declares gates that belong to nothing",
            problems=[
                Problem(where=f"{_WHERE}.{name}]", what="there is no such algorithm", hint=_near(name, surveyed.found))
                for name in unknown
            ],
        )


def merged(algorithm: str, metrics: tuple[MetricSpec, ...], gates: Gates) -> tuple[MetricSpec, ...]:
    """The declared metrics with what pyproject.toml says in place of what the code does; ProjectError for a metric that
    is not declared."""
    said = gates.get(algorithm, {})
    declared = [metric.name for metric in metrics]
    if problems := [*_undeclared(algorithm, said, declared)]:
        raise ProjectError("pyproject.toml declares gates that belong to nothing", problems=problems)
    return tuple(_bound(metric, said.get(metric.name, Bounds())) for metric in metrics)


def _bound(metric: MetricSpec, bounds: Bounds) -> MetricSpec:
    return replace(
        metric,
        minimum=metric.minimum if bounds.minimum is None else bounds.minimum,
        max_drop=metric.max_drop if bounds.max_drop is None else bounds.max_drop,
    )


def _undeclared(algorithm: str, said: Iterable[str], declared: list[str]) -> Iterator[Problem]:
    for name in said:
        if name not in declared:
            what = f"{algorithm} declares no metric {name}"
            yield Problem(where=f"{_WHERE}.{algorithm}] {name}", what=what, hint=_near(name, declared))


def _near(name: str, known: Iterable[str]) -> str:
    every = [*known]
    close = get_close_matches(name, every, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(every) or 'none'}."
