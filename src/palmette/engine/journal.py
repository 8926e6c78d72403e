"""Changes on their way into the ledger, together where correctness allows, and from there to the watch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from palmette.domain.metric import MetricPoint
from palmette.domain.run import Change, PointsLogged, TaskChanged
from palmette.engine.ports import Ledger, Watch

#: What nothing waits for (a process's number, a place in the queue) is written down this many seconds later, with
#: what has come by then.
_LATER: Final = 0.05
#: More changes than this do not wait.
_MANY: Final = 500


class Journal:
    """The changes of a run that are not durable yet."""

    def __init__(self, ledger: Ledger, watch: Watch) -> None:
        self._ledger = ledger
        self._watch = watch
        self._changes: list[Change] = []
        #: durable, and not told to the watch yet
        self._written: list[Change] = []
        self._urgent = False
        self._since = 0.0

    def note(self, changes: Sequence[Change]) -> None:
        """Take these in."""
        if changes and not self._changes:
            self._since = time.monotonic()
        self._changes.extend(changes)
        # The end of a task is what nobody wants to lose.
        self._urgent |= any(isinstance(change, TaskChanged) and change.state.final for change in changes)

    def note_points(self, task: str, serial: int, points: tuple[MetricPoint, ...], position: int) -> None:
        """Take in metrics, if there are any."""
        if points:
            self.note([PointsLogged(task=task, serial=serial, points=points, position=position)])

    @property
    def long(self) -> bool:
        """Whether there is so much that it should be written before more comes."""
        return len(self._changes) > _MANY

    def patience(self) -> float | None:
        """For how many seconds what is here can still wait; None if there is nothing."""
        if not self._changes:
            return None
        return 0.0 if self._urgent else max(0.0, self._since + _LATER - time.monotonic())

    def write(self) -> None:
        """Make everything durable in one transaction."""
        changes, self._changes, self._urgent = self._changes, [], False
        if changes:
            self._ledger.record(changes)
            self._written += changes

    def tell(self) -> None:
        """Tell the watch what is durable. It may draw, and no task that can begin waits for that."""
        written, self._written = self._written, []
        for change in written:
            self._watch(change)
