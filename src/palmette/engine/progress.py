"""How far a run is: the state that the machine advances, and its restoration from what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from palmette.domain.graph import Retry
from palmette.domain.run import Attempt, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState

T = TypeVar("T")

_BITS = 5
_MASK = (1 << _BITS) - 1


class Sheet(Generic[T]):
    """A sequence that never changes: an update shares all pages but the touched ones with what it came from."""

    __slots__ = ("_length", "_pages")

    def __init__(self, entries: Sequence[T] = ()) -> None:
        size = 1 << _BITS
        self._pages = tuple(tuple(entries[at : at + size]) for at in range(0, len(entries), size))
        self._length = len(entries)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> T:
        return self._pages[index >> _BITS][index & _MASK]

    def __iter__(self) -> Iterator[T]:
        for page in self._pages:
            yield from page

    def updated(self, entries: Mapping[int, T]) -> Sheet[T]:
        """The same with some entries replaced."""
        pages: dict[int, list[T]] = {}
        for index, entry in entries.items():
            page = index >> _BITS
            pages.setdefault(page, list(self._pages[page]))[index & _MASK] = entry
        result: Sheet[T] = Sheet()
        result._length = self._length
        result._pages = tuple(
            tuple(pages[number]) if number in pages else page for number, page in enumerate(self._pages)
        )
        return result


@dataclass(frozen=True, kw_only=True)
class Node:
    """All that the machine knows of a task: its names, what it waits for, how often it may be tried again."""

    name: str
    #: the name by which people know it; empty for the same
    title: str = ""
    needs: tuple[str, ...] = ()
    retry: Retry = Retry()

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.title or self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Where one task is."""

    node: Node
    state: TaskState = TaskState.PENDING
    #: how many of the tasks it needs are not good yet
    missing: int = 0
    #: its latest attempt, running or over
    attempt: Attempt | None = None
    #: when it began to wait for a slot
    queued: float = 0.0
    #: attempts lost in a row under this driver
    losses: int = 0
    #: its processes were told to end
    ending: bool = False


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. Never changes; `machine.advance` makes the next one."""

    state: RunState
    tasks: Sheet[Status]
    #: task name → place in `tasks`
    places: Mapping[str, int]
    #: for each task the places of those that need it
    feeds: tuple[tuple[int, ...], ...]
    #: how many tasks are not over
    open: int
    #: names of the tasks that failed, in the order in which they did
    failed: tuple[str, ...] = ()

    def __getitem__(self, task: str) -> Status:
        return self.tasks[self.places[task]]

    def states(self) -> dict[str, TaskState]:
        """The state of each task by name."""
        return {status.node.name: status.state for status in self.tasks}


def restore(nodes: Sequence[Node], records: Sequence[TaskRecord] = (), state: RunState = RunState.PENDING) -> Progress:
    """The progress that the records of a run tell of; without records, that of a run which has not begun.

    What follows from the records but was not written yet is left for the machine's first event.
    """
    places = {node.name: place for place, node in enumerate(nodes)}
    known = {record.name: record for record in records}
    feeds: list[list[int]] = [[] for _ in nodes]
    for place, node in enumerate(nodes):
        for need in node.needs:
            feeds[places[need]].append(place)
    good = {record.name for record in records if record.state.good}
    statuses = [_status(node, known.get(node.name), good) for node in nodes]
    return Progress(
        state=state,
        tasks=Sheet(statuses),
        places=places,
        feeds=tuple(tuple(entry) for entry in feeds),
        open=sum(not status.state.final for status in statuses),
        failed=tuple(status.node.name for status in statuses if status.state is TaskState.FAILED),
    )


def _status(node: Node, record: TaskRecord | None, good: set[str]) -> Status:
    missing = sum(need not in good for need in node.needs)
    if record is None:
        return Status(node=node, missing=missing)
    last = max(record.attempts, key=lambda attempt: attempt.serial, default=None)
    return Status(node=node, state=record.state, missing=missing, attempt=last)


def next_attempt(status: Status) -> tuple[int, int]:
    """Serial and number of the task's next attempt: one after a lost attempt has the lost one's number."""
    last = status.attempt
    if last is None:
        return 1, 1
    return last.serial + 1, last.number if last.state is AttemptState.LOST else last.number + 1


def retry_time(status: Status) -> float:
    """When the task may be tried again: at once, unless its latest attempt failed."""
    last, retry = status.attempt, status.node.retry
    if last is None or last.state is not AttemptState.FAILED:
        return 0.0
    wait = retry.backoff
    for _ in range(min(last.number - 1, 1000)):
        wait = min(wait * retry.factor, retry.longest)
    return (last.ended or 0.0) + min(wait, retry.longest)
