"""What a project's tasks find in place of a cluster's secrets, config maps and volumes."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

from palmette.errors import UsageError
from palmette.operations import keys, volumes
from palmette.operations.home import Home, known_home
from palmette.operations.project import Project
from palmette.store import configmaps
from palmette.store import secrets as stored
from palmette.store import volumes as stored_volumes
from palmette.store.configmaps import Entry
from palmette.store.secrets import Sealed

T = TypeVar("T")

#: Stands for all projects of a store.
SHARED: Final = ""


class HomeVault:
    """Satisfies the engine's `Vault`: the project's own come first, then those of all projects of the store. Nothing is
    opened, and no key is read, before something is asked for."""

    def __init__(
        self, home: Callable[[], Home | None], project: str, environ: Mapping[str, str], run: str = ""
    ) -> None:
        self._open = home
        self._scopes = tuple(dict.fromkeys((project, SHARED)))
        self._environ = environ
        self._run = run

    def secret(self, name: str) -> Mapping[str, str] | None:
        """The values of a secret by key; StoreError if they were encrypted with a key that is not here."""
        entries = self._sealed(name)
        if not entries:
            return None
        known = keys.known(self._environ)
        return {each.key: sealing().unseal(known, (each.project, each.name, each.key), each.value) for each in entries}

    def configmap(self, name: str) -> Mapping[str, str] | None:
        """The values of a config map by key."""
        entries = self._entries(name)
        return {entry.key: entry.value for entry in entries} if entries else None

    def version(self, name: str) -> str:
        """What changes whenever a value of that secret does, or a key is added or removed; empty where there is no such
        secret."""
        return ",".join(f"{key}={version}" for key, version in self.versions(name).items())

    def versions(self, name: str) -> Mapping[str, str]:
        """The same by key."""
        return {entry.key: entry.version for entry in self._sealed(name)}

    def volume(self, name: str) -> Path | None:
        """The directory of a volume, made again if it is gone."""
        home = self._open()
        found = None if home is None else _first(self._scopes, lambda scope: _volume(home, scope, name))
        return volumes.directory(home, found) if home and found else None

    def create_volume(self, name: str, *, size: str, access_modes: Sequence[str], storage_class: str) -> Path:
        """Make a volume of the project's; UsageError if there is one of that name."""
        home = self._open()
        if home is None:
            raise UsageError(f"there is no home to make the volume {name} in")
        asked = stored_volumes.Volume(
            project=self._scopes[0],
            name=name,
            size=size,
            access_modes=tuple(access_modes),
            storage_class=storage_class,
            run=self._run,
            created=time.time(),
        )
        return volumes.directory(home, volumes.create(home, asked))

    def delete_volume(self, name: str) -> None:
        """Remove a volume and what is in it; nothing happens if it does not exist."""
        home = self._open()
        found = None if home is None else _first(self._scopes, lambda scope: _volume(home, scope, name))
        if home and found:
            volumes.delete(home, found)

    def _sealed(self, name: str) -> tuple[Sealed, ...]:
        home = self._open()
        return () if home is None else _first(self._scopes, lambda scope: stored.of(home.store, scope, name)) or ()

    def _entries(self, name: str) -> tuple[Entry, ...]:
        home = self._open()
        return () if home is None else _first(self._scopes, lambda scope: configmaps.of(home.store, scope, name)) or ()


def of(home: Home, environ: Mapping[str, str], *, project: str = "", run: str = "") -> HomeVault:
    """What tasks of a project find, by default the home's. A run that makes volumes is named."""
    return HomeVault(lambda: home, project or home.project, environ, run)


def reach(project: Project, environ: Mapping[str, str]) -> HomeVault:
    """The same, before anything is known of a home: it is opened when something is asked for, and never made."""
    return HomeVault(lambda: known_home(project), project.name, environ)


def sealing() -> ModuleType:
    """What encrypts. Most runs have no stored secrets, and these do not pay for cryptography's import."""
    return importlib.import_module("palmette.operations.sealing")


def _first(scopes: Sequence[str], find: Callable[[str], T]) -> T | None:
    return next((found for scope in scopes if (found := find(scope))), None)


def _volume(home: Home, scope: str, name: str) -> stored_volumes.Volume | None:
    return stored_volumes.find(home.store, scope, name)
