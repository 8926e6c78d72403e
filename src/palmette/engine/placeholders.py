"""The form of placeholders, and those of input parameters in texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from palmette.domain.values import Json
from palmette.engine.parameters import text

PLACEHOLDER: Final = re.compile(
    r"\{\{\$"
    r"(?:\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\[(?P<quote>['\"])(?P<name>[^'\"]*)(?P=quote)\]"
    r"(?:\.(?P<field>(?!json_escape\b)\w+)(?:\[(?P<quote2>['\"])(?P<key>[^'\"]*)(?P=quote2)\])?)?"
    r"|\.(?P<word>(?!json_escape\b)[\w.]+?))?"
    r"(?:\.json_escape\[(?P<escape>\d)\])?\}\}"
)
#: What names no input and no output.
WORKSPACE: Final = "workspace_path"


def escaped(value: str, match: re.Match[str]) -> str:
    """The value as the inside of a JSON text, as often as the placeholder asks for."""
    for _ in range(int(match["escape"] or 0)):
        value = json.dumps(value, ensure_ascii=False)[1:-1]
    return value


def mentioned(value: Json) -> Iterator[re.Match[str]]:
    """Every placeholder in a text, or in the texts of a list or struct."""
    match value:
        case str():
            if "{{$" in value:
                yield from PLACEHOLDER.finditer(value)
        case Mapping():
            for key, entry in value.items():
                yield from mentioned(key)
                yield from mentioned(entry)
        case list() | tuple():
            for entry in value:
                yield from mentioned(entry)
        case _:
            pass


def filled(value: Json, given: Callable[[str], Json], constants: Mapping[str, str], *, inner: bool = False) -> Json:
    """The value with the placeholders of input parameters and of the run replaced, each once.

    Within a list or struct, one that is all of a text keeps the type of its value. Others stay as they are.
    """

    def replaced(match: re.Match[str]) -> str:
        if match["word"]:
            return constants.get(match["word"], match[0])
        if (match["side"], match["kind"], match["field"]) != ("inputs", "parameters", None):
            return match[0]
        found = given(match["name"])
        return "" if found is None else escaped(text(found), match)

    match value:
        case str():
            whole = PLACEHOLDER.fullmatch(value) if inner and "{{$" in value else None
            if whole is not None and whole["kind"] == "parameters" and not whole["escape"] and not whole["field"]:
                return given(whole["name"])
            return PLACEHOLDER.sub(replaced, value) if "{{$" in value else value
        case Mapping():
            return {
                str(filled(key, given, constants)): filled(entry, given, constants, inner=True)
                for key, entry in value.items()
            }
        case list() | tuple():
            return [filled(entry, given, constants, inner=True) for entry in value]
        case _:
            return value
