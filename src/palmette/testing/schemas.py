"""What a table must look like."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal

from palmette.authoring.annotations import Range
from palmette.authoring.parameters import members, plain

#: Python types → what a column of them is called
_NAMED: Final[Mapping[Any, str]] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    datetime: "time",
    date: "time",
    bytes: "object",
}
#: the first letters of a dtype's name for what several dtypes are
_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "bool": ("bool",),
    "int": ("int", "uint"),
    "float": ("float", "double"),
    "number": ("int", "uint", "float", "double"),
    "text": ("object", "str", "string", "category", "utf8", "large_string", "enum"),
    "time": ("datetime", "date", "timestamp"),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a column must be. What is not said is not looked at."""

    #: its exact dtype ("float64"), a family ("int", "float", "number", "bool", "text", "time"), or a Python type
    dtype: str | type | None = None
    #: the smallest value that may stand in it
    low: Any = None
    #: the largest one
    high: Any = None
    #: whether values may be missing
    nulls: bool = False
    #: the only values
    choices: Sequence[Any] = ()
    #: whether no value may stand in it twice
    unique: bool = False


def assert_schema(table: Any, schema: Any, *, extra: bool = False, rows: int = 1) -> None:
    """Demand that a table has these columns, of these types, in these ranges, without missing values; at least so many
    rows, and no `extra` columns unless they are allowed. Every violation is in the AssertionError.

    The schema is a mapping from a column's name to a dtype, a Python type or a `Column`; or a dataclass, whose
    annotations say it: ``Annotated[float, Range(0, 120)]``, ``Literal["a", "b"]``, ``float | None`` for a column with
    missing values.

    >>> assert_schema(frame, {"age": Column(dtype="float", low=0, high=120), "sex": str})
    """
    wanted = {name: _column(said) for name, said in _entries(schema)}
    present = [str(name) for name in getattr(table, "columns", ())]
    problems = [f"the column {name} is missing" for name in wanted if name not in present]
    problems += [f"the column {name} is not in the schema" for name in present if name not in wanted and not extra]
    if len(table) < rows:
        problems.append(f"it has {len(table)} rows, and should have at least {rows}")
    for name, column in wanted.items():
        if name in present:
            problems += [f"{name}: {problem}" for problem in _violations(table[name], column)]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise AssertionError(f"the table is not as it should be:\n{lines}")


def _entries(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, Mapping):
        yield from schema.items()
    elif is_dataclass(schema):
        hints = typing.get_type_hints(schema if isinstance(schema, type) else type(schema), include_extras=True)
        yield from ((field.name, hints[field.name]) for field in fields(schema))
    else:
        raise TypeError(f"a schema is a mapping or a dataclass, not {type(schema).__name__}")


def _column(said: Any) -> Column:
    if isinstance(said, Column):
        return said
    if isinstance(said, str):
        return Column(dtype=said)
    bare, notes = plain(said)
    options = [each for each in members(bare) if each is not NoneType]
    nulls = len(options) < len(members(bare))
    kind, inner = plain(options[0])
    bounds = next((note for note in (*notes, *inner) if isinstance(note, Range)), None)
    choices: Sequence[Any] = ()
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        kind = type(choices[0])
    elif isinstance(kind, type) and issubclass(kind, Enum):
        choices, kind = [member.name for member in kind], str
    if not isinstance(kind, type) or kind not in _NAMED:
        raise TypeError(f"{said!r} says nothing of a column; say a dtype, or Column(…)")
    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    return Column(dtype=kind, nulls=nulls, low=low, high=high, choices=choices)


def _violations(values: Any, column: Column) -> Iterator[str]:
    dtype = str(values.dtype)
    if column.dtype is not None and not _is(dtype, column.dtype):
        name = column.dtype if isinstance(column.dtype, str) else _NAMED.get(column.dtype, column.dtype.__name__)
        yield f"it is {dtype}, and should be {name}"
        return
    known = [value for value in values.to_list() if not _absent(value)]
    missing = len(values) - len(known)
    if missing and not column.nulls:
        yield f"{missing} of {len(values)} values are missing"
    checks: list[tuple[Any, str, Callable[[Any], bool]]] = [
        (column.low, f"below {column.low}", lambda value: value < column.low),
        (column.high, f"above {column.high}", lambda value: value > column.high),
        (
            column.choices or None,
            f"not one of {', '.join(map(str, column.choices))}",
            lambda v: v not in column.choices,
        ),
    ]
    for bound, what, broken in checks:
        wrong = [value for value in known if broken(value)] if bound is not None else []
        if wrong:
            yield f"{len(wrong)} of {len(values)} values are {what}: {', '.join(map(str, wrong[:3]))}"
    if column.unique and (twice := len(known) - len(set(known))):
        yield f"{twice} values stand in it more than once"


def _is(dtype: str, wanted: str | type) -> bool:
    name = wanted if isinstance(wanted, str) else _NAMED.get(wanted, wanted.__name__)
    lowered = dtype.lower()
    return lowered == name.lower() or any(lowered.startswith(each) for each in _FAMILIES.get(name, ()))


def _absent(value: Any) -> bool:
    return value is None or bool(value != value) or type(value).__name__ in ("NAType", "NaTType")
