"""The task `palmette-outcome`, which a Kubeflow's runs end with: it gathers what no API of a cluster gives.

Each DAG whose tasks make metrics has one of its own, so that one which is skipped takes its outcome along, and each
iteration of a loop has its own: a stock cluster leaves out whatever takes something of a task that was skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from palmette.compile.components import output_definitions
from palmette.compile.containers import Captured, default_image
from palmette.compile.levels import Level, Made
from palmette.compile.naming import keys
from palmette.domain.graph import ArtifactType, Output, Step
from palmette.domain.values import Json, canonical
from palmette.ir.spec import (
    ArtifactSpec,
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    Definitions,
    ExecutorSpec,
    TaskInputs,
    TaskSpec,
)
from palmette.runtime.delivery import OUTCOME

#: how the task is called, and the only artifact that it makes
NAME: Final = "palmette-outcome"
ARTIFACT: Final = "outcome"
#: bytes of artifacts that one outcome may hold
MOST: Final = 32 << 20
#: the scope of the outermost DAG
ROOT: Final = "root"


@dataclass(kw_only=True)
class Outcomes:
    """The outcomes of a pipeline, as they are put into its DAGs."""

    captured: Captured
    #: component → the step that it is of
    steps: Mapping[str, Step]
    #: names of components that are taken, without "comp-"
    taken: set[str]
    components: dict[str, ComponentSpec] = field(default_factory=dict)
    executors: dict[str, ExecutorSpec] = field(default_factory=dict)
    #: what no outcome will hold, a sentence each without a full stop
    warnings: list[str] = field(default_factory=list)

    def add(self, scope: str, level: Level) -> None:
        """Give a DAG its outcome, if anything in it makes metrics."""
        made = list(self._made(level))
        if not made:
            return
        [name] = keys([NAME], taken=self.taken).values()
        self.taken.add(name)
        sources: dict[str, Json] = {}
        wired = {}
        for place, (each, output) in enumerate(made):
            sources[f"made-{place}"] = _source(each.task, output)
            wired[f"made-{place}"] = each.wired().input
        [key] = keys([NAME], taken=level.tasks).values()
        level.tasks[key] = TaskSpec(
            name=NAME,
            component=f"comp-{name}",
            inputs=TaskInputs(artifacts=wired),  # type: ignore[arg-type]  # they are artifacts, all of them
            dependent_tasks=tuple(sorted({each.task for each, _ in made})),
            caching_options=CachingOptions(enable_cache=False),
        )
        specs = {f"made-{place}": _plain(each) for place, (each, _) in enumerate(made)}
        self.components[f"comp-{name}"] = ComponentSpec(
            executor_label=f"exec-{name}",
            input_definitions=Definitions(artifacts=specs),
            output_definitions=output_definitions([Output(name=ARTIFACT, artifact=ArtifactType.ARTIFACT)]),
        )
        self.executors[f"exec-{name}"] = ExecutorSpec(container=self._container(scope, sources))

    def _made(self, level: Level) -> Iterator[tuple[Made, Output]]:
        """What the DAG's own tasks make of metrics."""
        for key, task in level.tasks.items():
            step = self.steps.get(task.component)
            found = [entry for entry in step.outputs if entry.artifact is ArtifactType.METRICS] if step else []
            if found and task.trigger_policy is not None:
                # It is a hook of what it waits for, on a cluster, and nothing can wait for a hook.
                self.warnings.append(f"what {task.name} measures is not mirrored: it runs whatever became of the rest")
                continue
            for entry in found:
                spec = output_definitions([entry]).artifacts[entry.name]
                yield Made(task=key, output=entry.name, spec=spec), entry

    def _container(self, scope: str, sources: Mapping[str, Json]) -> ContainerSpec:
        return ContainerSpec(
            image=self.captured.image or default_image(self.captured.environment.python),
            command=("python3", "-c", OUTCOME),
            args=(scope, canonical(dict(sources)).decode(), str(MOST), "{{$}}"),
        )


def _source(task: str, output: Output) -> Json:
    said: dict[str, Json] = {"task": task, "output": output.name, "format": output.format}
    return {**said, "sensitive": True} if output.sensitive else said


def _plain(made: Made) -> ArtifactSpec:
    assert isinstance(made.spec, ArtifactSpec)
    return replace(made.spec, description="", metadata={})
