"""Config maps: settings by name and key that tasks are handed, and that are no secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from palmette.errors import NotFound, UsageError
from palmette.operations import naming
from palmette.operations.home import Home
from palmette.store import configmaps

#: bytes of all values of a config map, as on a cluster
LARGEST: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ConfigMap:
    """Values by key."""

    #: empty for one that all projects of the store may use
    project: str
    name: str
    values: Mapping[str, str]
    #: when a value was last set
    updated: float


def require(name: str, values: Mapping[str, str]) -> None:
    """UsageError if this cannot be a config map, before there is a store to keep it in."""
    naming.require("config map", name, values)


def keep(home: Home, name: str, values: Mapping[str, str], *, project: str = "") -> None:
    """Set these keys of a config map; its other keys stay. UsageError with every key that cannot be one."""
    require(name, values)
    before = {entry.key: entry.value for entry in configmaps.of(home.store, project, name)}
    if sum(len(value.encode("utf-8", "surrogatepass")) for value in {**before, **values}.values()) > LARGEST:
        raise UsageError(f"the config map {name} is too large", "A cluster's config map holds 1 MiB; use a volume.")
    configmaps.put(home.store, project, name, values)


def listed(home: Home) -> tuple[ConfigMap, ...]:
    """The config maps of the store, by project and name."""
    found = groupby(configmaps.listed(home.store), key=lambda entry: (entry.project, entry.name))
    return tuple(_gathered(project, name, tuple(entries)) for (project, name), entries in found)


def named(home: Home, name: str, *, project: str = "") -> ConfigMap:
    """The config map of that name; NotFound if there is none."""
    entries = configmaps.of(home.store, project, name)
    if not entries:
        raise NotFound(f"there is no config map {name}", "See which there are: palmette configmap list.")
    return _gathered(project, name, entries)


def forget(home: Home, name: str, keys: Sequence[str] = (), *, project: str = "") -> int:
    """Forget these keys of a config map, or all of it; how many keys are gone. NotFound, and nothing is forgotten, if
    one is not there."""
    there = named(home, name, project=project).values
    if absent := [key for key in keys if key not in there]:
        raise NotFound(f"the config map {name} has no key {', '.join(absent)}", f"It has {', '.join(there)}.")
    return configmaps.remove(home.store, project, name, keys)


def _gathered(project: str, name: str, entries: Sequence[configmaps.Entry]) -> ConfigMap:
    values = {entry.key: entry.value for entry in entries}
    return ConfigMap(project=project, name=name, values=values, updated=max(entry.updated for entry in entries))
