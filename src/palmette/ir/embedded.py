"""JSON from anyone, as a value that can be passed on: whatever reads it again may be no Python."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from palmette.domain.values import Json

#: Lists and mappings within each other: as deep as a pipeline file may nest.
_DEPTH: Final = 100
#: No double has more digits before its point.
_DIGITS: Final = 309
_TOO_DEEP: Final = f"it nests deeper than {_DEPTH} levels"


def loads(text: str | bytes) -> Any:
    """The value of a text; ValueError for what is no JSON, for numbers beyond those of a double, for halves of
    characters, and for lists in lists in lists."""
    try:
        value: Json = json.loads(text, parse_constant=_no_constant, parse_float=real, parse_int=whole)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    require_usable(value)
    return value


def require_usable(value: Json, depth: int = 0) -> None:
    """ValueError for a value that is not to be passed on."""
    match value:
        case str():
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise ValueError("a text in it holds half a character")
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} is no JSON number")
        case dict() | list() if depth >= _DEPTH:
            raise ValueError(_TOO_DEEP)
        case dict():
            for key, entry in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"{key!r} is the name of an entry, and no text")
                require_usable(key, depth + 1)
                require_usable(entry, depth + 1)
        case list():
            for entry in value:
                require_usable(entry, depth + 1)
        case None | bool() | int() | float():
            pass
        case _:
            raise ValueError(f"it holds a {type(value).__name__}, which JSON has not")


def real(text: str) -> float:
    """The number with a fraction or an exponent; ValueError for one beyond all doubles."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{_short(text)} is too large a number")
    return value


def whole(text: str) -> int:
    """The whole number, with all its digits; ValueError for one beyond all doubles."""
    if len(text) >= _DIGITS:
        if len(text) > _DIGITS + 1:
            raise ValueError(f"{_short(text)} is too large a number")
        real(text)
    return int(text)


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:20]}…"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
