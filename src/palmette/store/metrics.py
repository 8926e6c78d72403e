"""Metrics of runs: every point, and what a table asks of them.

A metric belongs to the task that logged it. An attempt that is repeated logs its points again; only those of a task's
newest attempt count. NaN is kept, and is neither a minimum nor a maximum.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, select, tuple_

from palmette.domain.metric import MetricPoint
from palmette.domain.run import PointsLogged
from palmette.store.columns import integer, number, plain, real
from palmette.store.database import Store
from palmette.store.schema import points, readings, summaries
from palmette.store.statements import insert_new, upsert, upsert_as

_ADVANCE: Final = upsert(readings, where="readings.position < excluded.position")
_WRITE: Final = insert_new(points)


def _merged(better: str) -> str:
    """The SQL that keeps the better of two values, NULL being none, within one attempt."""
    column = "low" if better == "<" else "high"
    new, old = f"excluded.{column}", f"summaries.{column}"
    return (
        f"CASE WHEN excluded.serial > summaries.serial OR {old} IS NULL OR {new} {better} {old} THEN {new} "
        f"ELSE {old} END"
    )


_SUMMARISE: Final = upsert_as(
    summaries,
    {
        "points": "excluded.points + CASE WHEN excluded.serial > summaries.serial THEN 0 ELSE summaries.points END",
        "low": _merged("<"),
        "high": _merged(">"),
    },
    where="excluded.serial >= summaries.serial",
)
_RUN: Final[BindParameter[str]] = bindparam("run_id")
_POSITION: Final = select(readings.c.position).where(
    readings.c.run == _RUN, readings.c.task == bindparam("task_name"), readings.c.serial == bindparam("attempt")
)
_HISTORIES: Final = (
    select(points.c.name, points.c.task, points.c.value, points.c.step, points.c.time)
    .join(
        summaries,
        and_(
            summaries.c.run == points.c.run,
            summaries.c.name == points.c.name,
            summaries.c.task == points.c.task,
            summaries.c.serial == points.c.serial,
        ),
    )
    .where(points.c.run == _RUN, points.c.name.in_(bindparam("names", expanding=True)))
    .order_by(points.c.name, points.c.task, points.c.position, points.c.ordinal)
)
_TASK: Final[BindParameter[str]] = bindparam("task_name")
# The names come first, so that of all points of a run only those of the task are touched.
_OF_TASK: Final = (
    select(points.c.name, points.c.value, points.c.step, points.c.time)
    .where(
        points.c.run == _RUN,
        points.c.task == _TASK,
        tuple_(points.c.name, points.c.serial).in_(
            select(summaries.c.name, summaries.c.serial).where(summaries.c.run == _RUN, summaries.c.task == _TASK)
        ),
    )
    .order_by(points.c.serial, points.c.position, points.c.ordinal)
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A metric of a task in short."""

    name: str
    task: str
    #: the value that arrived last, and its step
    last: float
    step: int | None
    #: None where every value is NaN
    low: float | None
    high: float | None
    points: int
    #: when the last value was logged, seconds since the epoch
    time: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A metric of a task, point by point, in the order of arrival."""

    name: str
    task: str
    points: tuple[MetricPoint, ...]


def history(store: Store, run: str, name: str) -> tuple[Curve, ...]:
    """The curves of a metric, one for each task that logged it."""
    return histories(store, run, [name])


def histories(store: Store, run: str, names: Collection[str]) -> tuple[Curve, ...]:
    """The curves of several metrics at once, by name and task."""
    curves: dict[tuple[str, str], list[MetricPoint]] = {}
    with store.read() as connection:
        for row in connection.execute(_HISTORIES, {"run_id": run, "names": [*names]}):
            point = MetricPoint(name=row.name, value=number(row.value), step=row.step, time=row.time)
            curves.setdefault((row.name, row.task), []).append(point)
    return tuple(Curve(name=name, task=task, points=tuple(found)) for (name, task), found in curves.items())


def of_task(connection: Connection, run: str, task: str) -> tuple[MetricPoint, ...]:
    """All that a task's newest attempt logged, in the order in which it arrived."""
    return tuple(
        MetricPoint(name=row.name, value=number(row.value), step=row.step, time=row.time)
        for row in connection.execute(_OF_TASK, {"run_id": run, "task_name": task})
    )


def of_run(store: Store, run: str, *, least: int = 1) -> tuple[Summary, ...]:
    """All metrics of a run in short that have so many points at least, by name and task."""
    query = select(summaries).where(summaries.c.run == run, summaries.c.points >= least)
    query = query.order_by(summaries.c.name, summaries.c.task)
    with store.read() as connection:
        return tuple(_summary(row) for row in connection.execute(query))


def last(store: Store, run: str) -> dict[str, float]:
    """The last value of each metric of a run, whichever task logged it."""
    with store.read() as connection:
        return last_values(connection, [run]).get(run, {})


def last_values(
    connection: Connection, runs: Collection[str], names: Collection[str] | None = None
) -> dict[str, dict[str, float]]:
    """The last values of several runs at once, by run; of these metrics only, if any are named."""
    query = select(summaries.c.run, summaries.c.name, summaries.c.last).where(summaries.c.run.in_(runs))
    if names is not None:
        query = query.where(summaries.c.name.in_(names))
    found: dict[str, dict[str, float]] = {}
    for row in connection.execute(query.order_by(summaries.c.run, summaries.c.name, summaries.c.time)):
        found.setdefault(row.run, {})[row.name] = number(row.last)
    return found


def position(store: Store, run: str, task: str, serial: int) -> int:
    """Up to where an attempt's event file was read; 0 at first."""
    with store.read() as connection:
        key = {"run_id": run, "task_name": task, "attempt": serial}
        return connection.execute(_POSITION, key).scalar() or 0


def write(connection: Connection, run: str, logged: PointsLogged) -> None:
    """Write a batch within a transaction; nothing if one that reaches as far was written before."""
    key = {"run": run, "task": logged.task, "serial": logged.serial}
    advanced = connection.execute(_ADVANCE, {**key, "position": logged.position})
    if advanced.rowcount == 0 or not logged.points:
        return
    rows = [
        {
            **key,
            "name": plain(point.name),
            "position": logged.position,
            "ordinal": ordinal,
            "step": integer(point.step),
            "value": real(point.value),
            "time": point.time,
        }
        for ordinal, point in enumerate(logged.points)
    ]
    connection.execute(_WRITE, rows)
    by_name: dict[str, list[MetricPoint]] = {}
    for point in logged.points:
        by_name.setdefault(plain(point.name), []).append(point)
    connection.execute(_SUMMARISE, [{**key, **_short(name, found)} for name, found in by_name.items()])


def _short(name: str, logged: Sequence[MetricPoint]) -> dict[str, object]:
    values = [point.value for point in logged if not math.isnan(point.value)]
    newest = logged[-1]
    return {
        "name": name,
        "points": len(logged),
        "last": real(newest.value),
        "step": integer(newest.step),
        "low": min(values, default=None),
        "high": max(values, default=None),
        "time": newest.time,
    }


def _summary(row: Row[Any]) -> Summary:
    return Summary(
        name=row.name,
        task=row.task,
        last=number(row.last),
        step=row.step,
        low=row.low,
        high=row.high,
        points=row.points,
        time=row.time,
    )
