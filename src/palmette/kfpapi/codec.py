"""Messages ⇄ JSON by KFP's rules: snake_case, zero values left out, 64-bit integers as text, times in UTC.

A message is a frozen dataclass; its annotations say what its fields hold. Reading takes lowerCamelCase too, as
protocol buffers do, and refuses what it does not know, with every problem at once.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

from palmette.domain.values import Json
from palmette.errors import Problem, UsageError
from palmette.ir.embedded import real, whole
from palmette.kfpapi import kinds
from palmette.kfpapi.kinds import Kind, spelled

T = TypeVar("T")

#: nested lists and objects of a request; a pipeline within it may have a hundred
MAX_DEPTH: Final = 120
#: values of a request
MAX_VALUES: Final = 1_000_000

_SURROGATE: Final = re.compile("[\ud800-\udfff\0]")


@dataclass(frozen=True, kw_only=True)
class _Field:
    name: str
    #: as it is written
    wire: str
    kind: Kind


def parse(data: bytes, what: str = "the request") -> Json:
    """The JSON value of a text from anyone: bounded in depth and number; UsageError where it is none."""
    try:
        text = data.decode("utf-8-sig")
        value: Json = json.loads(text, parse_constant=_no_constant, parse_float=real, parse_int=whole)
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} is not UTF-8 text: byte {error.start} is {error.reason}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{what} is not JSON, {where}: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except RecursionError:
        raise UsageError(f"{what} nests deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise UsageError(f"{what} holds a number that is none: {error}") from None
    _bounded(value, what)
    return value


def _no_constant(name: str) -> Any:
    raise UsageError(f"{name} is no number in JSON")


def _bounded(value: Json, what: str) -> None:
    level, depth, values = [value], 0, 0
    while level:
        depth, values = depth + 1, values + len(level)
        if depth > MAX_DEPTH:
            raise UsageError(f"{what} nests deeper than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise UsageError(f"{what} holds more than {MAX_VALUES:,} values")
        for text in _texts(level):
            plain(text, what)
        level = [inner for entry in level if isinstance(entry, (dict, list)) for inner in _inside(entry)]


def _texts(level: list[Json]) -> Iterator[str]:
    for entry in level:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            yield from entry


def _inside(entry: Any) -> Any:
    return entry.values() if isinstance(entry, dict) else entry


def plain(text: str, what: str) -> str:
    """The text, if it can be stored and handed to a process; UsageError for NUL and halves of characters."""
    if _SURROGATE.search(text):
        raise UsageError(f"{what} holds a NUL or half a character, which no text may")
    return text


def load(declared: type[T], value: Json) -> T:
    """The message; UsageError with every problem at once."""
    problems: list[Problem] = []
    message: T = _load(declared, value, "", problems)
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise UsageError(f"the request has {count} in its form", problems=problems)
    return message


def dump(message: Any) -> dict[str, Json]:
    """The message as JSON, its zero values left out."""
    declared: Any = type(message)
    written: dict[str, Json] = {}
    for field in _shape(declared):
        held = getattr(message, field.name)
        value = None if held is None else field.kind.write(held)
        if value is not None:
            written[field.wire] = value
    return written


def schema(declared: type) -> dict[str, Any]:
    """The JSON Schema of a message; those within it are referred to by name."""
    properties = {field.wire: field.kind.schema() for field in _shape(declared)}
    described: dict[str, Any] = {"type": "object", "properties": properties}
    if declared.__doc__ and not declared.__doc__.startswith(f"{declared.__name__}("):
        described["description"] = declared.__doc__
    return described


def within(declared: type) -> Iterator[type]:
    """The message and all those within it, each once."""
    seen: set[type] = set()
    waiting = [declared]
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            yield each
            waiting += [inner for hint in _hints(each).values() for inner in _messages(hint)]


def _messages(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _messages(inner)


@cache
def _hints(declared: type) -> dict[str, Any]:
    # `Json` refers to itself by name; any plain value is meant.
    known = {"Json": Any, "Sequence": Sequence, "Mapping": Mapping}
    return typing.get_type_hints(declared, localns=known, include_extras=True)


@cache
def _shape(declared: type) -> tuple[_Field, ...]:
    hints = _hints(declared)
    return tuple(
        _Field(name=each.name, wire=each.metadata.get("wire", each.name), kind=_kind(hints[each.name]))
        for each in fields(declared)
    )


def _kind(hint: Any) -> Kind:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        marked: dict[str, Kind] = {
            "int64": kinds.Whole(64),
            "moment": kinds.Time(),
            "struct": kinds.Anything(struct=True),
        }
        return marked[arguments[1]]
    if origin in (typing.Union, types.UnionType):
        kept = [each for each in arguments if each is not type(None)]
        return _kind(kept[0]) if len(kept) == 1 else kinds.Anything()
    if origin is tuple:
        return kinds.Many(_kind(arguments[0]))
    if origin is not None and issubclass(origin, Mapping):
        return kinds.Named(_kind(arguments[1]))
    if isinstance(hint, type):
        if is_dataclass(hint):
            return kinds.Inner(hint.__name__, _loader(hint), dump)
        if issubclass(hint, StrEnum):
            return kinds.Choice(hint)
        plain: dict[type, Kind] = {str: kinds.Text(), bool: kinds.Flag(), int: kinds.Whole(32)}
        if hint in plain:
            return plain[hint]
    return kinds.Anything()


def _loader(declared: type) -> Callable[[Json, str, list[Problem]], Any]:
    return lambda value, where, problems: _load(declared, value, where, problems)


@cache
def _names(declared: type) -> dict[str, _Field]:
    """What a field may be called."""
    shape = _shape(declared)
    return {**{_camel(field.wire): field for field in shape}, **{field.wire: field for field in shape}}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _load(declared: type, value: Json, where: str, problems: list[Problem]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(Problem(where=where or "the request", what=f"an object is expected, not {spelled(value)}"))
        return declared()
    known, found = _names(declared), dict[str, Any]()
    for name, entry in value.items():
        place = f"{where}.{name}" if where else name
        field = known.get(name)
        if field is None:
            problems.append(Problem(where=_short(place), what="there is no such field"))
        elif field.name in found:
            problems.append(Problem(where=place, what="the field is given twice"))
        elif entry is not None:
            found[field.name] = field.kind.read(entry, place, problems)
    return declared(**found)


def _short(place: str) -> str:
    return place if len(place) <= 100 else f"{place[:99]}…"
