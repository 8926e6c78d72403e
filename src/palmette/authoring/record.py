"""Recording: pipeline functions → graphs, with every problem found on the way."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from palmette.authoring.algorithms import AlgorithmDefinition, Metric
from palmette.authoring.blocks import Blocks
from palmette.authoring.components import component
from palmette.authoring.configs import Leaf, differences
from palmette.authoring.functions import interface
from palmette.authoring.recorder import Recorder
from palmette.authoring.source import reference
from palmette.domain.fields import FULL
from palmette.domain.graph import Algorithm, MetricSpec
from palmette.domain.values import Json
from palmette.errors import Problem

_PRESET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def record(definition: AlgorithmDefinition[..., Any]) -> tuple[Algorithm, tuple[Problem, ...]]:
    """The graph of an algorithm, and everything that is wrong with it; with problems, the graph is not to be used."""
    recorder = Recorder()
    recorder.flow = Blocks(recorder)
    declared = _Declared(definition)
    takes, wrong = interface(definition)
    recorder.add(wrong)
    presets = dict(declared.presets(takes.leaves))
    metrics = tuple(declared.metrics())
    recorder.add(declared.problems)
    body = recorder.function(definition)
    steps = [component(step, recorder.adopted.get(name, {})) for name, step in recorder.steps.items()]
    recorder.add(problem for _, problems in steps for problem in problems)
    algorithm = Algorithm(
        name=definition.name,
        target=reference(definition),
        description=inspect.getdoc(definition.function) or "",
        presets={FULL: {}, **presets},
        metrics=metrics,
        steps=tuple(step for step, _ in steps),
        location=definition.location,
    )
    return body.put_into(algorithm), tuple(recorder.problems)


def record_all(
    definitions: Iterable[AlgorithmDefinition[..., Any]],
) -> tuple[tuple[Algorithm, ...], tuple[Problem, ...]]:
    """The graphs of several algorithms, in their order; two of one name are a problem."""
    algorithms: list[Algorithm] = []
    problems: list[Problem] = []
    seen: dict[str, AlgorithmDefinition[..., Any]] = {}
    for definition in definitions:
        first = seen.setdefault(definition.name, definition)
        if first is not definition:
            what = f"{first.location} defines an algorithm {definition.name!r} too"
            hint = 'Give one another name: @algorithm(name="…").'
            problems.append(Problem(where=f"{definition.location}, {definition.name}", what=what, hint=hint))
        algorithm, wrong = record(definition)
        algorithms.append(algorithm)
        problems += [problem for problem in wrong if problem not in problems]
    return tuple(algorithms), tuple(problems)


@dataclass
class _Declared:
    """What is said of an algorithm beside its function."""

    definition: AlgorithmDefinition[..., Any]
    problems: list[Problem] = field(default_factory=list)

    def fault(self, what: str, hint: str = "") -> None:
        """Note a problem of the definition."""
        where = f"{self.definition.location}, {self.definition.name}"
        self.problems.append(Problem(where=where, what=what, hint=hint))

    def presets(self, found: tuple[Leaf, ...]) -> Iterator[tuple[str, dict[str, Json]]]:
        """The presets as differences from the defaults."""
        config = self.definition.config
        for name, preset in self.definition.presets.items():
            if name == FULL or not isinstance(name, str) or not _PRESET.fullmatch(name):
                hint = "It is the config's defaults." if name == FULL else "Use letters, digits, dots and dashes."
                self.fault(f"{name!r} cannot be the name of a preset", hint)
            elif config is None or type(preset) is not config:
                wanted = getattr(config, "__qualname__", "config")
                self.fault(f"the preset {name!r} is a {type(preset).__qualname__}, not a {wanted}")
            else:
                try:
                    yield name, differences(found, preset)
                except ValueError as error:
                    self.fault(f"the preset {name!r}: {error}")

    def metrics(self) -> Iterator[MetricSpec]:
        """The declared metrics."""
        declared = self.definition.metrics
        names = [metric.name for metric in declared]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.fault(f"the metric {name!r} is declared twice")
        if sum(metric.primary for metric in declared) > 1:
            self.fault("more than one metric is primary", "One metric decides; the others are watched.")
        for metric in declared:
            yield self._metric(metric)

    def _metric(self, metric: Metric) -> MetricSpec:
        if metric.goal not in ("max", "min"):
            self.fault(f"the goal of the metric {metric.name!r} is {metric.goal!r}", 'It is "max" or "min".')
        if metric.of is not None and not reference(metric.of):
            what = f"the function of the metric {metric.name!r} cannot be found again by its name"
            self.fault(what, "Define it at the top level of a module.")
        plain = {
            name: getattr(metric, name) for name in ("name", "goal", "primary", "tolerance", "minimum", "max_drop")
        }
        return MetricSpec(**plain, of="" if metric.of is None else reference(metric.of))
