"""Frozen values ⇄ plain JSON values, by their annotations.

Used where values cross between the project's interpreter and the tool's, between a server and who asks it, and where
the store keeps one whole. A union of dataclasses is told apart by a "kind" entry holding the class's name; a mapping
whose keys are no names is a list of pairs.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from palmette.domain.values import Json

T = TypeVar("T")

#: what is plain already; nearly all of a long list is
_PLAIN = frozenset({str, int, float, bool, type(None)})


def dump(value: object) -> Json:
    """The value as plain JSON values; fields that hold their default are kept."""
    if type(value) in _PLAIN:
        return typing.cast("Json", value)
    if is_dataclass(value) and not isinstance(value, type):
        body: dict[str, Json] = {name: dump(getattr(value, name)) for name in _names(type(value))}
        return {"kind": type(value).__name__, **body}
    if isinstance(value, Enum):
        return dump(value.value)
    if isinstance(value, Mapping):
        if any(is_dataclass(key) for key in value):
            return [[dump(key), dump(entry)] for key, entry in value.items()]
        return {str(key): dump(entry) for key, entry in value.items()}
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (Sequence, set, frozenset)):
        return [dump(entry) for entry in value]
    if isinstance(value, os.PathLike):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a plain value")


def load(declared: type[T], value: Json) -> T:
    """The inverse of `dump` for a declared type; unknown entries are ignored, so that a newer writer can be read."""
    loaded: T = _load(declared, value)
    return loaded


@cache
def hints(declared: Any) -> dict[str, Any]:
    """The annotations of a class or a function, resolved."""
    # `Json` refers to itself by name, which only its own module can resolve; a plain value is taken as it is anyway.
    return typing.get_type_hints(declared, localns={"Json": Any})


@cache
def _names(declared: Any) -> tuple[str, ...]:
    """The fields of a dataclass: to ask for them takes longer than to read a value."""
    return tuple(entry.name for entry in fields(declared))


@cache
def _generic(declared: Any) -> tuple[Any, tuple[Any, ...]]:
    """The origin and the arguments of an annotation."""
    return typing.get_origin(declared), typing.get_args(declared)


def _load(declared: Any, value: Any) -> Any:
    if declared is str or declared is bool or declared is int:
        return value
    if isinstance(declared, type) and is_dataclass(declared):
        known = hints(declared)
        return declared(**{name: _load(known[name], value[name]) for name in _names(declared) if name in value})
    if isinstance(declared, type) and (issubclass(declared, Enum) or hasattr(declared, "__fspath__")):
        called: Any = declared
        return called(value)
    origin, arguments = _generic(declared)
    if origin in (typing.Union, types.UnionType):
        return _load_union(arguments, value)
    if isinstance(origin, type) and isinstance(value, (list, tuple, dict)):
        return _load_several(origin, arguments, value)
    if declared is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        return float(value)
    return value


def _load_several(origin: type, arguments: tuple[Any, ...], value: Any) -> Any:
    if issubclass(origin, Mapping):
        pairs = value.items() if isinstance(value, Mapping) else value
        return {_load(arguments[0], key): _load(arguments[1], entry) for key, entry in pairs}
    if origin is tuple and arguments[-1] is not ...:
        return tuple(_load(each, entry) for each, entry in zip(arguments, value, strict=True))
    found = [_load(arguments[0], entry) for entry in value]
    return origin(found) if origin in (list, set, frozenset) else tuple(found)


def _load_union(members: tuple[Any, ...], value: Any) -> Any:
    if isinstance(value, Mapping) and "kind" in value:
        for member in members:
            if isinstance(member, type) and member.__name__ == value["kind"]:
                return _load(member, value)
    if value is None:
        return None
    plain = [member for member in members if member is not type(None)]
    return _load(plain[0], value) if len(plain) == 1 else value
