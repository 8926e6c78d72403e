"""The rules of a run, without clock, files or processes: events in, changes and commands out.

`advance` is the only door. Its caller makes the changes of a decision durable before it carries out a command that
touches the world (`Start`, `End`, `Finish`); `LookUp`, `Queue` and `WaitUntil` only ask and may be answered first.
An event that comes too late (for an attempt that is over, or a task that was cancelled) changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, assert_never

from palmette.domain.run import Attempt, AttemptEnded, AttemptStarted, Change, RunChanged, TaskChanged
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.engine.progress import Progress, Status, next_attempt, retry_time
from palmette.engine.vocabulary import (
    AttemptLost,
    Began,
    Begin,
    CancelAsked,
    Claimed,
    Command,
    Decision,
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

#: After so many losses in a row under one driver the task itself is taken for the cause, so that a run ends.
LOSSES: Final = 10


def advance(progress: Progress, event: Event) -> Decision:
    """Apply one event. The cost follows the tasks it reaches, not the size of the run."""
    draft = _Draft(progress)
    match event:
        case Begin():
            _begin(draft, event.time)
        case Hit() | Missed() | Refused():
            _looked_up(draft, event)
        case Claimed():
            _claimed(draft, event)
        case Began():
            _began(draft, event)
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
        case _:
            assert_never(event)
    return draft.decision()


class _Draft:
    """A progress while one event is applied to it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._touched: dict[int, Status] = {}
        self._open = progress.open
        self._failed = progress.failed
        self.state = progress.state
        self.changes: list[Change] = []
        self.commands: list[Command] = []

    def __getitem__(self, task: str) -> Status:
        return self.at(self._progress.places[task])

    def at(self, place: int) -> Status:
        """The task at this place."""
        touched = self._touched.get(place)
        return self._progress.tasks[place] if touched is None else touched

    def all(self) -> Iterable[Status]:
        """Every task, in the order of the plan, each as it is when its turn comes."""
        return (self.at(place) for place in range(len(self._progress.tasks)))

    def put(self, status: Status) -> None:
        """Replace what is known of the task."""
        self._touched[self._progress.places[status.node.name]] = status

    def feeds(self, task: str) -> tuple[int, ...]:
        """The places of the tasks that need this one."""
        return self._progress.feeds[self._progress.places[task]]

    def move(self, status: Status, change: TaskChanged) -> None:
        """Let the task take the state of the change, and write it down."""
        if change.state.final and not status.state.final:
            self._open -= 1
        if change.state is TaskState.FAILED:
            self._failed = (*self._failed, change.task)
        self.put(replace(status, state=change.state))
        self.changes.append(change)

    def move_run(self, state: RunState, time: float, message: str = "") -> None:
        """Let the run take this state."""
        self.state = state
        self.changes.append(RunChanged(state=state, time=time, message=message))

    def finish(self, time: float) -> None:
        """End the run if nothing is open."""
        if self._open or self.state.final:
            return
        if self.state is RunState.CANCELING:
            self.move_run(RunState.CANCELED, time)
        elif self._failed:
            self.move_run(RunState.FAILED, time, f"{', '.join(self[task].node.shown for task in self._failed)} failed")
        else:
            self.move_run(RunState.SUCCEEDED, time)
        self.commands.append(Finish(state=self.state))

    def decision(self) -> Decision:
        """The outcome."""
        progress = replace(
            self._progress,
            state=self.state,
            tasks=self._progress.tasks.updated(self._touched) if self._touched else self._progress.tasks,
            open=self._open,
            failed=self._failed,
        )
        return Decision(progress=progress, changes=tuple(self.changes), commands=tuple(self.commands))


def _begin(draft: _Draft, time: float) -> None:
    if draft.state.final:
        draft.commands.append(Finish(state=draft.state))
        return
    if draft.state is RunState.PENDING:
        draft.move_run(RunState.RUNNING, time)
    for status in draft.all():
        if status.state is TaskState.RUNNING:
            _give_up_attempt(draft, status, AttemptState.LOST, time, "its driver died")
    if draft.state is RunState.CANCELING:
        _cancel_open(draft, time)
    for status in draft.all():
        if status.state in (TaskState.FAILED, TaskState.SKIPPED):
            _skip_what_needs(draft, status.node.name, time)
        elif status.state is TaskState.PENDING and not status.missing:
            draft.commands.append(LookUp(task=status.node.name))
        elif status.state is TaskState.QUEUED:
            _queue(draft, status, time)
    draft.finish(time)


def _give_up_attempt(draft: _Draft, status: Status, state: AttemptState, time: float, message: str) -> None:
    """Close the attempt of a running task without an outcome; the task waits again."""
    attempt = status.attempt
    if attempt is not None and attempt.state is AttemptState.RUNNING:
        attempt = replace(attempt, state=state, ended=time, message=message)
        draft.changes.append(AttemptEnded(task=status.node.name, attempt=attempt))
    change = TaskChanged(task=status.node.name, state=TaskState.QUEUED, time=time)
    draft.move(replace(status, attempt=attempt, ending=False), change)


def _queue(draft: _Draft, status: Status, time: float) -> None:
    """Let a queued task wait for a slot, or first for the time of its retry."""
    due = retry_time(status)
    if due > time:
        draft.commands.append(WaitUntil(task=status.node.name, time=due))
    else:
        draft.put(replace(status, queued=time))
        draft.commands.append(Queue(task=status.node.name))


def _looked_up(draft: _Draft, event: Hit | Missed | Refused) -> None:
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
            _release_what_needs(draft, event.task)
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
        case Refused():
            _fail(draft, status, event.time, event.message)
        case _:
            assert_never(event)
    draft.finish(event.time)


def _claimed(draft: _Draft, event: Claimed) -> None:
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


def _running(draft: _Draft, task: str, serial: int) -> tuple[Status, Attempt] | None:
    """The task and its attempt, if it is the one that runs."""
    status = draft[task]
    attempt = status.attempt
    if status.state is not TaskState.RUNNING or attempt is None or attempt.serial != serial:
        return None
    return status, attempt


def _began(draft: _Draft, event: Began) -> None:
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


def _ended(draft: _Draft, event: Ended) -> None:
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
            _release_what_needs(draft, event.task)
        case Failed():
            _failed(draft, status, attempt, event.outcome, event.time)
        case _:
            assert_never(event.outcome)
    draft.finish(event.time)


def _failed(draft: _Draft, status: Status, attempt: Attempt, outcome: Failed, time: float) -> None:
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


def _close(draft: _Draft, status: Status, attempt: Attempt) -> None:
    draft.changes.append(AttemptEnded(task=status.node.name, attempt=attempt))
    draft.put(replace(status, attempt=attempt, losses=0))


def _lost(draft: _Draft, event: AttemptLost) -> None:
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
    draft.finish(event.time)


def _release_what_needs(draft: _Draft, task: str) -> None:
    """Look up every task for which this one was the last that it needed."""
    for place in draft.feeds(task):
        status = draft.at(place)
        status = replace(status, missing=status.missing - 1)
        draft.put(status)
        if not status.missing and status.state is TaskState.PENDING:
            draft.commands.append(LookUp(task=status.node.name))


def _fail(draft: _Draft, status: Status, time: float, message: str) -> None:
    change = TaskChanged(task=status.node.name, state=TaskState.FAILED, time=time, message=message)
    draft.move(status, change)
    _skip_what_needs(draft, status.node.name, time)


def _skip_what_needs(draft: _Draft, task: str, time: float) -> None:
    """Skip all that directly or indirectly needs this task; the message names the one that it needs directly."""
    causes = [task]
    while causes:
        cause = causes.pop()
        for place in draft.feeds(cause):
            status = draft.at(place)
            if status.state is TaskState.PENDING:
                name = status.node.name
                word = "failed" if draft[cause].state is TaskState.FAILED else "was skipped"
                change = TaskChanged(
                    task=name, state=TaskState.SKIPPED, time=time, message=f"{draft[cause].node.shown} {word}"
                )
                draft.move(status, change)
                causes.append(name)


def _cancel(draft: _Draft, time: float) -> None:
    if draft.state not in (RunState.PENDING, RunState.RUNNING):
        return
    draft.move_run(RunState.CANCELING, time)
    _cancel_open(draft, time)
    draft.finish(time)


def _cancel_open(draft: _Draft, time: float) -> None:
    for status in draft.all():
        name = status.node.name
        if status.state in (TaskState.PENDING, TaskState.QUEUED):
            draft.move(status, TaskChanged(task=name, state=TaskState.CANCELED, time=time))
        elif status.state is TaskState.RUNNING and status.attempt is not None and not status.ending:
            draft.put(replace(status, ending=True))
            draft.commands.append(End(task=name, serial=status.attempt.serial))
