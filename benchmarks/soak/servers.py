"""python -m benchmarks.soak.servers --runs 100 [--servers 2 --database URL]: servers killed in the middle of runs."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak.hosting import Hosting, Server, chain


def trial(hosting: Hosting, *, runs: int, kills: int, servers: int, seed: int) -> list[str]:
    """Hand in so many runs, kill a server so often meanwhile and start another; what is wrong in the end."""
    dice = random.Random(seed)
    living = [hosting.start("--runs", "4") for _ in range(servers)]
    accepted: list[str] = []
    for number in range(runs):
        accepted.append(_submit(dice.choice(living), hosting, number))
        if kills and dice.random() < kills / max(1, runs - number):
            kills -= 1
            _kill(hosting, living, dice)
    while kills:
        kills -= 1
        _kill(hosting, living, dice)
    hosting.ended(accepted, 60 + 3 * runs)
    wrong = [*_wrong(hosting, accepted)]
    for server in living:
        if code := server.stop():
            wrong.append(f"a server left with {code}")
    if left := [one.command for one in hosting.working()]:
        wrong.append(f"left behind: {left}")
    return wrong


def _submit(server: Server, hosting: Hosting, number: int) -> str:
    # Each step notes that it is done, and so can be counted from outside.
    note = f'echo "$RUN" >> {hosting.directory}/done-{{}}'
    scripts = (f"sleep 0.1; {note.format(1)}", f"sleep 0.1; {note.format(2)}", note.format(3))
    return server.submit(chain(*scripts), f"run-{number}")


def _kill(hosting: Hosting, living: list[Server], dice: random.Random) -> None:
    """SIGKILL to a server at some moment, and another one in its place."""
    time.sleep(dice.random() * 0.5)
    victim = living.pop(dice.randrange(len(living)))
    victim.process.kill()
    victim.process.wait()
    living.append(hosting.start("--runs", "4"))


def _wrong(hosting: Hosting, accepted: list[str]) -> Iterator[str]:
    for run, state in hosting.states(accepted).items():
        if state != "SUCCEEDED":
            yield f"{run} is {state}"
    done = {number: Counter((hosting.directory / f"done-{number}").read_text().split()) for number in (1, 2, 3)}
    tries: dict[tuple[str, str], list[str]] = {}
    for row in hosting.rows("SELECT * FROM attempts ORDER BY run, task, serial"):
        tries.setdefault((row["run"], row["task"]), []).append(row["state"])
    for run in accepted:
        for number in (1, 2, 3):
            states = tries.get((run, f"step-{number}"), [])
            if states.count("SUCCEEDED") != 1 or {*states} - {"SUCCEEDED", "LOST"}:
                yield f"{run}/step-{number}: {states}"
            if not 1 <= done[number][run] <= len(states):
                yield f"{run}/step-{number} was done {done[number][run]} times in {len(states)} attempts"


def main() -> int:
    """Say what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.servers", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; SQLite without")
    parser.add_argument("--seed", type=int, default=0)
    given: Any = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="palmette-servers-"))
    hosting, began = Hosting(directory=place / "hosting", database=given.database), time.monotonic()
    try:
        wrong = trial(hosting, runs=given.runs, kills=given.kills, servers=given.servers, seed=given.seed)
    finally:
        hosting.close()
    print(f"{given.runs} runs, {given.kills} kills, {given.servers} servers: {time.monotonic() - began:.1f} s")
    for text in wrong:
        print(f"VIOLATION {text}")
    if not wrong:
        shutil.rmtree(place, ignore_errors=True)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
