"""python -m benchmarks.backlog --runs 10000: what history costs whoever hands in, lists and executes runs."""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmarks.soak.hosting import Hosting, Server, chain
from palmette.operations.home import serve_home
from palmette.store import queue

#: What a run has rows in.
TABLES: Final = {"runs": "id", "tasks": "run", "attempts": "run", "parameters": "run", "artifacts": "run"}
#: So often is each thing done; the median counts.
TIMES: Final = 30


def measured(server: Server, hosting: Hosting) -> dict[str, float]:
    """Milliseconds of each thing that history might make dearer."""
    home = serve_home(hosting.store)
    # Without a worker nothing is executed: what is measured is the server alone.
    made: list[str] = []
    try:
        return {
            "POST /runs": _median(lambda: made.append(server.submit(chain("true")))),
            "GET /runs, a page of 20": _median(
                lambda: server.ask("GET", "/runs?page_size=20&sort_by=created_at%20desc")
            ),
            "GET /runs/ID": _median(lambda: server.ask("GET", f"/runs/{made[0]}")),
            "a look at the queue": _median(
                lambda: queue.look(home.store, "host", "boot", alive=lambda _: True, depth=4)
            ),
        }
    finally:
        home.store.close()
        for run in made:
            server.ask("POST", f"/runs/{run}:terminate")


def _median(act: Callable[[], Any]) -> float:
    def once() -> float:
        begun = time.perf_counter()
        act()
        return (time.perf_counter() - begun) * 1000

    once()
    return statistics.median(once() for _ in range(TIMES))


def fill(hosting: Hosting, run: str, count: int) -> None:
    """Copies of a finished run, as old as if there had been one a minute."""
    with closing(sqlite3.connect(hosting.store / "store.db", timeout=60)) as connection, connection:
        connection.execute("CREATE TEMP TABLE copies (copy_number INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO copies VALUES (?)", ((number,) for number in range(1, count + 1)))
        for table, key in TABLES.items():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = {key: "printf('b%011d', copy_number)"} | (
                {"created": "created - 60 * copy_number"} if key == "id" else {}
            )
            columns, given = ", ".join(f'"{name}"' for name in names), ", ".join(values.get(n, f'"{n}"') for n in names)
            connection.execute(
                f"INSERT INTO {table} ({columns}) SELECT {given} FROM {table}, copies WHERE {key} = ?", (run,)
            )


def main() -> None:
    """Measure with little history and with much, in turn, and say how much dearer all is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    given = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="palmette-backlog-"))
    found: list[dict[str, float]] = []
    try:
        for name, count in (("few", 0), ("many", given.runs)):
            hosting = Hosting(directory=place / name)
            try:
                server = hosting.start()
                run = server.submit(chain("true", "true"))
                hosting.ended([run])
                server.stop()
                fill(hosting, run, count)
                found.append(measured(hosting.start("--no-worker"), hosting))
            finally:
                hosting.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    few, many = found
    print(f"| | without history, ms | after {given.runs:,} runs, ms | ratio |\n| --- | ---: | ---: | ---: |")
    for what, before in few.items():
        print(f"| {what} | {before:.1f} | {many[what]:.1f} | {many[what] / before:.2f} |")


if __name__ == "__main__":
    main()
