"""python -m benchmarks.errors: how often verdicts are wrong, for each method."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.errors import trends
from benchmarks.errors.rates import Rates, measure, table
from benchmarks.errors.worlds import worlds


def main() -> int:
    """Simulate, print the table, and say whether every promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.errors", description=__doc__)
    parser.add_argument("--comparisons", type=int, default=10_000, help="in which nothing differs, for each method")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="TEXT", help="worlds whose name or method has this in it")
    parser.add_argument("--draws", type=int, default=2_000, help="of each series in which change points are looked for")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    every = [*worlds()]
    wanted = [
        place
        for place, world in enumerate(every)
        if not given.only or any(text.lower() in f"{world.name} {world.method}".lower() for text in given.only)
    ]
    rows: list[Rates] = []
    with ProcessPoolExecutor(given.jobs) as pool:
        tasks = [pool.submit(_measure, place, given.comparisons, given.seed) for place in wanted]
        for place, task in zip(wanted, tasks, strict=True):
            shares = task.result()
            rows.append(Rates(world=every[place], comparisons=given.comparisons, **shares))
            print(f"… {every[place].name}: {100 * rows[-1].wrong:.2f} %", file=sys.stderr, flush=True)
    print(table(rows))
    print(f"\n{given.comparisons:,} comparisons in which nothing differs, a quarter as many for the other two; "
          f"seed {given.seed}")  # fmt: skip
    seen = _trends(given.only, given.draws, given.seed, given.jobs)
    if given.json:
        found = [
            {"name": row.world.name, "method": row.world.method, "wrong": row.wrong, **_shares(row)} for row in rows
        ]
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(row.kept for row in rows) and all(each.kept for each in seen) else 1


def _trends(only: list[str] | None, draws: int, seed: int, jobs: int) -> list[trends.Sight]:
    """Look for change points, and print what was seen."""
    every = [*trends.courses()]
    names = [f"{course.name} change points".lower() for course in every]
    wanted = [place for place, name in enumerate(names) if not only or any(text.lower() in name for text in only)]
    with ProcessPoolExecutor(jobs) as pool:
        tasks = [pool.submit(_sight, place, draws, seed) for place in wanted]
        found = [trends.Sight(course=every[place], **task.result()) for place, task in zip(wanted, tasks, strict=True)]
    if found:
        print(f"\nchange points, {draws:,} draws of each series\n\n{trends.table(found)}")
    return found


def _sight(place: int, draws: int, seed: int) -> dict[str, float]:
    found = trends.sight([*trends.courses()][place], draws, seed + place)
    return {"found": found.found, "false": found.false}


def _measure(place: int, comparisons: int, seed: int) -> dict[str, float]:
    # A world holds functions, which no process could be sent.
    return _shares(measure([*worlds()][place], comparisons, seed + place))


def _shares(row: Rates) -> dict[str, float]:
    return {name: getattr(row, name) for name in ("better", "worse", "inconclusive", "found", "missed")}


if __name__ == "__main__":
    sys.exit(main())
