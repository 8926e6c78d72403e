"""The template: one for all drivers of an interpreter, quick to fork, safe to fork, gone when nobody needs it."""

from __future__ import annotations

import gzip
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from palmette.engine import processes
from palmette.engine.executors.template import Template
from palmette.errors import InterpreterError
from palmette.runtime import keeper

ACTS = """
import os, sys, threading, time

def greet(arguments):
    print("hello", *arguments)
    return 5

def sleep(arguments):
    time.sleep(60)

def numbers(arguments):
    import numpy
    print(numpy.random.rand())

def cores(arguments):
    import numpy, sklearn.linear_model
    from threadpoolctl import threadpool_info
    print(sorted({library["num_threads"] for library in threadpool_info()}))
    matrix = numpy.random.rand(500, 500)
    matrix @ matrix
    print(len(os.listdir("/proc/self/task")) > 1)

def tables(arguments):
    import io, pandas
    for size in (10, 100_000):
        buffer = io.BytesIO()
        pandas.DataFrame({"a": range(size)}).to_parquet(buffer)
        print(len(pandas.read_parquet(buffer)))

def modules(arguments):
    print(*(name in sys.modules for name in arguments))
"""
THREADED = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
DEADLY = "import os\nos._exit(3)\n"


@pytest.fixture
def place(world: Callable[..., Any]) -> Any:
    return world(ACTS)


@pytest.fixture
def template(place: Any) -> Iterator[Template]:
    made = place.template()
    yield made
    made.close()


def test_it_tells_the_facts_of_the_interpreter(template: Template) -> None:
    hello = template.hello()
    assert hello.python == ".".join(map(str, sys.version_info[:3]))
    assert hello.executable == sys.executable
    assert hello.prefix == sys.prefix
    assert all(path.endswith("site-packages") for path in hello.paths)
    assert processes.process_of(hello.pid).start == hello.start


def test_a_call_returns_the_code_and_the_log(place: Any, template: Template) -> None:
    outcome = place.call(template, "acts:greet", "you", "and you")
    assert (outcome.code, outcome.log) == (5, "hello you and you\n")


def test_a_call_that_takes_too_long_is_killed(place: Any, template: Template) -> None:
    begun = time.monotonic()
    assert place.call(template, "acts:sleep", timeout=0.3).code == 137
    assert time.monotonic() - begun < 50


def test_preloading_says_what_failed_and_a_fork_has_the_rest(place: Any, template: Template) -> None:
    template.begin_preload(["sqlite3", "no_such_module"])
    template.begin_preload(["wave"])
    found = template.finish_preload()
    assert found.imported == ("sqlite3", "wave")
    assert found.failed == {"no_such_module": "ModuleNotFoundError: No module named 'no_such_module'"}
    assert place.call(template, "acts:modules", "sqlite3", "wave", "turtle").log == "True True False\n"


def test_a_module_that_kills_the_template_counts_as_failed(place: Any, template: Template) -> None:
    (place.kit / "deadly.py").write_text(DEADLY)
    template.begin_preload(["deadly"])
    assert set(template.finish_preload().failed) == {"deadly"}
    assert place.call(template, "acts:greet").code == 5


def test_a_template_with_threads_of_its_own_is_not_forked(place: Any, template: Template) -> None:
    (place.kit / "threaded.py").write_text(THREADED)
    template.begin_preload(["threaded"])
    assert template.finish_preload().threads == 2
    with pytest.raises(InterpreterError, match="cannot be forked") as raised:
        place.call(template, "acts:greet")
    assert "threads of its own" in raised.value.hint


def test_drivers_share_one_template(place: Any, template: Template) -> None:
    other = place.template()
    assert other.hello().pid == template.hello().pid
    other.close()


@pytest.mark.slow
def test_fifty_drivers_at_once_end_up_with_one_template(place: Any) -> None:
    program = textwrap.dedent(f"""
        import os, sys
        from pathlib import Path
        from palmette.engine.executors.template import Template
        sys.stdin.readline()
        template = Template.reach(
            Path({str(place.python)!r}), Path({str(place.kit)!r}), Path({str(place.templates)!r}), os.environ
        )
        print(template.hello().pid)
    """)
    command = [sys.executable, "-c", program]
    drivers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(50)]
    for driver in drivers:
        assert driver.stdin
        driver.stdin.write("\n")
        driver.stdin.flush()
    assert len({driver.communicate(timeout=100)[0] for driver in drivers}) == 1


def test_it_leaves_when_nobody_has_needed_it_for_a_while(world: Callable[..., Any]) -> None:
    place = world(ACTS, idle=0.5)
    template = place.template()
    hello = template.hello()
    time.sleep(1)
    assert place.call(template, "acts:greet").code == 5
    template.close()
    assert place.settled(0)
    assert not [*place.templates.glob("*/socket")]
    again = place.template()
    assert again.hello().pid != hello.pid
    again.close()


def test_one_that_leaves_just_now_is_replaced_without_a_word(world: Callable[..., Any]) -> None:
    place = world(ACTS, idle=0.1)
    for pause in (0.08, 0.09, 0.1, 0.11, 0.12, 0.13):
        template = place.template()
        assert place.call(template, "acts:greet").code == 5
        template.close()
        time.sleep(pause)


def test_sigterm_ends_it_and_all_its_tasks(place: Any, template: Template) -> None:
    executors = place.executors()
    launch = place.step("acts:greet")
    hello = template.hello()
    executors.start(launch)
    os.kill(hello.pid, signal.SIGTERM)
    assert place.settled(0)
    assert not [*place.templates.glob("*/socket")]
    executors.close()


def test_a_socket_that_a_killed_template_left_is_taken_over(place: Any, template: Template) -> None:
    os.kill(template.hello().pid, signal.SIGKILL)
    assert place.settled(0)
    other = place.template()
    assert place.call(other, "acts:greet").code == 5
    other.close()


def test_a_call_survives_the_death_of_a_template_before_it(place: Any, template: Template) -> None:
    os.kill(template.hello().pid, signal.SIGKILL)
    assert place.call(template, "acts:greet").code == 5


def test_an_interpreter_that_changed_gets_another_template(world: Callable[..., Any], tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    place = world(ACTS, python=environment / "bin" / "python")
    first = place.template()
    (environment / "lib" / f"python3.{sys.version_info[1]}" / "site-packages" / "new.py").write_text("")
    second = place.template()
    assert first.hello().pid != second.hello().pid
    first.close()
    second.close()


def test_a_missing_interpreter_is_one_clear_error(world: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match="nowhere: No such file"):
        world(ACTS, python=tmp_path / "nowhere").template()


def test_an_interpreter_that_fails_is_quoted(world: Callable[..., Any], tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho libpython is gone >&2\nexit 127\n")
    broken.chmod(0o755)
    # It may be gone before it is connected to, or after.
    place = world(ACTS, python=broken)
    with pytest.raises(InterpreterError, match="libpython is gone"), closing(place.template()) as template:
        template.hello()


def test_a_damaged_kit_is_one_clear_error(place: Any) -> None:
    (place.kit / "palmette" / "runtime" / "keeper.py").write_text("def broken(:\n")
    with pytest.raises(InterpreterError, match="SyntaxError"), closing(place.template()) as template:
        template.hello()


def test_a_python_that_is_too_old_is_named(world: Callable[..., Any]) -> None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    old = sorted(versions.glob("3.10*/bin/python3"))
    if not old:
        pytest.skip("no Python 3.10 here")
    place = world(ACTS, python=old[0])
    with pytest.raises(InterpreterError, match=r"3\.10\.\d+ is too old"), closing(place.template()) as template:
        template.hello()


def test_a_directory_that_others_may_write_to_is_refused(place: Any, template: Template) -> None:
    directory = next(place.templates.iterdir())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o777)
    with pytest.raises(InterpreterError, match="others may write"):
        place.template()


@pytest.mark.slow
def test_scientific_libraries_are_safe_to_fork(world: Callable[..., Any], clinic_python: Path) -> None:
    place = world(ACTS, python=clinic_python)
    template = place.template()
    template.begin_preload(["numpy", "sklearn.linear_model", "pandas", "pyarrow.parquet", "matplotlib.pyplot"])
    assert template.finish_preload().failed == {}
    assert place.call(template, "acts:numbers").log != place.call(template, "acts:numbers").log
    assert place.call(template, "acts:cores", threads=2).log == "[2]\nTrue\n"
    assert place.call(template, "acts:cores", threads=1).log.startswith("[1]\n")
    for _ in range(20):
        assert place.call(template, "acts:tables").log == "10\n100000\n"
    template.close()


def test_the_part_that_is_carried_is_small() -> None:
    names = ("keeper", "template", "spare", "threads")
    texts = [Path(keeper.__file__).with_name(f"{name}.py").read_bytes() for name in names]
    assert len(gzip.compress(b"".join(texts), 9)) <= 12 * 1024
