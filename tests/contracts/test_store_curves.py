"""The curves of several metrics, read at once."""

from __future__ import annotations

from collections.abc import Callable

from palmette.domain.metric import MetricPoint
from palmette.domain.run import PointsLogged, Run
from palmette.store import metrics
from palmette.store.database import Store


def log(store: Store, run: str, task: str, serial: int, *points: MetricPoint) -> None:
    with store.write() as connection:
        metrics.write(connection, run, PointsLogged(task=task, serial=serial, points=points, position=1))


def point(name: str, value: float, step: int | None) -> MetricPoint:
    return MetricPoint(name=name, value=value, step=step, time=1.0)


def test_curves_are_those_of_each_tasks_newest_attempt(store: Store, accept: Callable[..., Run]) -> None:
    run = accept().id
    first, again = (point("loss", 9.0, 0), point("loss", 8.0, 1)), (point("loss", 3.0, 0), point("loss", 2.0, 1))
    log(store, run, "fit", 1, *first)
    log(store, run, "fit", 2, *again, point("auc", 0.9, None))
    log(store, run, "tune", 1, *first)
    log(store, accept().id, "fit", 1, *first)
    found = metrics.histories(store, run, ["loss", "auc", "none"])
    assert [(each.name, each.task, each.points) for each in found] == [
        ("auc", "fit", (point("auc", 0.9, None),)),
        ("loss", "fit", again),
        ("loss", "tune", first),
    ]
    assert found[1:2] == metrics.history(store, run, "loss")[:1]
    assert [(each.name, each.task) for each in metrics.of_run(store, run, least=2)] == [
        ("loss", "fit"),
        ("loss", "tune"),
    ]
    assert metrics.histories(store, run, []) == ()
