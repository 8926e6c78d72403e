"""The entry points that the project declares for itself, which make its own modules importable by no name in code."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Mapping
from pathlib import Path


def own_entry_points(root: Path) -> Mapping[str, int]:
    """Group → how many, from `pyproject.toml` and `setup.cfg`; scripts do not count. Unreadable files have none."""
    return {**_pyproject(root / "pyproject.toml"), **_setup(root / "setup.cfg")}


def _pyproject(path: Path) -> dict[str, int]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    groups = {**document.get("project", {}).get("entry-points", {})}
    groups.update(document.get("tool", {}).get("poetry", {}).get("plugins", {}))
    return {str(group): len(points) for group, points in groups.items()}


def _setup(path: Path) -> dict[str, int]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return {}
    section = "options.entry_points"
    names = parser.options(section) if parser.has_section(section) else []
    return {name: len(parser.get(section, name).split("\n")) for name in names if not name.endswith("_scripts")}
