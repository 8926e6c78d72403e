"""Whether a task costs more in a store that remembers many.

A large store is made of a small one: a thousand finished tasks are written the way a driver writes them, and all their
rows are then copied in SQL, under other run ids and other (random) fingerprints, until there are enough.
"""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Table, text

from benchmarks.measure import Row, interleaved
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
    TaskChanged,
    TaskRecord,
)
from palmette.domain.states import AttemptState, TaskState
from palmette.store import database, leases, runs
from palmette.store.identity import new_run_id
from palmette.store.ledger import RunLedger
from palmette.store.schema import metadata

_SEED = 1_000
_ME = Process(pid=os.getpid(), start=1, boot="here")


def measure(directory: Path, *, quick: bool, long: bool) -> list[Row]:
    """The cost of looking a task up and of writing it down, as history grows."""
    sizes = [0, 100_000, *([1_000_000] if long else [])]
    stores = {size: _filled(directory / str(size), size) for size in sizes}
    count = 100 if quick else 300
    found = interleaved(3, {str(size): partial(_task, store, count) for size, store in stores.items()})
    for store in stores.values():
        store.close()
    rows = [Row(what="looking up and writing down a task, empty store", measured=found["0"])]
    for size in sizes[1:]:
        seconds = found[str(size)]
        rows.append(
            Row(
                what=f"the same beside {size:,} tasks",
                measured=seconds,
                against="an empty store",
                limit=found["0"],
                budget="flat (1.5 x)",
                met=seconds <= 1.5 * found["0"],
            )
        )
    return rows


def _task(store: database.Store, count: int) -> float:
    """The median time of a task's look-up and its three writes."""
    _, lease = _accepted(store, count)
    ledger, times = RunLedger(store, lease, lambda _: True), []
    for number in range(count):
        batches = list(_life(f"task-{number}"))
        begun = time.perf_counter()
        ledger.reusable(secrets.token_hex(32))
        for changes in batches:
            ledger.record(changes)
        times.append(time.perf_counter() - begun)
    leases.release(store, lease)
    return statistics.median(times)


def _accepted(store: database.Store, count: int) -> tuple[Run, Lease]:
    run = Run(id=new_run_id(), project="history", algorithm="history", created=time.time())
    runs.create(store, run, [TaskRecord(name=f"task-{number}") for number in range(count)])
    return run, leases.take(store, run.id, "here", _ME, alive=lambda _: True)


def _life(task: str) -> Iterator[list[Change]]:
    """What a driver writes of a task that runs and succeeds."""
    now = time.time()
    attempt = Attempt(serial=1, number=1, state=AttemptState.RUNNING, how="fork", queued=now, started=now)
    artifact = Artifact(
        type="system.Dataset", digest=f"sha256:{secrets.token_hex(32)}", size=1000, filename="x.parquet"
    )
    yield [
        TaskChanged(task=task, state=TaskState.QUEUED, time=now, fingerprint=secrets.token_hex(32)),
        TaskChanged(task=task, state=TaskState.RUNNING, time=now),
        AttemptStarted(task=task, attempt=attempt),
    ]
    yield [AttemptStarted(task=task, attempt=replace(attempt, process=_ME))]
    point = MetricPoint(name="loss", value=0.5, step=None, time=now)
    yield [
        PointsLogged(task=task, serial=1, points=(point,), position=1),
        AttemptEnded(task=task, attempt=replace(attempt, state=AttemptState.SUCCEEDED, ended=now, exit_code=0)),
        TaskChanged(
            task=task,
            state=TaskState.SUCCEEDED,
            time=now,
            outputs=Outputs(artifacts={"output": artifact}, parameters={"rows": 10}),
        ),
    ]


def _filled(directory: Path, size: int) -> database.Store:
    """A store with so many finished tasks."""
    store = database.open(directory)
    if size:
        run, lease = _accepted(store, _SEED)
        ledger = RunLedger(store, lease, lambda _: True)
        for number in range(_SEED):
            ledger.record([change for batch in _life(f"task-{number}") for change in batch])
        leases.release(store, lease)
        for copy in range(1, size // _SEED):
            with store.write() as connection:
                for table in metadata.sorted_tables:
                    if "run" in table.c or table.name == "runs":
                        _copy(connection, table, run.id, f"{run.id}-{copy}")
    return store


def _copy(connection: Connection, table: Table, old: str, new: str) -> None:
    """The rows of one run once more, under another id and other fingerprints."""
    own = {"id": "CAST(:new AS TEXT)", "run": "CAST(:new AS TEXT)", "fingerprint": "lower(hex(randomblob(32)))"}
    own["digest"] = "'sha256:' || lower(hex(randomblob(32)))"
    names = [column.name for column in table.c]
    key = "id" if table.name == "runs" else "run"
    taken = ", ".join(own.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    statement = f"INSERT INTO {table.name} ({columns}) SELECT {taken} FROM {table.name} WHERE {key} = :old"
    connection.execute(text(statement), {"old": old, "new": new})
