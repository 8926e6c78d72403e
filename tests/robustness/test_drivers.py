"""Two who want to drive one run: who lives drives, who is dead is followed, and who was left behind can do no harm."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from palmette.domain.run import Lease, Process
from palmette.engine import processes
from palmette.store import database, leases


def test_a_run_whose_driver_lives_is_not_resumed(small: Any) -> None:
    driver, run = small.stop_at("measure")
    refused = small("resume", run, code=75)
    assert f"run {run} is driven by process {driver.pid}" in refused.error
    small.open_gates()
    assert driver.wait() == 0
    assert small.rows("SELECT count(*) FROM attempts") == [(2,)]


def test_a_driver_that_is_stopped_lives(small: Any) -> None:
    driver, run = small.stop_at("measure", "--json")
    driver.send_signal(signal.SIGSTOP)
    small.open_gates()
    time.sleep(3.0)  # three beats of its heart
    assert "is driven by process" in small("resume", run, code=75).error
    driver.send_signal(signal.SIGCONT)
    out, _ = driver.communicate()
    assert driver.returncode == 0
    assert json.loads(out)["state"] == "succeeded"


def test_a_killed_driver_is_followed_at_once_and_its_steps_die_with_it(small: Any) -> None:
    driver, run = small.stop_at("measure")
    driver.kill()
    driver.wait()
    small.until(lambda: not small.tasks_running())
    small.open_gates()
    resumed = json.loads(small("resume", run, "--json").out)
    tasks = {task["name"]: task for task in resumed["tasks"]}
    assert resumed["state"] == "succeeded"
    assert [attempt["state"] for attempt in tasks["make"]["attempts"]] == ["succeeded"]
    assert [(a["number"], a["state"]) for a in tasks["measure"]["attempts"]] == [(1, "lost"), (1, "succeeded")]


def test_a_driver_that_was_overtaken_while_stopped_writes_nothing_more(small: Any) -> None:
    driver, run = small.stop_at("measure")
    driver.send_signal(signal.SIGSTOP)
    small.open_gates()
    store = database.open(small.home)
    # Another host would have to wait for the silence; here the judgement that the holder is dead is given.
    mine = leases.take(store, run, os.uname().nodename, _me(), alive=lambda _: False)
    before = small.rows("SELECT name, state, ended FROM tasks"), small.rows("SELECT serial, state, ended FROM attempts")
    driver.send_signal(signal.SIGCONT)
    _, err = driver.communicate()
    assert driver.returncode == 75
    assert "is driven by another process now" in err
    assert "Traceback" not in err
    after = small.rows("SELECT name, state, ended FROM tasks"), small.rows("SELECT serial, state, ended FROM attempts")
    assert after == before
    assert not small.tasks_running()
    holder = leases.holder(store, run)
    assert holder is not None
    assert holder.lease == Lease(run=run, epoch=mine.epoch, host=mine.host, process=mine.process)
    leases.release(store, mine)
    store.close()
    assert json.loads(small("resume", run, "--json").out)["state"] == "succeeded"


def test_a_finished_run_is_not_resumed(small: Any) -> None:
    small("run", "small")
    assert "is over: it succeeded" in small("resume", code=2).error


def test_a_resumed_run_reuses_nothing_if_it_was_started_so(small: Any) -> None:
    small.stop_at("measure")
    small.open_gates()
    assert small.started[-1].wait() == 0
    driver, _ = small.stop_at("make", "--no-cache")
    driver.kill()
    driver.wait()
    small.open_gates()
    resumed = json.loads(small("resume", "--json").out)
    assert {task["name"]: task["cached"] for task in resumed["tasks"]} == {"make": False, "measure": False}


def _me() -> Process:
    return processes.process_of(os.getpid())
