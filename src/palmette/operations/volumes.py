"""Volumes: directories that outlive the tasks that see them."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from palmette.engine.attempt import remove
from palmette.engine.quantities import quantity
from palmette.errors import NotFound, StoreError, UsageError
from palmette.operations import naming
from palmette.operations.home import Home
from palmette.store import volumes
from palmette.store.volumes import Volume

__all__ = ["Volume", "create", "delete", "directory", "listed", "named", "sweep", "used"]

#: Where volumes lie, in the home.
VOLUMES: Final = "volumes"
_GONE: Final = ".gone-"


def require(asked: Volume) -> None:
    """UsageError if this cannot be a volume, before there is a store to note it in."""
    naming.require("volume", asked.name)
    if asked.path and not Path(asked.path).is_dir():
        raise UsageError(f"there is no directory {asked.path}", "Make it first, or leave --path out.")
    try:
        quantity(asked.size or "0")
    except ValueError:
        raise UsageError(f"{asked.size!r} is no size", "Write it like 500Mi, 5Gi or 1Ti.") from None


def create(home: Home, asked: Volume) -> Volume:
    """Make a volume, private to this user, or take the directory that it names; UsageError if there is one of that
    name, or the directory cannot be one."""
    require(asked)
    given = Path(asked.path) if asked.path else None
    if given is not None and given.resolve().is_relative_to(home.directory.resolve()):
        raise UsageError(f"{given} lies in the home, which keeps its own order", "Leave --path out.")
    volume = replace(asked, path=str(given.resolve()) if given else _place(asked))

    def make() -> None:
        if given is None:
            _made(home.directory / volume.path)

    if not volumes.create(home.store, volume, make):
        raise UsageError(f"there is a volume {asked.name} already", f"Use it, or: palmette volume delete {asked.name}.")
    return volume


def listed(home: Home) -> tuple[Volume, ...]:
    """All volumes of the store, by project and name."""
    return volumes.listed(home.store)


def named(home: Home, name: str, project: str = "") -> Volume:
    """The volume of that name; NotFound if there is none."""
    found = volumes.find(home.store, project, name)
    if found is None:
        raise NotFound(f"there is no volume {name}", "See which there are: palmette volume list.")
    return found


def directory(home: Home, volume: Volume) -> Path:
    """Where it lies, made again if it is gone; StoreError if a directory that was given is."""
    path = home.directory / volume.path
    if not path.is_dir():
        if Path(volume.path).is_absolute():
            raise StoreError(f"the volume {volume.name} has lost its directory {path}", "Bring it back.")
        _made(path)
    return path


def delete(home: Home, volume: Volume) -> None:
    """Forget a volume, and remove what is in it unless its directory was given."""
    volumes.remove(home.store, volume.project, volume.name)
    if Path(volume.path).is_absolute():
        return
    path = home.directory / volume.path
    # Under another name first: whoever makes one of the same name finds nothing in it.
    aside = path.with_name(f"{_GONE}{path.name}-{os.urandom(4).hex()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"the volume {volume.name} cannot be removed: {error.strerror}", f"Look at {path}.") from error
    sweep(home)
    if aside.exists():
        raise StoreError(f"not all that was in the volume {volume.name} can be removed", f"Remove it: rm -rf {aside}")


def sweep(home: Home) -> None:
    """Remove what was deleted, what an earlier deletion left that was cut short included."""
    with suppress(FileNotFoundError):
        for path in (home.directory / VOLUMES).iterdir():
            if path.name.startswith(_GONE):
                remove(path)


def used(home: Home, volume: Volume) -> int:
    """The bytes of the files in it."""
    total = 0
    for top, _, files in os.walk(home.directory / volume.path):
        for file in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(top, file)).st_size  # noqa: PTH118 - a volume may hold many files
    return total


def _place(volume: Volume) -> str:
    """Names have no "~": those of two projects never meet."""
    project = f"~{sha256(volume.project.encode()).hexdigest()[:8]}" if volume.project else ""
    return f"{VOLUMES}/{volume.name}{project}"


def _made(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be made: {error.strerror}", "Give the home room, and let it be yours."
        ) from error
