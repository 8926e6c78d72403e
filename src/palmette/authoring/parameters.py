"""Python types as pipeline parameters, and their values ⇄ parameter values."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from operator import index
from pathlib import Path, PurePath
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Final, Literal, Union

from palmette.authoring.annotations import Format, Range
from palmette.authoring.references import InputFile
from palmette.domain.fields import accept
from palmette.domain.graph import Field, ParameterType, Reading
from palmette.domain.values import Json


class Unsupported(Exception):
    """A type that cannot be what it is used for. The text says what is wrong with it, `hint` what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A Python type whose values travel as parameters."""

    #: what a field of this type accepts
    field: Field
    #: the class that values have
    python: Any
    #: of the items of a list or the values of a mapping; None for anything that JSON can say
    item: Parameter | None = None


_SCALARS: Final[Mapping[Any, tuple[ParameterType, Reading]]] = {
    bool: (ParameterType.BOOLEAN, Reading.PLAIN),
    int: (ParameterType.INTEGER, Reading.PLAIN),
    float: (ParameterType.DOUBLE, Reading.PLAIN),
    str: (ParameterType.STRING, Reading.PLAIN),
    date: (ParameterType.STRING, Reading.DATE),
    datetime: (ParameterType.STRING, Reading.DATETIME),
    Path: (ParameterType.STRING, Reading.PATH),
    PurePath: (ParameterType.STRING, Reading.PATH),
    InputFile: (ParameterType.STRING, Reading.FILE),
}


def plain(declared: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without ``Annotated``, ``NewType`` and alias around it, and the notes of ``Annotated``, outer last."""
    notes: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(declared) is typing.Annotated:
            declared, notes = declared.__origin__, (*declared.__metadata__, *notes)
        elif hasattr(declared, "__supertype__"):
            declared = declared.__supertype__
        elif type(declared).__name__ == "TypeAliasType":
            declared = declared.__value__
        else:
            return declared, notes


def evaluated(declared: Any, namespace: Mapping[str, Any]) -> Any:
    """The type that an annotation says, be it a text or not; Unsupported if a name in it is missing."""
    holder = SimpleNamespace(__annotations__={"it": declared})
    try:
        return typing.get_type_hints(holder, globalns=dict(namespace), include_extras=True)["it"]
    except NameError as error:
        hint = "Import it at the top of the module, outside `if TYPE_CHECKING:`."
        raise Unsupported(f"its annotation {declared!r} cannot be read: {error}", hint) from None
    except (AttributeError, SyntaxError, TypeError) as error:
        raise Unsupported(f"its annotation {declared!r} cannot be read: {error}") from None


def named(declared: Any) -> str:
    """The type as its author would write it."""
    if isinstance(declared, type) and not typing.get_args(declared):
        return declared.__qualname__
    if typing.get_origin(declared) is typing.Annotated:
        notes = ", ".join(_noted(note) for note in declared.__metadata__)
        return f"Annotated[{named(declared.__origin__)}, {notes}]"
    return str(declared).replace("typing.", "").replace("NoneType", "None")


def _noted(note: Any) -> str:
    if isinstance(note, Format):
        return f"Format({note.read.__name__}, {note.write.__name__}, {note.suffix!r})"
    return note.__qualname__ if isinstance(note, type) else repr(note)


def members(declared: Any) -> tuple[Any, ...]:
    """The members of a union; the type alone if it is none."""
    return typing.get_args(declared) if typing.get_origin(declared) in (Union, UnionType) else (declared,)


def parameter(declared: Any) -> Parameter | None:
    """How a type travels as a parameter; None if it is not such a type, Unsupported if it nearly is."""
    bare, notes = plain(declared)
    alternatives = members(bare)
    if NoneType in alternatives and len(alternatives) == 2:
        found = parameter(next(member for member in alternatives if member is not NoneType))
        optional = found and replace(found, field=replace(found.field, optional=True))
        return optional and _bounded(optional, notes, declared)
    found = _scalar(bare) or _literal(bare) or _collection(bare)
    return found and _bounded(found, notes, declared)


def _of(kind: ParameterType, python: Any, item: Parameter | None = None, **more: Any) -> Parameter:
    # Bounds and choices are those of the items; a collection within a collection is not looked into.
    single = item is not None and item.python not in (list, tuple, dict)
    inner = (
        {name: getattr(item.field, name) for name in ("reading", "low", "high", "choices")} if item and single else {}
    )
    field = Field(name="", type=kind, item=item.field.type if item else None, **{**inner, **more})
    return Parameter(field=field, python=python, item=item)


def listed(item: Parameter | None, declared: str = "") -> Parameter:
    """A list of such parameters."""
    return _of(ParameterType.LIST, list, item, declared=declared)


def _scalar(bare: Any) -> Parameter | None:
    if isinstance(bare, type) and issubclass(bare, Enum):
        return _of(ParameterType.STRING, bare, reading=Reading.ENUM, choices=tuple(bare.__members__))
    # A subclass of float, as NumPy's float64 is one, is a float to whoever wired it.
    known = float if isinstance(bare, type) and issubclass(bare, float) else bare
    if isinstance(known, type) and known in _SCALARS:
        kind, reading = _SCALARS[known]
        return _of(kind, known, reading=reading)
    return None


def _literal(bare: Any) -> Parameter | None:
    if typing.get_origin(bare) is not Literal:
        return None
    choices = tuple(choice for choice in typing.get_args(bare) if choice is not None)
    kinds = {type(choice) for choice in choices}
    if len(kinds) != 1 or not kinds <= {bool, int, str}:
        raise Unsupported(f"{named(bare)} mixes types, and a parameter has one", "Use texts alone, or numbers alone.")
    python = kinds.pop()
    return _of(_SCALARS[python][0], python, choices=choices, optional=None in typing.get_args(bare))


def _collection(bare: Any) -> Parameter | None:
    origin, arguments = typing.get_origin(bare) or bare, typing.get_args(bare)
    if origin in (list, Sequence):
        return _of(ParameterType.LIST, list, _item(bare, arguments[0]) if arguments else None)
    if origin is tuple:
        if not arguments:
            return _of(ParameterType.LIST, tuple)
        if len({*arguments} - {...}) != 1:
            raise Unsupported(f"{named(bare)} mixes types, and a list parameter has one", "Make it several fields.")
        length = None if ... in arguments else len(arguments)
        return _of(ParameterType.LIST, tuple, _item(bare, arguments[0]), length=length)
    if origin in (dict, Mapping):
        if arguments and arguments[0] is not str:
            raise Unsupported(f"{named(bare)} has keys that are no texts", "Use dict[str, …].")
        return _of(ParameterType.STRUCT, dict, _item(bare, arguments[1]) if arguments else None)
    return None


def _item(bare: Any, declared: Any) -> Parameter | None:
    if declared is Any:
        return None
    item = parameter(declared)
    if item is None:
        raise Unsupported(f"{named(bare)} holds {named(declared)}, which is no parameter type")
    if item.field.reading is Reading.FILE:
        raise Unsupported(f"{named(bare)} holds files, and a field is one file", "Name a directory.")
    if item.field.optional:
        raise Unsupported(f"{named(bare)} may hold None, which a parameter cannot")
    return item


def _bounded(found: Parameter, notes: Sequence[Any], declared: Any) -> Parameter:
    field = replace(found.field, declared=named(declared))
    for note in notes:
        if isinstance(note, Range):
            if (field.item or field.type) not in (ParameterType.INTEGER, ParameterType.DOUBLE):
                raise Unsupported(f"{named(declared)}: only numbers have a Range")
            if None not in (note.low, note.high) and not note.low <= note.high:  # type: ignore[operator]
                raise Unsupported(f"{named(declared)}: no number is in that Range")
            field = replace(field, low=note.low, high=note.high)
    return replace(found, field=field)


def encode(kind: Parameter, value: Any) -> Json:
    """The value as a parameter value; ValueError if it has not that type or is not allowed."""
    return accept(kind.field, _plain(kind, value))


def _plain(kind: Parameter | None, value: Any) -> Any:
    if kind is None or value is None:
        return value
    if kind.field.reading is Reading.ENUM and kind.item is None:
        # By name, which is what the command line and the run form say.
        return value.name if type(value) is kind.python else _wrong(kind, value)
    if kind.python is tuple or kind.python is list:
        items = value if isinstance(value, (list, tuple)) else _wrong(kind, value)
        return [_plain(kind.item, item) for item in items]
    if kind.python is dict:
        entries = value if isinstance(value, Mapping) else _wrong(kind, value)
        return {key: _plain(kind.item, entry) for key, entry in entries.items()}
    if kind.field.reading in (Reading.PATH, Reading.FILE):
        return str(value) if isinstance(value, (str, PurePath)) else _wrong(kind, value)
    return _unboxed(kind.python, value)


def _unboxed(python: Any, value: Any) -> Any:
    """Numbers of NumPy and its kin as Python's own; anything else as it is."""
    if isinstance(value, (bool, int, float, str)):
        return value
    if python is int and hasattr(value, "__index__"):
        return index(value)
    if python is bool and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    if python is float and hasattr(value, "__float__"):
        return float(value)
    return value


def _wrong(kind: Parameter, value: Any) -> Any:
    raise ValueError(f"{type(value).__qualname__} is not {kind.field.declared or kind.python.__qualname__}")


def decode(kind: Parameter | None, value: Any) -> Any:
    """The Python value that a parameter value stands for; ValueError if it is not allowed."""
    return _python(kind, value if kind is None else accept(kind.field, value))


def _python(kind: Parameter | None, value: Any) -> Any:
    if kind is None or value is None:
        return value
    if kind.python in (list, tuple):
        return kind.python(_python(kind.item, item) for item in value)
    if kind.python is dict:
        return {key: _python(kind.item, entry) for key, entry in value.items()}
    if kind.field.reading is Reading.ENUM:
        return kind.python[value]
    if kind.python in (date, datetime):
        return kind.python.fromisoformat(value)
    return kind.python(value) if kind.field.reading in (Reading.PATH, Reading.FILE) else value
