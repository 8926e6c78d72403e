"""Experiments: what runs are filed under."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy import text as text_of

from palmette.domain.hosting import Experiment
from palmette.domain.listing import Page, Slice
from palmette.store import listing
from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.schema import experiments, runs, schedules
from palmette.store.statements import insert_new

LISTED: Final = listing.Listed(
    table=experiments,
    fields=listing.fields(
        experiments,
        *("id", "project", "name", "description", "created", "last_run", "archived"),
    ),
)
_KEEP: Final = insert_new(experiments)


def create(store: Store, experiment: Experiment) -> bool:
    """Keep an experiment, unless another one has its name; whether it was kept."""
    with store.write() as connection:
        return connection.execute(_KEEP, _row(experiment)).rowcount > 0


def get(store: Store, id: str) -> Experiment | None:
    """The experiment of this id; None if there is none."""
    with store.read() as connection:
        return within(connection, id)


def named(store: Store, name: str) -> Experiment | None:
    """The experiment of this name; None if there is none."""
    with store.read() as connection:
        row = connection.execute(select(experiments).where(experiments.c.name == plain(name))).first()
    return None if row is None else _experiment(row)


def within(connection: Connection, id: str, *, lock: bool = False) -> Experiment | None:
    """`get`, in a transaction that does more; locked, nobody archives it before that is over."""
    query = select(experiments).where(experiments.c.id == plain(id))
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _experiment(row)


def page(store: Store, wanted: Slice) -> Page[Experiment]:
    """A part of the list of all experiments."""
    with store.read() as connection:
        found = listing.page(connection, LISTED, wanted)
    return Page(items=tuple(map(_experiment, found.items)), total=found.total, following=found.following)


def change(store: Store, id: str, *, name: str | None = None, description: str | None = None) -> bool:
    """Give an experiment another name, another description; what is None stays. False, and nothing happens, where
    another one has the name."""
    values = {
        column: plain(text) for column, text in (("name", name), ("description", description)) if text is not None
    }
    with store.write() as connection:
        if name is not None:
            # Writers of SQLite take turns; PostgreSQL's are kept from making one of that name meanwhile.
            if connection.dialect.name == "postgresql":
                connection.execute(text_of("LOCK TABLE experiments IN SHARE ROW EXCLUSIVE MODE"))
            other = select(experiments.c.id).where(experiments.c.name == plain(name), experiments.c.id != id)
            if connection.execute(other).first():
                return False
        connection.execute(update(experiments).where(experiments.c.id == id).values(**values))
    return True


def archive(store: Store, id: str, time: float) -> None:
    """Archive an experiment and its runs, and disable its recurring runs. What was archived before keeps its time."""
    with store.write() as connection:
        for table, key in ((experiments, experiments.c.id), (runs, runs.c.experiment)):
            archived = update(table).where(key == id, table.c.archived.is_(None)).values(archived=time)
            connection.execute(archived)
        _disable(connection, id, time)


def unarchive(store: Store, id: str) -> None:
    """Take an experiment out of the archive; its runs stay there, and its recurring runs disabled."""
    with store.write() as connection:
        connection.execute(update(experiments).where(experiments.c.id == id).values(archived=None))


def remove(store: Store, id: str, time: float) -> None:
    """Forget an experiment. Its runs and recurring runs stay; the latter are disabled."""
    with store.write() as connection:
        _disable(connection, id, time)
        connection.execute(delete(experiments).where(experiments.c.id == id))


def touch(connection: Connection, id: str, time: float) -> None:
    """Say that a run of it was created, in the transaction that does that."""
    newest = func.coalesce(experiments.c.last_run, 0.0) < time
    connection.execute(update(experiments).where(experiments.c.id == id, newest).values(last_run=time))


def _disable(connection: Connection, id: str, time: float) -> None:
    enabled = (schedules.c.experiment == id, schedules.c.enabled)
    connection.execute(update(schedules).where(*enabled).values(enabled=False, updated=time))


def _row(experiment: Experiment) -> dict[str, object]:
    return {
        "id": experiment.id,
        "project": plain(experiment.project),
        "name": plain(experiment.name),
        "description": plain(experiment.description),
        "created": experiment.created,
        "last_run": experiment.last_run,
        "archived": experiment.archived,
    }


def _experiment(row: Row[Any]) -> Experiment:
    return Experiment(
        id=row.id,
        project=row.project,
        name=row.name,
        description=row.description,
        created=row.created,
        last_run=row.last_run,
        archived=row.archived,
    )
