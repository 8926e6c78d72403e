"""Versions of pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from palmette.domain.hosting import Version
from palmette.domain.listing import Page, Slice
from palmette.store import listing
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import pipelines, versions
from palmette.store.statements import insert_new

LISTED: Final = listing.Listed(
    table=versions,
    fields=listing.fields(
        versions,
        *("id", "pipeline", "name", "display_name", "description", "created"),
        *("spec", "code_source_url", "package_url"),
    ),
    tagged=True,
)
_KEEP: Final = insert_new(versions)


def create(store: Store, version: Version) -> bool | None:
    """Keep a version, unless its pipeline has one of its name; whether it was kept. None if there is no such
    pipeline."""
    with store.write() as connection:
        of_pipeline = select(pipelines.c.id).where(pipelines.c.id == version.pipeline).with_for_update()
        return write(connection, version) if connection.execute(of_pipeline).first() else None


def write(connection: Connection, version: Version) -> bool:
    """`create`, in a transaction that does more and has made sure of the pipeline."""
    return connection.execute(_KEEP, _row(version)).rowcount > 0


def get(store: Store, pipeline: str, id: str) -> Version | None:
    """The version of this pipeline and id; None if there is none."""
    query = select(versions).where(versions.c.pipeline == plain(pipeline), versions.c.id == plain(id))
    with store.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else version(row)


def named(store: Store, pipeline: str, name: str) -> Version | None:
    """The version of this pipeline and name; None if there is none."""
    query = select(versions).where(versions.c.pipeline == plain(pipeline), versions.c.name == plain(name))
    with store.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else version(row)


def newest(store: Store, pipeline: str) -> Version | None:
    """The version that a pipeline was given last; None if it has none."""
    query = select(versions).where(versions.c.pipeline == plain(pipeline))
    with store.read() as connection:
        row = connection.execute(query.order_by(versions.c.created.desc(), versions.c.id.desc()).limit(1)).first()
    return None if row is None else version(row)


def page(store: Store, pipeline: str, wanted: Slice) -> Page[Version]:
    """A part of the list of a pipeline's versions."""
    with store.read() as connection:
        found = listing.page(connection, LISTED, wanted, versions.c.pipeline == plain(pipeline))
    return Page(items=tuple(map(version, found.items)), total=found.total, following=found.following)


def change(store: Store, id: str, values: Mapping[str, str]) -> None:
    """Give a version these values of columns (`pipelines.changes`)."""
    with store.write() as connection:
        if values:
            connection.execute(update(versions).where(versions.c.id == id).values(**values))


def remove(store: Store, id: str) -> None:
    """Forget a version."""
    with store.write() as connection:
        connection.execute(delete(versions).where(versions.c.id == id))


def tag_text(tags: Mapping[str, str]) -> str:
    """Tags as a column holds them."""
    return encode({plain(key): plain(value) for key, value in tags.items()})


def _row(version: Version) -> dict[str, object]:
    return {
        "id": version.id,
        "pipeline": version.pipeline,
        "name": plain(version.name),
        "display_name": plain(version.display_name),
        "description": plain(version.description),
        "tags": tag_text(version.tags),
        "spec": version.spec,
        "code_source_url": plain(version.code_source_url),
        "package_url": plain(version.package_url),
        "created": version.created,
    }


def version(row: Row[Any]) -> Version:
    """A version, as its row has it."""
    return Version(
        id=row.id,
        pipeline=row.pipeline,
        name=row.name,
        display_name=row.display_name,
        description=row.description,
        tags=decode(row.tags),
        spec=row.spec,
        code_source_url=row.code_source_url,
        package_url=row.package_url,
        created=row.created,
    )
