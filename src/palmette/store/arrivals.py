"""A run that is over, as one store gives it to another: all of it, and written all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from palmette.domain.fingerprint import plain as plain_parts
from palmette.domain.lines import Commit
from palmette.domain.metric import MetricPoint
from palmette.domain.run import PointsLogged, Run, TaskRecord
from palmette.domain.states import TaskState
from palmette.domain.values import Json
from palmette.errors import StoreError
from palmette.store import artifacts, commits, metrics, runs, sweeps, tasks
from palmette.store.captures import BundleRecord
from palmette.store.columns import decode, encode, number, plain
from palmette.store.database import Store
from palmette.store.retention import Collected
from palmette.store.schema import bundles, closures, collected, points
from palmette.store.schema import runs as run_table
from palmette.store.schema import sweeps as sweep_table
from palmette.store.schema import tasks as task_table
from palmette.store.statements import insert_new
from palmette.store.sweeps import SweepRecord

_KEEP_CLOSURE: Final = insert_new(closures)
_KEEP_BUNDLE: Final = insert_new(bundles)
_KEEP_SWEEP: Final = insert_new(sweep_table)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """All that a store knows of a run, but for its bytes."""

    run: Run
    tasks: tuple[TaskRecord, ...] = ()
    #: all that it logged, batch by batch
    logged: tuple[PointsLogged, ...] = ()
    #: digest → the definitions that a step reaches
    closures: Mapping[str, Json] = field(default_factory=dict)
    sweep: SweepRecord | None = None
    #: its bytes were given up
    collected: Collected | None = None
    #: the commits of its target branch that are known where it comes from
    history: tuple[Commit, ...] = ()


def known(store: Store, run: str) -> bool:
    """Whether there is a run with this id, of whatever project."""
    with store.read() as connection:
        return connection.execute(select(run_table.c.id).where(run_table.c.id == run)).first() is not None


def logged(store: Store, run: str) -> tuple[PointsLogged, ...]:
    """All batches of metrics of a run, in the order of their tasks."""
    order = (points.c.task, points.c.serial, points.c.position, points.c.ordinal, points.c.name)
    found: dict[tuple[str, int, int], list[MetricPoint]] = {}
    with store.read() as connection:
        for row in connection.execute(select(points).where(points.c.run == run).order_by(*order)):
            point = MetricPoint(name=row.name, value=number(row.value), step=row.step, time=row.time)
            found.setdefault((row.task, row.serial, row.position), []).append(point)
    return tuple(
        PointsLogged(task=task, serial=serial, points=tuple(batch), position=position)
        for (task, serial, position), batch in found.items()
    )


def definitions(store: Store, digests: Sequence[str]) -> dict[str, Json]:
    """The closures with these digests."""
    query = select(closures).where(closures.c.digest.in_(sorted(set(digests))))
    with store.read() as connection:
        return {row.digest: decode(row.definitions) for row in connection.execute(query)}


def accept(store: Store, whole: Whole, bundle: BundleRecord | None) -> None:
    """Write the run down with all that is known of it, or nothing. Its id must be new."""
    run = whole.run
    commits.keep(store, run.project, whole.history)
    try:
        with store.write() as connection:
            write(connection, whole, bundle)
            if whole.sweep is not None:
                connection.execute(_KEEP_SWEEP, sweeps.row(whole.sweep))
            if whole.collected is not None:
                gone = {"run": run.id, "time": whole.collected.time, "rule": plain(whole.collected.rule)}
                connection.execute(insert(collected), gone)
    except StoreError as error:
        if isinstance(error.__cause__, IntegrityError):
            raise StoreError(f"run {run.id} cannot be written: something in it is there twice") from error
        raise


def write(connection: Connection, whole: Whole, bundle: BundleRecord | None) -> None:
    """Write what its steps did and were executed from, within a transaction."""
    run = whole.run
    runs.write(connection, run)
    _write_tasks(connection, run, whole.tasks)
    for batch in whole.logged:
        metrics.write(connection, run.id, batch)
    for digest, found in whole.closures.items():
        connection.execute(_KEEP_CLOSURE, {"digest": digest, "definitions": encode(found)})
    if bundle is not None:
        values = {"digest": bundle.digest, "size": bundle.size, "files": encode(dict(bundle.files))}
        connection.execute(_KEEP_BUNDLE, values)


def _write_tasks(connection: Connection, run: Run, records: Sequence[TaskRecord]) -> None:
    rows = [_row(run, position, record) for position, record in enumerate(records)]
    if rows:
        connection.execute(insert(task_table), rows)
    for record in records:
        for attempt in record.attempts:
            tasks.write_attempt(connection, run.id, record.name, attempt)
        artifacts.write(connection, run.id, record.name, record.outputs)


def _row(run: Run, position: int, record: TaskRecord) -> dict[str, object]:
    made = record.ended if record.state is TaskState.SUCCEEDED else record.cached_made
    return {
        "run": run.id,
        "name": record.name,
        "position": position,
        "project": run.project,
        "state": record.state.value,
        "executor": record.executor,
        "component": record.component,
        "needs": encode(list(record.needs)),
        "fingerprint": record.fingerprint or None,
        "parts": encode(plain_parts(record.parts)) if record.parts else None,
        "cached_from": record.cached_from or None,
        "cached_made": record.cached_made,
        "made": made if record.state.good else None,
        "started": record.started,
        "ended": record.ended,
        "message": plain(record.message),
    }
