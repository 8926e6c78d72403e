"""What a field of a message may hold: how it is read from JSON, how it is written, and its JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Annotated, Any, Final, Protocol, TypeAlias

from palmette.domain.values import Json
from palmette.errors import Problem

#: An integer of 64 bits, which JSON carries as text.
Int64: TypeAlias = Annotated[int, "int64"]
#: Seconds since the epoch, which JSON carries as RFC 3339 in UTC; None is left out.
Moment: TypeAlias = Annotated[float | None, "moment"]
#: A mapping that is taken as it is.
Struct: TypeAlias = Annotated[Mapping[str, Json], "struct"]

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,20}(\.0+)?", re.ASCII)


class Kind(Protocol):
    """What a field may hold."""

    def read(self, value: Json, where: str, problems: list[Problem]) -> Any:
        """The value; what is wrong with it is added to `problems`, and some value of the kind is returned."""

    def write(self, value: Any) -> Json:
        """The value as JSON; None where it is left out."""

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""


def _wrong(value: Json, expected: str, where: str, problems: list[Problem]) -> None:
    problems.append(Problem(where=where, what=f"{expected} is expected, not {spelled(value)}"))


def spelled(value: Json) -> str:
    """What kind of JSON value it is, for messages; its text is not quoted, since it may be long or secret."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
        case _:
            return "a list"


@dataclass(frozen=True)
class Text:
    """Any text."""

    def read(self, value: Json, where: str, problems: list[Problem]) -> str:
        if not isinstance(value, str):
            _wrong(value, "a text", where, problems)
            return ""
        return value

    def write(self, value: str) -> Json:
        return value or None

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: Json, where: str, problems: list[Problem]) -> bool:
        if not isinstance(value, bool):
            _wrong(value, "true or false", where, problems)
            return False
        return value

    def write(self, value: bool) -> Json:
        return value or None

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Whole:
    """A whole number of so many bits; texts of numbers are taken too, as protocol buffers' JSON does."""

    bits: int

    def read(self, value: Json, where: str, problems: list[Problem]) -> int:
        number = whole(value)
        if number is None:
            _wrong(value, "a whole number", where, problems)
            return 0
        if not -(2 ** (self.bits - 1)) <= number < 2 ** (self.bits - 1):
            problems.append(Problem(where=where, what=f"the number does not fit into {self.bits} bits"))
            return 0
        return number

    def write(self, value: int) -> Json:
        if not value:
            return None
        return str(value) if self.bits == 64 else value

    def schema(self) -> dict[str, Any]:
        if self.bits == 64:
            return {"type": ["string", "integer"], "format": "int64"}
        return {"type": "integer", "format": "int32"}


def whole(value: Json) -> int | None:
    """The whole number that is meant; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    return None


@dataclass(frozen=True)
class Time:
    """A moment."""

    def read(self, value: Json, where: str, problems: list[Problem]) -> float | None:
        found = moment(value) if isinstance(value, str) else None
        if found is None:
            expected = "a time as in 2026-05-31T14:00:00Z"
            if isinstance(value, str):
                problems.append(Problem(where=where, what=f"{expected} is expected"))
            else:
                _wrong(value, expected, where, problems)
        return found

    def write(self, value: float | None) -> Json:
        return None if value is None else stamp(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


def moment(text: str) -> float | None:
    """Seconds since the epoch of a time in RFC 3339; None for anything else."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper().replace(" ", "T")).timestamp()
    except (ValueError, OverflowError):
        return None


def stamp(seconds: float) -> str:
    """The time in RFC 3339, to the second."""
    try:
        return datetime.fromtimestamp(math.floor(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Choice:
    """One of a few words, or its number."""

    words: type[StrEnum]

    def read(self, value: Json, where: str, problems: list[Problem]) -> StrEnum:
        known = list(self.words)
        if isinstance(value, str) and value in self.words.__members__:
            return self.words[value]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(known):
            return known[value]
        names = ", ".join(word.value for word in known)
        problems.append(Problem(where=where, what=f"one of {names} is expected"))
        return known[0]

    def write(self, value: StrEnum) -> Json:
        return None if value is next(iter(self.words)) else value.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": [word.value for word in self.words]}


@dataclass(frozen=True)
class Inner:
    """Another message."""

    name: str
    load: Callable[[Json, str, list[Problem]], Any]
    dump: Callable[[Any], Json]

    def read(self, value: Json, where: str, problems: list[Problem]) -> Any:
        return self.load(value, where, problems)

    def write(self, value: Any) -> Json:
        return None if value is None else self.dump(value)

    def schema(self) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{self.name}"}


@dataclass(frozen=True)
class Many:
    """Several in order."""

    kind: Kind

    def read(self, value: Json, where: str, problems: list[Problem]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _wrong(value, "a list", where, problems)
            return ()
        return tuple(self.kind.read(entry, f"{where}[{at}]", problems) for at, entry in enumerate(value))

    def write(self, value: tuple[Any, ...]) -> Json:
        return [_kept(self.kind.write(entry)) for entry in value] or None

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.kind.schema()}


@dataclass(frozen=True)
class Named:
    """Several by name."""

    kind: Kind

    def read(self, value: Json, where: str, problems: list[Problem]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _wrong(value, "an object", where, problems)
            return {}
        return {name: self.kind.read(entry, f"{where}.{name}", problems) for name, entry in value.items()}

    def write(self, value: Mapping[str, Any]) -> Json:
        return {name: _kept(self.kind.write(entry)) for name, entry in value.items()} or None

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.kind.schema()}


def _kept(value: Json) -> Json:
    # Within a list or a map nothing can be left out; only texts occur there besides messages and enums.
    return "" if value is None else value


@dataclass(frozen=True)
class Anything:
    """Any JSON; with `struct`, any object."""

    struct: bool = False

    def read(self, value: Json, where: str, problems: list[Problem]) -> Json:
        if self.struct and not isinstance(value, Mapping):
            _wrong(value, "an object", where, problems)
            return {}
        return value

    def write(self, value: Json) -> Json:
        return finite(value) if value or not self.struct else None

    def schema(self) -> dict[str, Any]:
        return {"type": "object"} if self.struct else {}


def finite(value: Json) -> Json:
    """The value with what JSON has no number for as text, as protocol buffers' JSON does."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value
