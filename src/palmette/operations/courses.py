"""What two runs logged step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from palmette.domain.metric import MetricPoint
from palmette.domain.run import Run
from palmette.operations.home import Home
from palmette.store import metrics
from palmette.store.metrics import Summary

#: metrics whose points are read
MOST: Final = 24

#: name → points
Courses: TypeAlias = Mapping[str, Sequence[MetricPoint]]


def logged(home: Home, head: Run, baseline: Run) -> tuple[tuple[Courses, Courses], int]:
    """The curves of the metrics that seem to differ, declared ones first, and of how many more none was read."""
    sides = [_in_short(metrics.of_run(home.store, run.id, least=2)) for run in (head, baseline)]
    declared = {metric.name: place for place, metric in enumerate(head.metrics)}
    names = sorted(
        (name for name in {**sides[0], **sides[1]} if sides[0].get(name) != sides[1].get(name)),
        key=lambda name: (declared.get(name, len(declared)), name),
    )
    found = [_read(home, run, [name for name in names[:MOST] if name in side])
             for run, side in zip((head, baseline), sides, strict=True)]  # fmt: skip
    return (found[0], found[1]), max(0, len(names) - MOST)


def _in_short(summaries: Sequence[Summary]) -> dict[str, list[object]]:
    """Metric → what is noted of its curves: equal where the curves are, but for what lies between their ends."""
    found: dict[str, list[object]] = {}
    for each in summaries:
        # What is no number equals nothing, itself included.
        found.setdefault(each.name, []).append(repr((each.task, each.last, each.low, each.high, each.points)))
    return found


def _read(home: Home, run: Run, names: Sequence[str]) -> Courses:
    """One that several tasks logged is named after the task too."""
    curves = metrics.histories(home.store, run.id, names) if names else ()
    count = Counter(curve.name for curve in curves)
    return {curve.name if count[curve.name] == 1 else f"{curve.task}.{curve.name}": curve.points for curve in curves}
