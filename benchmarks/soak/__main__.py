"""python -m benchmarks.soak --kills 1000 --seed 7, or --server for servers instead of runs"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks.soak import report, verdict
from benchmarks.soak.hosting import Hosting
from benchmarks.soak.house import House
from benchmarks.soak.shooting import Round, Shooter
from benchmarks.soak.siege import Siege, page

REPORT: Final = Path(__file__).parents[1] / "soak.md"
#: Every so many rounds a house without namespaces takes its turn.
SUBREAPER: Final = 3
ALGORITHMS: Final = {"soak": "soak", "flow": "flow", "sweep": "flow"}
#: What is run in turn; chosen so that each of them also comes to the house without namespaces.
PIPELINES: Final = ("soak", "flow", "flow", "sweep")


def main() -> int:
    """Shoot until there were enough kills; 1 if anything was found."""
    given = _arguments()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    if given.server:
        return _besieged(given, seed)
    began, rounds = time.monotonic(), list[Round]()
    directory = Path(tempfile.mkdtemp(prefix="palmette-soak-", dir=given.directory))
    houses = {
        name: House(directory=directory / (name or "plain"), isolation=name, idle=given.idle)
        for name in ("", "subreaper")
    }
    pipelines = given.pipeline or PIPELINES
    expected = {
        (name, one): _undisturbed(house, one) for name, house in houses.items() for one in {*ALGORITHMS.values()}
    }
    while (kills := sum(len(one.kills) for one in rounds)) < given.kills:
        number = given.round if given.round is not None else len(rounds)
        isolation = "subreaper" if number % SUBREAPER == SUBREAPER - 1 else ""
        house, pipeline = houses[isolation], pipelines[number % len(pipelines)]
        rounds.append(Shooter(house, seed, number, expected[isolation, ALGORITHMS[pipeline]], pipeline).shoot())
        _tell(rounds[-1], kills)
        if given.round is not None:
            break
    late = [text for house in houses.values() for text in verdict.gone_when_idle(house)]
    result = report.Report(seed=seed, rounds=rounds, late=late, idle=given.idle, seconds=time.monotonic() - began)
    text = report.text(result)
    print(text)
    if given.report:
        given.report.write_text(text, encoding="utf-8")
    if result.violations:
        print(f"everything is kept in {directory}", file=sys.stderr)
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, help="chosen at random without")
    parser.add_argument("--round", type=int, help="only this round of the seed")
    parser.add_argument("--pipeline", choices=[*ALGORITHMS], action="append", help="only this one")
    parser.add_argument("--idle", type=float, default=45.0, help="seconds after which an unused template leaves")
    parser.add_argument("--directory", type=Path, help="where to work; the temporary directory without")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--server", action="store_true", help="shoot at servers under load, and print what it came to")
    parser.add_argument("--servers", type=int, default=1, help="so many of them on one store")
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; SQLite without")
    parser.add_argument("--outage", default="", help="command that takes the database away, and gives it back")
    return parser.parse_args()


def _besieged(given: argparse.Namespace, seed: int) -> int:
    place, began = Path(tempfile.mkdtemp(prefix="palmette-siege-", dir=given.directory)), time.monotonic()
    hosting = Hosting(directory=place / "hosting", database=given.database)
    siege = Siege(hosting=hosting, servers=given.servers, seed=seed, outage=given.outage)
    try:
        siege.hold(given.kills)
    finally:
        hosting.close()
    print("\n" + page(siege, time.monotonic() - began, "PostgreSQL" if given.database else "SQLite"))
    if siege.violations:
        print(f"everything is kept in {place}", file=sys.stderr)
        return 1
    shutil.rmtree(place, ignore_errors=True)
    return 0


def _undisturbed(house: House, pipeline: str) -> verdict.Expected:
    output, tag = house.directory / "undisturbed.txt", f"undisturbed-{pipeline}"
    if house.command("run", pipeline, "--tag", tag, output=output).wait(120):
        raise SystemExit(f"not even an undisturbed run succeeds:\n{output.read_text()}")
    run = house.run_named(tag)
    assert run is not None
    return verdict.expected(house, run["id"])


def _tell(done: Round, before: int) -> None:
    kinds = Counter(kind for kind, _ in done.kills)
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nobody"
    print(
        f"{before + len(done.kills):5} round {done.number}: {said} → {done.state or 'no run'}",
        file=sys.stderr,
        flush=True,
    )
    for text in done.violations:
        print(f"      VIOLATION {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
