"""Texts of tickets: kept for an hour, so that a tracker is not asked by every job, and for longer where it is down."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from palmette.domain.branches import Ticket
from palmette.operations.home import Home
from palmette.store import tickets

#: Seconds that a title counts without being asked for again.
LASTING: Final = 3600.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A ticket as the home knows it."""

    ticket: Ticket
    #: seconds since its tracker was asked
    age: float

    @property
    def fresh(self) -> bool:
        """Whether the tracker need not be asked."""
        return bool(self.ticket.title) and self.age < LASTING


def known(home: Home, keys: Sequence[str]) -> tuple[Kept, ...]:
    """Those of the tickets that were looked up in this project, in the order of the keys."""
    now, found = time.time(), tickets.known(home.store, home.project, keys)
    return tuple(
        Kept(ticket=found[key][0], age=max(0.0, now - found[key][1])) for key in dict.fromkeys(keys) if key in found
    )


def keep(home: Home, found: Sequence[Ticket]) -> None:
    """Keep what was found out about tickets. A title that is known stays where none is found now."""
    tickets.keep(home.store, home.project, found)
