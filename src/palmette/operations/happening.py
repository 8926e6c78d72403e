"""What happens in a run, told to somebody who is elsewhere: from the store and the files that its steps write.

Whoever asks is told all of it from the run's beginning, and passes over what it was told before: so it may ask again
after any break, of whichever server answers then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from palmette.domain.artifact import Outputs
from palmette.domain.run import (
    Attempt,
    AttemptEnded,
    AttemptStarted,
    PointsLogged,
    Reused,
    RunChanged,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.domain.states import AttemptState, TaskState
from palmette.engine.events import Tail
from palmette.operations import reading, running
from palmette.operations.home import Home
from palmette.operations.watching import Seen
from palmette.store import pulse, runs, tasks
from palmette.store.pulse import Pulse

#: seconds between two looks
_PAUSE: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One thing that happened in a run, or how far a running step is."""

    seen: Seen


def events(home: Home, ref: str) -> Iterator[Happened]:
    """What happened in a run since its beginning, and what happens until it is over, as it comes: tasks that came to be
    and their states, attempts, metrics, progress; last the run's own end."""
    for each in coming(home, ref):
        if each is None:
            time.sleep(_PAUSE)
        else:
            yield each


def coming(home: Home, ref: str) -> Iterator[Happened | None]:
    """As `events`, with None wherever there is nothing new yet: whoever asks waits as it likes."""
    run = runs.get(home.store, ref, project=home.project)
    looks, before = _Looks(home), Pulse(state=run.state, epoch=-1)
    while True:
        # The state first: what happened before a run was over has then been seen when it is.
        now = pulse.feel(home.store, run.id)
        if now != before:
            yield from (Happened(seen=each) for each in looks.changes(tasks.of_run(home.store, run.id)))
        yield from (Happened(seen=each) for each in looks.words())
        if now.state is not before.state or before.epoch < 0 or now.state.final:
            moment = now.ended or time.time()
            yield Happened(seen=RunChanged(state=now.state, time=moment, message=now.message))
        if now.state.final:
            return
        before = now
        yield None


def tails(home: Home, ref: str, count: int) -> Mapping[str, list[str]]:
    """The last lines of the log of each failed task of a run; one that may quote what is sensitive is only pointed
    to."""
    found = reading.show(home, ref)
    if not found.run.spec:
        return {}
    platform = running.document(home, found.run).platform.palmette
    sensitive = frozenset(label for label, config in platform.items() if config.sensitive)
    return running.last_words(home, found, sensitive, count)


@dataclass
class _Looks:
    """What was seen of a run's tasks so far."""

    home: Home
    known: dict[str, TaskRecord] = field(default_factory=dict)
    #: task and serial of an attempt that runs → the end of its event file
    heard: dict[tuple[str, int], Tail] = field(default_factory=dict)

    def changes(self, records: Sequence[TaskRecord]) -> Iterator[Seen]:
        """What is new in these, in the order in which it happened."""
        yield from _planned([record for record in records if record.name not in self.known])
        found = [change for record in records for change in changed(self._before(record), record)]
        yield from (seen for _, seen in sorted(found, key=lambda entry: entry[0]))
        for record in records:
            self.known[record.name] = record
            for attempt in record.attempts:
                self._listen(record.name, attempt)

    def words(self) -> Iterator[Seen]:
        """What running attempts have told of themselves since."""
        for (task, serial), tail in [*self.heard.items()]:
            batch = tail.read()
            if batch.points:
                yield PointsLogged(task=task, serial=serial, points=batch.points, position=tail.position)
            if batch.progress is not None:
                yield batch.progress

    def _before(self, record: TaskRecord) -> TaskRecord:
        return self.known.get(record.name) or TaskRecord(name=record.name)

    def _listen(self, task: str, attempt: Attempt) -> None:
        if attempt.state is not AttemptState.RUNNING:
            self.heard.pop((task, attempt.serial), None)
        elif (task, attempt.serial) not in self.heard:
            path = self.home.directory / attempt.directory / "events.jsonl"
            self.heard[task, attempt.serial] = Tail(Path(path), task)


def _planned(records: Sequence[TaskRecord]) -> Iterator[TasksPlanned]:
    """These tasks as they came to be: those within the same group at once."""
    groups: dict[str, list[TaskRecord]] = {}
    for record in records:
        bare = TaskRecord(
            name=record.name, executor=record.executor, component=record.component, needs=tuple(record.needs)
        )
        groups.setdefault(record.name.rpartition(".")[0], []).append(bare)
    yield from (TasksPlanned(tasks=tuple(group)) for group in groups.values())


def changed(before: TaskRecord, now: TaskRecord) -> Iterator[tuple[float, Seen]]:
    """When a task took which state, and what became of its attempts."""
    known = {each.serial: each for each in before.attempts}
    for attempt in now.attempts:
        earlier = known.get(attempt.serial)
        if earlier is None:
            yield attempt.started, TaskChanged(task=now.name, state=TaskState.RUNNING, time=attempt.started)
            begun = replace(attempt, state=AttemptState.RUNNING, ended=None, process=None)
            yield attempt.started, AttemptStarted(task=now.name, attempt=begun)
        running = earlier is None or earlier.state is AttemptState.RUNNING
        if running and attempt.state is not AttemptState.RUNNING:
            ended = replace(attempt, process=None)
            yield attempt.ended or attempt.started, AttemptEnded(task=now.name, attempt=ended)
    if now.state is not before.state and not (now.state is TaskState.RUNNING and now.attempts):
        moment = now.ended or now.started or 0.0
        yield moment, TaskChanged(task=now.name, state=now.state, time=moment, message=now.message, reused=_reused(now))


def _reused(record: TaskRecord) -> Reused | None:
    if not record.cached_from:
        return None
    run, task = record.cached_from.split("/", 1)
    return Reused(run=run, task=task, made=record.cached_made or 0.0, outputs=Outputs())
