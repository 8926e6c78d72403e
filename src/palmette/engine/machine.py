"""The rules of a run, without clock, files or processes: events in, changes and commands out.

`advance` is the only door. Its caller makes the changes of a decision durable before it carries out a command that
touches the world (`Start`, `End`, `Finish`); `LookUp`, `Queue` and `WaitUntil` only ask and may be answered first.
An event that comes too late (for an attempt that is over, or a task that was cancelled) changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from palmette.domain.run import Attempt, AttemptEnded, AttemptStarted, TaskChanged
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.engine.draft import Draft
from palmette.engine.progress import Progress, Status, next_attempt, retry_time
from palmette.engine.vocabulary import (
    Answer,
    AttemptLost,
    Began,
    Begin,
    Bypassed,
    CancelAsked,
    Claimed,
    Decision,
    Due,
    End,
    Ended,
    Entered,
    Event,
    Expired,
    Failed,
    Finish,
    Hit,
    Imported,
    Missed,
    Queue,
    Refused,
    Start,
    Succeeded,
    WaitUntil,
)

#: After so many losses in a row under one driver the task itself is taken for the cause, so that a run ends.
LOSSES: Final = 10


def advance(progress: Progress, event: Event) -> Decision:
    """Apply one event. The cost follows the tasks it reaches, not the size of the run."""
    draft = Draft(progress)
    match event:
        case Begin():
            _begin(draft, event.time)
        case Hit() | Missed() | Refused() | Entered() | Bypassed() | Imported():
            _looked_up(draft, event)
        case Claimed():
            _claimed(draft, event)
        case Began():
            _began(draft, event)
            return draft.decision()
        case Ended():
            _ended(draft, event)
        case AttemptLost():
            _lost(draft, event)
        case Due():
            status = draft[event.task]
            if status.state is TaskState.QUEUED:
                draft.put(replace(status, queued=event.time))
                draft.commands.append(Queue(task=event.task))
        case CancelAsked():
            _cancel(draft, event.time)
        case Expired() if draft.state in (RunState.PENDING, RunState.RUNNING):
            draft.expired = event.message
            _cancel(draft, event.time)
        case Expired():
            pass
        case _:
            assert_never(event)
    draft.settle(event.time)
    return draft.decision()


def _begin(draft: Draft, time: float) -> None:
    if draft.state.final:
        draft.commands.append(Finish(state=draft.state))
        return
    if draft.state is RunState.PENDING:
        draft.move_run(RunState.RUNNING, time)
    for status in draft.all():
        if status.state is TaskState.RUNNING and not status.node.group:
            _give_up_attempt(draft, status, AttemptState.LOST, time, "its driver died")
    if draft.state is RunState.CANCELING:
        _cancel_open(draft, time)
    for status in draft.all():
        if status.state is TaskState.PENDING and not status.missing:
            draft.ready(status, time)
        elif status.state is TaskState.QUEUED:
            _queue(draft, status, time)
        elif status.state is TaskState.RUNNING and status.node.group:
            draft.admit(status, time)
        else:
            draft.spread(status, time)


def _give_up_attempt(draft: Draft, status: Status, state: AttemptState, time: float, message: str) -> None:
    """Close the attempt of a running task without an outcome; the task waits again."""
    attempt = status.attempt
    if attempt is not None and attempt.state is AttemptState.RUNNING:
        attempt = replace(attempt, state=state, ended=time, message=message)
        draft.changes.append(AttemptEnded(task=status.node.name, attempt=attempt))
    change = TaskChanged(task=status.node.name, state=TaskState.QUEUED, time=time)
    draft.move(replace(status, attempt=attempt, ending=False), change)


def _queue(draft: Draft, status: Status, time: float) -> None:
    """Let a queued task wait for a slot, or first for the time of its retry."""
    due = retry_time(status)
    if due > time:
        draft.commands.append(WaitUntil(task=status.node.name, time=due))
    else:
        draft.put(replace(status, queued=time))
        draft.commands.append(Queue(task=status.node.name))


def _looked_up(draft: Draft, event: Answer) -> None:
    status = draft[event.task]
    # A queued task, too, may turn out to be impossible: it asks for more than there is.
    waits = status.state is TaskState.QUEUED and isinstance(event, Refused)
    if not waits and (status.state is not TaskState.PENDING or status.missing):
        return
    match event:
        case Hit():
            change = TaskChanged(
                task=event.task,
                state=TaskState.CACHED,
                time=event.time,
                fingerprint=event.fingerprint,
                parts=event.parts,
                outputs=event.reused.outputs,
                reused=event.reused,
            )
            draft.move(status, change)
        case Missed():
            change = TaskChanged(
                task=event.task,
                state=TaskState.QUEUED,
                time=event.time,
                fingerprint=event.fingerprint,
                parts=event.parts,
            )
            draft.move(replace(status, queued=event.time), change)
            draft.commands.append(Queue(task=event.task))
        case Imported():
            change = TaskChanged(
                task=event.task,
                state=TaskState.SUCCEEDED,
                time=event.time,
                fingerprint=event.fingerprint,
                parts=event.parts,
                outputs=event.outputs,
            )
            draft.move(status, change)
        case Entered():
            if event.nodes:
                draft.grow(event.task, event.nodes, event.records)
            draft.open(draft[event.task], event.time)
        case Bypassed():
            change = TaskChanged(task=event.task, state=TaskState.SKIPPED, time=event.time, message=event.message)
            draft.move(status, change)
        case Refused():
            _fail(draft, status, event.time, event.message)
        case _:
            assert_never(event)


def _claimed(draft: Draft, event: Claimed) -> None:
    status = draft[event.task]
    if status.state is not TaskState.QUEUED:
        return
    serial, number = next_attempt(status)
    attempt = Attempt(
        serial=serial,
        number=number,
        state=AttemptState.RUNNING,
        how="",
        queued=status.queued,
        started=event.time,
        directory=event.directory.replace("{serial}", str(serial)),
    )
    change = TaskChanged(task=event.task, state=TaskState.RUNNING, time=event.time)
    draft.move(replace(status, attempt=attempt), change)
    draft.changes.append(AttemptStarted(task=event.task, attempt=attempt))
    draft.commands.append(Start(task=event.task, attempt=attempt))


def _running(draft: Draft, task: str, serial: int) -> tuple[Status, Attempt] | None:
    """The task and its attempt, if it is the one that runs."""
    status = draft[task]
    attempt = status.attempt
    if status.state is not TaskState.RUNNING or attempt is None or attempt.serial != serial:
        return None
    return status, attempt


def _began(draft: Draft, event: Began) -> None:
    found = _running(draft, event.task, event.serial)
    if found is None:
        return
    status, attempt = found
    attempt = replace(attempt, process=event.process, how=event.how, why=event.why)
    draft.put(replace(status, attempt=attempt))
    draft.changes.append(AttemptStarted(task=event.task, attempt=attempt))
    if status.ending:
        # It may have been told to end before there was anything to end.
        draft.commands.append(End(task=event.task, serial=event.serial))


def _ended(draft: Draft, event: Ended) -> None:
    found = _running(draft, event.task, event.serial)
    if found is None:
        return
    status, attempt = found
    attempt = replace(
        attempt,
        ended=event.time,
        exit_code=event.exit_code,
        cpu_seconds=event.cpu_seconds,
        peak_memory=event.peak_memory,
        message=event.outcome.message if isinstance(event.outcome, Failed) else "",
    )
    match event.outcome:
        case Succeeded(outputs=outputs):
            _close(draft, status, replace(attempt, state=AttemptState.SUCCEEDED))
            change = TaskChanged(task=event.task, state=TaskState.SUCCEEDED, time=event.time, outputs=outputs)
            draft.move(draft[event.task], change)
        case Failed():
            _failed(draft, status, attempt, event.outcome, event.time)
        case _:
            assert_never(event.outcome)


def _failed(draft: Draft, status: Status, attempt: Attempt, outcome: Failed, time: float) -> None:
    task = status.node.name
    if status.ending:
        _close(draft, status, replace(attempt, state=AttemptState.CANCELED))
        draft.move(draft[task], TaskChanged(task=task, state=TaskState.CANCELED, time=time))
        return
    _close(draft, status, replace(attempt, state=AttemptState.FAILED))
    status = draft[task]
    if outcome.hopeless or attempt.number > status.node.retry.retries:
        _fail(draft, status, time, outcome.message)
    else:
        draft.move(status, TaskChanged(task=task, state=TaskState.QUEUED, time=time, message=outcome.message))
        _queue(draft, draft[task], time)


def _close(draft: Draft, status: Status, attempt: Attempt) -> None:
    draft.changes.append(AttemptEnded(task=status.node.name, attempt=attempt))
    draft.put(replace(status, attempt=attempt, losses=0))


def _lost(draft: Draft, event: AttemptLost) -> None:
    found = _running(draft, event.task, event.serial)
    if found is None:
        return
    status, attempt = found
    lost = replace(attempt, state=AttemptState.LOST, ended=event.time, message=event.why)
    if status.ending:
        _close(draft, status, lost)
        draft.move(draft[event.task], TaskChanged(task=event.task, state=TaskState.CANCELED, time=event.time))
    elif status.losses + 1 >= LOSSES:
        _close(draft, status, lost)
        message = f"lost {LOSSES} times in a row, so probably its own doing: {event.why}"
        _fail(draft, draft[event.task], event.time, message)
    else:
        status = replace(status, losses=status.losses + 1)
        _give_up_attempt(draft, status, AttemptState.LOST, event.time, event.why)
        _queue(draft, draft[event.task], event.time)


def _fail(draft: Draft, status: Status, time: float, message: str) -> None:
    change = TaskChanged(task=status.node.name, state=TaskState.FAILED, time=time, message=message)
    draft.move(status, change)


def _cancel(draft: Draft, time: float) -> None:
    if draft.state not in (RunState.PENDING, RunState.RUNNING):
        return
    draft.move_run(RunState.CANCELING, time)
    _cancel_open(draft, time)


def _cancel_open(draft: Draft, time: float) -> None:
    for status in draft.all():
        name = status.node.name
        if status.state in (TaskState.PENDING, TaskState.QUEUED):
            draft.move(status, TaskChanged(task=name, state=TaskState.CANCELED, time=time))
        elif status.state is TaskState.RUNNING and status.attempt is not None and not status.ending:
            draft.put(replace(status, ending=True))
            draft.commands.append(End(task=name, serial=status.attempt.serial))
