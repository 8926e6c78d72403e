"""The spare: forked ahead of its task, used once, knowing of no task but its own, gone with its template."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from palmette.engine.executors.template import Call, Template

ACTS = """
import os, sys

def told(arguments):
    print(sorted(name for name in os.environ if name.startswith("TOLD")), os.getcwd(), len(os.listdir("/proc/self/fd")))

def modules(arguments):
    print(*(name in sys.modules for name in arguments))
"""


@pytest.fixture(params=["", "subreaper"])
def place(request: pytest.FixtureRequest, world: Callable[..., Any]) -> Any:
    return world(ACTS, isolation=request.param)


@pytest.fixture
def template(place: Any) -> Iterator[Template]:
    made = place.template()
    yield made
    made.close()


def spares(template: Template) -> list[int]:
    """The template's children that lead a session of their own: where no task runs, the spare."""
    found, keeper = [], template.hello().pid
    # By their names alone: a pattern that goes deeper asks after processes that are gone by then.
    for name in filter(str.isdigit, (path.name for path in Path("/proc").iterdir())):
        try:
            fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == keeper and fields[3] == name.encode() and fields[0] != b"Z":
            found.append(int(name))
    return found


def waiting(place: Any, template: Template) -> int:
    """The spare, once there is one."""
    assert place.eventually(lambda: len(spares(template)) == 1)
    return spares(template)[0]


def told(place: Any, template: Template, **environment: str) -> tuple[int, list[str]]:
    """The process that the next call becomes, and what it says; there is a spare again afterwards."""
    place.serial += 1
    directory = place.directory / f"call{place.serial}"
    directory.mkdir()
    log, pids = directory / "log", []
    call = Call(entry="acts:told", arguments=[], directory=directory, log=log, environment=environment)
    template.start(str(directory), call)
    ended = False
    # Half a message makes the line readable, too.
    while not ended:
        select.select([template], [], [])
        messages = template.messages()
        pids += [int(message["pid"]) for message in messages if message["op"] == "started"]
        ended = any(message["op"] == "exited" for message in messages)
    waiting(place, template)
    return pids[0], log.read_text().split()


def test_what_waits_becomes_the_next_task_and_another_one_waits(place: Any, template: Template) -> None:
    place.call(template, "acts:told")
    first = waiting(place, template)
    assert told(place, template)[0] == first
    assert waiting(place, template) != first


def test_it_knows_nothing_of_the_task_before(place: Any, template: Template) -> None:
    told(place, template)
    _, first = told(place, template, TOLD_SECRET="x")
    _, second = told(place, template, TOLD="y")
    assert (first[0], second[0]) == ("['TOLD_SECRET']", "['TOLD']")
    assert first[1] != second[1], "they work in the same directory"
    assert first[2] == second[2], "a file stays open"


def test_one_that_was_killed_is_replaced(place: Any, template: Template) -> None:
    place.call(template, "acts:told")
    os.kill(waiting(place, template), signal.SIGKILL)
    assert place.eventually(lambda: not spares(template))
    assert place.call(template, "acts:told").code == 0
    waiting(place, template)


def test_what_was_imported_since_is_there(place: Any, template: Template) -> None:
    place.call(template, "acts:told")
    before = waiting(place, template)
    template.begin_preload(["wave"])
    template.finish_preload()
    assert before not in spares(template)
    assert place.call(template, "acts:modules", "wave").log == "True\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_template(place: Any, template: Template, number: int) -> None:
    place.call(template, "acts:told")
    spare = waiting(place, template)
    os.kill(template.hello().pid, number)
    assert place.eventually(lambda: not Path(f"/proc/{spare}").exists())
