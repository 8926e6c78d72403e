"""How values become column values that SQLite and PostgreSQL both keep unchanged."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any, Final

from palmette.domain import wire
from palmette.domain.lines import Fork
from palmette.domain.values import Json

_LARGEST: Final = 2**63 - 1


def encode(value: Json) -> str:
    """A JSON value as text. Pure ASCII: PostgreSQL takes no NUL and neither takes half a surrogate pair, escaped or
    not at all."""
    return json.dumps(value, separators=(",", ":"))


def decode(text: str) -> Any:
    """The inverse of `encode`."""
    return json.loads(text)


def plain(text: str) -> str:
    """Text from the outside world (messages, notes) as any database takes it; what it cannot keep becomes U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def real(value: float) -> float | None:
    """A metric's value. NaN is NULL, on both databases: a diverged loss is recorded and never is a minimum."""
    return None if math.isnan(value) else float(value)


def number(value: float | None) -> float:
    """The inverse of `real`."""
    return math.nan if value is None else value


def integer(value: int | None) -> int | None:
    """A user's counter, held within the 64 bits that a column has."""
    return None if value is None else max(-_LARGEST, min(_LARGEST, value))


@lru_cache(maxsize=4096)
def fork(text: str) -> Fork:
    """Where a commit stood, as a row has it; nothing is known where that is empty. All runs of a commit share it."""
    return wire.load(Fork, decode(text)) if text else Fork()
