"""What is known of a run, gathered for whoever shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.metric import MetricPoint
from palmette.domain.run import Run, TaskRecord
from palmette.domain.states import TaskState

_ITEMS: Final = re.compile(r"(?:\[\d+\])+$")


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
    #: what it was promoted to and is now: "tumour@production"
    aliases: tuple[str, ...] = ()

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


def telling(records: Iterable[TaskRecord]) -> tuple[TaskRecord, ...]:
    """The records that say something to a person: of tasks, and of groups that came to nothing or could not begin."""
    known = tuple(records)
    around = {name for record in known for name in _around(record.name)}
    failing = {name for record in known if record.state is TaskState.FAILED for name in _around(record.name)}
    return tuple(
        record
        for record in known
        if not record.group
        or record.name not in around
        or (record.state is TaskState.FAILED and record.name not in failing)
    )


def _around(name: str) -> Iterator[str]:
    """The names that groups around a task of this name would have."""
    return (name[:at] for at, sign in enumerate(name) if sign == ".")


def alike(task: TaskRecord) -> str:
    """The name that a step in a loop shares with its other iterations: "fit" of "fit[2]"."""
    return _ITEMS.sub("", shown(task))


def shown(task: TaskRecord) -> str:
    """The name by which people know a task: its step's, as it stands in their code."""
    return task.component or task.name
