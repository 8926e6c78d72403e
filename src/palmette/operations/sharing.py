"""Which tasks of a sweep's points are the same task: those that no differing field reaches.

Two points that need the same task at the same time would both carry it out. So a point waits until whoever is busy
with a task that it shares is done with it, and finds it done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from palmette.domain.values import Json, canonical
from palmette.ir.spec import ArtifactInput, DagSpec, ParameterInput, PipelineDocument, TaskSpec

#: A task, and the values of the fields that reach it
Shared = tuple[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Task → the positions of the varied fields that reach it, for each task that may be used again.

    Tasks in a group (an exit handler, a part, a branch) are named as the engine names them, "exit-handler-1.load". A
    loop counts as one task, since nobody knows yet what is in it.
    """

    fields: Mapping[str, tuple[int, ...]]
    #: how many tasks there are, also of those that are never used again
    size: int = 0

    def tasks(self, values: Sequence[Json]) -> frozenset[Shared]:
        """The tasks of a point; those that are equal for two points are the same task. Without values, those that are
        the same for every point."""
        return frozenset(
            (name, canonical([values[position] for position in positions]))
            for name, positions in self.fields.items()
            if values or not positions
        )

    def named(self, task: str, values: Sequence[Json]) -> Shared | None:
        """The task that the engine calls by that name; None for one in a loop, which is over with its loop."""
        if task not in self.fields:
            return None
        return task, canonical([values[position] for position in self.fields[task]])


def reach(document: PipelineDocument, names: Sequence[str]) -> Reach:
    """What each of these parameters of the pipeline reaches, over whatever tasks hand on. A task that is never used
    again is left out: nobody need wait for it."""
    dag = document.pipeline.root.dag
    found = list(_walk(document, dag, {name: {name} for name in names}, set(), "")) if dag else []
    return Reach(
        fields={
            name: tuple(position for position, field in enumerate(names) if field in fields)
            for name, task, fields in found
            if _reusable(document, task)
        },
        size=len(found),
    )


def _walk(
    document: PipelineDocument, dag: DagSpec, given: Mapping[str, set[str]], before: set[str], scope: str
) -> Iterator[tuple[str, TaskSpec, set[str]]]:
    """Each task of a group with the fields that reach it: over an input of the group, `given`, or because they decide
    when the group begins, `before`."""
    waited = _waited(dag, given, before)
    for name, task in dag.tasks.items():
        component = document.pipeline.components.get(task.component)
        first = before.union(*(waited[each] for each in _producers(task) if each in waited))
        if component is None or component.dag is None or task.parameter_iterator or task.artifact_iterator:
            yield f"{scope}{name}", task, waited[name]
            continue
        inner = {key: _source(each, given, waited) for key, each in _inputs(task)}
        # What decides whether a branch is taken decides when its tasks can be over.
        begun = waited[name] if task.trigger_policy and task.trigger_policy.condition else first
        yield from _walk(document, component.dag, inner, begun, f"{scope}{name}.")


def _waited(dag: DagSpec, given: Mapping[str, set[str]], before: set[str]) -> dict[str, set[str]]:
    """The fields that reach each task or group, over what it takes and over what it waits for."""
    reached: dict[str, set[str]] = {}
    waiting = {name: {each for each in _producers(task) if each in dag.tasks} for name, task in dag.tasks.items()}
    while waiting:
        for name in [name for name in waiting if not waiting[name] & waiting.keys()] or [*waiting]:
            task, producers = dag.tasks[name], waiting.pop(name)
            taken = (_source(each, given, reached) for _, each in _inputs(task))
            reached[name] = before.union(*taken, *(reached.get(each, set()) for each in producers))
    return reached


def _inputs(task: TaskSpec) -> Iterator[tuple[str, ParameterInput | ArtifactInput]]:
    yield from task.inputs.parameters.items()
    yield from task.inputs.artifacts.items()


def _source(
    source: ParameterInput | ArtifactInput, given: Mapping[str, set[str]], reached: Mapping[str, set[str]]
) -> set[str]:
    """The fields that reach what a task is given there."""
    if isinstance(source, ParameterInput):
        outer, made = source.component_input_parameter, source.task_output_parameter
        return given.get(outer, set()) | reached.get(made.producer_task if made else source.task_final_status, set())
    output = source.task_output_artifact
    return given.get(source.component_input_artifact, set()) | reached.get(
        output.producer_task if output else "", set()
    )


def _producers(task: TaskSpec) -> Iterable[str]:
    yield from task.dependent_tasks
    for parameter in task.inputs.parameters.values():
        if parameter.task_output_parameter:
            yield parameter.task_output_parameter.producer_task
        if parameter.task_final_status:
            yield parameter.task_final_status
    for artifact in task.inputs.artifacts.values():
        if artifact.task_output_artifact:
            yield artifact.task_output_artifact.producer_task


def _reusable(document: PipelineDocument, task: TaskSpec) -> bool:
    component = document.pipeline.components.get(task.component)
    if component is None or component.dag is not None:
        return component is not None
    config = document.platform.palmette.get(component.executor_label)
    cached = task.caching_options is not None and task.caching_options.enable_cache
    return cached and not (config is not None and config.fresh == "always")
