"""`palmette run --debug` and `palmette debug`: somebody at a terminal, with a debugger."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

STEPS = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        divisor: int = 0

    @step
    def load() -> list[int]:
        return [1, 2, 3]

    @step(retries=2)
    def divide(data: list[int], divisor: int) -> float:
        print("dividing by", divisor)
        total = sum(data)
        return total / divisor

    @step
    def score(value: float) -> Metrics:
        return Metrics(value=value)

    @algorithm(config=Config)
    def steps(config: Config) -> None:
        score(divide(load(), config.divisor))
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\r\x01\x02]")
#: Nothing takes half as long.
PATIENCE = 60.0


class Person:
    """Somebody at a terminal: reads what appears, types."""

    def __init__(self, project: Project, *arguments: str) -> None:
        environ = {name: value for name, value in project.environ.items() if name != "COLUMNS"}
        command = str(Path(environ["PATH"].partition(":")[0]) / "palmette")
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.chdir(project.directory)
            os.execve(command, [command, *arguments], environ | {"TERM": "dumb"})
        self.seen = ""

    def sees(self, text: str) -> str:
        """Wait until the text has appeared; all that has until then, and what was said before is forgotten."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._terminal], [], [], 0.5)[0]:
                self.seen = ESCAPES.sub("", self.seen + self._read())
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def _read(self) -> str:
        """What has appeared. Linux says EIO once nobody has the other end open."""
        try:
            return os.read(self._terminal, 1 << 16).decode()
        except OSError:
            raise AssertionError(f"it has ended, having said: {self.seen}") from None

    def types(self, text: str) -> None:
        """Press these keys."""
        os.write(self._terminal, text.encode())

    def leaves(self) -> tuple[int, str]:
        """The exit code, and what was still said."""
        with contextlib.suppress(OSError):
            while part := os.read(self._terminal, 1 << 16):
                self.seen += ESCAPES.sub("", part.decode())
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), self.seen

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as a shell wants it."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


@pytest.fixture
def steps(bare: Project) -> Project:
    """A project with a step that divides by nothing."""
    bare.write("algorithms/steps.py", STEPS)
    return bare


@pytest.fixture
def people() -> Iterator[list[Person]]:
    """Those who sit at terminals; they leave with the test."""
    found: list[Person] = []
    yield found
    for person in found:
        person.end()


def test_a_step_that_raises_opens_the_debugger_there(steps: Project, people: list[Person]) -> None:
    people.append(person := Person(steps, "run", "steps", "--debug", "divide"))
    assert "algorithms/steps.py" in person.sees("ZeroDivisionError: division by zero")
    person.sees("(pdb) ")
    person.types("p total + 36\n")
    person.sees("42")
    person.types("q\n")
    code, rest = person.leaves()
    assert code == 3
    assert "divide: exit code 1: ZeroDivisionError" in rest
    task = steps.show().task("divide")
    # Nobody has to debug it again because it may be tried again.
    assert [attempt["how"] for attempt in task["attempts"]] == ["terminal"]
    log = steps("logs", "last", "divide").out
    assert "dividing by 0" in log
    assert "pdb" not in log


def test_it_stops_at_a_breakpoint_and_the_run_goes_on(steps: Project, people: list[Person]) -> None:
    steps.replace("algorithms/steps.py", "total = sum(data)", "total = sum(data); breakpoint()")
    people.append(person := Person(steps, "run", "steps", "divisor=2", "--debug", "divide"))
    person.sees("(pdb) ")
    person.types("!total = 10\n")
    person.sees("(pdb) ")
    person.types("c\n")
    code, rest = person.leaves()
    assert code == 0
    assert "succeeded" in rest
    assert steps.show()["metrics"] == {"value": 5.0}
    # What somebody had a hand in is nobody's answer to the same question.
    steps.replace("algorithms/steps.py", "; breakpoint()", "")
    assert steps.run("steps", "divisor=2")["metrics"] == {"value": 3.0}


def test_break_stops_at_the_first_line_of_a_step_that_was_done_before(steps: Project, people: list[Person]) -> None:
    steps.run("steps", "divisor=3")
    people.append(person := Person(steps, "run", "steps", "divisor=3", "--debug", "divide", "--break"))
    assert 'print("dividing by", divisor)' in person.sees("(pdb) ")
    line = 1 + (steps.directory / "algorithms" / "steps.py").read_text().splitlines().index(
        "    return total / divisor"
    )
    person.types(f"b algorithms/steps.py:{line}\n")
    person.sees("Breakpoint 1")
    person.sees("(pdb) ")
    person.types("c\n")
    assert "total / divisor" in person.sees("(pdb) ")
    person.types("c\n")
    assert person.leaves()[0] == 0
    assert steps.show().states == {"load": "cached", "divide": "succeeded", "score": "cached"}


def test_leaving_the_debugger_fails_the_step_and_leaves_the_terminal_in_order(
    steps: Project, people: list[Person]
) -> None:
    people.append(person := Person(steps, "run", "steps", "--debug", "divide", "--break"))
    person.sees("(pdb) ")
    person.types("q\n")
    person.sees("it was left in the debugger")
    code, _ = person.leaves()
    assert code == 3
    assert steps.show().states["divide"] == "failed"
    assert steps.processes() == []


def test_ctrl_c_reaches_the_step_and_not_the_run(steps: Project, people: list[Person]) -> None:
    steps.replace("algorithms/steps.py", "total = sum(data)", 'print("turning", flush=True)\n    while True: pass')
    people.append(person := Person(steps, "run", "steps", "--debug", "divide"))
    person.sees("turning")
    person.types("\x03")
    code, _ = person.leaves()
    assert code == 3
    assert steps.show().states == {"load": "succeeded", "divide": "failed", "score": "skipped"}
    assert steps.processes() == []


def test_a_killed_run_takes_the_step_with_it(steps: Project, people: list[Person]) -> None:
    people.append(person := Person(steps, "run", "steps", "--debug", "divide", "--break"))
    person.sees("(pdb) ")
    os.kill(person.pid, signal.SIGKILL)
    steps.eventually(lambda: steps.processes() == [])


def test_a_recorded_step_is_debugged_on_its_inputs_and_nothing_is_recorded(
    steps: Project, people: list[Person]
) -> None:
    run = steps.run("steps", code=3)["run_id"]
    people.append(person := Person(steps, "debug", run, "divide"))
    assert f"divide with the code of {run}" in person.sees("ZeroDivisionError: division by zero")
    person.sees("(pdb) ")
    person.types("p data\n")
    person.sees("[1, 2, 3]")
    person.types("q\n")
    assert person.leaves()[0] == 3
    assert len(steps.json("runs")) == 1


def test_with_current_the_edited_step_is_tried_and_its_outputs_are_shown(steps: Project) -> None:
    steps.run("steps", code=3)
    steps.replace("algorithms/steps.py", "total / divisor", "total / (divisor or 4)")
    done = steps("debug", "last", "divide", "--current")
    assert "output  1.5" in done.out
    assert "dividing by 0" in done.out
    steps.replace("algorithms/steps.py", "def score(value: float) -> Metrics:", "def score(value: float) -> Path:")
    steps.replace("algorithms/steps.py", "return Metrics(value=value)", 'Path("x").write_text("!"); return Path("x")')
    steps.run("steps", "divisor=2")
    done = steps("debug", "last", "score", "--current")
    path = Path(done.out.split()[-1])
    assert path.read_text() == "!"
    assert str(path).startswith(re.search(r"what it made is in (\S+);", done.err)[1])  # type: ignore[index]
    assert len(steps.json("runs")) == 2


def test_an_input_that_the_run_did_not_have_is_named(steps: Project) -> None:
    steps.run("steps", "divisor=2")
    steps.replace("algorithms/steps.py", "value: float) -> Metrics", "value: float, other: float) -> Metrics")
    steps.replace("algorithms/steps.py", "score(divide(load(), config.divisor))",
                  "made = divide(load(), config.divisor); score(made, made)")  # fmt: skip
    assert "score takes other by now" in steps("debug", "last", "score", "--current", code=2).err
    assert "score" not in steps("debug", "last", "score").out


def test_an_ide_without_debugpy_is_told_which_package_is_missing(steps: Project) -> None:
    steps.run("steps", "divisor=2")
    done = steps("debug", "last", "divide", "--listen", "0", code=69)
    assert "Add debugpy to the project's development packages" in done.err


def test_mistakes_are_told_before_anything_starts(steps: Project) -> None:
    assert "There are: load, divide, score." in steps("run", "steps", "--debug", "nothing", code=2).err
    assert "--break belongs to --debug" in steps("run", "steps", "--break", code=2).err
    assert "leave --json out" in steps("run", "steps", "--debug", "load", "--json", code=2).err
    assert steps.json("runs") == []
    steps.run("steps", code=3)
    assert "score was not executed in run" in steps("debug", "last", "score", code=2).err
    assert "There are: load, divide, score." in steps("debug", "last", "nothing", code=2).err


@pytest.mark.skipif(sys.platform != "linux", reason="terminals differ")
def test_the_terminal_echoes_again_after_a_step_was_killed(steps: Project, people: list[Person]) -> None:
    people.append(person := Person(steps, "run", "steps", "--debug", "divide", "--break"))
    person.sees("(pdb) ")
    person.types("import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n")
    person.sees("run ")
    assert person.echoes()
    assert person.leaves()[0] == 3


def test_a_step_is_debugged_on_files_that_are_not_stored(bare: Project) -> None:
    bare.write(
        "algorithms/referring.py",
        """
        from dataclasses import dataclass
        from pathlib import Path
        from palmette import InputFile, Reference, algorithm, step

        @dataclass(frozen=True)
        class Config:
            labels: InputFile = InputFile("labels.csv")

        @step
        def scans() -> Reference:
            return Reference("{here}/raw")

        @step
        def count(scans: Path, labels: Path) -> int:
            return len(list(scans.iterdir())) + len(labels.read_text())

        @algorithm(config=Config)
        def referring(config: Config) -> None:
            count(scans(), config.labels)
        """,
    )
    bare.write("labels.csv", "a,1\n")
    bare.write("raw/one.txt", "1")
    bare.run("referring")
    assert "output  5" in bare("debug", "last", "count").out
    assert f"output  {bare.directory}/raw\n" in bare("debug", "last", "scans").out


def test_a_step_in_a_loop_is_debugged_after_a_run(bare: Project) -> None:
    bare.write(
        "algorithms/folds.py",
        """
        from palmette import algorithm, each, step

        @step
        def fit(fold: int) -> int:
            return fold

        @algorithm
        def folds() -> None:
            for fold in each([1, 2, 3]):
                fit(fold)
        """,
    )
    for step, meant in (("fit", "fit[0]"), ("fit[2]", "fit[2]")):
        said = bare("run", "folds", "--debug", step, code=2).err
        assert "fit is executed once for each item of a loop" in said
        assert f"palmette debug last '{meant}'" in said
    assert "There are: fit." in bare("run", "folds", "--debug", "other", code=2).err
