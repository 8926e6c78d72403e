"""What crosses between a server and who asks it: values as JSON, by the annotations of the functions they are for."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from os import PathLike
from typing import Any, Final

from palmette.domain import wire
from palmette.domain.values import Json
from palmette.errors import Problem

#: How a server and the tool understand each other; another number for another way.
PROTOCOL: Final = "1"
#: The form of answers that the tool loads; whoever does not ask for it is given what `--json` prints.
VALUES: Final = "application/vnd.palmette.values+json"
#: One JSON value a line; an empty line says that the server is still there.
LINES: Final = "application/x-ndjson"
#: Parameters that are not sent: whoever executes the function has its own, and knows who asks.
OWN: Final = ("environ", "caller")


class Shape:
    """What a function takes, besides the home, and what it gives."""

    def __init__(self, function: Callable[..., Any]) -> None:
        known = wire.hints(function)
        _, *parameters = inspect.signature(function).parameters.values()
        #: name → annotation
        self.takes: Mapping[str, Any] = {each.name: known[each.name] for each in parameters if each.name not in OWN}
        #: those that may be left out
        self.optional = frozenset(each.name for each in parameters if each.default is not each.empty)
        #: those of a function that needs the variables of whoever executes it
        self.own = tuple(each.name for each in parameters if each.name in OWN)
        self.gives: Any = known["return"]
        #: it gives one value after the other, as they come
        self.streams = typing.get_origin(self.gives) is Iterator
        self.item: Any = typing.get_args(self.gives)[0] if self.streams else self.gives
        self._signature = inspect.signature(function)

    def bound(self, values: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name, without the home; what was left out is left out."""
        arguments = dict(self._signature.bind(None, *values, **named).arguments)
        return {name: value for name, value in arguments.items() if name in self.takes}


@cache
def shape(function: Callable[..., Any]) -> Shape:
    """The function's shape; looked at once."""
    return Shape(function)


def written(value: object) -> bytes:
    """A value as JSON. JSON has no NaN and no infinities: they are texts, which a number's place takes."""
    plain = wire.dump(value)
    try:
        return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(plain), separators=(",", ":"), allow_nan=False).encode()


def _finite(value: Json) -> Json:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list) else value


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def read(declared: Any, data: bytes | str) -> Any:
    """The inverse of `written`, of bytes that can be trusted."""
    return wire.load(declared, json.loads(data))


# Parameters in an address

#: a parameter that is a part of a path: "{ref}", or "{branch:path}", which may hold slashes
PART: Final = re.compile(r"\{(\w+)(:path)?\}")


def named(path: str) -> frozenset[str]:
    """The parameters that stand in a path."""
    return frozenset(found[1] for found in PART.finditer(path))


def spelled(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Arguments as the parameters of an address: texts as they are, lists repeated, the fields of a dataclass each by
    itself, anything else as JSON. What is None or empty is left out."""
    found: list[tuple[str, str]] = []
    for name, value in arguments.items():
        if is_dataclass(value) and not isinstance(value, type):
            found += spelled({entry.name: getattr(value, entry.name) for entry in fields(value)})
        elif isinstance(value, str):
            found += [(name, value)]
        elif isinstance(value, (list, tuple, frozenset)) and all(isinstance(each, str) for each in value):
            found += [(name, each) for each in value]
        elif value is not None and value != {}:
            found += [(name, written(value).decode())]
    return found


def understood(declared: Mapping[str, Any], given: Sequence[tuple[str, str]]) -> dict[str, Json]:
    """The parameters of an address as plain values, by what they are declared to be; the inverse of `spelled`."""
    found: dict[str, Json] = {}
    for name, annotation in declared.items():
        if isinstance(annotation, type) and is_dataclass(annotation):
            found[name] = understood(wire.hints(annotation), given)
            continue
        values = [text for key, text in given if key == name]
        if values:
            found[name] = _several(annotation, values)
    return found


def names(declared: Mapping[str, Any]) -> frozenset[str]:
    """The parameters that an address may have for these."""
    inner = (wire.hints(each) if isinstance(each, type) and is_dataclass(each) else {name: each}
             for name, each in declared.items())  # fmt: skip
    return frozenset(name for each in inner for name in each)


def _several(annotation: Any, values: Sequence[str]) -> Json:
    if plain(annotation) is str:
        return values[-1]
    if typing.get_origin(annotation) in (tuple, list, frozenset, Sequence):
        return list(values)
    try:
        found: Json = json.loads(values[-1])
    except (ValueError, RecursionError):
        return values[-1]
    return found


def plain(annotation: Any) -> Any:
    """Without the None that it may be."""
    members = [each for each in typing.get_args(annotation) if each is not types.NoneType]
    several = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return members[0] if several and len(members) == 1 else annotation


# What comes from outside


def misfits(declared: Any, value: Json, where: str) -> Iterator[Problem]:
    """What of a value from outside is not what it is declared to be."""
    wanted = plain(declared)
    if value is None and wanted is not declared:
        return
    if isinstance(wanted, type) and is_dataclass(wanted):
        yield from _fields(wanted, value, where)
        return
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            yield Problem(where=where, what=f"{_short(value)} is no object")
            return
        for key, entry in value.items():
            yield from misfits(inner[1], entry, f"{where}.{key}")
    elif origin in (tuple, list, set, frozenset, Sequence):
        if not isinstance(value, list):
            yield Problem(where=where, what=f"{_short(value)} is no list")
            return
        for place, entry in enumerate(value):
            yield from misfits(inner[0], entry, f"{where}[{place}]")
    elif isinstance(wanted, type) and not _fits(wanted, value):
        yield Problem(where=where, what=f"{_short(value)} is no {_called(wanted)}")


def _fields(wanted: type, value: Json, where: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(where=where, what=f"{_short(value)} is no object")
        return
    known, signature = wire.hints(wanted), inspect.signature(wanted).parameters
    for name, annotation in known.items():
        if name in value:
            yield from misfits(annotation, value[name], f"{where}.{name}")
        elif name in signature and signature[name].default is inspect.Parameter.empty:
            yield Problem(where=f"{where}.{name}", what="it is missing")


def _fits(wanted: type, value: Json) -> bool:
    if issubclass(wanted, Enum):
        return value in [each.value for each in wanted]
    if wanted is float:
        return (isinstance(value, (int, float)) and not isinstance(value, bool)) or value in ("nan", "inf", "-inf")
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if issubclass(wanted, PathLike):
        return isinstance(value, str) and storable(value)
    if wanted is str:
        return isinstance(value, str) and storable(value)
    return wanted is not bool or isinstance(value, bool)


def storable(text: str) -> bool:
    """Whether a database takes the text: no NUL, and no half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _called(wanted: type) -> str:
    words = {str: "text", bool: "truth value", int: "whole number", float: "number"}
    if issubclass(wanted, Enum):
        return f"one of {', '.join(str(each.value) for each in wanted)}"
    return words.get(wanted, wanted.__name__.lower())


def _short(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
