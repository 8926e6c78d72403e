"""Config files: TOML, YAML or JSON, told apart by their ending."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from palmette.errors import ConfigError


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}


def read(path: Path) -> Mapping[str, Any]:
    """The values of a config file, as nested tables; ConfigError if it is not one."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is neither TOML, YAML nor JSON", f"Name it with one of {', '.join(_READERS)}.")
    try:
        values = reader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "Check the path and its permissions.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not valid: {error}", "Mend the file, then try again.") from error
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} does not hold a table of fields", "Write one `field = value` for each field.")
    return values
