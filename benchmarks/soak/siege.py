"""Servers under load and under fire: what was accepted ends as it should, once, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmarks.soak import pipelines, verdict
from benchmarks.soak.hosting import Hosting, Server
from benchmarks.soak.victims import Kind, Member, alive, members

#: How often each kind is chosen.
CHOICE: Final = {
    Kind.SERVER: 5,
    Kind.WORKER: 3,
    Kind.DRIVER: 6,
    Kind.TEMPLATE: 3,
    Kind.KEEPER: 2,
    Kind.NURSERY: 1,
    Kind.INIT: 1,
    Kind.TASK: 1,
    Kind.BELOW: 1,
}
#: What is killed for what a task did.
_OF_TASKS: Final = frozenset({Kind.TASK, Kind.INIT, Kind.BELOW, Kind.SPARE})
#: A shot falls within so many seconds after something was done since the last one, which is waited for so long at most;
#: so many of them only stop a driver for a while.
SPREAD: Final = 1.0
PATIENCE: Final = 10.0
PAUSED: Final = 0.15
LONGEST_PAUSE: Final = 3.0
#: So many servers are told to stop instead; they get so many seconds for that.
STOPPED: Final = 0.3
STOPPING: Final = 90.0
#: So many shots are at the database, where there is a way to.
OUTAGES: Final = 0.15
#: So many runs are open at once.
OPEN: Final = 12
#: Seconds between the ticks of the recurring runs, of which there are so many.
INTERVAL: Final = 10
RECURRING: Final = 2
#: What the SDK adds to the names of equal components.
_NUMBER: Final = re.compile(r"-\d+$")
#: What stays of an attempt that succeeded.
_KEPT: Final = frozenset({"input.json", "log", "events.jsonl", "executor_output.json"})
#: So many runs are handed in while a server is killed.
_BURST: Final = 3
_OVER: Final = ("SUCCEEDED", "FAILED", "CANCELED")


@dataclass(kw_only=True)
class Siege:
    """Servers of one store that are shot at while they work."""

    hosting: Hosting
    servers: int
    seed: int
    #: which pipelines are handed in
    kinds: tuple[str, ...] = tuple(pipelines.ENDS)
    #: command that takes the database away for a while
    outage: str = ""
    #: (victim, the state of what was open then)
    kills: list[tuple[str, str]] = field(default_factory=list)
    #: of each run that was accepted its pipeline and its number
    accepted: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: handed in while a server was killed: nobody knows whether it was accepted
    unknown: dict[str, tuple[str, int]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    runs: int = 0
    lost: int = 0
    ticks: int = 0
    shots: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._notes = self.hosting.directory / "notes"
        self._documents = pipelines.documents(self._notes)
        self._living: list[Server] = []
        self._enough = threading.Event()
        #: a server is about to be killed
        self._burst = threading.Event()

    def hold(self, kills: int) -> None:
        """Hand in runs and kill so often meanwhile; then wait until all is over, and judge it."""
        for _ in range(self.servers):
            self._begin()
        schedules = [self._recurring(number) for number in range(RECURRING)]
        crowd = threading.Thread(target=self._crowd)
        crowd.start()
        try:
            while len(self.kills) < kills:
                self._fire()
        finally:
            self._enough.set()
            crowd.join()
        for id in schedules:
            self._living[0].ask("POST", f"/recurringruns/{id}:disable")
        query = f"SELECT id FROM runs WHERE state NOT IN {_OVER}"
        self.hosting.until(lambda: not self.hosting.rows(query), 600, lambda: str(self.hosting.rows(query)))
        self.violations += self._judged(schedules)

    # The load

    def _crowd(self) -> None:
        chance = random.Random(f"{self.seed}/crowd")
        number = 0
        while not self._enough.is_set():
            room = OPEN - len(self.hosting.rows(f"SELECT id FROM runs WHERE state NOT IN {_OVER}"))
            if self._burst.is_set() or room > 0:
                for _ in range(_BURST if self._burst.is_set() else 1):
                    self._submit(chance, number)
                    number += 1
                self._burst.clear()
            else:
                time.sleep(0.05)

    def _submit(self, chance: random.Random, number: int) -> None:
        kind, name = chance.choice(self.kinds), f"soak-{number}"
        body = {
            "display_name": name,
            "pipeline_spec": self._documents[kind],
            "runtime_config": {"parameters": {"salt": number}},
        }
        try:
            self.accepted[chance.choice([*self._living]).ask("POST", "/runs", body)["run_id"]] = (kind, number)
        except urllib.error.HTTPError as error:
            # The database may have kept it, and gone before it could say so.
            self.unknown[name] = (kind, number)
            if error.code != 503 or not self.outage:
                self.violations.append(f"{name} was refused: {error.code} {error.read()[:300]!r}")
        except (OSError, HTTPException, ValueError) as error:
            if not isinstance(getattr(error, "reason", None), ConnectionRefusedError):
                self.unknown[name] = (kind, number)
            time.sleep(0.2)

    def _recurring(self, number: int) -> str:
        body = {
            "display_name": f"often-{number}",
            "pipeline_spec": self._documents["chain"],
            "runtime_config": {"parameters": {"salt": 0}},
            "trigger": {"periodic_schedule": {"interval_second": str(INTERVAL)}},
            "max_concurrency": "10",
            "mode": "ENABLE",
        }
        made: str = self._living[0].ask("POST", "/recurringruns", body)["recurring_run_id"]
        return made

    # The shots

    def _begin(self) -> None:
        how = self._chance.choice(("finish", "requeue"))
        self._living.append(self.hosting.start("--runs", "4", "--on-stop", how))

    def _fire(self) -> None:
        for server in [one for one in self._living if one.process.poll() is not None]:
            self.violations.append(f"a server left by itself, with {server.process.returncode}")
            self._replace(server)
        # On a busy machine nothing would ever be done else.
        ended, deadline = self._ended(), time.monotonic() + PATIENCE
        while self._ended() == ended and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(self._chance.random() * SPREAD)
        if self.outage and self._chance.random() < OUTAGES:
            self.kills.append(("database", self._moment()))
            subprocess.run(self.outage, shell=True, check=True)
            return
        (kind,) = self._chance.choices([*CHOICE], [*CHOICE.values()])
        found = [one for one in members(self.hosting.directory) if one.kind is kind]
        if not found:
            return
        victim = self._chance.choice(found)
        if kind is Kind.SERVER:
            self._burst.set()
            time.sleep(self._chance.random() / 4)
            if self._chance.random() < STOPPED:
                self._stop(victim)
                return
        if kind is Kind.DRIVER and self._chance.random() < PAUSED:
            victim.pause(self._chance.random() * LONGEST_PAUSE)
            return
        self._kill(victim)

    def _ended(self) -> int:
        """How many attempts are over."""
        query = "SELECT (SELECT count(*) FROM attempts WHERE ended IS NOT NULL) AS ended"
        return int(self.hosting.rows(query)[0]["ended"])

    def _kill(self, victim: Member) -> None:
        moment = self._moment()
        if not victim.kill():
            return
        self.kills.append((victim.kind.value, moment))
        self.shots += victim.kind in _OF_TASKS
        for server in [one for one in self._living if one.process.pid == victim.pid]:
            server.process.wait()
            self._replace(server)

    def _stop(self, victim: Member) -> None:
        """Tell a server to stop, as a service manager would."""
        moment = self._moment()
        for server in [one for one in self._living if one.process.pid == victim.pid]:
            server.process.send_signal(signal.SIGTERM)
            self.kills.append(("server, told to stop", moment))
            try:
                if code := server.process.wait(STOPPING):
                    self.violations.append(f"a server that was told to stop left with {code}")
            except subprocess.TimeoutExpired:
                self.violations.append(f"a server that was told to stop did not within {STOPPING:.0f} s")
                server.process.kill()
                server.process.wait()
            self._replace(server)

    def _replace(self, server: Server) -> None:
        # What is handed in meanwhile comes to nobody, if there is no other.
        self._begin()
        self._living.remove(server)

    def _moment(self) -> str:
        found = Counter(
            row["state"].lower() for row in self.hosting.rows("SELECT state FROM runs") if row["state"] not in _OVER
        )
        return ", ".join(f"some {state}" for state in sorted(found)) or "nothing open"

    # The verdict

    def _judged(self, schedules: list[str]) -> Iterator[str]:
        yield from self._known()
        runs = {row["id"]: row for row in self.hosting.rows("SELECT * FROM runs")}
        self.runs = len(runs)
        noted = Counter(tuple(line.split()) for line in self._notes.read_text().splitlines())
        for id, row in runs.items():
            kind, number = self.accepted.get(id) or ("chain", 0)
            yield from (f"{id} ({kind}): {text}" for text in self._of_run(row, kind, number, noted))
        for id in schedules:
            yield from self._ticked(id)
        yield from self._after()

    def _known(self) -> Iterator[str]:
        """Every run that was accepted is there; of the others none, or one."""
        found: dict[str, list[str]] = {}
        for row in self.hosting.rows("SELECT id, name FROM runs WHERE schedule = ''"):
            found.setdefault(row["name"], []).append(row["id"])
        there = {id for ids in found.values() for id in ids}
        yield from (f"{id} was accepted and is not there" for id in self.accepted if id not in there)
        for name, what in self.unknown.items():
            self.accepted.update((id, what) for id in found.get(name, ()))
        yield from (f"{name} is there {len(ids)} times" for name, ids in found.items() if len(ids) > 1)
        yield from (f"nobody handed in {id}" for id in there if id not in self.accepted)

    def _of_run(self, run: Any, kind: str, number: int, noted: Counter[tuple[str, ...]]) -> Iterator[str]:
        end = pipelines.ENDS[kind]
        tasks = self.hosting.rows("SELECT * FROM tasks WHERE run = ?", run["id"])
        attempts = self.hosting.rows("SELECT * FROM attempts WHERE run = ? ORDER BY task, serial", run["id"])
        self.lost += sum(one["state"] == "LOST" for one in attempts)
        if run["lease_pid"] and alive(run["lease_pid"], run["lease_start"]):
            yield "it is over and its driver lives"
        done, tried = Counter[str](), Counter[str]()
        for task in tasks:
            own = [attempt for attempt in attempts if attempt["task"] == task["name"]]
            name = _NUMBER.sub("", task["component"].partition("[")[0])
            tried[name] += len(own)
            done[name] += task["state"] == "SUCCEEDED" and bool(task["executor"])
            if task["executor"]:
                yield from _counted(task, name, own)
            elif own:
                yield f"{task['name']} executes nothing, and has attempts"
        for name in {*tried} & {*end.tasks}:
            if not done[name] <= noted[run["id"], name] <= tried[name]:
                yield f"{name} was noted {noted[run['id'], name]} times; {tried[name]} attempts, {done[name]} good"
        shot = [task["name"] for task in tasks if task["state"] == "FAILED" and task["executor"]]
        shot = [name for name in shot if "broken" not in name]
        if run["state"] != ("FAILED" if shot else end.state):
            yield f"it is {run['state']}: {run['message']}; shot: {shot}"
        wanted = {} if shot else {name: count for name, count in end.tasks.items() if name != "broken"}
        if wanted != {name: done[name] for name in wanted}:
            yield f"done is {dict(done)}, and not {wanted}"
        if kind == "stock" and not shot:
            made = self.hosting.rows("SELECT value FROM parameters WHERE run = ? AND task = 'total'", run["id"])
            if [json.loads(row["value"]) for row in made] != [pipelines.sum_of(number)]:
                yield f"its total is {made}, and not {pipelines.sum_of(number)}"

    def _ticked(self, id: str) -> Iterator[str]:
        """Every tick has its one run."""
        moments = [
            row["moment"] for row in self.hosting.rows("SELECT * FROM ticks WHERE schedule = ? ORDER BY moment", id)
        ]
        runs = [
            row["scheduled"]
            for row in self.hosting.rows("SELECT scheduled FROM runs WHERE schedule = ? ORDER BY scheduled", id)
        ]
        self.ticks += len(moments)
        if moments != runs:
            yield f"{id} has ticks {moments} and runs {runs}"
        gaps = {round(after - before) for before, after in pairwise(moments)}
        if gaps - {INTERVAL}:
            yield f"between ticks of {id} lie {sorted(gaps)} s"

    def _after(self) -> Iterator[str]:
        """The servers leave, and nothing else stays."""
        for server in self._living:
            if code := server.stop():
                yield f"a server left with {code}"
        yield from self._processes()
        yield from verdict.stored_whole(self.hosting)
        place = str(self.hosting.directory)
        yield from (
            f"a mount is left: {line}" for line in Path("/proc/mounts").read_text().splitlines() if place in line
        )
        left = {path.name for path in self.hosting.store.glob("runs/*/*/*/*")} - _KEPT
        yield from (f"an attempt keeps {name}" for name in sorted(left) if not self._failed(name))
        yield from (f"{row} is still known" for row in self.hosting.rows("SELECT id FROM servers"))

    def _failed(self, name: str) -> bool:
        """Whether only attempts that did not succeed, and may be looked at, keep this."""
        good = {
            row["directory"] for row in self.hosting.rows("SELECT directory FROM attempts WHERE state = 'SUCCEEDED'")
        }
        kept = self.hosting.store.glob(f"runs/*/*/*/{name}")
        return not any(str(path.parent.relative_to(self.hosting.store)) in good for path in kept)

    def _processes(self) -> Iterator[str]:
        deadline = time.monotonic() + verdict.PATIENCE
        idle = (Kind.TEMPLATE, Kind.NURSERY, Kind.INIT, Kind.SPARE)
        while left := [one for one in members(self.hosting.directory) if one.kind not in idle]:
            if time.monotonic() > deadline:
                yield from (f"process {one.pid} ({one.kind}) still runs: {one.command[:100]}" for one in left)
                return
            time.sleep(0.05)


def _counted(task: Any, name: str, attempts: list[dict[str, Any]]) -> Iterator[str]:
    """A task counts once, and each of its tries too."""
    where, states = task["name"], [attempt["state"] for attempt in attempts]
    if [attempt["serial"] for attempt in attempts] != [*range(1, len(attempts) + 1)]:
        yield f"{where}: serials {[attempt['serial'] for attempt in attempts]}"
    number = 1
    for attempt in attempts:
        if attempt["number"] != number:
            yield f"{where}: attempt {attempt['serial']} counts as {attempt['number']}, it is {number}"
        number += attempt["state"] == "FAILED"
        if attempt["state"] == "FAILED" and attempt["exit_code"] != 137 and name not in pipelines.FAILING:
            yield f"{where}: attempt {attempt['serial']} failed: {attempt['message']}"
        if attempt["ended"] is None:
            yield f"{where}: attempt {attempt['serial']} has no end"
    good = int(task["state"] == "SUCCEEDED")
    if states.count("SUCCEEDED") != good or (good and states[-1] != "SUCCEEDED"):
        yield f"{where} is {task['state']} with attempts {states}"
    most = pipelines.RETRIES.get(name, pipelines.USUAL) + 1
    if (task["state"] == "FAILED") != (states.count("FAILED") == most):
        yield f"{where} is {task['state']} after {states}"
    if task["state"] not in ("SUCCEEDED", "CACHED", "FAILED", "SKIPPED"):
        yield f"{where} is {task['state']}"


def page(siege: Siege, seconds: float, database: str) -> str:
    """What it came to, in Markdown."""
    kills = Counter(kind for kind, _ in siege.kills)
    named = "server" if siege.servers == 1 else "servers"
    lines = [
        f"{len(siege.kills):,} kills, {siege.servers} {named} on {database}, seed {siege.seed}: {siege.runs} runs (of "
        f"them {siege.ticks} ticks of recurring runs, and {len(siege.unknown)} handed in while a server died), "
        f"{siege.lost} attempts lost without their fault, {seconds / 60:.0f} minutes on {os.cpu_count()} cores. "
        f"Violations: {len(siege.violations) or 'none'}.",
        *(f"- {text}" for text in siege.violations),
        "",
        "| victim | kills |",
        "| --- | ---: |",
        *(f"| {kind} | {count} |" for kind, count in kills.most_common()),
        "",
    ]
    return "\n".join(lines)
