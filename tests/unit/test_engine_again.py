"""What of a run that is over is executed again when it goes on."""

from __future__ import annotations

from palmette.domain.run import TaskRecord
from palmette.domain.states import TaskState
from palmette.engine.again import Reset, reset

GOOD, FAILED, SKIPPED, CANCELED = TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELED


def task(name: str, state: TaskState, *needs: str) -> TaskRecord:
    begun = None if state is SKIPPED else 1.0
    return TaskRecord(name=name, state=state, executor="exec", needs=needs, started=begun)


def group(name: str, state: TaskState, *needs: str) -> TaskRecord:
    begun = None if state is SKIPPED else 1.0
    return TaskRecord(name=name, state=state, needs=needs, started=begun)


def test_what_is_good_stays_and_all_else_waits_again() -> None:
    records = [task("a", GOOD), task("b", FAILED, "a"), task("c", SKIPPED, "b"), task("d", CANCELED, "a")]
    assert reset(records) == Reset(pending=("b", "c", "d"))


def test_what_waited_for_something_that_failed_begins_again_though_it_is_good() -> None:
    records = [group("body", FAILED), task("body.a", FAILED), task("exit", GOOD, "body"), task("after", GOOD, "exit")]
    assert reset(records) == Reset(pending=("body.a", "exit", "after"), open=("body",))


def test_a_group_that_was_open_is_open_again_and_keeps_what_is_good_in_it() -> None:
    records = [
        group("loop", FAILED),
        group("loop.0", GOOD),
        task("loop.0.fit", GOOD),
        group("loop.1", FAILED),
        task("loop.1.fit", FAILED),
        task("loop.1.say", SKIPPED, "loop.1.fit"),
    ]
    assert reset(records) == Reset(pending=("loop.1.fit", "loop.1.say"), open=("loop", "loop.1"))


def test_a_group_that_never_opened_waits_with_all_in_it() -> None:
    records = [task("a", FAILED), group("branch", SKIPPED, "a"), task("branch.b", SKIPPED)]
    assert reset(records) == Reset(pending=("a", "branch", "branch.b"))


def test_a_branch_that_was_not_taken_within_a_good_group_stays_so() -> None:
    records = [task("x", FAILED), group("whole", GOOD), task("whole.a", GOOD), group("whole.if", SKIPPED)]
    assert reset(records) == Reset(pending=("x",))


def test_a_loop_that_has_to_begin_anew_comes_to_its_iterations_again() -> None:
    records = [task("a", FAILED), group("loop", GOOD, "a"), group("loop.0", GOOD), task("loop.0.fit", GOOD)]
    assert reset(records) == Reset(pending=("a", "loop"), gone=("loop.0", "loop.0.fit"))
