"""Long lists of steps are shown short, and nothing that a person must see is lost."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from palmette.domain.run import TaskChanged, TaskRecord, TasksPlanned
from palmette.domain.states import TaskState
from palmette.operations.details import alike, telling
from palmette.present.folding import MOST, Fold, folded
from palmette.present.progress import RunProgress


def step(name: str, state: TaskState = TaskState.SUCCEEDED, message: str = "") -> TaskRecord:
    return TaskRecord(name=f"t.{name}", executor="e", component=name, state=state, message=message)


def iterations(count: int, failed: int | None = None) -> list[TaskRecord]:
    return [
        TaskRecord(
            name=f"loop.{number}.fit",
            executor="e",
            component=f"fit[{number}]",
            state=TaskState.FAILED if number == failed else TaskState.SUCCEEDED,
        )
        for number in range(count)
    ]


def test_a_few_iterations_are_shown_one_by_one() -> None:
    few = iterations(MOST)
    assert folded([step("a"), *few]) == [step("a"), *few]


def test_many_iterations_are_one_line_and_those_that_failed_are_there_too() -> None:
    many = iterations(100, failed=7)
    first, *others = folded(many)
    assert isinstance(first, Fold)
    assert (first.title, first.state, first.tally) == ("fit[…]", TaskState.FAILED, "1 failed, 99 done")
    assert others == [many[7]]


def test_what_one_condition_left_out_is_one_line_that_names_it() -> None:
    left_out = [step(name, TaskState.SKIPPED, "condition not met: x > 1") for name in "abc"]
    (line,) = folded(left_out)
    assert isinstance(line, Fold)
    assert (line.title, line.message) == ("3 steps", "condition not met: x > 1 (a, b, c)")
    two = [step(name, TaskState.SKIPPED, "a failed") for name in "ab"]
    assert folded(two) == two


@pytest.mark.parametrize(("title", "name"), [("fit[2]", "fit"), ("fit[2][0]", "fit"), ("fit", "fit"), ("a[b]", "a[b]")])
def test_iterations_of_a_step_are_alike(title: str, name: str) -> None:
    assert alike(step(title)) == name


def test_groups_are_told_of_only_where_their_members_do_not_say_it() -> None:
    empty = TaskRecord(name="empty", component="empty", state=TaskState.SUCCEEDED)
    full = TaskRecord(name="loop", component="loop", state=TaskState.FAILED)
    unclear = TaskRecord(name="c", component="c", state=TaskState.FAILED, message="its condition cannot be evaluated")
    inside = TaskRecord(name="c.x", executor="e", component="x", state=TaskState.SKIPPED)
    members = iterations(2, failed=1)
    assert telling([empty, full, *members, unclear, inside]) == (empty, *members, unclear, inside)


def test_a_loop_of_a_hundred_fits_a_screen_while_it_runs() -> None:
    console = Console(width=80, force_terminal=True, color_system=None, file=io.StringIO())
    loop = TaskRecord(name="loop", component="for-loop-1")
    display = RunProgress(console, "a run", [step("first"), loop, step("last")])
    groups = [TaskRecord(name=f"loop.{number}", component=f"for-loop-1[{number}]") for number in range(100)]
    waiting = [TaskRecord(name=each.name, executor="e", component=each.component) for each in iterations(100)]
    display.see(TasksPlanned(tasks=(*groups, *waiting)))
    display.see(TaskChanged(task="loop.3.fit", state=TaskState.FAILED, time=1.0, message="no"))
    console.print(display._draw())
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["first", "fit[…]", "last"]
    assert "1 failed, 99 waits" in lines[2]
    assert all(len(line) <= 80 for line in lines)
