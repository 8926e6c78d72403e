"""Statements that SQLAlchemy spells once per dialect although both databases spell them alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Table, TextClause, and_, text

#: Now, in seconds since the epoch, as the database sees it.
CLOCKS: Final[Mapping[str, str]] = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
}

#: How many names or rows one statement is given.
CHUNK: Final = 500

T = TypeVar("T")


def chunks(things: Iterable[T]) -> Iterator[list[T]]:
    """The things in order, as many at once as a statement is given."""
    rest = iter(things)
    while some := list(islice(rest, CHUNK)):
        yield some


def begins(column: ColumnElement[str], prefix: str, dialect: str) -> ColumnElement[bool]:
    """Whether text begins with a prefix. SQLite's LIKE uses no index; PostgreSQL's order of text is the language's."""
    if dialect == "sqlite":
        return and_(column >= prefix, column < f"{prefix}\U0010ffff")
    return column.startswith(prefix, autoescape=True)


def insert_new(table: Table) -> TextClause:
    """Insert a row; keep the one that is there."""
    return text(f"{_insert(table)} ON CONFLICT DO NOTHING")


def upsert(table: Table, *, keep: Collection[str] = (), where: str = "") -> TextClause:
    """Insert a row, or give the one with the same key the new values; a NULL leaves the columns of `keep` as they
    are. Where `where` does not hold, the old row stays whole, and no row counts as changed."""
    return upsert_as(table, {name: f"COALESCE(excluded.{name}, {table.name}.{name})" for name in keep}, where)


def upsert_as(table: Table, values: Mapping[str, str], where: str = "") -> TextClause:
    """`upsert`, with the SQL of new values by column."""
    keys = [column.name for column in table.primary_key]
    others = [column.name for column in table.columns if column.name not in keys]
    changes = ", ".join(f'"{name}" = {values.get(name, f"excluded.{name}")}' for name in others)
    condition = f" WHERE {where}" if where else ""
    return text(f"{_insert(table)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}{condition}")


def _insert(table: Table) -> str:
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({", ".join(f":{name}" for name in names)})'
