"""Which tasks of a run that is over are executed again when it goes on, and which results stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from palmette.domain.run import TaskRecord


@dataclass(frozen=True, kw_only=True)
class Reset:
    """What becomes of the tasks and groups; those that are not named stay as they are."""

    #: they wait again
    pending: tuple[str, ...] = ()
    #: groups that are open again, with what is good in them
    open: tuple[str, ...] = ()
    #: iterations of loops that begin anew, and all in them: they will come to be once more
    gone: tuple[str, ...] = ()


def reset(records: Sequence[TaskRecord]) -> Reset:
    """Keep what is good; let all else begin again, and what waited for that, also if it did not mind a failure."""
    known = {record.name: record for record in records}
    around = {name: _around(name, known) for name in known}
    bad = {
        name
        for name, record in known.items()
        # In a group that is good as a whole all is as it should be: a branch that was not taken, say.
        if not record.state.good and not any(known[group].state.good for group in around[name])
    }
    anew = _anew(bad, known, around)
    # The iterations of a loop come to be again when it does.
    loops = {name for name in anew if known[name].group and f"{name}.0" in known}
    gone = {name for name in anew if loops.intersection(around[name])}
    opened = {name for name in bad - anew if known[name].group and known[name].started is not None}
    return Reset(
        pending=tuple(name for name in known if name in (bad | anew) - opened - gone),
        open=tuple(name for name in known if name in opened),
        gone=tuple(name for name in known if name in gone),
    )


def _anew(bad: Set[str], known: Mapping[str, TaskRecord], around: Mapping[str, Sequence[str]]) -> set[str]:
    """What waited for something that is not good, with all that is in it."""
    found: set[str] = set()
    causes = set(bad)
    while more := {
        name
        for name, record in known.items()
        if name not in found and (causes.intersection(record.needs) or found.intersection(around[name]))
    }:
        found |= more
        causes |= more
        # Nor is what is around such a task what it was, for those who waited for it.
        causes.update(group for name in more for group in around[name])
    return found


def _around(name: str, known: Mapping[str, TaskRecord]) -> tuple[str, ...]:
    """The groups that a task or group is in."""
    found = []
    while name := name.rpartition(".")[0]:
        if name in known:
            found.append(name)
    return tuple(found)
