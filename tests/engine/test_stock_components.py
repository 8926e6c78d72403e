"""A stock component does the same in a fork of the template as in a process of its own, to the last line of its log."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from kfp.dsl import component_factory

from palmette.engine.executors.choice import Executors
from palmette.engine.ports import Exited, Started

#: Each stands in the body of a component `act() -> str`.
ACTS: Final = {
    "returns": "print('out'); print('err', file=sys.stderr); return 'done'",
    "raises": "raise ValueError('no good')",
    "leaves": "sys.exit(7)",
    "leaves with words": "sys.exit('these words')",
    "vanishes": "os._exit(5)",
    "is asked to stop": "os.kill(os.getpid(), 15)",
    "returns the wrong type": "return 3",
    "is told who it is": """
        main = sys.modules["__main__"]
        import palmette
        return json.dumps([sys.argv[1:2], sys.argv[0], main.__spec__.name, main.__file__, __name__, sys.path[:3],
                           sorted(os.environ), sys.prefix, palmette.__file__, os.getcwd(), sys.stdin.read()])""",
    "writes beside itself": """
        open("here.txt", "w").write("relative")
        return ",".join(sorted(os.listdir(".")))""",
    "forgets to close": """
        global held
        held = open("held.txt", "w")
        held.write("not flushed")
        return ''""",
    "has a thread left": """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.05), print("from the thread"))).start()
        return ''""",
    "says goodbye": """
        import atexit
        atexit.register(print, "goodbye")
        return ''""",
    "shares its work": """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(2) as pool:
            forked = pool.map(math.sqrt, [4, 9])
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return str(forked + pool.map(double, [16]))""",
}
SOURCE: Final = """
import kfp
from kfp import dsl
from kfp.dsl import *
from typing import *
import json, math, os, sys

def double(x):
    return 2 * x

if __name__ == "__main__":
    print("never said")

def act() -> str:
{body}
"""
#: what is of the moment: when, where, who
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}|0x[0-9a-f]+")


def words(source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Command and arguments, as the installed SDK writes them."""
    preamble = component_factory._get_packages_to_install_command()
    program, _ = component_factory._get_command_and_args_for_lightweight_component(lambda: None)
    return (*preamble, *program[:-1], source), ("--executor_input", "{input}", "--function_to_execute", "act")


def ran(world: Any, executors: Executors, body: str, **more: Any) -> dict[str, object]:
    """All that a component leaves behind."""
    source = SOURCE.format(body=textwrap.indent(textwrap.dedent(body).strip(), "    "))
    command, args = words(source)
    # Without a language, a process that starts chooses one, and tells its children.
    more["environment"] = {"LANG": "C.UTF-8", **more.get("environment", {})}
    launch = world.launch(command, args, interpreter=Path(sys.executable), **more)
    given = {
        "inputs": {},
        "outputs": {
            "parameters": {"Output": {"outputFile": f"{launch.directory}/values/Output"}},
            "outputFile": f"{launch.directory}/executor_output.json",
        },
    }
    object.__setattr__(launch, "args", tuple(json.dumps(given) if word == "{input}" else word for word in args))
    executors.start(launch)
    how, code = "", -1
    while code < 0:
        for report in executors.wait(5):
            if isinstance(report, Started):
                how = report.how
            else:
                assert isinstance(report, Exited), report
                code = report.code
    files = {
        str(path.relative_to(launch.directory)): _MOMENT.sub("…", path.read_text()).replace(str(launch.directory), "D")
        for path in sorted(launch.directory.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    return {"how": how, "code": code, "files": files}


@pytest.fixture
def beside(world: Callable[..., Any]) -> Any:
    return world("")


def test_a_fork_and_a_fresh_process_leave_the_same_behind(beside: Any) -> None:
    with contextlib.closing(beside.executors()) as executors:
        for name, body in ACTS.items():
            forked = ran(beside, executors, body)
            fresh = ran(beside, executors, body, declared=("OMP_NUM_THREADS",))
            assert (forked.pop("how"), fresh.pop("how")) == ("fork", "process"), name
            assert forked == fresh, name


def test_pip_is_not_called_and_the_component_has_no_more_than_its_own_file(beside: Any) -> None:
    with contextlib.closing(beside.executors()) as executors:
        left = ran(beside, executors, "return 'done'", environment={"PATH": "/nowhere"})
    assert left["code"] == 0
    files = left["files"]
    assert isinstance(files, dict)
    assert sorted(files) == ["executor_output.json", "log", "program/ephemeral_component.py"]
    assert json.loads(files["executor_output.json"]) == {"parameterValues": {"Output": "done"}}
    assert "pip" not in files["log"]
