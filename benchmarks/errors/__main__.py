"""python -m benchmarks.errors: how often verdicts are wrong, for each method."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.errors.rates import Rates, measure, table
from benchmarks.errors.worlds import worlds


def main() -> int:
    """Simulate, print the table, and say whether every promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.errors", description=__doc__)
    parser.add_argument("--comparisons", type=int, default=10_000, help="in which nothing differs, for each method")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="TEXT", help="worlds whose name or method has this in it")
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
    if given.json:
        found = [
            {"name": row.world.name, "method": row.world.method, "wrong": row.wrong, **_shares(row)} for row in rows
        ]
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(row.kept for row in rows) else 1


def _measure(place: int, comparisons: int, seed: int) -> dict[str, float]:
    # A world holds functions, which no process could be sent.
    return _shares(measure([*worlds()][place], comparisons, seed + place))


def _shares(row: Rates) -> dict[str, float]:
    return {name: getattr(row, name) for name in ("better", "worse", "inconclusive", "found", "missed")}


if __name__ == "__main__":
    sys.exit(main())
