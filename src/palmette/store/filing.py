"""Runs as a host of pipelines files them: accepted into experiments, listed, archived, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Float, cast, delete, func, select, update

from palmette.domain.listing import Page, Slice
from palmette.domain.run import Run, TaskRecord
from palmette.domain.states import RunState
from palmette.errors import Conflict
from palmette.store import experiments, listing, promotions, runs, sweeps
from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.listing import Element
from palmette.store.schema import runs as table
from palmette.store.schema import summaries
from palmette.store.sweeps import SweepRecord

FINAL: Final = tuple(state.value for state in RunState if state.final)


def _metric(name: str) -> Element:
    """The last value of a metric; the greatest, where several tasks log one of that name."""
    last = select(cast(func.max(summaries.c.last), Float(53)))
    found = last.where(summaries.c.run == table.c.id, summaries.c.name == plain(name))
    return listing.whole(found.correlate(table).scalar_subquery())


LISTED: Final = listing.Listed(
    table=table,
    fields=listing.fields(
        table,
        *("id", "project", "algorithm", "state", "name", "description", "trigger", "owner", "queue"),
        *("experiment", "pipeline", "pipeline_version", "schedule", "root", "service_account"),
        *("created", "started", "ended", "scheduled", "archived"),
    ),
    families={"metric:": _metric},
)


def accept(store: Store, run: Run, records: Sequence[TaskRecord], sweep: SweepRecord | None = None) -> bool:
    """Accept a run into its experiment, unless that is in the archive or gone; whether it was accepted. The sweep that
    it is a point of is kept with it, unless it is there."""
    with store.write() as connection:
        found = experiments.within(connection, run.experiment, lock=True)
        if found is None or found.archived is not None:
            return False
        runs.write(connection, run, records)
        if sweep is not None:
            sweeps.keep(connection, sweep)
        experiments.touch(connection, run.experiment, run.created)
    return True


def get(store: Store, id: str) -> Run | None:
    """The run of exactly this id; None if there is none."""
    with store.read() as connection:
        rows = connection.execute(select(table).where(table.c.id == plain(id))).all()
        return runs.loaded(connection, rows, pins=False)[0] if rows else None


def page(store: Store, wanted: Slice, *, project: str = "") -> Page[Run]:
    """A part of the list of all runs, or of a project's. Their environments come without their pins."""
    within = (runs.LISTED, *((table.c.project == project,) if project else ()))
    with store.read() as connection:
        found = listing.page(connection, LISTED, wanted, *within)
        items = tuple(runs.loaded(connection, found.items, pins=False))
    return Page(items=items, total=found.total, following=found.following)


def archive(store: Store, id: str, time: float | None) -> None:
    """Say when a run was archived; None takes it out of the archive. Archived again, it keeps its time."""
    change = update(table).where(table.c.id == id)
    with store.write() as connection:
        connection.execute((change if time is None else change.where(table.c.archived.is_(None))).values(archived=time))


def remove(store: Store, id: str) -> None:
    """Forget a run, with all that the store knows of it. Whoever drives it can write nothing any more. Conflict for
    one that is or was an alias."""
    with store.write() as connection:
        connection.execute(select(table.c.id).where(table.c.id == id).with_for_update())
        if promotions.promoted(connection, [id]):
            raise Conflict(
                f"run {id} was promoted: it stays, as what it made may be in use",
                "Archive it instead. Its promotions: palmette promote --list.",
            )
        connection.execute(delete(table).where(table.c.id == id))
