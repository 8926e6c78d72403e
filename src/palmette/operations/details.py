"""What is known of a run, gathered for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from palmette.domain.metric import MetricPoint
from palmette.domain.run import Run, TaskRecord


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A run with its tasks and numbers."""

    run: Run
    tasks: tuple[TaskRecord, ...] = ()
    #: last value of each metric
    metrics: Mapping[str, float] = field(default_factory=dict)
    #: every metric with more than one point, in the order of its steps
    curves: Mapping[str, tuple[MetricPoint, ...]] = field(default_factory=dict)
    #: nobody drives it though it is not over: `palmette resume` continues it
    interrupted: bool = False

    def task(self, name: str) -> TaskRecord | None:
        """The task of that name; the step's own spelling and the pipeline's both do."""
        return next((task for task in self.tasks if name in {task.name, task.component}), None)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a list of runs."""

    run: Run
    metrics: Mapping[str, float] = field(default_factory=dict)
    tasks: int = 0
    cached: int = 0
    #: as in `Detail`
    interrupted: bool = False


def shown(task: TaskRecord) -> str:
    """The name by which people know a task: its step's, as it stands in their code."""
    return task.component or task.name
