"""Columns of a list that somebody asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from palmette.domain.query import Field, Kind
from palmette.domain.values import Json, literal
from palmette.operations.searching import Listing
from palmette.present import words


def headed(listing: Listing) -> dict[str, Sequence[str]]:
    """Heading → cells, for a terminal."""
    return {
        heading: [shown(field, cells.get(field)) for cells in listing.cells]
        for heading, field in zip(_headings(listing.columns), listing.columns, strict=True)
    }


def _headings(fields: Sequence[Field]) -> list[str]:
    """Short where no two are alike: "C" for config.C."""
    short = [str(field).partition(".")[2] or field.name for field in fields]
    return [name if short.count(name) == 1 else str(field) for name, field in zip(short, fields, strict=True)]


def shown(field: Field, value: Json) -> str:
    """A value for eyes; empty for none."""
    if value is None:
        return ""
    match field.kind:
        case Kind.MOMENT if isinstance(value, int | float):
            return words.moment(float(value))
        case Kind.DURATION if isinstance(value, int | float):
            return words.seconds(float(value))
        case Kind.NUMBER if isinstance(value, int | float):
            return words.number(float(value))
        case Kind.PREFIX:
            return str(value).removeprefix("sha256:")[:12]
        case Kind.STATE:
            return str(value).lower()
        case Kind.FLAG:
            return "yes" if value else "no"
        case Kind.ANY:
            return words.number(value) if isinstance(value, float) else words.value(value)
        case Kind.TEXT | Kind.MOMENT | Kind.DURATION | Kind.NUMBER:
            return str(value)
        case _:
            assert_never(field.kind)


def told(listing: Listing) -> list[Json]:
    """The asked-for values of each run, for machines."""
    return [
        {"run_id": row.run.id, **{str(field): _told(field, cells.get(field)) for field in listing.columns}}
        for row, cells in zip(listing.rows, listing.cells, strict=True)
    ]


def _told(field: Field, value: Json) -> Json:
    return value.lower() if field.kind is Kind.STATE and isinstance(value, str) else value


def table(listing: Listing) -> list[list[str]]:
    """The same as rows of text, the first one the header."""
    header = ["run_id", *(str(field) for field in listing.columns)]
    lines = [
        [
            row.run.id,
            *("" if (value := _told(field, cells.get(field))) is None else literal(value) for field in listing.columns),
        ]
        for row, cells in zip(listing.rows, listing.cells, strict=True)
    ]
    return [header, *lines]


def counted(listing: Listing) -> str:
    """How many of how many are shown: "20 of 1,000+"."""
    return f"{len(listing.rows):,} of {listing.total:,}{'+' if listing.more else ''}"
