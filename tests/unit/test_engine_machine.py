"""The rules of a run, fact by fact."""

from __future__ import annotations

import pytest

from palmette.domain.artifact import Outputs
from palmette.domain.graph import Retry
from palmette.domain.run import Attempt, AttemptEnded, Process, Reused, RunChanged, TaskChanged, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.engine.machine import LOSSES, advance
from palmette.engine.progress import Node, Progress, restore
from palmette.engine.vocabulary import (
    AttemptLost,
    Began,
    Begin,
    CancelAsked,
    Claimed,
    Due,
    End,
    Ended,
    Event,
    Failed,
    Finish,
    Hit,
    LookUp,
    Missed,
    Queue,
    Refused,
    Start,
    Succeeded,
    WaitUntil,
)

ONCE = Retry()
DONE = Succeeded(outputs=Outputs(parameters={"output": 1}))
BROKEN = Failed(message="exit code 1")


def after(progress: Progress, *events: Event) -> Progress:
    for event in events:
        progress = advance(progress, event).progress
    return progress


def running(task: str, time: float = 1.0) -> tuple[Event, ...]:
    return Missed(task=task, time=time, fingerprint="f"), Claimed(task=task, time=time)


def diamond() -> Progress:
    """prep → (left, right) → join"""
    nodes = [
        Node(name="prep"),
        Node(name="left", needs=("prep",)),
        Node(name="right", needs=("prep",)),
        Node(name="join", needs=("left", "right")),
    ]
    return restore(nodes)


def single(retry: Retry = ONCE) -> Progress:
    return after(restore([Node(name="fit", retry=retry)]), Begin(time=0.0))


def test_a_run_begins_with_the_look_up_of_what_needs_nothing() -> None:
    decision = advance(diamond(), Begin(time=0.0))
    assert decision.commands == (LookUp(task="prep"),)
    assert decision.changes == (RunChanged(state=RunState.RUNNING, time=0.0),)


def test_a_run_without_tasks_succeeds_at_once() -> None:
    assert advance(restore([]), Begin(time=0.0)).commands == (Finish(state=RunState.SUCCEEDED),)


def test_a_task_is_looked_up_once_everything_it_needs_is_good() -> None:
    progress = after(diamond(), Begin(time=0.0), *running("prep"))
    decision = advance(progress, Ended(task="prep", serial=1, time=2.0, outcome=DONE))
    assert decision.commands == (LookUp(task="left"), LookUp(task="right"))
    progress = after(decision.progress, *running("left"))
    decision = advance(progress, Ended(task="left", serial=1, time=3.0, outcome=DONE))
    assert decision.commands == ()


def test_a_reused_task_counts_as_good_and_is_never_started() -> None:
    reused = Reused(run="r0", task="prep", made=0.0, outputs=Outputs())
    decision = advance(
        after(diamond(), Begin(time=0.0)), Hit(task="prep", time=1.0, reused=reused, fingerprint="f", parts=None)
    )
    assert decision.commands == (LookUp(task="left"), LookUp(task="right"))
    assert decision.progress["prep"].state is TaskState.CACHED


def test_a_failure_skips_what_depends_on_it_and_nothing_else() -> None:
    progress = after(diamond(), Begin(time=0.0), *running("prep"))
    progress = after(progress, Ended(task="prep", serial=1, time=2.0, outcome=DONE), *running("left"))
    decision = advance(progress, Ended(task="left", serial=1, time=3.0, outcome=BROKEN))
    assert decision.progress.states() == {
        "prep": TaskState.SUCCEEDED,
        "left": TaskState.FAILED,
        "right": TaskState.PENDING,
        "join": TaskState.SKIPPED,
    }
    assert not decision.progress.state.final
    progress = after(decision.progress, *running("right"))
    decision = advance(progress, Ended(task="right", serial=1, time=4.0, outcome=DONE))
    assert decision.commands == (Finish(state=RunState.FAILED),)
    assert decision.changes[-1] == RunChanged(state=RunState.FAILED, time=4.0, message="left failed")


def test_a_task_whose_inputs_do_not_fit_fails_without_an_attempt() -> None:
    decision = advance(single(), Refused(task="fit", time=1.0, message="input 'x' has no value"))
    assert [type(change) for change in decision.changes] == [TaskChanged, RunChanged]
    assert decision.commands == (Finish(state=RunState.FAILED),)


def test_a_failed_attempt_is_tried_again_after_its_backoff() -> None:
    progress = after(single(Retry(retries=2, backoff=10.0, factor=3.0)), *running("fit", 0.0))
    decision = advance(progress, Ended(task="fit", serial=1, time=100.0, outcome=BROKEN, exit_code=1))
    assert decision.commands == (WaitUntil(task="fit", time=110.0),)
    assert decision.progress["fit"].state is TaskState.QUEUED
    decision = advance(decision.progress, Due(task="fit", time=110.0))
    assert decision.commands == (Queue(task="fit"),)
    decision = advance(decision.progress, Claimed(task="fit", time=111.0))
    (start,) = decision.commands
    assert isinstance(start, Start)
    assert (start.attempt.serial, start.attempt.number, start.attempt.queued) == (2, 2, 110.0)
    decision = advance(decision.progress, Ended(task="fit", serial=2, time=200.0, outcome=BROKEN, exit_code=1))
    assert decision.commands == (WaitUntil(task="fit", time=230.0),)


def test_the_backoff_never_exceeds_its_longest() -> None:
    progress = after(single(Retry(retries=9, backoff=10.0, factor=1e300, longest=60.0)), *running("fit", 0.0))
    for serial in (1, 2, 3):
        decision = advance(progress, Ended(task="fit", serial=serial, time=0.0, outcome=BROKEN))
        progress = after(decision.progress, Due(task="fit", time=0.0), Claimed(task="fit", time=0.0))
    assert decision.commands == (WaitUntil(task="fit", time=60.0),)


def test_with_no_tries_left_the_task_fails() -> None:
    progress = after(single(), *running("fit"))
    decision = advance(progress, Ended(task="fit", serial=1, time=2.0, outcome=BROKEN, exit_code=137))
    ended = decision.changes[0]
    assert isinstance(ended, AttemptEnded)
    assert (ended.attempt.state, ended.attempt.exit_code) == (AttemptState.FAILED, 137)
    assert decision.progress["fit"].state is TaskState.FAILED


def test_a_hopeless_failure_is_not_tried_again() -> None:
    progress = after(single(Retry(retries=5)), *running("fit"))
    outcome = Failed(message="its input is corrupt", hopeless=True)
    assert after(progress, Ended(task="fit", serial=1, time=2.0, outcome=outcome)).state is RunState.FAILED


def test_a_lost_attempt_starts_again_and_uses_none_up() -> None:
    progress = after(single(), *running("fit"))
    decision = advance(progress, AttemptLost(task="fit", serial=1, time=2.0, why="the template died"))
    assert decision.commands == (Queue(task="fit"),)
    (start,) = advance(decision.progress, Claimed(task="fit", time=3.0)).commands
    assert isinstance(start, Start)
    assert (start.attempt.serial, start.attempt.number) == (2, 1)


def test_a_task_that_is_lost_again_and_again_fails_in_the_end() -> None:
    progress = after(single(), *running("fit"))
    for serial in range(1, LOSSES):
        progress = after(
            progress, AttemptLost(task="fit", serial=serial, time=2.0, why="gone"), Claimed(task="fit", time=3.0)
        )
    assert after(progress, AttemptLost(task="fit", serial=LOSSES, time=4.0, why="gone")).state is RunState.FAILED


def test_cancelling_ends_what_runs_and_cancels_the_rest() -> None:
    progress = after(diamond(), Begin(time=0.0), *running("prep"))
    decision = advance(progress, CancelAsked(time=2.0))
    assert decision.commands == (End(task="prep", serial=1),)
    assert decision.progress.state is RunState.CANCELING
    decision = advance(
        decision.progress, Ended(task="prep", serial=1, time=3.0, outcome=Failed(message="SIGTERM"), exit_code=143)
    )
    assert decision.commands == (Finish(state=RunState.CANCELED),)
    assert set(decision.progress.states().values()) == {TaskState.CANCELED}
    ended = decision.changes[0]
    assert isinstance(ended, AttemptEnded)
    assert ended.attempt.state is AttemptState.CANCELED


def test_what_finishes_while_the_run_is_cancelled_keeps_its_outputs() -> None:
    progress = after(diamond(), Begin(time=0.0), *running("prep"), CancelAsked(time=2.0))
    decision = advance(progress, Ended(task="prep", serial=1, time=3.0, outcome=DONE))
    assert decision.progress["prep"].state is TaskState.SUCCEEDED
    assert decision.commands == (Finish(state=RunState.CANCELED),)


def test_an_attempt_whose_process_appears_after_the_cancel_is_told_again() -> None:
    progress = after(single(), *running("fit"), CancelAsked(time=2.0))
    began = Began(task="fit", serial=1, process=Process(pid=1, start=2, boot="b"), how="fork")
    assert advance(progress, began).commands == (End(task="fit", serial=1),)


def test_a_run_that_never_began_can_be_cancelled() -> None:
    decision = advance(diamond(), CancelAsked(time=0.0))
    assert decision.commands == (Finish(state=RunState.CANCELED),)


@pytest.mark.parametrize(
    "late",
    [
        Ended(task="fit", serial=1, time=9.0, outcome=DONE),
        AttemptLost(task="fit", serial=1, time=9.0, why="?"),
        Due(task="fit", time=9.0),
        Claimed(task="fit", time=9.0),
        Missed(task="fit", time=9.0, fingerprint="g"),
        Refused(task="fit", time=9.0, message="?"),
        CancelAsked(time=9.0),
        Began(task="fit", serial=1, process=None, how="fork"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_comes_after_the_end_changes_nothing(late: Event) -> None:
    over = after(single(), *running("fit"), Ended(task="fit", serial=1, time=2.0, outcome=DONE))
    decision = advance(over, late)
    assert (decision.changes, decision.commands, decision.progress) == ((), (), over)


def test_a_resumed_run_first_gives_up_what_was_running() -> None:
    attempt = Attempt(serial=3, number=2, state=AttemptState.RUNNING, how="fork", started=5.0)
    record = TaskRecord(name="fit", state=TaskState.RUNNING, fingerprint="f", attempts=(attempt,))
    decision = advance(restore([Node(name="fit")], [record], RunState.RUNNING), Begin(time=9.0))
    lost, queued = decision.changes
    assert isinstance(lost, AttemptEnded)
    assert (lost.attempt.state, lost.attempt.ended) == (AttemptState.LOST, 9.0)
    assert isinstance(queued, TaskChanged)
    assert decision.commands == (Queue(task="fit"),)
    (start,) = advance(decision.progress, Claimed(task="fit", time=10.0, directory="runs/r/fit/{serial}")).commands
    assert isinstance(start, Start)
    assert (start.attempt.serial, start.attempt.number, start.attempt.directory) == (4, 2, "runs/r/fit/4")


def test_a_resumed_run_waits_out_the_rest_of_a_backoff() -> None:
    failed = Attempt(serial=1, number=1, state=AttemptState.FAILED, how="fork", ended=100.0)
    record = TaskRecord(name="fit", state=TaskState.QUEUED, attempts=(failed,))
    node = Node(name="fit", retry=Retry(retries=3, backoff=30.0))
    progress = restore([node], [record], RunState.RUNNING)
    assert advance(progress, Begin(time=110.0)).commands == (WaitUntil(task="fit", time=130.0),)
    assert advance(progress, Begin(time=140.0)).commands == (Queue(task="fit"),)


def test_resuming_a_run_that_is_over_only_says_so() -> None:
    progress = restore([Node(name="fit")], [TaskRecord(name="fit", state=TaskState.FAILED)], RunState.FAILED)
    decision = advance(progress, Begin(time=1.0))
    assert (decision.changes, decision.commands) == ((), (Finish(state=RunState.FAILED),))


def test_resuming_a_run_that_was_being_cancelled_cancels_it() -> None:
    attempt = Attempt(serial=1, number=1, state=AttemptState.RUNNING, how="fork")
    records = [TaskRecord(name="a", state=TaskState.RUNNING, attempts=(attempt,)), TaskRecord(name="b")]
    progress = restore([Node(name="a"), Node(name="b", needs=("a",))], records, RunState.CANCELING)
    decision = advance(progress, Begin(time=1.0))
    assert decision.commands == (Finish(state=RunState.CANCELED),)
    assert set(decision.progress.states().values()) == {TaskState.CANCELED}
