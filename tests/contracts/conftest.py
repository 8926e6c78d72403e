"""Stores on real databases: a SQLite file, and the PostgreSQL cluster of the tests' own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.run import Lease, Process, Run
from palmette.store import database, identity, leases, runs
from palmette.store.database import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made: each test has its own."""
    if request.param == "sqlite":
        return str(tmp_path / ".palmette")
    name = f"store_{identity.new_run_id()}"
    made: str = request.getfixturevalue("cluster").create(name)
    return made


@pytest.fixture(scope="session")
def made_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store just made; to be copied, since making one takes longer than most tests."""
    directory = tmp_path_factory.mktemp("made") / ".palmette"
    database.open(directory).close()
    return directory


@pytest.fixture(scope="session")
def made_database(cluster: Any) -> str:
    database.open(cluster.create("made")).close()
    return "made"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store on each database."""
    if request.param == "sqlite":
        where = str(shutil.copytree(request.getfixturevalue("made_directory"), tmp_path / ".palmette"))
    else:
        template = request.getfixturevalue("made_database")
        where = request.getfixturevalue("cluster").create(f"store_{identity.new_run_id()}", template)
    opened = database.open(where)
    yield opened
    opened.close()


ME = Process(pid=os.getpid(), start=1, boot="boot")


@pytest.fixture
def accept(store: Store) -> Callable[..., Run]:
    """Accept a run of "tumour", unless it is said otherwise."""

    def create(**values: object) -> Run:
        run = Run(**{"id": identity.new_run_id(), "project": "clinic", "algorithm": "tumour", **values})  # type: ignore[arg-type]
        runs.create(store, run)
        return runs.get(store, run.id)

    return create


@pytest.fixture
def drive(store: Store) -> Callable[[Run], Lease]:
    """Take the lease of a run as this process."""
    return lambda run: leases.take(store, run.id, "here", ME, alive=lambda _process: True)
