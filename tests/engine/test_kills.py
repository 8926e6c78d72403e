"""Whoever is killed, at whatever moment: each attempt ends once, and nothing is left but an idle template."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.run import Process
from palmette.engine import processes
from palmette.engine.ports import Started

ACTS = """
import os, subprocess, sys, time

def quick():
    time.sleep(0.02)

def child():
    subprocess.run(["sleep", "0.3"])

def pool():
    workers = [subprocess.Popen(["sleep", "63"]) for _ in range(3)]
    time.sleep(0.2)

def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.execvp("sleep", ["sleep", "63"])
        os._exit(0)
    os.wait()
    time.sleep(0.2)
"""

#: A task that ends and leaves a child, which ends when it is told to: whether it is alone before that, and after it.
LEFT = """
import os, time
from palmette.runtime.keeper import Nursery, Task

nursery = Nursery()
if not nursery.works:
    raise SystemExit(print("none"))
reader, writer = os.pipe()
init = nursery.namespace()
if not (pid := os.fork()):
    if not os.fork():
        os.close(writer)
        os.read(reader, 1)
    os._exit(0)
nursery.leave()
os.waitpid(pid, 0)
task = Task("left", None, pid, init)
print(task.alone())
os.close(writer)
while not task.alone():
    time.sleep(0.01)
print(True)
task.kill()
"""

#: Starts attempts, four at a time, until told to stop; notes what exists, as a store's rows would.
DRIVER = """
import os, random, sys, time
from pathlib import Path
from palmette.engine.executors.choice import Executors
from palmette.engine.ports import Launch, Started

directory, rows, stop = Path(sys.argv[1]), Path(sys.argv[2]).open("a", buffering=1), Path(sys.argv[3])
digest, seed, acts, isolation = sys.argv[4], int(sys.argv[5]), sys.argv[6].split(), sys.argv[7]
from palmette.runtime.delivery import BOOTSTRAP
executors = Executors(
    python=Path(sys.executable), kit=directory / "kit", templates=directory / "templates",
    environment={**os.environ, **({"PALMETTE_ISOLATION": isolation} if isolation else {})},
)
random.seed(seed)
environment = {"PATH": os.environ["PATH"], "PALMETTE_BUNDLES": str(directory / "bundles"), "WORLD": str(directory)}
pending, number = set(), 0
while pending or not stop.exists():
    while len(pending) < 4 and not stop.exists():
        number += 1
        attempt = directory / "runs" / f"{os.getpid()}-{number}"
        attempt.mkdir(parents=True)
        args = ("--step", f"acts:{random.choice(acts)}", "--bundle", digest, "--executor-input", "{}")
        executors.start(Launch(
            id=f"step#{number}", command=("python3", "-c", BOOTSTRAP), args=args, environment=environment,
            directory=attempt, log=attempt / "log", declared=random.choice([(), ("OMP_NUM_THREADS",)]),
        ))
        pending.add(f"step#{number}")
    for report in executors.wait(0.1):
        if isinstance(report, Started):
            print(f"{report.process.pid} {report.process.start} {report.process.boot}", file=rows)
        else:
            pending.remove(report.id)
            print(type(report).__name__, getattr(report, "code", ""), file=sys.stderr)
executors.close()
"""


class Killer:
    """Drivers of one world, and what becomes of them."""

    def __init__(self, place: Any, acts: str, seed: int) -> None:
        self.place, self.acts, self.chance = place, acts, random.Random(seed)
        self.kills = self.ends = 0
        self.rows, self.stop = place.directory / "rows", place.directory / "stop"

    def drive(self) -> subprocess.Popen[bytes]:
        self.stop.unlink(missing_ok=True)
        self.rows.write_text("")
        given = (self.rows, self.stop, self.place.digest, self.chance.randrange(10**6), self.acts, self.place.isolation)
        with (self.place.directory / "ends").open("ab") as ends:
            command = [sys.executable, "-c", DRIVER, self.place.directory, *map(str, given)]
            return subprocess.Popen(command, stderr=ends)

    def kill_below(self, driver: subprocess.Popen[bytes], count: int) -> None:
        """SIGKILL to tasks, templates, nurseries, inits, keepers: whatever comes."""
        while count:
            time.sleep(self.chance.random() * 0.15)
            victims = [pid for pid in self.place.alive() + children(driver.pid) if pid != driver.pid]
            if victims:
                kill(self.chance.choice(victims))
                count -= 1
                self.kills += 1

    def kill(self, driver: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the driver; then do what the next one would."""
        driver.kill()
        driver.wait()
        self.kills += 1
        for row in self.rows.read_text().splitlines():
            pid, start, boot = row.split()
            processes.end_tree(Process(pid=int(pid), start=int(start), boot=boot))

    def left(self) -> list[str]:
        """What runs and is no idle template, with its nursery, its spare and that one's namespace, and another one."""
        commands = list(filter(None, map(cmdline, self.place.alive())))
        idle = [command for command in commands if b"template.py" in command]
        return [repr(command) for command in commands if command not in idle] + [repr(one) for one in idle[5:]]


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_a_namespace_is_empty_when_all_are_gone_that_were_left_to_its_init() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() in (["False", "True"], ["none"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("isolation", "acts", "rounds"), [("", "quick child pool daemon", 12), ("subreaper", "quick child pool", 6)]
)
def test_nothing_survives_but_an_idle_template(
    world: Callable[..., Any], isolation: str, acts: str, rounds: int
) -> None:
    seed = int(os.environ.get("PALMETTE_TEST_SEED", "20240711"))
    place = world(ACTS, idle=1.0, isolation=isolation)
    killer = Killer(place, acts, seed)
    for number in range(rounds):
        driver = killer.drive()
        assert place.eventually(lambda: killer.rows.read_text())
        killer.kill_below(driver, 4)
        if number % 3:
            killer.kill(driver)
        else:
            killer.stop.touch()
            assert driver.wait(60) == 0, "an attempt ended twice, or never"
        assert place.eventually(lambda: not killer.left()), (seed, number, killer.left())
    ends = (place.directory / "ends").read_text().splitlines()
    assert not [line for line in ends if not line.startswith(("Exited", "Lost"))], ends
    assert killer.kills >= rounds * 4
    # Started by drivers with the usual 45 seconds, so it is asked to go.
    for pid in place.alive():
        # What it forked ahead goes with it, and may be gone already.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    assert place.settled(0)


@pytest.mark.slow
def test_no_attempt_is_blamed_for_the_death_of_the_nursery(world: Callable[..., Any]) -> None:
    # The namespace's end comes from the nursery's; now and then it is there before the keeper sees its cause.
    place = world("import time\ndef nap():\n    time.sleep(60)\n")
    for _ in range(15):
        executors = place.executors()
        naps = [place.step("acts:nap"), place.step("acts:nap")]
        for nap in naps:
            executors.start(nap)
        started: list[Started] = []
        while len(started) < len(naps):
            started += [report for report in executors.wait(1.0) if isinstance(report, Started)]
        assert started[0].process is not None
        template = parent(started[0].process.pid)
        kill(min(children(template), key=lambda pid: processes.process_of(pid).start))
        ended = place.until_over(executors, *(nap.id for nap in naps))
        assert {type(report).__name__ for report in ended.values()} == {"Lost"}
        executors.close()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
