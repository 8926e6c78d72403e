"""What every way of starting an attempt promises: run for a fork of the template and for a fresh process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from palmette.engine.executors.choice import Executors
from palmette.engine.ports import Exited

ACTS = '''
import os, random, signal, subprocess, sys, time

def succeed():
    print("to standard output")
    print("to standard error", file=sys.stderr)

def fail():
    raise ValueError("no good")

def leave():
    sys.exit(9)

def crash():
    os.kill(os.getpid(), signal.SIGKILL)

def abort():
    os.abort()

def sleep():
    time.sleep(60)

def ignore():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    time.sleep(60)

def polite():
    def stop(*_):
        print("stopped", flush=True)
        sys.exit(4)
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    time.sleep(60)

def daemon():
    """Two forks and two sessions away from the step."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.execvp("sleep", ["sleep", "61"])
        os._exit(0)
    os.wait()
    return 3

def stubborn():
    daemon()
    time.sleep(60)

def work():
    block = bytearray(150_000_000)
    block[::4096] = b"x" * len(block[::4096])
    begun = time.process_time()
    while time.process_time() - begun < 0.3:
        pass
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"], check=True)

def facts():
    print(os.getcwd(), os.getsid(0) == os.getpid(), os.readlink("/proc/self/fd/0"), os.environ["WORD"])
    print(sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
    print(__name__, __file__.startswith(os.environ["PALMETTE_BUNDLES"]))

def threads():
    print(os.environ["OMP_NUM_THREADS"])

def dice():
    print(random.random())

def pool():
    from concurrent.futures import ProcessPoolExecutor
    import multiprocessing
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as workers:
        print(sum(workers.map(abs, range(-5, 5))))

def late():
    import atexit, threading
    atexit.register(print, "at exit")
    threading.Thread(target=lambda: (time.sleep(0.2), print("from a thread"))).start()
'''


@pytest.fixture(params=["fork", "process"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["", "subreaper"], ids=["namespace", "subreaper"])
def place(world: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
    return world(ACTS, isolation=request.param)


@pytest.fixture
def executors(place: Any) -> Iterator[Executors]:
    made = place.executors()
    yield made
    made.close()


def run(place: Any, executors: Executors, how: str, act: str, **more: Any) -> tuple[Exited, str]:
    launch = place.step(f"acts:{act}", fork=how == "fork", **more)
    executors.start(launch)
    assert place.until_started(executors, launch.id).how == how
    ended = place.until_over(executors, launch.id)[launch.id]
    assert isinstance(ended, Exited), ended
    return ended, Path(launch.log).read_text()


def test_both_streams_are_in_the_log(place: Any, executors: Executors, how: str) -> None:
    ended, log = run(place, executors, how, "succeed")
    assert ended.code == 0, log
    assert sorted(log.splitlines()) == ["to standard error", "to standard output"]


@pytest.mark.parametrize(("act", "code"), [("fail", 1), ("leave", 9), ("crash", 137), ("abort", 134)])
def test_the_exit_code_is_what_a_shell_would_say(
    place: Any, executors: Executors, how: str, act: str, code: int
) -> None:
    ended, _ = run(place, executors, how, act)
    assert ended.code == code


def test_a_step_starts_in_a_clean_place(place: Any, executors: Executors, how: str) -> None:
    _, log = run(place, executors, how, "facts", environment={"WORD": "dû"})
    first, second, third = log.splitlines()
    assert first.split() == [str(place.directory / "runs" / "1" / "work"), "True", "/dev/null", "dû"]
    # The fourth is the directory being listed.
    assert second == "[0, 1, 2] 4"
    assert third == "acts True"


def test_time_and_memory_include_what_the_step_started(place: Any, executors: Executors, how: str) -> None:
    ended, _ = run(place, executors, how, "work")
    assert 0.55 < ended.cpu_seconds < 3
    assert 150e6 < ended.peak_memory < 400e6


def test_a_daemon_does_not_outlive_its_step(place: Any, executors: Executors, how: str) -> None:
    ended, _ = run(place, executors, how, "daemon")
    assert ended.code == 3
    assert not sleeping(place)


def test_sigterm_is_heard_and_answered(place: Any, executors: Executors, how: str) -> None:
    launch = place.step("acts:polite", fork=how == "fork")
    executors.start(launch)
    assert place.eventually(lambda: launch.log.exists() and "ready" in launch.log.read_text())
    executors.end(launch.id, 5)
    ended = place.until_over(executors, launch.id)[launch.id]
    assert ended.code == 4
    assert "stopped" in launch.log.read_text()


@pytest.mark.parametrize("grace", [0, 0.3])
def test_who_does_not_stop_is_killed_with_all_it_started(
    place: Any, executors: Executors, how: str, grace: float
) -> None:
    deaf, stubborn = (place.step(f"acts:{act}", fork=how == "fork") for act in ("ignore", "stubborn"))
    for launch in (deaf, stubborn):
        executors.start(launch)
    assert place.eventually(lambda: deaf.log.exists() and "deaf" in deaf.log.read_text())
    assert place.eventually(lambda: sleeping(place))
    for launch in (deaf, stubborn):
        executors.end(launch.id, grace)
    ended = place.until_over(executors, deaf.id, stubborn.id)
    assert ended[deaf.id].code == 137
    assert ended[stubborn.id].code == (143 if grace else 137)
    assert not sleeping(place)


def test_a_step_that_takes_too_long_is_stopped_and_says_so(place: Any, executors: Executors, how: str) -> None:
    ended, _ = run(place, executors, how, "sleep", timeout=0.4)
    assert ended.timed_out
    assert ended.code == 143


def test_an_end_that_comes_at_once_is_not_lost(place: Any, executors: Executors, how: str) -> None:
    launches = [place.step("acts:sleep", fork=how == "fork") for _ in range(8)]
    for launch in launches:
        executors.start(launch)
        executors.end(launch.id, 20)
    ended = place.until_over(executors, *(launch.id for launch in launches))
    # Who was not told at once would be killed when the grace is over, or sleep its minute and succeed.
    assert {end.code for end in ended.values()} == {143}


def test_ending_what_is_unknown_or_over_does_nothing(place: Any, executors: Executors, how: str) -> None:
    run(place, executors, how, "succeed")
    executors.end("step#1", 0)
    executors.end("nobody#7", 0)
    assert executors.wait(0.1) == []


def test_libraries_are_told_how_many_threads_to_use(place: Any, executors: Executors, how: str) -> None:
    _, log = run(place, executors, how, "threads", threads=3)
    assert log.strip() == ("3" if how == "fork" else "1")  # the process was asked for by declaring that very variable


def test_no_two_steps_throw_the_same_dice(place: Any, executors: Executors, how: str) -> None:
    assert run(place, executors, how, "dice")[1] != run(place, executors, how, "dice")[1]


def test_a_step_may_have_a_pool_of_spawned_processes(place: Any, executors: Executors, how: str) -> None:
    ended, log = run(place, executors, how, "pool")
    assert ended.code == 0, log
    assert log.strip() == "25"


def test_threads_and_exit_handlers_are_waited_for(place: Any, executors: Executors, how: str) -> None:
    _, log = run(place, executors, how, "late")
    assert log.splitlines() == ["from a thread", "at exit"]


def test_many_at_once(place: Any, executors: Executors, how: str) -> None:
    launches = [place.step("acts:succeed", fork=how == "fork") for _ in range(20)]
    for launch in launches:
        executors.start(launch)
    ended = place.until_over(executors, *(launch.id for launch in launches))
    assert {end.code for end in ended.values()} == {0}


def test_closing_kills_what_still_runs(place: Any, how: str) -> None:
    executors = place.executors()
    launch = place.step("acts:stubborn", fork=how == "fork")
    executors.start(launch)
    assert place.eventually(lambda: sleeping(place))
    executors.close()
    assert not sleeping(place)


def test_waiting_ends_when_something_else_is_ready(place: Any, executors: Executors, how: str) -> None:
    read, write = os.pipe()
    os.write(write, b"x")
    begun = time.monotonic()
    assert executors.wait(200, [read]) == []
    assert time.monotonic() - begun < 100
    os.close(read)
    os.close(write)


def sleeping(place: Any) -> bool:
    """Whether a step's daemon is there."""
    return any(b"sleep\x0061" in command(pid) for pid in place.alive())


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
