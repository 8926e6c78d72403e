"""Algorithms: pipeline functions with their config, presets and declared metrics."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from palmette.authoring.source import standing
from palmette.authoring.steps import recording

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Metric:
    """A metric that decides, or that is watched: ``Metric("auc", goal="max", primary=True, tolerance=0.005)``."""

    name: str
    #: the function that computes it from labels and predictions (or scores)
    of: Callable[..., Any] | None = None
    goal: Literal["max", "min"] = "max"
    #: the metric that decides; one of several is
    primary: bool = False
    #: the smallest difference that matters, in the metric's own unit
    tolerance: float | None = None
    #: an absolute bound that a gate checks
    minimum: float | None = None
    #: the largest loss against the baseline that a gate allows
    max_drop: float | None = None


class AlgorithmDefinition(Generic[P, R]):
    """A pipeline function, not recorded yet. Calling it with a config calls its steps as plain functions."""

    def __init__(
        self,
        function: Callable[P, R],
        config: type | None,
        presets: Mapping[str, Any],
        metrics: tuple[Metric, ...],
        name: str,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.config = config
        self.presets = presets
        self.metrics = metrics
        self.name = name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        recorder = recording.get()
        if recorder is None:
            return self.function(*args, **kwargs)
        return cast("R", recorder.call(self, args, kwargs))

    def __repr__(self) -> str:
        return f"<algorithm {self.name}>"

    @property
    def location(self) -> str:
        """ "algorithms/tumour.py:60"."""
        return standing(self.function)


@overload
def algorithm(function: Callable[P, R], /) -> AlgorithmDefinition[P, R]: ...
@overload
def algorithm(
    *,
    config: type | None = None,
    presets: Mapping[str, Any] | None = None,
    metrics: Iterable[Metric] = (),
    name: str | None = None,
) -> Callable[[Callable[P, R]], AlgorithmDefinition[P, R]]: ...
def algorithm(
    function: Callable[..., Any] | None = None,
    /,
    *,
    config: type | None = None,
    presets: Mapping[str, Any] | None = None,
    metrics: Iterable[Metric] = (),
    name: str | None = None,
) -> Any:
    """Make a function that calls steps an algorithm: ``@algorithm(config=Config, presets={"toy": Config(rows=100)})``.

    The function takes the config, if there is one. The preset "full" always exists: the config's defaults.
    """

    def define(function: Callable[..., Any]) -> AlgorithmDefinition[..., Any]:
        named = str(name or getattr(function, "__name__", ""))
        return AlgorithmDefinition(function, config, dict(presets or {}), tuple(metrics), named)

    return define if function is None else define(function)


def defined_in(module: ModuleType) -> list[AlgorithmDefinition[..., Any]]:
    """The algorithms that a module defines, in the order of their source; not those that it imports."""
    found = [value for value in vars(module).values() if isinstance(value, AlgorithmDefinition)]
    return list(dict.fromkeys(each for each in found if each.__module__ == module.__name__))
