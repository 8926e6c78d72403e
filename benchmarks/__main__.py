"""`make bench`: the budgets of the design, measured beside the limits of the same machine at the same time.

Machines are noisy, so every figure is a median of several, taken in turns with what it is compared with. Only ratios
may fail a check (`--check`); absolute times are for eyes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    comparing,
    directories,
    history,
    leaderboard,
    limits,
    peers,
    searches,
    serving,
    starting,
    stock,
    tasks,
    training,
    updating,
)
from benchmarks.measure import Row, table
from benchmarks.peers import page
from benchmarks.stage import CLINIC, Stage


def main() -> int:
    """Measure what is asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--long", action="store_true", help="a history of 1,000,000 tasks too")
    parser.add_argument("--alone", action="store_true", help="without the peers, which are installed from an index")
    parser.add_argument("--page", action="store_true", help="write the peers' figures into docs/explanation")
    parser.add_argument("--only", action="append", metavar="NAME", help="one subject: tasks, directories, …")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="fail if a budget that is a ratio is missed")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not (CLINIC / ".venv" / "bin" / "python").exists():
        raise SystemExit("examples/clinic has no environment yet: make install")
    begun = time.monotonic()
    rows: list[Row] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="palmette-bench-") as directory:
        for name, measure in _subjects(given, Path(directory)).items():
            if given.only and name not in given.only:
                continue
            print(f"… {name}", file=sys.stderr, flush=True)
            try:
                rows += measure()
            except SystemExit as failure:
                # What was measured of the others is worth seeing all the same.
                failed.append(name)
                print(f"{name}: {failure}", file=sys.stderr)
    load = os.getloadavg()[0]
    print(table(rows))
    print(f"\n{os.cpu_count()} cores, load {load:.1f}, {time.monotonic() - begun:.0f} s in all")
    if load > (os.cpu_count() or 1):
        print("Others were at work on this machine: absolute times say little, ratios a little more.")
    if given.json:
        about = {"python": sys.version, "cores": os.cpu_count(), "load": load, "time": time.time()}
        given.json.write_text(json.dumps({**about, "rows": [row.as_json() for row in rows]}, indent=2) + "\n")
    missed = [row for row in rows if row.met is False and " x" in row.budget]
    return 1 if failed or (given.check and missed) else 0


def _subjects(given: argparse.Namespace, directory: Path) -> dict[str, Callable[[], list[Row]]]:
    """What is measured, in this order, each in a place of its own."""
    quick = given.quick

    def on_clinic(name: str, measure: Callable[..., list[Row]]) -> list[Row]:
        stage = Stage(directory / name)
        stage.clinic()
        return _and_leave(stage, lambda: measure(stage, quick=quick))

    def on_trivial() -> list[Row]:
        stage = Stage(directory / "tasks")
        return _and_leave(stage, lambda: tasks.measure(stage, quick=quick))

    found: dict[str, Callable[[], list[Row]]] = {
        "limits": lambda: on_clinic("limits", limits.measure),
        "starting": lambda: on_clinic("starting", starting.measure),
        "training": lambda: on_clinic("training", training.measure),
        "updating": lambda: on_clinic("updating", updating.measure),
        "tasks": on_trivial,
        "directories": lambda: directories.measure(directory / "directories", quick=quick),
        "history": lambda: history.measure(directory / "history", quick=quick, long=given.long),
        "comparing": lambda: comparing.measure(quick=quick),
        "leaderboard": lambda: leaderboard.measure(quick=quick),
        "search": lambda: searches.measure(directory / "search", quick=quick),
        "serving": lambda: serving.measure(directory / "serving", quick=quick),
    }
    if not given.alone:
        found["stock"] = lambda: stock.measure(directory / "stock", quick=quick)
        found["peers"] = lambda: _beside_peers(directory / "peers", quick=quick, write=given.page)
    return found


def _beside_peers(directory: Path, *, quick: bool, write: bool) -> list[Row]:
    costs = peers.compare(directory, quick=quick)
    if write:
        page.write(costs)
    return peers.rows(costs)


def _and_leave(stage: Stage, measure: Callable[[], list[Row]]) -> list[Row]:
    try:
        return measure()
    finally:
        stage.leave()


if __name__ == "__main__":
    sys.exit(main())
