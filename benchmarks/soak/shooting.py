"""One run, or a sweep of some, shot at until it is over."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soak import verdict
from benchmarks.soak.house import House
from benchmarks.soak.victims import MACHINERY, Kind, Member, members

#: How often each kind is chosen; a volley chooses each of its victims anew.
CHOICE: Final = {
    Kind.DRIVER: 6,
    Kind.TEMPLATE: 4,
    Kind.TASK: 4,
    Kind.KEEPER: 2,
    Kind.NURSERY: 1,
    Kind.INIT: 1,
    Kind.BELOW: 1,
    Kind.SPARE: 1,
    Kind.RECORDING: 1,
}
#: A volley hits so many at once, if they are there when the first of them is.
VOLLEY: Final = (1, 1, 1, 2, 2, 3, 4)
#: A shot falls within so many seconds after the last one; a run takes about two.
SPREAD: Final = 1.0
#: After so many volleys a run is left alone.
MOST: Final = 10
#: How likely it is that a run is begun as another one was, and that space is freed beside it.
AGAIN: Final = 0.25
COLLECTING: Final = 0.2
OVER: Final = ("SUCCEEDED", "FAILED", "CANCELED")
#: Nothing here takes so long, in seconds.
HANGING: Final = 600.0


@dataclass(kw_only=True)
class Round:
    """What happened to one run."""

    number: int
    #: (victim, the moment), in order
    kills: list[tuple[str, str]] = field(default_factory=list)
    state: str = ""
    lost: int = 0
    failed: int = 0
    #: commands that gave up with an error before there was a run
    refused: int = 0
    violations: list[str] = field(default_factory=list)


class Shooter:
    """Starts one run in a house and shoots at it."""

    def __init__(
        self, house: House, seed: int, number: int, expected: verdict.Expected, pipeline: str = "soak"
    ) -> None:
        self._house, self._expected, self._pipeline = house, expected, pipeline
        self._chance = random.Random(f"{seed}/{number}")
        self._tag = f"round-{number}"
        self._salt = self._chance.randrange(10**9)
        self._output = house.directory / f"{self._tag}.txt"
        self._shots = 0
        self._collector: subprocess.Popen[bytes] | None = None
        self.round = Round(number=number)

    def shoot(self, most: int = MOST) -> Round:
        """See what was begun to its end; what happened, and what should not have."""
        volleys = self._chance.randint(2, most)
        self.round.violations += self._until_over(volleys)
        self.round.violations += self._collected()
        found = self._house.runs_named(self._tag)
        self.round.state = ", ".join(sorted({run["state"] for run in found}))
        for run in found:
            attempts = Counter(
                row["state"] for row in self._house.rows("SELECT state FROM attempts WHERE run = ?", run["id"])
            )
            self.round.lost += attempts["LOST"]
            self.round.failed += attempts["FAILED"]
            self.round.violations += verdict.ended_well(self._house, run, self._expected, self._shots)
        self.round.violations += verdict.nothing_runs(self._house)
        self.round.violations += verdict.stored_whole(self._house)
        return self.round

    def _until_over(self, volleys: int) -> Iterator[str]:
        """Run, and resume, until all is over; shoot on the way."""
        for _ in range(3 * MOST):
            found = self._house.runs_named(self._tag)
            if len(found) == self._many and all(run["state"] in OVER for run in found):
                return
            arguments = ("resume", found[0]["sweep"] or found[0]["id"]) if found else self._begun()
            how = "resume" if found else arguments[0]
            driver = self._house.command(*arguments, output=self._output)
            while volleys and driver.poll() is None:
                volleys -= self._fire(driver, how)
            try:
                code = driver.wait(HANGING)
            except subprocess.TimeoutExpired:
                yield f"{how} hangs: {self._scene(driver)}"
                driver.kill()
                driver.wait()
                return
            yield from self._left(how, code)
            volleys = volleys if code in (-9,) else 0 if found else volleys
        yield f"not over after {3 * MOST} commands"

    @property
    def _many(self) -> int:
        """How many runs there are to be."""
        return 3 if self._pipeline == "sweep" else 1

    def _begun(self) -> tuple[str, ...]:
        """The command that begins: anew, as another run was, or several at once."""
        tag = ("--tag", self._tag)
        match self._pipeline:
            case "soak":
                return "run", "soak", f"salt={self._salt}", *tag
            case "sweep":
                salts = ",".join(str(self._salt + number) for number in range(self._many))
                return "run", "flow", f"salt={salts}", "--no-cache", "--jobs", "2", *tag
            case _:
                pass
        if self._chance.random() < AGAIN:
            run = self._house.run_named("undisturbed-flow")
            assert run is not None
            return "rerun", run["id"], "--from", self._chance.choice(("folder", "items", "join")), *tag
        return "run", "flow", f"salt={self._salt}", "--no-cache", *tag

    def _collect(self) -> None:
        """Free space beside the run: what older ones made, and what nobody refers to."""
        if self._collector is None and self._chance.random() < COLLECTING:
            keep = ("--keep", "undisturbed-soak", "--keep", "undisturbed-flow")
            output = self._house.directory / f"{self._tag}-gc.txt"
            self._collector = self._house.command("gc", "--keep-last", "1", *keep, "--yes", output=output)
        elif self._chance.random() < COLLECTING and self._collector is not None and self._collector.poll() is None:
            self._collector.kill()
            self.round.kills.append(("collector", "beside"))

    def _collected(self) -> Iterator[str]:
        """How the collector ended, which can only be well or by a shot."""
        if self._collector is not None and self._collector.wait(HANGING) not in (0, -9):
            text = (self._house.directory / f"{self._tag}-gc.txt").read_text(errors="replace")
            yield f"gc ended with exit code {self._collector.returncode}: {text[-500:]}"

    def _scene(self, driver: subprocess.Popen[bytes]) -> str:
        """Who is there, and what the kernel says that they wait for."""
        there = members(self._house.directory, driver.pid)
        return ", ".join(f"{one.kind} {one.pid} in {one.waits()}" for one in there)

    def _left(self, how: str, code: int) -> Iterator[str]:
        """What a command may leave with."""
        text = self._output.read_text(errors="replace")
        if "Traceback" in text.replace('Traceback (most recent call last):\n  File "algorithms/soak.py"', ""):
            yield f"{how} ended with a traceback, see {self._output}"
        match code:
            case 0 | 3 | -9:
                pass
            case 1 | 69 if how != "resume" and any(kind in MACHINERY for kind, _ in self.round.kills):
                self.round.refused += 1
            case _:
                yield f"{how} ended with exit code {code}: {text[-500:]}"

    def _fire(self, driver: subprocess.Popen[bytes], how: str) -> int:
        """Wait for a moment, then for victims, and kill them; whether any were hit."""
        self._collect()
        kinds = self._chance.choices([*CHOICE], [*CHOICE.values()], k=self._chance.choice(VOLLEY))
        time.sleep(self._chance.random() * SPREAD)
        deadline = time.monotonic() + SPREAD
        while driver.poll() is None and time.monotonic() < deadline:
            there = members(self._house.directory, driver.pid)
            if any(one.kind is kinds[0] for one in there):
                moment = self._moment(how)
                hit = [victim for victim in self._some(kinds, there) if victim.kill()]
                self.round.kills += [(victim.kind.value, moment) for victim in hit]
                self._shots += sum(victim.kind in (Kind.TASK, Kind.INIT, Kind.BELOW, Kind.SPARE) for victim in hit)
                return bool(hit)
            time.sleep(0.003)
        return 0

    def _some(self, kinds: list[Kind], there: list[Member]) -> list[Member]:
        """One of each of these kinds, as far as they are there, and none twice."""
        found: list[Member] = []
        for kind in kinds:
            left = [one for one in there if one.kind is kind and one not in found]
            found += [self._chance.choice(left)] if left else []
        return found

    def _moment(self, how: str) -> str:
        """Where the run stands, or the first of several."""
        run = self._house.run_named(self._tag)
        if run is None:
            return f"{how}: not accepted yet"
        query = "SELECT DISTINCT component FROM tasks WHERE run = ? AND state = 'RUNNING' AND executor != ''"
        running = {row["component"].partition("[")[0] for row in self._house.rows(query, run["id"])}
        return f"{how}: {', '.join(sorted(running)) or run['state'].lower() + ', between steps'}"
