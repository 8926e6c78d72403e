"""Pipelines, of which there are versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Row, delete, func, select, update

from palmette.domain.hosting import Pipeline, Version
from palmette.domain.listing import Page, Slice
from palmette.store import listing, versions
from palmette.store.columns import decode, plain
from palmette.store.database import Store
from palmette.store.schema import pipelines
from palmette.store.schema import versions as version_table
from palmette.store.statements import insert_new

LISTED: Final = listing.Listed(
    table=pipelines,
    fields=listing.fields(pipelines, "id", "project", "name", "display_name", "description", "created"),
    tagged=True,
)
_KEEP: Final = insert_new(pipelines)


def create(store: Store, pipeline: Pipeline, first: Version | None = None) -> bool:
    """Keep a pipeline, with its first version if there is one, unless another has its name; whether it was kept."""
    with store.write() as connection:
        kept = connection.execute(_KEEP, _row(pipeline)).rowcount > 0
        if kept and first is not None:
            versions.write(connection, first)
    return kept


def get(store: Store, id: str) -> Pipeline | None:
    """The pipeline of this id; None if there is none."""
    with store.read() as connection:
        row = connection.execute(select(pipelines).where(pipelines.c.id == plain(id))).first()
    return None if row is None else _pipeline(row)


def named(store: Store, name: str) -> Pipeline | None:
    """The pipeline of this name; None if there is none."""
    with store.read() as connection:
        row = connection.execute(select(pipelines).where(pipelines.c.name == plain(name))).first()
    return None if row is None else _pipeline(row)


def page(store: Store, wanted: Slice) -> Page[Pipeline]:
    """A part of the list of all pipelines."""
    with store.read() as connection:
        found = listing.page(connection, LISTED, wanted)
    return Page(items=tuple(map(_pipeline, found.items)), total=found.total, following=found.following)


def change(store: Store, id: str, *, display_name: str | None, tags: Mapping[str, str] | None) -> None:
    """Give a pipeline another display name, other tags; what is None stays."""
    with store.write() as connection:
        if values := changes(display_name=display_name, tags=tags):
            connection.execute(update(pipelines).where(pipelines.c.id == id).values(**values))


def remove(store: Store, id: str, *, cascade: bool) -> int:
    """Forget a pipeline; its versions, too, with `cascade`. Without, one that has some stays: how many it has."""
    with store.write() as connection:
        locked = select(pipelines.c.id).where(pipelines.c.id == id).with_for_update()
        connection.execute(locked).all()
        count = connection.execute(
            select(func.count()).select_from(version_table).where(version_table.c.pipeline == id)
        ).scalar_one()
        if count and not cascade:
            return int(count)
        connection.execute(delete(pipelines).where(pipelines.c.id == id))
    return 0


def changes(*, display_name: str | None, tags: Mapping[str, str] | None) -> dict[str, str]:
    """The columns that these values change; what is None stays."""
    values = {}
    if display_name is not None:
        values["display_name"] = plain(display_name)
    if tags is not None:
        values["tags"] = versions.tag_text(tags)
    return values


def _row(pipeline: Pipeline) -> dict[str, object]:
    return {
        "id": pipeline.id,
        "project": plain(pipeline.project),
        "name": plain(pipeline.name),
        "display_name": plain(pipeline.display_name),
        "description": plain(pipeline.description),
        "tags": versions.tag_text(pipeline.tags),
        "created": pipeline.created,
    }


def _pipeline(row: Row[Any]) -> Pipeline:
    return Pipeline(
        id=row.id,
        project=row.project,
        name=row.name,
        display_name=row.display_name,
        description=row.description,
        tags=decode(row.tags),
        created=row.created,
    )
