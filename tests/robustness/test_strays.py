"""Where there are no namespaces, a daemon outlives its session and all above it; the next one who cares ends it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from benchmarks.soak.victims import Kind, members

DAEMON = '''
import os
import time
from dataclasses import dataclass
from pathlib import Path

from palmette import algorithm, step


@dataclass(frozen=True)
class Config:
    """What a run is told."""

    gates: str = ""  #: the steps wait here


@step
def daemon(gates: str) -> int:
    """Leaves one behind that is a program, and one that is a fork."""
    for program in (True, False):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                if program:
                    os.execvp("sleep", ["sleep", "3600"])
                time.sleep(3600)
            os._exit(0)
        os.wait()
    Path("ready").touch()
    while not Path(gates, "measure").exists():
        time.sleep(0.02)
    return 1


@algorithm(config=Config)
def small(config: Config) -> None:
    """One step."""
    daemon(config.gates)
'''


@pytest.mark.parametrize("with_driver", [False, True], ids=["under its driver", "together with its driver"])
def test_daemons_of_a_killed_template_are_ended(small: Any, with_driver: bool) -> None:
    (small.directory / "algorithms" / "small.py").write_text(DAEMON)
    small.environ["PALMETTE_ISOLATION"] = "subreaper"
    driver, _ = small.stop_at("daemon", "--json")
    small.until(lambda: list(small.home.glob("runs/*/daemon/1/work/ready")))
    # It may still be the fork of which it becomes the program.
    small.until(lambda: any("sleep" in one.command for one in members(small.place)))
    victims = [one for one in members(small.place, driver.pid) if one.kind is Kind.TEMPLATE]
    if with_driver:
        driver.kill()
        driver.wait()
    for victim in victims:
        victim.kill()
    small.open_gates()
    done = json.loads(small("resume", "--json").out) if with_driver else json.loads(driver.communicate()[0])
    assert done["state"] == "succeeded"
    assert [attempt["state"] for attempt in done["tasks"][0]["attempts"]] == ["lost", "succeeded"]
    small.until(lambda: not small.tasks_running())


def test_a_shell_that_stands_in_an_attempts_directory_is_left_alone(small: Any) -> None:
    driver, _ = small.stop_at("measure")
    (place,) = small.home.glob("runs/*/measure/1/work")
    with subprocess.Popen(["sleep", "60"], cwd=place) as shell:
        driver.kill()
        driver.wait()
        small.open_gates()
        small("resume")
        assert shell.poll() is None
        shell.kill()
