"""Fields of a config: what each accepts, and how its text is read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from functools import partial
from typing import Final, assert_never

from palmette.domain.graph import Field, ParameterType, Reading
from palmette.domain.values import Json

#: The preset that every algorithm has: its defaults.
FULL: Final = "full"
#: The preset by which a run proves that it trains, and no more.
TOY: Final = "toy"
#: Beyond it a JSON number no longer holds every whole number.
LARGEST: Final = 2**53

_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_ENCLOSED: Final = re.compile(r"""\[.*\]|\{.*\}|"[^"]*"|'[^']*'""", re.DOTALL)
_INTERVAL: Final = re.compile(r"\s*[-+]?[\d_]*\.?\d[^.,]*\.\.[-+]?\.?\d.*")
_NOUNS: Final = {
    ParameterType.BOOLEAN: "true or false",
    ParameterType.INTEGER: "a whole number",
    ParameterType.DOUBLE: "a number",
    ParameterType.STRING: "a text",
    ParameterType.LIST: "a list in brackets",
    ParameterType.STRUCT: 'a mapping in braces, such as {"a": 1}',
}


class Refused(ValueError):
    """A value that a field does not accept. The text is what is wrong with it, `hint` what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def allowed(field: Field) -> str:
    """What the field accepts, in words: "a number from 0.05 to 0.5"."""
    collection = field.type in (ParameterType.LIST, ParameterType.STRUCT)
    words = _NOUNS[field.type]
    if collection and field.length is not None:
        words = f"a list of {field.length} in brackets"
    one = _allowed_item(field, field.item if collection else field.type)
    if collection:
        words += f", each {one}" if one else ""
    else:
        words = one
    return f"{words}, or none" if field.optional else words


def _allowed_item(field: Field, kind: ParameterType | None) -> str:
    if field.choices:
        names = [json.dumps(choice) if kind is not ParameterType.STRING else str(choice) for choice in field.choices]
        return f"one of {', '.join(names)}"
    if field.reading is Reading.DATE:
        return "a date such as 2024-05-31"
    if field.reading is Reading.DATETIME:
        return "a time such as 2024-05-31T10:30:00"
    words = _NOUNS[kind] if kind else ""
    match field.low, field.high:
        case None, None:
            return words
        case low, None:
            return f"{words} of at least {low:g}"
        case None, high:
            return f"{words} of at most {high:g}"
        case low, high:
            return f"{words} from {low:g} to {high:g}"


def accept(field: Field, value: object) -> Json:
    """The value as the field's parameter value, in its one spelling (1 is 1.0 for a DOUBLE); Refused if not allowed."""
    if value is None:
        if field.optional:
            return None
        raise _not_allowed(field, value)
    match field.type:
        case ParameterType.LIST:
            if not isinstance(value, (list, tuple)) or field.length not in (None, len(value)):
                raise _not_allowed(field, value)
            return [_one(field, field.item, entry, value) for entry in value]
        case ParameterType.STRUCT:
            if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
                raise _not_allowed(field, value)
            return {key: _one(field, field.item, entry, value) for key, entry in value.items()}
        case _:
            return _one(field, field.type, value, value)


def _one(field: Field, kind: ParameterType | None, entry: object, whole: object) -> Json:
    refused = partial(_item_not_allowed, field, kind, entry, whole)
    if field.reading in (Reading.DATE, Reading.DATETIME):
        entry = _moment(field.reading, entry)
    found = _scalar(kind, entry)
    if found is None and (kind is not None or entry is not None):
        raise refused(_inexact(entry))
    if field.choices and not any(type(found) is type(choice) and found == choice for choice in field.choices):
        raise refused(close(str(found), [str(choice) for choice in field.choices]))
    if isinstance(found, (int, float)) and not (
        (field.low is None or found >= field.low) and (field.high is None or found <= field.high)
    ):
        raise refused()
    return found


def _moment(reading: Reading, value: object) -> str | None:
    kind = date if reading is Reading.DATE else datetime
    if type(value) is kind:
        return value.isoformat()
    if not isinstance(value, str):
        return None
    try:
        return kind.fromisoformat(value).isoformat()
    except ValueError:
        return None


def _scalar(kind: ParameterType | None, value: object) -> Json:
    """The value if it is of that kind, else None. Without a kind, anything that JSON can say."""
    if kind is None:
        try:
            found: Json = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError):
            return None
        return found
    truth = isinstance(value, bool)
    match kind:
        case ParameterType.BOOLEAN:
            return value if isinstance(value, bool) else None
        case ParameterType.INTEGER:
            if truth or not isinstance(value, (int, float)) or not abs(value) <= LARGEST or value != int(value):
                return None
            return int(value)
        case ParameterType.DOUBLE:
            if truth or not isinstance(value, (int, float)) or not abs(value) < float("inf"):
                return None
            return float(value) if isinstance(value, float) or abs(value) <= LARGEST else None
        case ParameterType.STRING:
            return str.__str__(value) if isinstance(value, str) else None
        case ParameterType.LIST:
            return _scalar(None, value) if isinstance(value, (list, tuple)) else None
        case ParameterType.STRUCT:
            return _scalar(None, value) if isinstance(value, Mapping) else None
        case _:
            assert_never(kind)


def _not_allowed(field: Field, value: object, hint: str = "") -> Refused:
    return Refused(f"{_shown(value)} is not {allowed(field)}", hint)


def _item_not_allowed(
    field: Field, kind: ParameterType | None, entry: object, whole: object, hint: str = ""
) -> Refused:
    """As `_not_allowed`; of a list or mapping it names the item."""
    wanted = _allowed_item(field, kind)
    if field.type not in (ParameterType.LIST, ParameterType.STRUCT) or not wanted:
        return _not_allowed(field, whole, hint)
    return Refused(f"{_shown(entry)} in {_shown(whole)} is not {wanted}", hint)


def _inexact(value: object) -> str:
    if isinstance(value, int) and abs(value) > LARGEST:
        return "Beyond 2**53 a JSON number is not exact: make it a text."
    if isinstance(value, float) and not abs(value) < float("inf"):
        return "JSON knows neither NaN nor infinities: make it optional, with None for that."
    return ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def read(field: Field, text: str) -> Json:
    """The parameter value that a text ("0.1", "yes", "[1, 2]") says; Refused if it says none that is allowed.

    Texts stand as they are; quotes around one are taken off and keep what is between them from meaning anything
    else. "none", "null" and nothing at all mean None where None is allowed. Lists and mappings are JSON.
    """
    bare = text.strip()
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "\"'" and field.type is ParameterType.STRING:
        return accept(field, bare[1:-1])
    if field.optional and bare.lower() in ("", "none", "null"):
        return None
    opening = {ParameterType.LIST: "[", ParameterType.STRUCT: "{"}.get(field.type)
    if opening and bare.startswith(opening):
        try:
            return accept(field, json.loads(bare))
        except json.JSONDecodeError:
            example = '["a", "b"]' if opening == "[" else '{"a": 1}'
            raise Refused(f"{_shown(text)} is not JSON", f"Texts need double quotes: '{example}'.") from None
    if "," in _ENCLOSED.sub("", text):
        hint = "A list is written in brackets: [1, 2]." if opening else "Quote a text that holds a comma: '\"a,b\"'."
        raise Refused(f"{_shown(text)} holds a bare comma, which is kept for sweeps", hint)
    if _INTERVAL.fullmatch(text):
        raise Refused(f"{_shown(text)} is a range, which is kept for sweeps", "Give one value.")
    return accept(field, _plain(field, bare) if field.type is not ParameterType.STRING else text)


def _plain(field: Field, text: str) -> object:
    """The number or truth value in a text; the text itself where there is none, which no such field accepts."""
    if field.type is ParameterType.BOOLEAN:
        return _TRUTH.get(text.lower(), text)
    readers: dict[ParameterType, Callable[[str], int | float]] = {
        ParameterType.INTEGER: int,
        ParameterType.DOUBLE: float,
    }
    try:
        return readers[field.type](text)
    except (KeyError, ValueError):
        return text


def close(name: str, known: Collection[str]) -> str:
    """A question that names what is alike, the last part of a dotted name alone included; empty if nothing is."""
    whole = get_close_matches(name, known, 3)
    last = [full for full in known if get_close_matches(name, [full.rpartition(".")[2]], 1, 0.8)]
    matches = list(dict.fromkeys([*whole, *last]))[:3]
    return f"Did you mean {' or '.join(matches)}?" if matches else ""
