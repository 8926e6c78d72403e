"""Config values as they are written in an override."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

from palmette.errors import ConfigError

#: a text that would mean something else if it stood there bare
_SPECIAL = re.compile(r"""\s.*|.*\s|["'].*|.*,.*|none|null|.*\d\.\.[-+.\d].*|""", re.IGNORECASE | re.DOTALL)


def written(value: Any) -> str:
    """The text after "name=": numbers and texts as they are, lists and mappings as JSON, members of an enum by name,
    dates as ISO texts, None as "none"."""
    found = _plain(value)
    if found is None:
        return "none"
    if not isinstance(found, str):
        return json.dumps(found, allow_nan=False)
    if not _SPECIAL.fullmatch(found):
        return found
    return f"'{found}'" if '"' in found else f'"{found}"'


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item") and not getattr(value, "shape", True):  # NumPy's numbers
        return value.item()
    if isinstance(value, (int, float, str)):
        return value
    raise ConfigError(f"{value!r} cannot be a config value", "Give a number, a text, a list or a mapping of them.")
