"""How the IR's messages are read and written: slot by slot, in both directions from one table.

What no slot takes, and what says no more than its absence would, stays behind and becomes the value's `extra`. Writing
starts from `extra` and puts the slots' values back. So nothing is lost, whoever wrote the document.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, Final

from palmette.domain.graph import ParameterType
from palmette.domain.values import Json
from palmette.errors import Problem


class _Absent(StrEnum):
    """Tells a null from nothing."""

    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one sort of value is read and written."""

    #: what stands in for a value that could not be read
    blank: Any
    #: (raw, where, problems) → (value, what is left of raw)
    read: Callable[[Any, str, list[Problem]], tuple[Any, Any]]
    #: (value, what was left when it was read) → raw
    write: Callable[[Any, Any], Json] = lambda value, _: value


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A field of a message."""

    attribute: str
    path: tuple[str, ...]
    kind: Kind
    #: what the field's absence means
    default: Any
    #: the attribute that says whether there is a value at all
    presence: str = ""
    #: written even where it says no more than its absence would
    always: bool = False
    #: its absence is a problem
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A type of `palmette.ir.spec` and its slots."""

    type: Callable[..., Any]
    slots: tuple[Slot, ...]


def wrong(where: str, expected: str, found: Any) -> Problem:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return Problem(where=where, what=f"expected {expected}, found {names.get(type(found), 'a number')}")


def scalar(expected: str, blank: Any, convert: Callable[[Any], Any]) -> Kind:
    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        value = convert(raw)
        if value is ABSENT:
            problems.append(wrong(where, expected, raw))
            return blank, ABSENT
        return value, ABSENT

    return Kind(blank=blank, read=read)


def _whole(raw: Any) -> Any:
    if isinstance(raw, str) and re.fullmatch(r"-?[0-9]{1,19}", raw):
        return int(raw)
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and math.isfinite(raw) and raw == int(raw):
        return int(raw)
    return ABSENT


def _number(raw: Any) -> Any:
    return float(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) else ABSENT


def _seconds(raw: Any) -> Any:
    match = re.fullmatch(r"(-?[0-9]{1,12}(\.[0-9]{1,9})?)s", raw) if isinstance(raw, str) else None
    return float(match[1]) if match else ABSENT


def write_seconds(value: float) -> str:
    """A duration as protocol buffers spell it in JSON: "90s", "1.500s"."""
    nanos = round(value * 1_000_000_000)
    whole, rest = divmod(abs(nanos), 1_000_000_000)
    digits = f"{rest:09}"
    fraction = next(digits[:size] for size in (0, 3, 6, 9) if not digits[size:].strip("0"))
    return f"{'-' if nanos < 0 else ''}{whole}{'.' if fraction else ''}{fraction}s"


TEXT: Final = scalar("text", "", lambda raw: raw if isinstance(raw, str) else ABSENT)
FLAG: Final = scalar("a boolean", False, lambda raw: raw if isinstance(raw, bool) else ABSENT)
WHOLE: Final = scalar("a whole number", 0, _whole)
#: 64 bits, which JSON carries as text
LONG: Final = Kind(blank=0, read=WHOLE.read, write=lambda value, _: str(value))
NUMBER: Final = scalar("a number", 0.0, _number)
SECONDS: Final = Kind(
    blank=0.0,
    read=scalar('a duration such as "30s"', 0.0, _seconds).read,
    write=lambda value, _: write_seconds(value),
)
JSON: Final = Kind(blank=None, read=lambda raw, _where, _problems: (raw, ABSENT))
STRUCT: Final = scalar("a mapping", {}, lambda raw: raw if isinstance(raw, dict) else ABSENT)


def enumeration(*enums: type[StrEnum]) -> Kind:
    values = {str(member): member for enum in enums for member in enum}
    numbers = {
        index: values[name]
        for index, name in enumerate(
            ("", "NUMBER_DOUBLE", "NUMBER_INTEGER", "STRING", "BOOLEAN", "LIST", "STRUCT", "TASK_FINAL_STATUS")
            if ParameterType in enums
            else values
        )
        if name in values
    }
    blank = next(iter(values.values()))

    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        value = values.get(raw) if isinstance(raw, str) else numbers.get(raw) if isinstance(raw, int) else None
        if value is None:
            problems.append(Problem(where=where, what=f"{raw!r} is none of {', '.join(values)}"))
            return blank, ABSENT
        return value, ABSENT

    return Kind(blank=blank, read=read, write=lambda value, _: str(value))


def each(item: Kind) -> Kind:
    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        if not isinstance(raw, list):
            problems.append(wrong(where, "a list", raw))
            return (), ABSENT
        return tuple(item.read(entry, f"{where}[{index}]", problems)[0] for index, entry in enumerate(raw)), ABSENT

    return Kind(blank=(), read=read, write=lambda value, _: [item.write(entry, ABSENT) for entry in value])


def table(item: Kind) -> Kind:
    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        if not isinstance(raw, dict):
            problems.append(wrong(where, "a mapping", raw))
            return {}, ABSENT
        pairs = {key: item.read(entry, f"{where}.{key}", problems) for key, entry in raw.items()}
        left = {key: rest for key, (_, rest) in pairs.items() if rest is not ABSENT}
        return {key: value for key, (value, _) in pairs.items()}, left or ABSENT

    def write(value: Any, left: Any) -> Json:
        rest = left if isinstance(left, dict) else {}
        return {**rest, **{key: item.write(entry, rest.get(key, ABSENT)) for key, entry in value.items()}}

    return Kind(blank={}, read=read, write=write)


def message(shape: Shape) -> Kind:
    """A message of that shape."""
    return Kind(
        blank=ABSENT,
        read=lambda raw, where, problems: (read_message(shape, raw, where, problems), ABSENT),
        write=lambda value, _: write_message(shape, value),
    )


def read_message(shape: Shape, raw: Any, where: str, problems: list[Problem]) -> Any:
    """The value; what is wrong with it is added to `problems`, and something harmless stands in its place."""
    if not isinstance(raw, dict):
        problems.append(wrong(where, "a mapping", raw))
        raw = {}
    rest = dict(raw)
    values: dict[str, Any] = {}
    for slot in shape.slots:
        found = take(rest, slot.path)
        if slot.presence:
            values[slot.presence] = found is not ABSENT
        if found is ABSENT:
            values[slot.attribute] = slot.default
            if slot.required:
                problems.append(Problem(where=where, what=f"{'.'.join(slot.path)} is missing"))
            continue
        value, left = slot.kind.read(found, ".".join(filter(None, (where, *slot.path))), problems)
        values[slot.attribute] = value
        if not slot.always and not slot.presence and value == slot.default:
            put(rest, slot.path, found)
        elif left is not ABSENT:
            put(rest, slot.path, left)
    return shape.type(**values, extra=rest)


def write_message(shape: Shape, value: Any) -> dict[str, Any]:
    """The value as the wire has it."""
    rest: dict[str, Any] = copy.deepcopy(dict(value.extra))
    for slot in shape.slots:
        entry = getattr(value, slot.attribute)
        there = getattr(value, slot.presence) if slot.presence else slot.always or entry != slot.default
        if there:
            left = look(rest, slot.path)
            put(rest, slot.path, slot.kind.write(entry, left))
    return rest


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


def _spelled(rest: Mapping[str, Any], name: str) -> str:
    """Protocol buffers take a field's own name as well as its JSON name."""
    snake = _snake(name)
    return snake if snake in rest and name not in rest else name


def look(rest: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(rest, dict) or name not in rest:
            return ABSENT
        rest = rest[name]
    return rest


def take(rest: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Remove and return the entry; mappings on the way that become empty go too. `rest`'s own mappings are copied."""
    name = _spelled(rest, path[0])
    if len(path) == 1:
        return rest.pop(name, ABSENT)
    inner = rest.get(name)
    if not isinstance(inner, dict):
        return ABSENT
    inner = dict(inner)
    found = take(inner, path[1:])
    if found is not ABSENT:
        del rest[name]
        if inner:
            rest[path[0]] = inner
    return found


def put(rest: dict[str, Any], path: tuple[str, ...], value: Json) -> None:
    *way, last = path
    for name in way:
        inner = rest.get(name)
        rest[name] = inner = dict(inner) if isinstance(inner, dict) else {}
        rest = inner
    rest[last] = value


def shape(
    kind: type,
    slots: Mapping[str, tuple[str, Kind]],
    *,
    always: tuple[str, ...] = (),
    required: tuple[str, ...] = (),
    **absent: Any,
) -> Shape:
    """A type by its slots: attribute → (dotted path, kind), in the order in which they are taken.

    `absent` says what absence means where the type's own default would say something else.
    """
    presence = {"default_value": "has_default", "constant": "has_constant"}
    defaults = {
        entry.name: entry.default_factory() if entry.default_factory is not MISSING else entry.default
        for entry in fields(kind)
    }
    made = tuple(
        Slot(
            attribute=attribute,
            path=tuple(path.split(".")),
            kind=sort,
            default=absent.get(attribute, sort.blank if defaults[attribute] is MISSING else defaults[attribute]),
            presence=presence.get(attribute, "") if presence.get(attribute) in defaults else "",
            always=attribute in (*always, *required),
            required=attribute in required,
        )
        for attribute, (path, sort) in slots.items()
    )
    return Shape(type=kind, slots=made)
