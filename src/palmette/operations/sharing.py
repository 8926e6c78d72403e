"""Which tasks of a sweep's points are the same task: those that no differing field reaches.

Two points that need the same task at the same time would both carry it out. So a point waits until whoever is busy
with a task that it shares is done with it, and finds it done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from palmette.domain.values import Json, canonical
from palmette.ir.spec import PipelineDocument, TaskSpec

#: A task, and the values of the fields that reach it
Shared = tuple[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Task of the pipeline → the positions of the varied fields that reach it. Tasks in a group count as the group."""

    fields: Mapping[str, tuple[int, ...]]

    def tasks(self, values: Sequence[Json]) -> frozenset[Shared]:
        """The tasks of a point; those that are equal for two points are the same task. Without values, those that are
        the same for every point."""
        return frozenset(
            (name, canonical([values[position] for position in positions]))
            for name, positions in self.fields.items()
            if values or not positions
        )

    def named(self, task: str, values: Sequence[Json]) -> Shared | None:
        """The task that the engine calls by that name; None for one in a group, which is over with its group."""
        if task not in self.fields:
            return None
        return task, canonical([values[position] for position in self.fields[task]])


def reach(document: PipelineDocument, names: Sequence[str]) -> Reach:
    """What each of these parameters of the pipeline reaches, over whatever tasks hand on. A task that is never used
    again is left out: nobody need wait for it."""
    dag = document.pipeline.root.dag
    tasks = dag.tasks if dag else {}
    direct = {name: set(_parameters(task)) & {*names} for name, task in tasks.items()}
    before = {name: {each for each in _producers(task) if each in tasks} for name, task in tasks.items()}
    reached: dict[str, set[str]] = {}
    waiting = dict(tasks)
    while waiting:
        ready = [name for name in waiting if not before[name] & waiting.keys()] or [*waiting]
        for name in ready:
            del waiting[name]
            reached[name] = direct[name].union(*(reached.get(each, set()) for each in before[name]))
    return Reach(
        fields={
            name: tuple(position for position, field in enumerate(names) if field in reached[name])
            for name, task in tasks.items()
            if _reusable(document, task)
        }
    )


def _parameters(task: TaskSpec) -> Iterable[str]:
    return (each.component_input_parameter for each in task.inputs.parameters.values())


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
