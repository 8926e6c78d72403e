"""Servers that are killed in the middle of runs, and others in their place."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator

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
