"""Several processes that open one old store at the same moment bring it up to date once."""

from __future__ import annotations

import contextlib
import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from palmette.store import database, identity, runs, schema

STORES = Path(__file__).parent / "stores"
PROCESSES = 4


def opened(where: str, start: Any, results: Any) -> None:
    """Open the store when all are ready; say what is in it, or what went wrong."""
    start.wait(60)
    try:
        store = database.open(where)
        found = [row.run.id for row in runs.page(store)]
        store.close()
    except Exception as error:  # noqa: BLE001 - it is what the test reports
        results.put(repr(error))
    else:
        results.put(found)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_all_of_them_find_everything(request: pytest.FixtureRequest, tmp_path: Path, dialect: str) -> None:
    script = (STORES / f"0001.{dialect}.sql").read_text()
    if dialect == "sqlite":
        where = str(tmp_path)
        with contextlib.closing(sqlite3.connect(tmp_path / database.FILE)) as connection:
            connection.executescript(script)
    else:
        where = request.getfixturevalue("cluster").create(f"race_{identity.new_run_id()}")
        with pytest.importorskip("psycopg").connect(where, autocommit=True) as connection:
            connection.execute(script)
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=opened, args=(where, start, results)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()

    said = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)

    assert said == [["bare00000000", "full00000000"]] * PROCESSES
    with contextlib.closing(database.open(where)) as store, store.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [
            schema.REVISION
        ]
