"""Parts of lists: filters, order and pages as SQL that means the same on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, assert_never

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Text,
    cast,
    collate,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.types import Float, Integer, Numeric

from palmette.domain.listing import Comparing, Operand, Page, Predicate, Slice
from palmette.errors import Problem, QueryError
from palmette.store.columns import plain

#: SQLite's name for the order that PostgreSQL calls "C": by the bytes, whatever the language.
_BYTES: Final = {"sqlite": "BINARY", "postgresql": "C"}
_UPPER: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
#: What both databases take as an integer.
_LARGEST: Final = 2**63 - 1
_TAGS: Final = "tags."
_ORDERED: Final = (
    Comparing.GREATER_THAN,
    Comparing.GREATER_THAN_EQUALS,
    Comparing.LESS_THAN,
    Comparing.LESS_THAN_EQUALS,
)

Element: TypeAlias = ColumnElement[Any]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A noun's table, and by which of its columns a list may be filtered and ordered."""

    table: Table
    #: field → what stands for it; absent values count as 0 or as empty text
    fields: Mapping[str, Element]
    #: whether its column `tags` may be asked for by "tags.KEY"
    tagged: bool = False
    #: fields of any name that begin like this, made when they are asked for
    families: Mapping[str, Any] = field(default_factory=dict)

    def element(self, name: str, dialect: str) -> Element | None:
        """What stands for a field; None for one that is not known."""
        if self.tagged and name.startswith(_TAGS):
            return _tag(self.table, name.removeprefix(_TAGS), dialect)
        for beginning, made in self.families.items():
            if name.startswith(beginning):
                element: Element = made(name.removeprefix(beginning))
                return element
        return self.fields.get(name)


def fields(table: Table, *names: str, **others: Element) -> dict[str, Element]:
    """The columns of these names by name, and other elements; NULL is 0 or empty text, so that all have an order."""
    return {name: whole(table.c[name]) for name in names} | {name: whole(element) for name, element in others.items()}


def whole(element: Element) -> Element:
    """The element with 0 or an empty text in place of NULL."""
    if isinstance(element.type, Boolean) or not getattr(element, "nullable", True):
        return element
    nothing = 0.0 if _numeric(element) else ""
    return func.coalesce(element, literal(nothing, element.type), type_=element.type)


def page(connection: Connection, listed: Listed, wanted: Slice, *within: Element) -> Page[Row[Any]]:
    """The rows of a slice, of those within the conditions; QueryError with all that is wrong with the slice."""
    dialect = connection.dialect.name
    problems: list[Problem] = []
    conditions = [*within, *_conditions(listed, wanted.predicates, dialect, problems)]
    order = listed.element(wanted.order, dialect)
    if order is None or wanted.order.startswith(_TAGS):
        problems.append(_unknown(wanted.order, listed, "ordered"))
    if problems or order is None:
        raise QueryError("this list cannot be made", problems=problems)
    found = select(listed.table).where(*conditions)
    sliced = _sliced(found, listed, wanted, _comparable(order, dialect), dialect)
    total = connection.execute(select(func.count()).select_from(listed.table).where(*conditions)).scalar_one()
    # Nothing among many is as long a search as anything: once is enough.
    rows = connection.execute(sliced).all() if total else ()
    more = len(rows) > wanted.size
    return Page(
        items=tuple(rows[: wanted.size]),
        total=total,
        following=(rows[wanted.size].sliced, rows[wanted.size].id) if more else None,
    )


def _sliced(query: Select[Any], listed: Listed, wanted: Slice, order: Element, dialect: str) -> Select[Any]:
    id = _comparable(listed.table.c.id, dialect)
    if wanted.start is not None:
        value, first = wanted.start
        problem = _mismatch("page", order, value)
        if problem:
            raise QueryError("this page cannot be found", problems=[problem])
        here, there = tuple_(order, id), tuple_(_operand(order, value), literal(plain(first)))
        query = query.where(here <= there if wanted.descending else here >= there)
    ordered = (order.desc(), id.desc()) if wanted.descending else (order.asc(), id.asc())
    return query.add_columns(order.label("sliced")).order_by(*ordered).limit(wanted.size + 1)


# Conditions.


def _conditions(
    listed: Listed, predicates: tuple[Predicate, ...], dialect: str, problems: list[Problem]
) -> Iterator[Element]:
    for predicate in predicates:
        element = listed.element(predicate.field, dialect)
        if element is None:
            problems.append(_unknown(predicate.field, listed, "filtered"))
            continue
        wrong = _wrong(predicate, element)
        problems += wrong
        if not wrong:
            yield _compared(_comparable(element, dialect), predicate)


def _wrong(predicate: Predicate, element: Element) -> list[Problem]:
    where, comparing = predicate.field, predicate.comparing
    if comparing is not Comparing.IN and len(predicate.operands) != 1:
        return [Problem(where=where, what=f"{comparing} compares with one value, not {len(predicate.operands)}")]
    if where.startswith(_TAGS) and comparing is not Comparing.EQUALS:
        return [Problem(where=where, what="a tag can only be equal to a value", hint="Use EQUALS.")]
    if comparing is Comparing.IS_SUBSTRING and not _textual(element):
        return [Problem(where=where, what="only text has pieces", hint="Use EQUALS, or a comparison of numbers.")]
    if comparing in _ORDERED and isinstance(element.type, Boolean):
        return [Problem(where=where, what="it is either true or false, neither of which is greater")]
    return [problem for value in predicate.operands if (problem := _mismatch(where, element, value))]


def _mismatch(where: str, element: Element, value: Operand) -> Problem | None:
    """What is wrong with comparing the element with the value."""
    if value is None:
        return None
    if _textual(element):
        wanted, fits = "text", isinstance(value, str)
    elif isinstance(element.type, Boolean):
        wanted, fits = "true or false", isinstance(value, bool)
    else:
        wanted, fits = "a number", isinstance(value, (int, float)) and not isinstance(value, bool)
    return None if fits else Problem(where=where, what=f"it is compared with {value!r}, which is not {wanted}")


def _unknown(name: str, listed: Listed, done: str) -> Problem:
    known = ", ".join([*sorted(listed.fields), *(["tags.KEY"] if listed.tagged and done == "filtered" else [])])
    return Problem(where=name or "(empty)", what=f"no list is {done} by this field", hint=f"There are: {known}.")


def _compared(element: Element, predicate: Predicate) -> Element:
    values = [_operand(element, value) for value in predicate.operands]
    match predicate.comparing:
        case Comparing.EQUALS:
            return element == values[0]
        case Comparing.NOT_EQUALS:
            return element != values[0]
        case Comparing.GREATER_THAN:
            return element > values[0]
        case Comparing.GREATER_THAN_EQUALS:
            return element >= values[0]
        case Comparing.LESS_THAN:
            return element < values[0]
        case Comparing.LESS_THAN_EQUALS:
            return element <= values[0]
        case Comparing.IN:
            return or_(*(element == value for value in values)) if values else literal(False) == literal(True)
        case Comparing.IS_SUBSTRING:
            # Case of ASCII letters does not count, as on a stock host; of others it does, the same on both databases.
            piece = str(predicate.operands[0] or "").translate(_UPPER)
            return func.lower(element).contains(plain(piece), autoescape=True)
        case _:
            assert_never(predicate.comparing)


# Values.


def _numeric(element: Element) -> bool:
    return isinstance(element.type, (Integer, Numeric, Float))


def _textual(element: Element) -> bool:
    return not _numeric(element) and not isinstance(element.type, Boolean)


def _comparable(element: Element, dialect: str) -> Element:
    """Text in the order of its bytes, anything else as it is."""
    return collate(element, _BYTES[dialect]) if _textual(element) else element


def _operand(element: Element, value: Operand) -> Element:
    if _textual(element):
        return literal("" if value is None else plain(str(value)))
    if isinstance(element.type, Boolean):
        return literal(bool(value), Boolean)
    number = 0 if value is None else value
    small = isinstance(number, float) or abs(int(number)) <= _LARGEST
    return literal(float(number) if small else float(_LARGEST) * (1 if int(number) > 0 else -1), Float(53))


def _tag(table: Table, key: str, dialect: str) -> Element:
    """The value that the tag has in the row; NULL without it."""
    if dialect == "postgresql":
        return cast(table.c.tags, JSON).op("->>", return_type=Text())(literal(plain(key)))
    each = func.json_each(table.c.tags).table_valued("key", "value")
    value = select(cast(each.c.value, Text)).where(each.c.key == plain(key))
    return value.correlate(table).scalar_subquery()
