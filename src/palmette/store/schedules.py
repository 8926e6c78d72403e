"""Recurring runs, and the ticks that a run was made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from palmette.domain import wire
from palmette.domain.hosting import Catchup, Cron, Edit, Periodic, Schedule, Trigger
from palmette.domain.listing import Page, Slice
from palmette.domain.run import Run, TaskRecord
from palmette.store import edits, experiments, filing, listing
from palmette.store import runs as all_runs
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import facts, runs, schedules, ticks
from palmette.store.statements import insert_new, upsert

LISTED: Final = listing.Listed(
    table=schedules,
    fields=listing.fields(
        schedules,
        *("id", "project", "name", "description", "experiment", "pipeline", "pipeline_version"),
        *("created", "updated", "enabled", "service_account"),
    ),
)
_TICK: Final = insert_new(ticks)
_FACT: Final = upsert(facts)
_ZONE: Final = "time-zone"


def create(store: Store, schedule: Schedule) -> None:
    """Keep a recurring run."""
    with store.write() as connection:
        connection.execute(insert(schedules), _row(schedule))


def get(store: Store, id: str) -> Schedule | None:
    """The recurring run of this id; None if there is none."""
    with store.read() as connection:
        row = connection.execute(select(schedules).where(schedules.c.id == plain(id))).first()
    return None if row is None else _schedule(row)


def page(store: Store, wanted: Slice) -> Page[Schedule]:
    """A part of the list of all recurring runs."""
    with store.read() as connection:
        found = listing.page(connection, LISTED, wanted)
    return Page(items=tuple(map(_schedule, found.items)), total=found.total, following=found.following)


def switch(store: Store, id: str, *, enabled: bool, time: float) -> None:
    """Enable or disable a recurring run. Where it goes on stays as it is."""
    with store.write() as connection:
        connection.execute(update(schedules).where(schedules.c.id == id).values(enabled=enabled, updated=time))


def replace(store: Store, before: Schedule, after: Schedule, edit: Edit | None = None) -> bool:
    """Give a recurring run other values, unless a tick or somebody else changed it meanwhile; whether it was done. Its
    ticks and its runs stay. An `edit` says who changed what, and is kept with it."""
    with store.write() as connection:
        if not _same(_locked(connection, before.id), before):
            return False
        connection.execute(update(schedules).where(schedules.c.id == before.id).values(**_row(after)))
        if edit is not None:
            edits.write(connection, before.id, edit)
    return True


def remove(store: Store, id: str) -> None:
    """Forget a recurring run, its ticks and its edits. Its runs stay."""
    with store.write() as connection:
        edits.forget(connection, id)
        connection.execute(delete(schedules).where(schedules.c.id == id))


# Ticks.


def due(store: Store, now: float) -> tuple[Schedule, ...]:
    """The recurring runs that are enabled and whose next tick has come, the longest due first."""
    query = select(schedules).where(schedules.c.enabled, schedules.c.next <= now)
    with store.read() as connection:
        rows = connection.execute(query.order_by(schedules.c.next, schedules.c.id)).all()
    return tuple(map(_schedule, rows))


def active(store: Store, id: str) -> int:
    """How many runs of a recurring run are not over."""
    with store.read() as connection:
        return _active(connection, id)


def fire(
    store: Store, schedule: Schedule, moment: float, *, following: float | None, run: Run, records: Sequence[TaskRecord]
) -> bool:
    """Make the run of a tick, and let the recurring run go on to the next; whether a run was made.

    One transaction under the lock of the recurring run's row: of several servers that try, one does it. Nothing
    happens if the recurring run is not as it was read, or has as many runs as it may have; where the tick has a run
    already, only the next one is noted.
    """
    with store.write() as connection:
        # In the order in which an experiment is archived, so that neither waits for the other.
        experiment = experiments.within(connection, schedule.experiment, lock=True)
        if experiment is None or experiment.archived is not None:
            return False
        if not _same(_locked(connection, schedule.id), schedule) or not schedule.enabled:
            return False
        if _active(connection, schedule.id) >= schedule.max_concurrency:
            return False
        made = connection.execute(_TICK, {"schedule": schedule.id, "moment": moment, "run": run.id}).rowcount > 0
        values: dict[str, object] = {"next": following}
        if made:
            all_runs.write(connection, run, records)
            experiments.touch(connection, experiment.id, run.created)
            values.update(last=moment, count=schedule.count + 1)
        connection.execute(update(schedules).where(schedules.c.id == schedule.id).values(**values))
    return made


def ticked(store: Store, id: str) -> tuple[tuple[float, str], ...]:
    """The ticks of a recurring run that a run was made for, in order, and the ids of those runs."""
    query = select(ticks.c.moment, ticks.c.run).where(ticks.c.schedule == id).order_by(ticks.c.moment)
    with store.read() as connection:
        return tuple((row.moment, row.run) for row in connection.execute(query))


def zone(store: Store) -> str:
    """The name of the time zone in which cron expressions are read; empty where nobody said."""
    with store.read() as connection:
        found = connection.execute(select(facts.c.value).where(facts.c.name == _ZONE)).scalar()
    return str(found or "")


def set_zone(store: Store, name: str) -> None:
    """Read cron expressions in this time zone from now on, on all servers of the store."""
    with store.write() as connection:
        connection.execute(_FACT, {"name": _ZONE, "value": name})


def _locked(connection: Connection, id: str) -> Row[Any] | None:
    return connection.execute(select(schedules).where(schedules.c.id == id).with_for_update()).first()


def _same(row: Row[Any] | None, schedule: Schedule) -> bool:
    return row is not None and _schedule(row) == schedule


def _active(connection: Connection, id: str) -> int:
    open_runs = (runs.c.schedule == id, runs.c.state.not_in(filing.FINAL))
    return int(connection.execute(select(func.count()).select_from(runs).where(*open_runs)).scalar_one())


def _row(schedule: Schedule) -> dict[str, object]:
    return {
        "id": schedule.id,
        "project": plain(schedule.project),
        "name": plain(schedule.name),
        "description": plain(schedule.description),
        "experiment": schedule.experiment,
        "pipeline": schedule.pipeline,
        "pipeline_version": schedule.version,
        "spec": schedule.spec,
        "parameters": encode(dict(schedule.parameters)),
        "root": plain(schedule.root),
        "service_account": plain(schedule.service_account),
        "trigger": encode(wire.dump(schedule.trigger)),
        "max_concurrency": schedule.max_concurrency,
        "catchup": schedule.catchup is Catchup.EACH,
        "enabled": schedule.enabled,
        "created": schedule.created,
        "updated": schedule.updated,
        "next": schedule.next,
        "last": schedule.last,
        "count": schedule.count,
    }


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(
        id=row.id,
        name=row.name,
        description=row.description,
        experiment=row.experiment,
        pipeline=row.pipeline,
        version=row.pipeline_version,
        spec=row.spec,
        parameters=decode(row.parameters),
        root=row.root,
        service_account=row.service_account,
        trigger=_trigger(decode(row.trigger)),
        max_concurrency=row.max_concurrency,
        catchup=Catchup.EACH if row.catchup else Catchup.LATEST,
        enabled=row.enabled,
        project=row.project,
        created=row.created,
        updated=row.updated,
        next=row.next,
        last=row.last,
        count=row._mapping["count"],
    )


def _trigger(value: dict[str, Any]) -> Trigger:
    return wire.load(Cron, value) if value["kind"] == "Cron" else wire.load(Periodic, value)
