"""The tasks `palmette-outcome`, which a Kubeflow's runs end with: they gather what no API of a cluster gives.

Each DAG has its own, so that one which is skipped takes its outcome along, and each iteration of a loop has its own: a
stock cluster leaves out whatever takes something of a task that was skipped. Metrics are gathered as soon as all are
there, with whatever they were made from: what comes after them may fail, and is gathered by an outcome of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from palmette.compile.components import output_definitions
from palmette.compile.containers import Captured, default_image
from palmette.compile.importers import IMPORT
from palmette.compile.levels import Level, Made, Wired, task_inputs
from palmette.compile.naming import keys
from palmette.domain.graph import Algorithm, ArtifactType, FromItem, Output, Step
from palmette.domain.values import Json, canonical
from palmette.ir.spec import (
    ArtifactSpec,
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    Definitions,
    ExecutorSpec,
    ParameterSpec,
    TaskSpec,
)
from palmette.runtime.delivery import OUTCOME
from palmette.runtime.request import KEPT

#: how the task is called, and the only artifact that it makes
NAME: Final = "palmette-outcome"
ARTIFACT: Final = "outcome"
#: bytes of artifacts that one outcome may hold
MOST: Final = 32 << 20
#: the scope of the outermost DAG
ROOT: Final = "root"
#: the format of what a task kept for its outcome
_KEPT: Final = "kept"


def keeping(algorithm: Algorithm) -> Algorithm:
    """The algorithm, each of whose steps keeps for the outcome what a cluster would lose of it."""
    own = Output(name=KEPT, artifact=ArtifactType.ARTIFACT)
    steps = (each if each is IMPORT else replace(each, outputs=(*each.outputs, own)) for each in algorithm.steps)
    return replace(algorithm, steps=tuple(steps))


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
        """Give a DAG the outcomes of what its tasks make."""
        for made in _parts(level, list(self._made(level))):
            self._gather(scope, level, made)

    def _gather(self, scope: str, level: Level, made: Sequence[tuple[Made, Output]]) -> None:
        [name] = keys([NAME], taken=self.taken).values()
        self.taken.add(name)
        sources: dict[str, Json] = {}
        wired = dict(_items(level))
        items = {each: entry.spec for each, entry in wired.items() if isinstance(entry.spec, ParameterSpec)}
        for place, (each, output) in enumerate(made):
            sources[f"made-{place}"] = _source(each.task, output)
            wired[f"made-{place}"] = each.wired()
        [key] = keys([NAME], taken=level.tasks).values()
        level.tasks[key] = TaskSpec(
            name=key,
            component=f"comp-{name}",
            inputs=task_inputs(wired),
            dependent_tasks=tuple(sorted({each.task for each, _ in made})),
            caching_options=CachingOptions(enable_cache=False),
        )
        specs = {f"made-{place}": _plain(each) for place, (each, _) in enumerate(made)}
        self.components[f"comp-{name}"] = ComponentSpec(
            executor_label=f"exec-{name}",
            input_definitions=Definitions(artifacts=specs, parameters=items),
            output_definitions=output_definitions([Output(name=ARTIFACT, artifact=ArtifactType.ARTIFACT)]),
        )
        self.executors[f"exec-{name}"] = ExecutorSpec(container=self._container(scope, sources))

    def _made(self, level: Level) -> Iterator[tuple[Made, Output]]:
        """What the DAG's own tasks make that is gathered."""
        for key, task in level.tasks.items():
            step = self.steps.get(task.component)
            found = [entry for entry in step.outputs if _gathered(entry)] if step else []
            if step and found and task.trigger_policy is not None:
                # It is a hook of what it waits for, on a cluster, and nothing can wait for a hook.
                if len(step.outputs) > 1:
                    said = f"what {task.name} makes is not mirrored: it runs whatever became of the rest"
                    self.warnings.append(said)
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


def _gathered(output: Output) -> bool:
    return output.artifact is ArtifactType.METRICS or output.name == KEPT


def _parts(level: Level, made: Sequence[tuple[Made, Output]]) -> Iterator[list[tuple[Made, Output]]]:
    """What is gathered together: the metrics with all that they were made from, the rest, and what a branch that is
    not taken would take with it."""
    tasks = level.tasks
    measured = _with_needs(level, {each.task for each, output in made if output.name != KEPT})
    maybe = {key for key, task in tasks.items() if task.trigger_policy is not None and task.trigger_policy.condition}
    loose = {key for key in tasks if maybe & _with_needs(level, {key})}
    parts = (measured, tasks.keys() - measured - loose, loose - measured)
    gathered = ([entry for entry in made if entry[0].task in part] for part in parts)
    return filter(None, gathered)


def _with_needs(level: Level, keys: set[str]) -> set[str]:
    """The tasks of a DAG, and those of it that they waited for."""
    found: set[str] = set()
    waiting = [*keys]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [each for each in level.tasks[key].dependent_tasks if each in level.tasks]
    return found


def _items(level: Level) -> Iterator[tuple[str, Wired]]:
    """The items of the loops around, by the loops' keys: which iteration it was says nothing else."""
    for around in (level, *level.around()):
        if around.loop and isinstance(around.item_spec, ParameterSpec):
            yield around.key, level.value(FromItem(loop=around.loop))
    # What passes through the DAGs around has become an input of theirs.
    for each in (level, *level.around()):
        if each.parent is not None:
            each.parent.tasks[each.key] = replace(each.parent.tasks[each.key], inputs=each.given())


def _source(task: str, output: Output) -> Json:
    form = _KEPT if output.name == KEPT else output.format
    said: dict[str, Json] = {"task": task, "output": output.name, "format": form}
    return {**said, "sensitive": True} if output.sensitive else said


def _plain(made: Made) -> ArtifactSpec:
    assert isinstance(made.spec, ArtifactSpec)
    return replace(made.spec, description="", metadata={})
