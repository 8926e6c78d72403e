"""Plain values: what JSON can say, and how a value becomes canonical bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

#: Anything that JSON can say. Mappings have string keys.
Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def canonical(value: Json) -> bytes:
    """The one spelling of a value: UTF-8 JSON, keys sorted, no white space. NaN and infinities are refused."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest(value: Json) -> str:
    """The SHA-256 of a value's canonical bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def literal(value: Json) -> str:
    """A config value as it is typed in an override: texts as they are, None as "none", the rest as JSON."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else canonical(value).decode()
