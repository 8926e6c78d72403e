"""How runs end: failures, retries, timeouts, Ctrl-C, cancelling from elsewhere, and a driver that is killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

STEPS = """
    import os
    import subprocess
    import sys
    import time
    from dataclasses import dataclass
    from pathlib import Path

    from palmette import algorithm, log_metric, step

    HERE = Path("{here}")

    def note(name: str) -> None:
        with (HERE / "ran").open("a") as file:
            file.write(name + chr(10))

    def wait(name: str) -> None:
        while not (HERE / name).exists():
            time.sleep(0.02)

    @dataclass(frozen=True)
    class Config:
        seed: int = 0

    @step
    def first(seed: int) -> int:
        note("first")
        return seed
"""


def steps(project: Project, source: str) -> Project:
    """A project with the algorithm `job`, made of `first` and these steps."""
    project.write("algorithms/job.py", STEPS)
    with (project.directory / "algorithms" / "job.py").open("a") as file:
        extra = project.write("extra", source).read_text()
        file.write("\n" + extra)
    return project


FAILING = """
    @step
    def breaks(number: int) -> int:
        for line in range(40):
            print("line", line)
        raise ValueError("no such luck")

    @step
    def after(number: int) -> int:
        return number

    @step
    def beside(number: int) -> int:
        return number + 1

    @algorithm(config=Config)
    def job(config: Config) -> None:
        number = first(config.seed)
        after(breaks(number))
        beside(number)
"""

WAITING = """
    @step
    def waits(number: int) -> int:
        print("waiting", flush=True)
        subprocess.Popen(["sleep", "600"])
        (HERE / "waiting").touch()
        wait("go")
        print("gone on", flush=True)
        return number + 1

    @step
    def last(number: int) -> int:
        note("last")
        return number

    @algorithm(config=Config)
    def job(config: Config) -> None:
        last(waits(first(config.seed)))
"""


def alone(project: Project) -> None:
    """Nothing of the project's is left but what serves anybody."""
    project.eventually(lambda: not project.processes())


def test_a_failing_step_fails_the_run_and_the_rest_goes_on(bare: Project) -> None:
    steps(bare, FAILING)
    done = bare("run", "job", code=3)
    assert "ValueError: no such luck" in done.err
    assert "│ line 39" in done.err
    assert "│ line 3\n" not in done.err
    assert "palmette/runtime" not in done.err
    run = bare.show()
    assert run["state"] == "failed"
    assert run.states == {"first": "succeeded", "breaks": "failed", "after": "skipped", "beside": "succeeded"}
    assert "breaks" in run.task("after")["message"]
    assert bare.run("job", code=3).cached == {"first", "beside"}


def test_a_failing_run_is_one_object_too(bare: Project) -> None:
    steps(bare, FAILING)
    run = bare.run("job", code=3)
    assert run["state"] == "failed"
    assert "no such luck" in run.task("breaks")["message"]


def test_a_step_is_tried_again_as_often_as_it_says(bare: Project) -> None:
    source = """
        @step(retries=2, backoff=0.05)
        def flaky(number: int) -> int:
            note("try")
            if len((HERE / "ran").read_text().splitlines()) < 4:
                raise OSError("not yet")
            return number

        @algorithm(config=Config)
        def job(config: Config) -> None:
            flaky(first(config.seed))
    """
    steps(bare, source)
    done = bare("run", "job", "--json")
    assert "attempt 1 failed" in done.err
    attempts = done.json["tasks"][1]["attempts"]
    assert [attempt["state"] for attempt in attempts] == ["failed", "failed", "succeeded"]
    assert "not yet" in bare("logs", "last", "flaky", "--attempt", "1").out


def test_a_timeout_ends_a_daemon_too(bare: Project) -> None:
    source = """
        @step(timeout=4)
        def slow(number: int) -> int:
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    (HERE / "daemon").write_text(str(os.getpid()))
                    os.execvpe("sleep", ["sleep", "600"], {"PALMETTE_TEST": str(HERE)})
                os._exit(0)
            wait("never")
            return number

        @algorithm(config=Config)
        def job(config: Config) -> None:
            slow(first(config.seed))
    """
    steps(bare, source)
    run = bare.run("job", code=3)
    assert bare.exists("daemon")
    assert run.states["slow"] == "failed"
    assert "4 s" in run.task("slow")["message"]
    assert run.task("slow")["attempts"][0]["exit_code"] == 124
    alone(bare)


@pytest.mark.parametrize(("what", "word"), [("3", "3"), ('"so be it"', "so be it")])
def test_a_step_that_exits_by_itself_fails(bare: Project, what: str, word: str) -> None:
    source = """
        @step
        def leaves(number: int) -> int:
            sys.exit(WHAT)

        @algorithm(config=Config)
        def job(config: Config) -> None:
            leaves(first(config.seed))
    """
    steps(bare, source.replace("WHAT", what))
    run = bare.run("job", code=3)
    assert run.states["leaves"] == "failed"
    assert word in run.task("leaves")["message"]


@pytest.mark.parametrize("whom", ["group", "process"])
def test_ctrl_c_cancels_and_leaves_no_process(bare: Project, whom: str) -> None:
    steps(bare, WAITING)
    process = bare.start("run", "job")
    bare.eventually(lambda: bare.exists("waiting"))
    (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
    done = bare.finished(process, 130)
    assert "Traceback" not in done.err
    run = bare.show()
    assert run["state"] == "canceled"
    assert run.states == {"first": "succeeded", "waits": "canceled", "last": "canceled"}
    alone(bare)


def test_a_run_is_cancelled_from_another_terminal(bare: Project) -> None:
    steps(bare, WAITING)
    process = bare.start("run", "job")
    bare.eventually(lambda: bare.exists("waiting"))
    assert "cancel" in bare("cancel", "last").err
    bare.finished(process, 130)
    assert bare.show()["state"] == "canceled"
    assert "is over: it was canceled" in bare("cancel", "last", code=2).err
    alone(bare)


def test_logs_are_followed_from_another_terminal_until_the_run_is_over(bare: Project) -> None:
    steps(bare, WAITING)
    process = bare.start("run", "job")
    bare.eventually(lambda: bare.exists("waiting"))
    follower = bare.start("logs", "-f", "last", "waits")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "waiting\n"
    assert follower.poll() is None
    bare.touch("go")
    assert bare.finished(follower, 0).out == "gone on\n"
    bare.finished(process, 0)


def test_curves_can_be_watched_while_a_step_runs(bare: Project) -> None:
    source = """
        @step
        def learns(number: int) -> int:
            for epoch in range(3):
                log_metric("loss", 1.0 / (epoch + 1), step=epoch)
            wait("go")
            log_metric("loss", 0.1, step=3)
            return number

        @algorithm(config=Config)
        def job(config: Config) -> None:
            learns(first(config.seed))
    """
    steps(bare, source)
    process = bare.start("run", "job", "--json")
    bare.eventually(lambda: bare.exists(".palmette/store.db") and bare.json("runs"))
    bare.eventually(lambda: len(bare.show()["curves"].get("loss", [])) == 3)
    assert bare.show()["state"] == "running"
    bare.touch("go")
    bare.finished(process, 0)
    run = bare.show()
    assert [point["value"] for point in run["curves"]["loss"]] == [1.0, 0.5, 1 / 3, 0.1]
    assert run["metrics"]["loss"] == 0.1


# A driver that is killed


def test_a_run_whose_driver_was_killed_is_resumed_without_repeating_what_was_done(bare: Project) -> None:
    steps(bare, WAITING)
    process = bare.start("run", "job")
    bare.eventually(lambda: bare.exists("waiting"))
    assert "is driven by process" in bare("resume", "last", code=75).err
    process.kill()
    process.wait()
    alone(bare)
    [row] = bare.json("runs")
    assert row["interrupted"]
    assert "interrupted" in bare("runs").out
    assert "palmette resume" in bare("show").out
    bare.touch("go")
    done = bare("resume", "--json")
    assert "1 of 3 steps" in done.err
    run = bare.show()
    assert run["state"] == "succeeded"
    assert bare.lines("ran") == ["first", "last"]
    assert [attempt["state"] for attempt in run.task("waits")["attempts"]] == ["lost", "succeeded"]
    assert "is over: it succeeded" in bare("resume", "last", code=2).err


def test_a_run_that_nobody_drives_is_cancelled_where_it_lies(bare: Project) -> None:
    steps(bare, WAITING)
    process = bare.start("run", "job")
    bare.eventually(lambda: bare.exists("waiting"))
    process.kill()
    process.wait()
    bare("cancel", "last")
    run = bare.show()
    assert run["state"] == "canceled"
    assert not run["interrupted"]
    alone(bare)


def test_a_run_is_resumed_with_the_code_it_began_with(bare: Project) -> None:
    steps(bare, WAITING)
    process = bare.start("run", "job")
    bare.eventually(lambda: bare.exists("waiting"))
    process.kill()
    process.wait()
    bare.replace("algorithms/job.py", "return number + 1", "return number + 100")
    bare.touch("go")
    assert bare.json("resume")["tasks"][1]["parameters"] == {"output": 1}


def test_where_nothing_ran_there_is_nothing_to_resume(bare: Project) -> None:
    steps(bare, WAITING)
    assert "no runs" in bare("resume", code=2).err
    assert not bare.exists(".palmette")
