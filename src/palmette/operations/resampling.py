"""Metrics that only the project's own code can compute: computed again, and on resamples of the examples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from palmette.comparison.functions import known
from palmette.comparison.judgement import Replicates
from palmette.domain.artifact import Artifact
from palmette.domain.graph import ArtifactType, MetricSpec, ParameterType
from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.errors import CorruptBlob, PalmetteError
from palmette.ir.spec import (
    ArtifactSpec,
    ArtifactTypeSchema,
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    Definitions,
    ExecutorSpec,
    PalmetteConfig,
    ParameterSpec,
    PipelineDocument,
)
from palmette.operations import excerpts, originals
from palmette.operations.evaluations import Kept
from palmette.operations.excerpts import Given
from palmette.operations.home import Home
from palmette.operations.rescoring import Draft, Refusal, holds
from palmette.runtime.delivery import BOOTSTRAP

#: from so many examples on nothing is resampled
MOST: Final = 20_000
_STEP: Final = "palmette.runtime.recompute:recompute"
_TASK: Final = "recompute"


def unknown(metrics: Sequence[MetricSpec]) -> tuple[MetricSpec, ...]:
    """The metrics whose function is named and not known here."""
    return tuple(metric for metric in metrics if metric.of and not known(metric.of))


def impossible(head: Kept, baseline: Kept, examples: int) -> str:
    """Why nothing can be computed from these examples, as a fragment of a sentence; empty if it can."""
    for side, kept in (("this run", head), ("the baseline", baseline)):
        held = holds(kept)
        if not {"keys", "labels"} <= held or not held & {"predictions", "scores"}:
            return f"the evaluation of {side} does not hold keys, labels and predictions"
    if examples >= MOST:
        return f"it is computed by the project's own function, which is resampled only below {MOST:,} examples"
    return ""


def draft(
    home: Home,
    head: tuple[str, Kept],
    baseline: Kept,
    trained: Kept,
    asked: Mapping[MetricSpec, tuple[float, float | None]],
) -> Draft | Refusal:
    """One task for all metrics, with the code of the head; `trained` is the evaluation of the baseline's own run."""
    run, kept = head
    try:
        original = originals.recall(home, run)
        document = _recomputing(original.document, kept.task.executor)
    except KeyError:
        return Refusal(reason="its evaluation step is no step of Palmette's")
    except PalmetteError as error:
        return Refusal(reason=error.message)
    wanted: list[Json] = [
        {"name": metric.name, "of": metric.of, "head": values[0], "baseline": values[1]}
        for metric, values in asked.items()
    ]
    sides = {"head": kept, "baseline": baseline, "trained": trained}
    if any(each.artifact.uri or not home.blobs.exists(each.artifact.digest) for each in sides.values()):
        return Refusal(reason="the bytes of an evaluation are gone")
    given = Given(parameters={"asked": wanted}, artifacts={slot: (each.artifact,) for slot, each in sides.items()})
    name = f"{original.run.algorithm}-resampled"
    alone = excerpts.excerpt(document, kept.task.executor, given, name=name, task=_TASK)
    return Draft(original=original, document=_uncached(alone), given=given)


def _recomputing(document: PipelineDocument, label: str) -> PipelineDocument:
    """The pipeline with a step that recomputes in the place of the one that evaluates; KeyError if that has no Python
    of the project's."""
    spec, platform = document.pipeline, document.platform
    container, config = spec.executors[label].container, platform.palmette.get(label, PalmetteConfig())
    if container is None or container.command[:3] != ("python3", "-c", BOOTSTRAP):
        raise KeyError(label)
    metrics = ArtifactSpec(artifact_type=_schema(ArtifactType.METRICS))
    component = ComponentSpec(
        executor_label=label,
        input_definitions=Definitions(
            parameters={"asked": ParameterSpec(parameter_type=ParameterType.LIST)},
            artifacts={"head": metrics, "baseline": metrics, "trained": metrics},
        ),
        output_definitions=Definitions(
            artifacts={"output": ArtifactSpec(artifact_type=_schema(ArtifactType.ARTIFACT))}
        ),
    )
    key = excerpts.component_of(document, label)
    # Its module stays that of the step: so the same packages are imported beforehand.
    alone = PalmetteConfig(step=config.step, imports=config.imports, environment=config.environment)
    return replace(
        document,
        pipeline=replace(
            spec,
            components={**spec.components, key: component},
            executors={label: ExecutorSpec(container=_container(container))},
        ),
        platform=replace(platform, kubernetes={}, palmette={label: replace(alone, formats={"output": "path"})}),
    )


def _container(container: ContainerSpec) -> ContainerSpec:
    options = dict(zip(container.args[::2], container.args[1::2], strict=False))
    kept = {name: value for name, value in options.items() if name in ("--bundle", "--pins", "--archive")}
    args = [word for pair in {"--step": _STEP, **kept}.items() for word in pair]
    return replace(container, args=(*args, "--executor-input", "{{$}}"), resources=None)


def _uncached(document: PipelineDocument) -> PipelineDocument:
    """A fingerprint knows what the evaluation reaches, and nothing of the metrics' functions."""
    root = document.pipeline.root
    assert root.dag is not None
    tasks = {
        key: replace(task, caching_options=CachingOptions(enable_cache=False)) if key == _TASK else task
        for key, task in root.dag.tasks.items()
    }
    return replace(
        document, pipeline=replace(document.pipeline, root=replace(root, dag=replace(root.dag, tasks=tasks)))
    )


def _schema(kind: ArtifactType) -> ArtifactTypeSchema:
    return ArtifactTypeSchema(schema_title=kind.value, schema_version="0.0.1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampled:
    """What the task gave."""

    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    #: metric → why there is nothing for it, as a fragment of a sentence
    refused: Mapping[str, str] = field(default_factory=dict)
    #: metric → what its function gave for all examples of the baseline
    numbers: Mapping[str, float] = field(default_factory=dict)


def read(home: Home, records: Sequence[TaskRecord]) -> Resampled | None:
    """What the task's result says; None where its bytes are gone or damaged."""
    made = next(
        (each for record in records if record.name == _TASK for each in record.outputs.artifacts.values()), None
    )
    try:
        said = _loaded(home, made) if made else None
    except (PalmetteError, OSError, ValueError):
        return None
    if not isinstance(said, dict):
        return None
    refused = {name: str(one["refused"]) for name, one in said.items() if "refused" in one}
    found = {name: _replicates(one) for name, one in said.items() if "refused" not in one}
    numbers = {
        name: float(one["whole"]) for name, one in said.items() if name in found and one.get("whole") is not None
    }
    return Resampled(replicates=found, refused=refused, numbers=numbers)


def _loaded(home: Home, artifact: Artifact) -> Any:
    if not home.blobs.exists(artifact.digest):
        raise CorruptBlob("it is gone")
    with home.blobs.open(artifact.digest) as file:
        return json.loads(file.read())


def _replicates(one: Mapping[str, Any]) -> Replicates:
    def number(value: float | None) -> float:
        return float("nan") if value is None else float(value)

    rows = np.array([[number(value) for value in row] for row in one["resampled"]], dtype=float)
    return Replicates(head=number(one["head"]), baseline=number(one["baseline"]), resampled=rows.reshape(-1, 2))
