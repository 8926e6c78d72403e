"""The line of tasks that wait for slots."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from palmette.domain.graph import Resources
from palmette.engine.ports import Claim, Slots
from palmette.errors import PalmetteError

#: Seconds until slots are asked for again, at first and at most: other drivers share them, and nobody says when one is
#: free.
_FIRST: Final = 0.005
_LONGEST: Final = 0.05


class Line:
    """Tasks in the order in which they became ready. Who asks for what another one could not get waits behind it."""

    def __init__(self, slots: Slots, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._clock = clock
        self._waiting: dict[Resources, deque[tuple[int, str]]] = {}
        self._count = 0
        self._patience = _FIRST
        self._again = 0.0
        #: after a refusal: how many of our own have given something back since. Asking more often than that would
        #: most likely be in vain, and each question costs the other drivers time, too.
        self._chances: int | None = None

    def add(self, task: str, resources: Resources) -> None:
        """Let the task wait at the end."""
        self._count += 1
        line = self._waiting.setdefault(resources, deque())
        if not line and self._chances is not None:
            self._chances += 1
        line.append((self._count, task))

    def given_back(self) -> None:
        """Something of ours is free again: it is worth asking once more at once."""
        if self._chances is not None:
            self._chances += 1

    def patience(self) -> float | None:
        """In how many seconds it is worth asking; None if nobody waits."""
        if not any(self._waiting.values()):
            return None
        return 0.0 if self._chances is None or self._chances else max(0.0, self._again - self._clock())

    def served(self, still: Callable[[str], bool]) -> Iterator[tuple[str, Claim | PalmetteError]]:
        """The tasks that get what they ask for now, or never can. Those that are not `still` waiting are forgotten."""
        if self.patience() != 0.0:
            return
        thorough = not self._chances
        if thorough:
            self._chances = None
        open = {resources: line for resources, line in self._waiting.items() if line}
        while open and (thorough or self._chances):
            resources, line = min(open.items(), key=lambda entry: entry[1][0])
            _, task = line[0]
            waits = still(task)
            answer = self._ask(resources) if waits else None
            if waits and answer is None:
                del open[resources]
                continue
            line.popleft()
            if not line:
                del open[resources]
            if answer is not None:
                yield task, answer
        if not any(self._waiting.values()):
            self._chances, self._patience = None, _FIRST

    def _ask(self, resources: Resources) -> Claim | PalmetteError | None:
        """Ask the host; after a refusal wait longer each time."""
        if self._chances:
            self._chances -= 1
        try:
            claim = self._slots.claim(resources.cpu, resources.memory, resources.gpu)
        except PalmetteError as error:
            return error
        if claim is None:
            self._chances = self._chances or 0
            self._again = self._clock() + self._patience
            self._patience = min(self._patience * 2, _LONGEST)
        return claim
