"""Which way an attempt is started, and what is special about fresh processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.run import Process
from palmette.engine import processes
from palmette.engine.executors.choice import Executors, obstacle
from palmette.engine.ports import Exited, Lost

ACTS = """
import os, time

def nothing():
    pass

def sleep():
    time.sleep(60)

def gpus():
    print(os.environ["CUDA_VISIBLE_DEVICES"])
"""
THREADED = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"


@pytest.fixture
def place(world: Callable[..., Any]) -> Any:
    return world(ACTS)


@pytest.fixture
def executors(place: Any) -> Iterator[Executors]:
    made = place.executors()
    yield made
    made.close()


def over(place: Any, executors: Executors, launch: Any) -> Exited:
    executors.start(launch)
    ended = place.until_over(executors, launch.id)[launch.id]
    assert isinstance(ended, Exited)
    return ended


def test_only_captured_steps_that_need_no_start_of_their_own_are_forked(place: Any) -> None:
    plain = place.step("acts:nothing")
    assert obstacle(plain) == ""
    assert obstacle(place.step("acts:nothing", declared=("PATIENT", "MODEL_DIR"))) == ""
    assert obstacle(place.launch(("sh", "-c", "true"))) == "not a captured step"
    assert obstacle(place.step("acts:nothing", gpus=(0,))) == "it uses a GPU"
    assert obstacle(place.launch(plain.command, (*plain.args, "--install"))) == "it installs packages"
    found = obstacle(place.step("acts:nothing", declared=("LD_PRELOAD", "A", "OMP_NUM_THREADS")))
    assert found == "only a start can set LD_PRELOAD, OMP_NUM_THREADS"


def test_a_template_with_threads_refuses_and_the_step_gets_a_process(place: Any, executors: Executors) -> None:
    (place.kit / "threaded.py").write_text(THREADED)
    launch = place.step("acts:nothing", imports=("threaded",))
    executors.start(launch)
    started = place.until_started(executors, launch.id)
    assert started.how == "process"
    assert started.why.startswith("the template runs threads of its own")
    assert place.until_over(executors, launch.id)[launch.id].code == 0


def test_without_a_template_everything_is_a_process(place: Any) -> None:
    executors = Executors(python=place.python)
    launch = place.step("acts:nothing")
    executors.start(launch)
    assert place.until_started(executors, launch.id).why == "no template for this interpreter"
    assert place.until_over(executors, launch.id)[launch.id].code == 0
    executors.close()


def test_a_template_that_cannot_start_leaves_processes(place: Any) -> None:
    (place.kit / "palmette" / "runtime" / "keeper.py").write_text("def broken(:\n")
    executors = place.executors()
    launch = place.step("acts:nothing")
    executors.start(launch)
    assert place.until_started(executors, launch.id).why.startswith("the template does not start")
    assert place.until_over(executors, launch.id)[launch.id].code == 0
    executors.close()


def test_python3_means_the_projects_interpreter(place: Any, executors: Executors) -> None:
    launch = place.launch(("python3", "-c", "import sys; print(sys.executable)"), environment={"PATH": "/nowhere"})
    assert over(place, executors, launch).code == 0
    assert launch.log.read_text().strip() == sys.executable


def test_any_command_runs_with_its_arguments_untouched(place: Any, executors: Executors) -> None:
    launch = place.launch(("sh", "-c", 'printf "%s|" "$@"'), ("name", "a b", "$(id)", "", "'"))
    over(place, executors, launch)
    assert launch.log.read_text() == "a b|$(id)||'|"


def test_a_command_that_is_not_there_is_127(place: Any, executors: Executors) -> None:
    launch = place.launch(("no-such-command",))
    assert over(place, executors, launch).code == 127
    assert "cannot start" in launch.log.read_text()


def test_a_command_that_cannot_be_executed_is_126(place: Any, executors: Executors) -> None:
    launch = place.launch(("/etc/passwd",))
    assert over(place, executors, launch).code == 126
    assert "Permission denied" in launch.log.read_text()


def test_an_argument_longer_than_the_kernel_allows_is_126(place: Any, executors: Executors) -> None:
    launch = place.launch(("true", "x" * 200_000))
    assert over(place, executors, launch).code == 126
    assert "Argument list too long" in launch.log.read_text()


def test_a_directory_that_cannot_be_used_is_a_failed_attempt_and_not_a_lost_one(
    place: Any, executors: Executors
) -> None:
    launch = place.launch(("true",), log=place.directory / "nowhere" / "log")
    assert over(place, executors, launch).code == 126


def test_a_fork_takes_an_input_of_any_length(place: Any, executors: Executors) -> None:
    launch = place.step("acts:nothing")
    long = place.launch(launch.command, (*launch.args[:-1], '{"x": "' + "x" * 3_000_000 + '"}'))
    assert over(place, executors, long).code == 0


def test_the_gpus_handed_out_are_the_ones_that_are_seen(place: Any, executors: Executors) -> None:
    launch = place.step("acts:gpus", gpus=(1, 3))
    over(place, executors, launch)
    assert launch.log.read_text().strip() == "1,3"


def test_pins_are_compared_once_and_a_wrong_one_fails_every_time(place: Any, executors: Executors) -> None:
    step = place.step("acts:nothing")

    def pinned(version: str) -> Any:
        pins = f'{{"pytest": "{version}"}}'
        return place.launch(step.command, (*step.args, "--pins", pins))

    for _ in range(2):
        wrong = pinned("0.0.1")
        assert over(place, executors, wrong).code == 1
        assert "pytest 0.0.1 is needed" in wrong.log.read_text()
    for _ in range(2):
        assert over(place, executors, pinned(pytest.__version__)).code == 0


def test_the_death_of_a_template_is_nobodys_fault(place: Any) -> None:
    template = place.template()
    executors = place.executors()
    launch = place.step("acts:sleep")
    executors.start(launch)
    place.until_started(executors, launch.id)
    os.kill(template.hello().pid, signal.SIGKILL)
    assert isinstance(place.until_over(executors, launch.id)[launch.id], Lost)
    again = place.step("acts:nothing")
    executors.start(again)
    assert place.until_started(executors, again.id).how == "fork"
    executors.close()
    template.close()


def test_templates_that_keep_dying_are_given_up(place: Any) -> None:
    (place.kit / "deadly.py").write_text("import os\nos._exit(3)\n")
    executors = place.executors()
    for _ in range(3):
        launch = place.step("acts:nothing", imports=("deadly",))
        executors.start(launch)
        assert isinstance(place.until_over(executors, launch.id)[launch.id], Lost)
    last = place.step("acts:nothing", imports=("deadly",))
    executors.start(last)
    assert place.until_started(executors, last.id).why == "the template died 3 times"
    assert place.until_over(executors, last.id)[last.id].code == 0
    executors.close()


@pytest.mark.parametrize("isolation", ["", "subreaper"])
def test_a_tree_is_ended_from_outside_by_the_identity_of_its_process(world: Callable[..., Any], isolation: str) -> None:
    place = world(ACTS, isolation=isolation)
    executors = place.executors()
    launch = place.launch(("sh", "-c", "sleep 62 & setsid sleep 62 & wait"))
    executors.start(launch)
    process = place.until_started(executors, launch.id).process
    sleeping = lambda: sum(b"sleep\x0062" in cmdline(pid) for pid in place.alive())  # noqa: E731
    assert place.eventually(lambda: sleeping() == 2)
    stale = Process(pid=process.pid, start=process.start + 1, boot=process.boot)
    other = Process(pid=process.pid, start=process.start, boot="another boot")
    for wrong in (stale, other):
        assert not processes.alive(wrong)
        processes.end_tree(wrong)
    assert sleeping() == 2
    assert processes.alive(process)
    processes.end_tree(process)
    assert sleeping() == 0
    assert not processes.alive(process)
    executors.close()


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
