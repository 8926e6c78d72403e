"""How far a run is: the state that the machine advances, and its restoration from what was recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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

    def extended(self, entries: Sequence[T]) -> Sheet[T]:
        """The same with more entries at its end."""
        size = 1 << _BITS
        rest = [*(self._pages[-1] if self._length & _MASK else ()), *entries]
        result: Sheet[T] = Sheet()
        result._length = self._length + len(entries)
        more = (tuple(rest[at : at + size]) for at in range(0, len(rest), size))
        result._pages = (*self._pages[: self._length >> _BITS], *more)
        return result


@dataclass(frozen=True, kw_only=True)
class Node:
    """All that the machine knows of a task: its names, what it waits for, how often it may be tried again.

    A group executes nothing. It opens when what it needs is over, its members begin then, and it is over when they are.
    """

    name: str
    #: the name by which people know it; empty for the same
    title: str = ""
    #: tasks and groups of the same parent
    needs: tuple[str, ...] = ()
    retry: Retry = Retry()
    #: the group it is in; empty for none
    parent: str = ""
    #: it begins once what it needs is over, whether that succeeded or not
    regardless: bool = False
    group: bool = False
    #: of a group: whether it opens, and with which members, is for the driver to say
    asks: bool = False
    #: of a group: at most so many of its members at once, in their order; 0 for any number
    limit: int = 0

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.title or self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Where one task is."""

    node: Node
    state: TaskState = TaskState.PENDING
    #: how much it waits for: the tasks it needs, and the opening of the group it is in
    missing: int = 0
    #: its latest attempt, running or over
    attempt: Attempt | None = None
    #: the serial of the last attempt before the run was taken up again after its end; 0 for none
    before: int = 0
    #: when it began to wait for a slot
    queued: float = 0.0
    #: attempts lost in a row under this driver
    losses: int = 0
    #: its processes were told to end
    ending: bool = False
    #: why it is as it is
    message: str = ""
    #: of a group: how many of its members are not over, and how many were let begin
    open: int = 0
    admitted: int = 0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. Never changes; `machine.advance` makes the next one."""

    state: RunState
    tasks: Sheet[Status]
    #: task name → place in `tasks`
    places: Mapping[str, int]
    #: for each task the places of those that need it, and for each group those of its members
    feeds: Sheet[tuple[int, ...]]
    members: Sheet[tuple[int, ...]]
    #: how many tasks are not over
    open: int
    #: names of the tasks that failed, in the order in which they did; of the groups those that could not even begin
    failed: tuple[str, ...] = ()
    #: it was stopped since it took too long: that, in words; empty otherwise
    expired: str = ""

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
    feeds, members = links(nodes, places)
    limited = {node.name for node in nodes if node.limit}
    statuses = [_status(node, known, limited) for node in nodes]
    statuses = [
        _group(status, [statuses[place] for place in members[at]]) if status.node.group else status
        for at, status in enumerate(statuses)
    ]
    own = [status for at, status in enumerate(statuses) if not any(_is_failed(statuses[on]) for on in members[at])]
    return Progress(
        state=state,
        tasks=Sheet(statuses),
        places=places,
        feeds=Sheet([tuple(entry) for entry in feeds]),
        members=Sheet([tuple(entry) for entry in members]),
        open=sum(not status.state.final for status in statuses),
        failed=tuple(status.node.name for status in own if _is_failed(status)),
    )


def links(nodes: Sequence[Node], places: Mapping[str, int], first: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    """For each of these nodes, which lie at `first` and after it, who needs it and who is in it. Those that are in a
    group which is not among them are left out."""
    feeds: list[list[int]] = [[] for _ in nodes]
    members: list[list[int]] = [[] for _ in nodes]
    for place, node in enumerate(nodes, first):
        for need in node.needs:
            feeds[places[need] - first].append(place)
        if node.parent and places[node.parent] >= first:
            members[places[node.parent] - first].append(place)
    return feeds, members


def _is_failed(status: Status) -> bool:
    return status.state is TaskState.FAILED


def _status(node: Node, known: Mapping[str, TaskRecord], limited: Collection[str]) -> Status:
    met = sum(_met(node, known[need].state) for need in node.needs if need in known)
    around, record = known.get(node.parent), known.get(node.name)
    waits = around is None or around.state is not TaskState.RUNNING
    # A limited group lets its members begin one by one, and those that it let in have begun.
    waits |= node.parent in limited and (record is None or record.state is TaskState.PENDING)
    missing = len(node.needs) - met + (bool(node.parent) and waits)
    if record is None:
        return Status(node=node, missing=missing)
    last = max(record.attempts, key=lambda attempt: attempt.serial, default=None)
    if last is not None and record.state is TaskState.PENDING:
        # The run was over and goes on: the task has all its tries again.
        return Status(node=node, missing=missing, before=last.serial)
    return Status(node=node, state=record.state, missing=missing, attempt=last, message=record.message)


def _met(node: Node, need: TaskState) -> bool:
    return need.final if node.regardless else need.good


def _group(status: Status, members: Sequence[Status]) -> Status:
    # Those that were let begin are the first ones: members of a limited group begin in their order.
    begun = len(members) if not status.node.limit else sum(member.state is not TaskState.PENDING for member in members)
    still = sum(not member.state.final for member in members)
    return replace(status, open=still, admitted=0 if status.state is TaskState.PENDING else begun)


def next_attempt(status: Status) -> tuple[int, int]:
    """Serial and number of the task's next attempt: one after a lost attempt has the lost one's number."""
    last = status.attempt
    if last is None:
        return status.before + 1, 1
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
