"""A run in the words of KFP's API."""

from __future__ import annotations

import pytest

from palmette.domain.run import Run, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.kfpapi.runs import message

FAILED_ONCE = ((RunState.PENDING, 1.0), (RunState.RUNNING, 2.0), (RunState.FAILED, 3.0), (RunState.PENDING, 5.0))


@pytest.mark.parametrize(
    ("state", "ended", "after"),
    [
        (RunState.PENDING, None, []),
        (RunState.RUNNING, None, [("RUNNING", 5.0)]),
        (RunState.SUCCEEDED, 9.0, [("RUNNING", 5.0), ("SUCCEEDED", 9.0)]),
    ],
)
def test_a_run_that_was_retried_tells_of_both_its_ends(
    state: RunState, ended: float | None, after: list[tuple[str, float]]
) -> None:
    run = Run(id="r", project="p", algorithm="a", state=state, created=1, started=2, ended=ended, states=FAILED_ONCE)
    said = [(each.state.value, each.update_time) for each in message(run, {}).state_history]
    assert said == [("PENDING", 1.0), ("RUNNING", 2.0), ("FAILED", 3.0), ("PENDING", 5.0), *after]


def test_the_error_of_a_run_says_why_its_first_task_failed() -> None:
    run = Run(id="r", project="p", algorithm="a", state=RunState.FAILED, message="fit and score failed", ended=9)
    tasks = [
        TaskRecord(name="loop", state=TaskState.FAILED, message="fit failed", ended=1),
        TaskRecord(name="score", executor="e", state=TaskState.FAILED, message="exit code 2", ended=5),
        TaskRecord(name="fit", executor="e", state=TaskState.FAILED, message="exit code 1: KeyError: 'x'", ended=3),
    ]
    error = message(run, {}, tasks).error
    assert error is not None
    assert error.message == "fit and score failed: exit code 1: KeyError: 'x'"
