"""A recorded algorithm and what was captured of it → a pipeline document."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from typing import Final

from palmette.compile.components import component, pipeline_parameter
from palmette.compile.containers import Captured, container
from palmette.compile.fields import GivenFields, constrained, given_fields
from palmette.compile.groups import Dags
from palmette.compile.importers import EXECUTOR, IMPORT, importing, unreachable
from palmette.compile.levels import Level
from palmette.compile.naming import keys, pipeline_name
from palmette.compile.outcomes import ROOT, Outcomes, keeping
from palmette.compile.sizes import too_large
from palmette.domain import wire
from palmette.domain.graph import Algorithm, Fresh, Freshness, Step, calls
from palmette.domain.values import Json
from palmette.errors import CompileError
from palmette.ir.check import advise, check
from palmette.ir.dialects import Dialect
from palmette.ir.spec import (
    ComponentSpec,
    Definitions,
    ExecutorSpec,
    KeyToVar,
    KubernetesConfig,
    PalmetteConfig,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    SecretAsEnv,
)

#: the Kubernetes secret that holds a project's secrets by name
SECRET: Final = "palmette"


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A pipeline document, and what its author should know."""

    document: PipelineDocument
    #: step → the label of its executor
    labels: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def compile_algorithm(
    algorithm: Algorithm, captured: Captured, *, prefix: str = "", dialect: Dialect | str | None = None
) -> Compiled:
    """Lower the algorithm to IR and check it; CompileError with every problem at once.

    Equal arguments give an equal document; nothing of the machine is in it. `prefix` is put in front of the pipeline's
    name: the project's, on a host where it is not the first. Without a dialect it is the oldest of KFP's if the source
    is put into the pipeline, and Palmette's own if not.
    """
    if dialect is None:
        dialect = Dialect.PALMETTE if captured.archive is None else Dialect.V2_0
    dialect = Dialect(dialect)
    if algorithm.inputs:
        names = ", ".join(entry.name for entry in algorithm.inputs)
        what = f"{algorithm.name} takes artifacts ({names}), so it cannot be run alone"
        raise CompileError(what, "Call it within another algorithm, which makes them.")
    warnings: list[str] = []
    if dialect is not Dialect.PALMETTE and not captured.image:
        warnings.append(
            "no image is set: the steps start in Python's own image and install their packages at each start "
            "(install = true is turned on); set `image` in [tool.palmette]"
        )
        captured = replace(captured, install=True)
    recorded = importing(algorithm)
    lowering = _Lowering(
        algorithm=recorded if dialect is Dialect.PALMETTE else keeping(recorded),
        captured=captured,
        dialect=dialect,
        name=pipeline_name(algorithm.name, prefix),
    )
    document = lowering.document()
    problems = [*too_large(captured.archive or b""), *check(document, dialect)]
    if problems:
        raise CompileError(f"{algorithm.name} cannot be compiled", problems=problems)
    return Compiled(
        document=document,
        labels={name: lowering.label(step) for name, step in lowering.steps.items()},
        warnings=(*lowering.warnings(), *map(str, advise(document))),
    )


@dataclass(frozen=True, kw_only=True)
class _Lowering:
    """What every construct's lowering looks at."""

    algorithm: Algorithm
    captured: Captured
    dialect: Dialect
    #: of the pipeline
    name: str
    #: what of a cluster's runs is not mirrored, as it was found
    unmirrored: list[str] = field(default_factory=list)

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The steps that some task calls, by name."""
        called = dict.fromkeys(task.step for task in calls(self.algorithm.tasks))
        return {name: self.algorithm.step(name) for name in called}

    @cached_property
    def components(self) -> dict[str, str]:
        """The key of each step. The SDK takes a component named like the pipeline for the pipeline itself."""
        return keys(self.steps, taken=[self.name])

    def document(self) -> PipelineDocument:
        """The pipeline and its platform document."""
        archive = base64.b64encode(self.captured.archive).decode() if self.captured.archive is not None else ""
        steps = self.steps.values()
        names = {step.name: f"comp-{self.components[step.name]}" for step in steps}
        dags = Dags(steps=self.steps, names=names, taken={self.name, *self.components.values()})
        config = {entry.name: pipeline_parameter(entry, self.dialect) for entry in self.algorithm.config}
        level = dags.root(
            self.algorithm.tasks, Definitions(parameters=config), self.algorithm.outputs, self.algorithm.results
        )
        outcomes = self._outcomes(level, dags, names)
        root = level.component()
        given = given_fields(self.algorithm)
        own = {names[step.name]: self._component(step, given) for step in steps}
        return PipelineDocument(
            pipeline=PipelineSpec(
                name=self.name,
                description=self.algorithm.description,
                sdk_version="palmette",
                root=root,
                components=own | dags.components() | outcomes.components,
                executors={self.label(step): self._executor(step, archive, given) for step in steps}
                | outcomes.executors,
            ),
            platform=_platform(self),
        )

    def _outcomes(self, root: Level, dags: Dags, names: Mapping[str, str]) -> Outcomes:
        """What a cluster's runs are mirrored from; Palmette's own engine keeps all of it anyway."""
        steps = {names[step.name]: step for step in self.steps.values()}
        taken = {*self.components.values(), self.name, *(name.removeprefix("comp-") for name in dags.made)}
        outcomes = Outcomes(captured=self.captured, steps=steps, taken=taken)
        if self.dialect is not Dialect.PALMETTE:
            for scope, level in ((ROOT, root), *sorted(dags.made.items())):
                outcomes.add(scope, level)
        self.unmirrored.extend(outcomes.warnings)
        return outcomes

    def _component(self, step: Step, given: GivenFields) -> ComponentSpec:
        absent = {
            name
            for name, fields in given[step.name].items()
            if any(field is not None and field.optional for field in fields)
        }
        return component(step, self.label(step), absent)

    def _executor(self, step: Step, archive: str, given: GivenFields) -> ExecutorSpec:
        if step is IMPORT:
            return EXECUTOR
        fields = constrained(given[step.name])
        return ExecutorSpec(
            container=container(step, self.captured, archive=archive, fields=fields, dialect=self.dialect)
        )

    def label(self, step: Step) -> str:
        """The label of a step's executor. Several calls share it: with the source in it, each costs its size."""
        return f"exec-{self.components[step.name]}"

    def warnings(self) -> list[str]:
        """What the dialect cannot say, and what the images must hold."""
        said: list[str] = []
        if self.dialect is not Dialect.PALMETTE:
            own = [step for step in self.steps.values() if step is not IMPORT]
            said = [*self.captured.remarks(own), *unreachable(self.algorithm), *self.unmirrored]
        timed = [step.name for step in self.steps.values() if step.timeout is not None]
        if not timed or self.dialect.knows(Dialect.V2_14):
            return said
        return [*said, f"KFP {self.dialect} does not know timeouts: {', '.join(timed)} may run on for ever there"]


# The platform document


def _platform(lowering: _Lowering) -> PlatformSpec:
    steps = [step for step in lowering.steps.values() if step is not IMPORT]
    kubernetes = {lowering.label(step): _kubernetes(step, lowering.dialect) for step in steps}
    return PlatformSpec(
        kubernetes={label: config for label, config in kubernetes.items() if config != KubernetesConfig()},
        palmette={lowering.label(step): _palmette(step) for step in steps},
        algorithm=_facts(lowering.algorithm),
    )


def _facts(algorithm: Algorithm) -> dict[str, Json]:
    """What follows from the code alone, without the places in the code: a new line above them changes nothing."""
    config = tuple(replace(entry, location="") for entry in algorithm.config)
    facts = wire.dump(replace(algorithm, steps=(), tasks=(), location="", config=config))
    assert isinstance(facts, dict)
    return {name: fact for name, fact in facts.items() if name not in ("inputs", "outputs", "results")}


def _kubernetes(step: Step, dialect: Dialect) -> KubernetesConfig:
    secrets = tuple(
        SecretAsEnv(secret=SECRET, keys=(KeyToVar(key=name, variable=name),)) for name in sorted(step.secrets)
    )
    timed = step.timeout is not None and dialect.knows(Dialect.V2_14)
    deadline = max(1, ceil(step.timeout or 0)) if timed else 0
    return KubernetesConfig(secrets_as_env=secrets, active_deadline_seconds=deadline)


def _palmette(step: Step) -> PalmetteConfig:
    return PalmetteConfig(
        fresh=_fresh(step.fresh),
        step=step.target,
        sensitive=tuple(entry.name for entry in step.outputs if entry.sensitive),
        env=tuple(sorted(step.env)),
        imports=step.imports,
        environment=step.environment,
        timeout=step.timeout,
        formats={entry.name: entry.format for entry in step.outputs if entry.format},
    )


def _fresh(fresh: Fresh) -> str:
    return f"{fresh.seconds:g}" if fresh.kind is Freshness.FOR else fresh.kind.value
