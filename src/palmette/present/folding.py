"""Long lists of steps, made short: the iterations of a loop, and what one condition kept from beginning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from palmette.domain.run import TaskRecord
from palmette.domain.states import TaskState
from palmette.operations.details import alike, shown
from palmette.present import words

#: So many iterations of a step, and so many steps left out for one reason, are still shown one by one.
MOST: Final = 8
_SAME: Final = 3
_ITEMS: Final = re.compile(r"(?:\[\d+\])+")
#: What a person wants to see of a loop in any case.
_TELLING: Final = (TaskState.FAILED, TaskState.RUNNING)
_ORDER: Final = (
    TaskState.FAILED,
    TaskState.RUNNING,
    TaskState.CANCELED,
    TaskState.SUCCEEDED,
    TaskState.CACHED,
    TaskState.SKIPPED,
    TaskState.QUEUED,
    TaskState.PENDING,
)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Several steps on one line."""

    title: str
    tasks: tuple[TaskRecord, ...]
    #: why they are as they are, where that is the same for all
    message: str = ""

    @property
    def state(self) -> TaskState:
        """The state that says most."""
        return foremost(task.state for task in self.tasks)

    @property
    def tally(self) -> str:
        """ "97 done, 2 failed, 1 skipped"."""
        return tally(task.state for task in self.tasks)


def foremost(states: Iterable[TaskState]) -> TaskState:
    """The state that says most of several: failed before running before what is over."""
    return min(states, key=_ORDER.index)


def tally(states: Iterable[TaskState]) -> str:
    """How many are in which state, in words."""
    counts = Counter(states)
    return ", ".join(f"{counts[state]} {words.TASK_WORDS[state]}" for state in _ORDER if counts[state])


def together(names: Iterable[str]) -> list[str]:
    """The names in order; those of many iterations of a step, "fit[2].output", as one: "fit[…].output"."""
    known = list(names)
    counts = Counter(map(without_items, known))
    return list(dict.fromkeys(short if counts[short := without_items(name)] > MOST else name for name in known))


def without_items(name: str) -> str:
    """ "fit[…].output" for "fit[2].output"; a name without an item as it is."""
    return _ITEMS.sub("[…]", name)


def folded(records: Sequence[TaskRecord]) -> list[TaskRecord | Fold]:
    """The steps in order; many iterations of one step, and several that were skipped for one reason, as one entry. Of
    iterations the first that failed or run are there themselves, too."""
    members: dict[str, list[TaskRecord]] = {}
    for record in records:
        members.setdefault(alike(record), []).append(record)
    many = {name: tuple(found) for name, found in members.items() if len(found) > MOST}
    lines: list[TaskRecord | Fold] = []
    for record in records:
        name = alike(record)
        if name not in many:
            lines.append(record)
        elif record is many[name][0]:
            lines.append(Fold(title=f"{name}[…]", tasks=many[name]))
            lines += [task for task in many[name] if task.state in _TELLING][:MOST]
    return list(_without_skipped(lines))


def _without_skipped(lines: Sequence[TaskRecord | Fold]) -> Iterator[TaskRecord | Fold]:
    def reason(line: TaskRecord | Fold) -> str:
        return line.message if isinstance(line, TaskRecord) and line.state is TaskState.SKIPPED else ""

    for message, group in groupby(lines, key=reason):
        found = list(group)
        skipped = tuple(line for line in found if isinstance(line, TaskRecord))
        if message and len(found) >= _SAME:
            names = ", ".join(dict.fromkeys(map(shown, skipped)))
            yield Fold(title=f"{len(found)} steps", tasks=skipped, message=f"{message} ({names})")
        else:
            yield from found
