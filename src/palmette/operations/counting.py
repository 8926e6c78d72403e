"""What those who watch a server want to know of the store."""

from __future__ import annotations

from typing import Final

from palmette.operations.home import Home
from palmette.store import census
from palmette.store.census import Census

__all__ = ["Census", "count"]

#: A server that was not heard of for so many seconds does not live.
_SILENCE: Final = 30.0


def count(home: Home) -> Census:
    """One look at the store, in a few milliseconds."""
    return census.take(home.store, silence=_SILENCE)
