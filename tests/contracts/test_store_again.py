"""A transaction of which nobody knows whether it was committed is written again, and counts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.metric import MetricPoint
from palmette.domain.run import (
    Attempt,
    AttemptEnded,
    AttemptStarted,
    Change,
    Lease,
    PointsLogged,
    Process,
    Run,
    RunChanged,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.store import schema
from palmette.store.database import Store
from palmette.store.ledger import RunLedger

BEGUN = Attempt(
    serial=1,
    number=1,
    state=AttemptState.RUNNING,
    how="process",
    started=2.0,
    directory="runs/r/fit/1",
    process=Process(pid=5, start=6, boot="boot"),
)
ENDED = Attempt(
    serial=1,
    number=1,
    state=AttemptState.SUCCEEDED,
    how="process",
    started=2.0,
    ended=3.0,
    directory="runs/r/fit/1",
    exit_code=0,
)
MADE = Outputs(
    parameters={"score": 0.5},
    artifacts={"model": Artifact(type="system.Model", digest="sha256:a", size=1, filename="m")},
)
BATCHES: tuple[list[Change], ...] = (
    [
        TasksPlanned(tasks=(TaskRecord(name="fit", executor="exec-fit"), TaskRecord(name="test", needs=("fit",)))),
        RunChanged(state=RunState.RUNNING, time=1.0),
    ],
    [
        TaskChanged(task="fit", state=TaskState.RUNNING, time=2.0),
        TaskChanged(task="of-a-loop.0", state=TaskState.PENDING, time=2.0),
        AttemptStarted(task="fit", attempt=BEGUN),
    ],
    [
        PointsLogged(
            task="fit",
            serial=1,
            points=tuple(MetricPoint(name="loss", value=1 / step, step=step, time=2.5) for step in range(1, 40)),
            position=700,
        )
    ],
    [
        AttemptEnded(task="fit", attempt=ENDED),
        TaskChanged(task="fit", state=TaskState.SUCCEEDED, time=3.0, fingerprint="f", outputs=MADE),
    ],
    [RunChanged(state=RunState.SUCCEEDED, time=4.0)],
)


def test_what_is_written_again_counts_once(
    store: Store, accept: Callable[..., Run], drive: Callable[[Run], Lease]
) -> None:
    ledger = RunLedger(store, drive(accept()), exists=lambda _digest: True)
    for batch in BATCHES:
        ledger.record(batch)
        before = everything(store)
        ledger.record(batch)
        assert everything(store) == before


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All that the store holds but the time of the last beat."""
    with store.read() as connection:
        return {
            table.name: [
                {name: value for name, value in row._mapping.items() if name != "lease_renewed"}
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in schema.metadata.sorted_tables
        }
