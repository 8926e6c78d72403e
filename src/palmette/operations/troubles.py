"""Runs whose drivers ended before them: when they are tried again, and when they are given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: How a driver's process ends: the run is over or was left; somebody else has it, or the store cannot be used; an error
#: of Palmette's own.
DONE: Final = 0
NOT_NOW: Final = 75
BROKEN: Final = 70
#: Seconds until a run is tried again, at first and at most.
_FIRST: Final = 0.05
_LONGEST: Final = 30.0
#: So often may a run's driver die, by an error of Palmette's or in all, before the run is given up: all runs end.
_ERRORS: Final = 5
_DEATHS: Final = 20
#: A run that nobody tried for so long is seen to by others.
_FORGOTTEN: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class _Trouble:
    """How a run's drivers ended."""

    tries: int = 0
    #: of them, those that died
    deaths: int = 0
    #: of these, those that an error of Palmette's own ended
    errors: int = 0
    #: when it may be tried again
    again: float = 0.0


class Troubles:
    """What became of the drivers of one worker. Times are a monotonic clock's."""

    def __init__(self) -> None:
        self._known: dict[str, _Trouble] = {}

    def note(self, run: str, code: int, now: float) -> None:
        """The run's driver ended with this exit code; negative for the signal that killed it."""
        # Those that others see to are forgotten.
        self._known = {id: each for id, each in self._known.items() if each.again > now - _FORGOTTEN}
        before = self._known.pop(run, _Trouble())
        if code != DONE:
            self._known[run] = _Trouble(
                tries=before.tries + 1,
                # A run is not to blame for a store that cannot be used, however long, nor for others that drive it.
                deaths=before.deaths + (code != NOT_NOW),
                errors=before.errors + (code == BROKEN),
                again=now + min(_LONGEST, _FIRST * 2 ** min(before.tries, 16)),
            )

    def over(self, run: str, now: float) -> bool:
        """Whether the run may be tried."""
        return self._known.get(run, _Trouble()).again <= now

    def hopeless(self, run: str) -> bool:
        """Whether its drivers died so often that it is to be given up."""
        found = self._known.get(run, _Trouble())
        return found.errors >= _ERRORS or found.deaths >= _DEATHS
