"""Plain JSON values → YAML, the same bytes on every machine and with every version of every library.

Mappings are sorted by key. Text of several lines is written as such, so that a reviewer can read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from palmette.domain.values import Json

#: text that needs no quotes in any version of YAML…
_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*")
#: …unless it would be read as something else
_TAKEN: Final = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
#: text that can stand in a literal block: printable, lines that begin and end with something
_BLOCK: Final = re.compile(r"(?!\s)(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff])+")
_SPACE_AT_AN_END: Final = re.compile(r"(?m)[ \t]+$")
_UNPRINTABLE: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
#: a longer key cannot stand on one line with its value
_LONG_KEY: Final = 900


def yaml_text(value: Json) -> str:
    """One document, without a separator."""
    return "".join(_lines(value, 0))


def _lines(value: Json, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, Mapping) and value:
        for key in sorted(value):
            name = _scalar(key)
            head = f"? {name}\n{indent}:" if len(name) > _LONG_KEY else f"{name}:"
            yield from _entry(f"{indent}{head}", value[key], depth)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for entry in value:
            yield from _item(f"{indent}-", entry, depth)
    else:
        yield f"{indent}{_scalar(value)}\n"


def _entry(head: str, value: Json, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield f"{head}\n"
        yield from _lines(value, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield f"{head}\n"
        yield from _lines(value, depth)
    elif isinstance(value, str) and "\n" in value[:-1] and _as_block(value):
        yield from _block(head, value, depth + 1)
    else:
        yield f"{head} {_scalar(value)}\n"


def _item(head: str, value: Json, depth: int) -> Iterator[str]:
    if isinstance(value, (Mapping, Sequence)) and not isinstance(value, str) and value:
        first, *rest = _lines(value, depth + 1)
        yield f"{head} {first.lstrip(' ')}"
        yield from rest
    else:
        yield from _entry(head, value, depth)


def _as_block(text: str) -> bool:
    return bool(_BLOCK.fullmatch(text)) and not text.endswith("\n\n") and not _SPACE_AT_AN_END.search(text)


def _block(head: str, text: str, depth: int) -> Iterator[str]:
    yield f"{head} {'|' if text.endswith(chr(10)) else '|-'}\n"
    indent = "  " * depth
    for line in text.removesuffix("\n").split("\n"):
        yield f"{indent}{line}\n" if line else "\n"


def _scalar(value: Json) -> str:
    match value:
        case str():
            if _BARE.fullmatch(value) and value.lower() not in _TAKEN:
                return value
            quoted = json.dumps(value, ensure_ascii=False)
            return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
        case float():
            text = repr(value)
            return text.replace("e", ".0e") if "e" in text and "." not in text else text
        case None | bool() | int():
            return json.dumps(value)
        case _:
            return "{}" if isinstance(value, Mapping) else "[]"
