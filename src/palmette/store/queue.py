"""The runs that wait for a server to drive them. The rows are the queue; whoever takes a lease is served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, func, literal_column, select

from palmette.domain.hosting import SERVED
from palmette.domain.run import Process
from palmette.domain.states import RunState
from palmette.store import leases
from palmette.store.database import Store
from palmette.store.schema import runs

_OPEN: Final = [state.value for state in RunState if not state.final]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A run that somebody should drive."""

    id: str
    #: whose turn it is, from the widest to the narrowest: owner, project, experiment
    groups: tuple[str, str, str]
    created: float
    #: it is to be cancelled, which needs nothing of the machine
    canceling: bool = False
    #: it was driven before, or is
    begun: bool = False


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The open runs of the servers."""

    #: nobody drives them; of each experiment the oldest
    waiting: tuple[Waiting, ...] = ()
    #: somebody does
    driven: tuple[Waiting, ...] = ()

    def chosen(self, count: int) -> list[Waiting]:
        """So many of those that wait, in fair turns: next is one of the owner, then of his project, then of its
        experiment, that has the fewest driven; what was begun comes before what was not, then the oldest."""
        had = Counter(key for each in self.driven for key in _keys(each))
        left, found = list(self.waiting), list[Waiting]()
        while left and len(found) < count:
            best = min(left, key=lambda each: (*(had[key] for key in _keys(each)), not each.begun, each.created))
            left.remove(best)
            found.append(best)
            had.update(_keys(best))
        return found


def _keys(each: Waiting) -> list[tuple[str, ...]]:
    return [each.groups[:depth] for depth in (1, 2, 3)]


def look(
    store: Store, host: str, boot: str, *, alive: Callable[[Process], bool], mine: Collection[str] = (), depth: int = 8
) -> Queue:
    """Who waits, and who is driven. A run whose driver is dead waits: at once if that ran here, elsewhere after
    `leases.SILENCE`. Those in `mine` count as driven; of an experiment at most `depth` are looked at."""
    with store.read() as connection:
        fresh = connection.execute(_unheld(depth + len(mine))).all()
        held = connection.execute(_held(store.clock)).all()
    waiting, driven = _parted(fresh, lambda row: row.id in mine)
    lost, living = _parted(held, lambda row: row.id in mine or _drives(row, host, boot, alive))
    return Queue(waiting=(*lost, *waiting), driven=(*driven, *living))


def _unheld(depth: int) -> Select[Any]:
    """The oldest of each experiment, and all that are to be cancelled."""
    place = func.row_number().over(
        partition_by=(runs.c.owner, runs.c.project, runs.c.experiment), order_by=(runs.c.created, runs.c.id)
    )
    of_queue = (runs.c.queue == SERVED, runs.c.state.in_(_OPEN), runs.c.lease_host.is_(None))
    ranked = select(*_COLUMNS, place.label("place")).where(*of_queue).subquery()
    return select(ranked).where((ranked.c.place <= depth) | ranked.c.cancel_requested.is_not(None))


def _held(clock: str) -> Select[Any]:
    of_queue = (runs.c.queue == SERVED, runs.c.state.in_(_OPEN), runs.c.lease_host.is_not(None))
    return select(*_COLUMNS, (literal_column(clock) - runs.c.lease_renewed).label("silent")).where(*of_queue)


_COLUMNS: Final = tuple(
    runs.c[name]
    for name in (
        *("id", "owner", "project", "experiment", "created", "epoch", "cancel_requested"),
        *("lease_host", "lease_boot", "lease_pid", "lease_start"),
    )
)


def _parted(rows: Iterable[Any], driven: Callable[[Any], bool]) -> tuple[Sequence[Waiting], Sequence[Waiting]]:
    parts: tuple[list[Waiting], list[Waiting]] = ([], [])
    for row in rows:
        parts[driven(row)].append(
            Waiting(
                id=row.id,
                groups=(row.owner, row.project, row.experiment),
                created=row.created,
                canceling=row.cancel_requested is not None,
                begun=row.epoch > 0,
            )
        )
    return parts


def _drives(row: Any, host: str, boot: str, alive: Callable[[Process], bool]) -> bool:
    if (row.lease_host, row.lease_boot) == (host, boot):
        return alive(Process(pid=row.lease_pid, start=row.lease_start, boot=boot))
    return bool(row.silent < leases.SILENCE)
