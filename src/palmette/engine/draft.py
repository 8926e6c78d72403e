"""A progress while one event is applied to it, and what follows when a task is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from palmette.domain.run import Change, RunChanged, TaskChanged, TaskRecord, TasksPlanned
from palmette.domain.states import RunState, TaskState
from palmette.engine.progress import Node, Progress, Status, links
from palmette.engine.vocabulary import Command, Decision, Finish, LookUp

#: How many failed tasks a message names.
_NAMED: Final = 3


class Draft:
    """A progress while one event is applied to it. `settle` draws all consequences of what is over."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._places = progress.places
        self._touched: dict[int, Status] = {}
        #: tasks that came to be, with who needs them and who is in them, and the members of groups that grew
        self._new: list[Status] = []
        self._feeds: list[list[int]] = []
        self._members: list[list[int]] = []
        self._grown: dict[int, tuple[int, ...]] = {}
        self._open = progress.open
        self._failed = progress.failed
        self._over: deque[str] = deque()
        self._asked: set[str] = set()
        self.state = progress.state
        self.expired = progress.expired
        self.changes: list[Change] = []
        self.commands: list[Command] = []

    def __getitem__(self, task: str) -> Status:
        return self.at(self._places[task])

    def at(self, place: int) -> Status:
        """The task at this place."""
        touched = self._touched.get(place)
        if touched is not None:
            return touched
        known = len(self._progress.tasks)
        return self._progress.tasks[place] if place < known else self._new[place - known]

    def all(self) -> Iterable[Status]:
        """Every task, in the order of the plan, each as it is when its turn comes."""
        return (self.at(place) for place in range(len(self._progress.tasks)))

    def put(self, status: Status) -> None:
        """Replace what is known of the task."""
        self._touched[self._places[status.node.name]] = status

    def members(self, group: str) -> Sequence[int]:
        """The places of the tasks and groups that are directly in this one."""
        place, known = self._places[group], len(self._progress.members)
        if place >= known:
            return self._members[place - known]
        return self._grown.get(place) or self._progress.members[place]

    def _needing(self, task: str) -> Sequence[int]:
        place, known = self._places[task], len(self._progress.feeds)
        return self._progress.feeds[place] if place < known else self._feeds[place - known]

    def move(self, status: Status, change: TaskChanged, *, own: bool = True) -> None:
        """Let the task take the state of the change, and write it down. `own`: a failure is its own, not its
        members'."""
        if change.state.final and not status.state.final:
            self._open -= 1
            self._over.append(change.task)
        if change.state is TaskState.FAILED and own:
            self._failed = (*self._failed, change.task)
        self.put(replace(status, state=change.state, message=change.message))
        self.changes.append(change)

    def move_run(self, state: RunState, time: float, message: str = "") -> None:
        """Let the run take this state."""
        self.state = state
        self.changes.append(RunChanged(state=state, time=time, message=message))

    def grow(self, loop: str, nodes: Sequence[Node], records: Sequence[TaskRecord]) -> None:
        """Let tasks and groups come to be within a loop."""
        first = len(self._places)
        places = {node.name: place for place, node in enumerate(nodes, first)}
        self._places = {**self._places, **places}
        self._feeds, self._members = links(nodes, self._places, first)
        self._new = [Status(node=node, missing=len(node.needs) + 1) for node in nodes]
        self._new = [
            replace(status, open=len(members)) for status, members in zip(self._new, self._members, strict=True)
        ]
        self._open += len(nodes)
        direct = tuple(places[node.name] for node in nodes if node.parent == loop)
        self._grown[self._places[loop]] = direct
        self.put(replace(self[loop], open=len(direct)))
        self.changes.append(TasksPlanned(tasks=tuple(records)))

    def open(self, status: Status, time: float) -> None:
        """Let the members of the group begin."""
        self.move(status, TaskChanged(task=status.node.name, state=TaskState.RUNNING, time=time))
        self.admit(self[status.node.name], time)

    def admit(self, group: Status, time: float) -> None:
        """Let as many members of an open group begin as may; close it if none is left."""
        name, members = group.node.name, self.members(group.node.name)
        over = len(members) - group.open
        most = min(len(members), over + group.node.limit) if group.node.limit else len(members)
        self.put(replace(group, admitted=max(group.admitted, most)))
        for place in members[group.admitted : most]:
            self._less(self.at(place), time)
        if not self[name].open:
            self.close(self[name], time)

    def close(self, group: Status, time: float) -> None:
        """The members of an open group are over: so is the group."""
        if group.state is not TaskState.RUNNING:
            return
        name = group.node.name
        members = [self.at(place) for place in self.members(name)]
        failed = [member for member in members if member.state is TaskState.FAILED]
        if failed:
            change = TaskChanged(task=name, state=TaskState.FAILED, time=time, message=_reasons(failed))
        elif any(member.state is TaskState.CANCELED for member in members):
            change = TaskChanged(task=name, state=TaskState.CANCELED, time=time)
        else:
            message = "" if members else "no items"
            change = TaskChanged(task=name, state=TaskState.SUCCEEDED, time=time, message=message)
        self.move(group, change, own=False)

    def _less(self, status: Status, time: float) -> None:
        """One thing less that the task waits for."""
        status = replace(status, missing=status.missing - 1)
        self.put(status)
        if not status.missing and status.state is TaskState.PENDING:
            self.ready(status, time)

    def ready(self, status: Status, time: float) -> None:
        """All that a waiting task or group needs is over."""
        if status.node.group and not status.node.asks:
            self.open(status, time)
        elif status.node.name not in self._asked:
            self._asked.add(status.node.name)
            self.commands.append(LookUp(task=status.node.name))

    def settle(self, time: float) -> None:
        """Draw the consequences of all that is over, and end the run if nothing is open."""
        while self._over:
            status = self[self._over.popleft()]
            for place in self._needing(status.node.name):
                needing = self.at(place)
                if needing.state is TaskState.PENDING and (status.state.good or needing.node.regardless):
                    self._less(needing, time)
            self.spread(status, time)
            if status.node.parent:
                parent = self[status.node.parent]
                parent = replace(parent, open=parent.open - 1)
                self.put(parent)
                if parent.state is TaskState.RUNNING and (parent.node.limit or not parent.open):
                    self.admit(parent, time)
        self._finish(time)

    def spread(self, status: Status, time: float) -> None:
        """Skip what cannot begin because this did not succeed: what needs it, and what is in it. The message names the
        direct cause."""
        if status.state.good or not status.state.final:
            return
        word = "failed" if status.state is TaskState.FAILED else "was skipped"
        cause = f"{self._blamed(status).node.shown} {word}"
        if status.node.group and status.state is TaskState.SKIPPED:
            # People know steps, and no groups.
            cause = status.message
        for place in self._needing(status.node.name):
            if not self.at(place).node.regardless:
                self._skip(self.at(place), cause, time)
        for place in self.members(status.node.name) if status.node.group else ():
            self._skip(self.at(place), cause, time)

    def _blamed(self, status: Status) -> Status:
        """The task because of which a group failed; what is no such group itself."""
        while status.node.group and status.state is TaskState.FAILED:
            members = (self.at(place) for place in self.members(status.node.name))
            worst = next((member for member in members if member.state is TaskState.FAILED), None)
            if worst is None:
                break
            status = worst
        return status

    def _skip(self, status: Status, message: str, time: float) -> None:
        if status.state is TaskState.PENDING:
            change = TaskChanged(task=status.node.name, state=TaskState.SKIPPED, time=time, message=message)
            self.move(status, change)

    def _finish(self, time: float) -> None:
        if self._open or self.state.final:
            return
        if self.state is RunState.CANCELING and self.expired:
            self.move_run(RunState.FAILED, time, self.expired)
        elif self.state is RunState.CANCELING:
            self.move_run(RunState.CANCELED, time)
        elif self._failed:
            self.move_run(RunState.FAILED, time, f"{_listed([self[task].node.shown for task in self._failed])} failed")
        else:
            self.move_run(RunState.SUCCEEDED, time)
        self.commands.append(Finish(state=self.state))

    def decision(self) -> Decision:
        """The outcome."""
        before, known = self._progress, len(self._progress.tasks)
        tasks = before.tasks.extended(self._new) if self._new else before.tasks
        feeds, members = before.feeds, before.members
        if self._new:
            feeds = feeds.extended([tuple(entry) for entry in self._feeds])
            members = members.extended([tuple(entry) for entry in self._members])
        if self._grown:
            members = members.updated(self._grown)
        assert len(feeds) == len(members) == known + len(self._new)
        progress = replace(
            before,
            state=self.state,
            tasks=tasks.updated(self._touched) if self._touched else tasks,
            places=self._places,
            feeds=feeds,
            members=members,
            open=self._open,
            failed=self._failed,
            expired=self.expired,
        )
        return Decision(progress=progress, changes=tuple(self.changes), commands=tuple(self.commands))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more} others"


def _reasons(failed: Sequence[Status]) -> str:
    """Why a group failed, in the words of its members."""
    said = [
        each.message if each.node.group and each.message else f"{each.node.shown} failed: {each.message}"
        for each in failed[:_NAMED]
    ]
    more = len(failed) - _NAMED
    return "; ".join([*said, *([f"and {more} more"] if more > 0 else [])])
