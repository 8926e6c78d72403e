"""The one store that remembers: a directory for one person, and what lies in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.blobs import Blobs
from palmette.domain.hosting import MIRRORED, SERVED
from palmette.domain.run import Host, Lease, Run
from palmette.engine import processes
from palmette.errors import NotFound, StoreError
from palmette.operations.project import Project, around, place
from palmette.store import database, leases
from palmette.store.database import FILE, Store

#: Where unpacked bundles lie, in the home.
BUNDLES: Final = "bundles"
#: In the home, a line each: the servers whose runs need what lies here.
DATABASES: Final = "databases"


@dataclass(frozen=True, kw_only=True)
class Home:
    """An open home."""

    directory: Path
    #: the project whose runs are meant
    project: str
    store: Store
    blobs: Blobs
    #: the program that runs tasks in their images; "" for processes of this machine
    containers: str = ""

    @property
    def bundles(self) -> Path:
        """Unpacked bundles by digest."""
        return self.directory / BUNDLES

    @property
    def runs(self) -> Path:
        """Attempt directories: RUN/TASK/SERIAL."""
        return self.directory / "runs"

    def databases(self) -> tuple[str, ...]:
        """The servers that keep the records of what lies here, besides the database that may lie here too."""
        with suppress(FileNotFoundError):
            return tuple((self.directory / DATABASES).read_text(encoding="utf-8").splitlines())
        return ()


def open_home(project: Project) -> Home:
    """The project's home; NotFound where nothing was ever run, so that looking leaves nothing behind."""
    home = known_home(project)
    if home is None:
        hint = f"PALMETTE_STORE names that place{_spelled(project)}." if project.elsewhere else ""
        raise NotFound(f"there are no runs in {project.home} yet", hint or "Start one: palmette run ALGORITHM.")
    return home


def no_runs(project: Project, what: str = "runs") -> str:
    """What a list says where there are none; and where that is, if the user named the place."""
    if project.database or not project.elsewhere or _there(project.home / FILE):
        return f"No {what} yet."
    return f"There is no store in {project.home}, which PALMETTE_STORE names{_spelled(project)}."


def _spelled(project: Project) -> str:
    return "" if project.home.exists() else ", and no such directory"


def known_home(project: Project) -> Home | None:
    """The project's home; None where nothing was ever run, which a list shows as none."""
    return make_home(project) if project.database or _there(project.home / FILE) else None


def _there(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        return True  # opening it says what is wrong


def make_home(project: Project) -> Home:
    """The project's home, made if it is not there."""
    store = database.open(project.database or project.home)
    if project.database:
        _make_private(project.home, store.where)
    blobs = Blobs(project.home / "blobs")
    return Home(directory=project.home, project=project.name, store=store, blobs=blobs, containers=project.containers)


def served(directory: Path, environ: Mapping[str, str], home: Path | None = None) -> tuple[Path, str]:
    """Where a server that is started in a directory keeps its things, and the URL of its database (empty for the one
    there): what `home` says, else the project's home, else `.palmette` in that directory. PALMETTE_STORE names the
    database or the place as it does for other verbs."""
    if home is not None:
        return directory / home, place(directory, directory, environ)[1]
    project = around(directory, environ)
    return (project.home, project.database) if project else place(directory / ".palmette", directory, environ)


def serve_home(directory: Path, database_url: str | None = None, *, containers: str = "") -> Home:
    """The home of a server, made if it is not there: all projects of the store, wherever their source is."""
    store = database.open(database_url or directory)
    if database_url:
        _make_private(directory, store.where)
    blobs = Blobs(directory / "blobs")
    return Home(directory=directory, project="", store=store, blobs=blobs, containers=containers)


def known_served(directory: Path, database_url: str = "") -> Home | None:
    """The home of a server; None, and nothing is made, where nothing was ever kept."""
    return serve_home(directory, database_url or None) if database_url or _there(directory / FILE) else None


def _make_private(directory: Path, server: str) -> None:
    """What a store in a directory sees to by itself: readable by its owner alone, and ignored by Git. Who collects
    garbage here must know which server's runs need what lies here."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = directory / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        names = directory / DATABASES
        if not names.exists() or server not in names.read_text(encoding="utf-8").splitlines():
            with names.open("a", encoding="utf-8") as file:
                file.write(f"{server}\n")
    except OSError as error:
        raise StoreError(f"{directory} cannot be made: {error.strerror}", "Set `home` in [tool.palmette].") from error


def interrupted(run: Run) -> bool:
    """Whether the run goes on only if somebody continues it. One that servers drive waits for the next of them, and one
    of another host goes on there."""
    return run.queue not in (SERVED, MIRRORED) and undriven(run)


def undriven(run: Run) -> bool:
    """Whether nobody drives the run though it is not over. Holders on other hosts are believed here; taking their lease
    asks the database's clock."""
    if run.state.final:
        return False
    return run.lease is None or (run.lease.process.boot == processes.boot() and not processes.alive(run.lease.process))


def hold(home: Home, run: str, host: str, machine: Host | None = None) -> Lease:
    """Take the right to drive the run for this process; LeaseLost if somebody who lives has it. A `machine` is recorded
    as where the run is executed."""
    me = processes.process_of(os.getpid())
    return leases.take(home.store, run, host, me, alive=processes.alive, machine=machine)
