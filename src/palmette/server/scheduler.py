"""The scheduler: makes the runs of recurring runs when they are due, as long as the server lives."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from anyio import to_thread

from palmette.errors import PalmetteError
from palmette.operations import schedules
from palmette.operations.home import Home

log: Final = logging.getLogger("palmette.scheduler")
#: Seconds between looks at what is due: a tick is late by so much at most.
_LOOK: Final = 1.0
#: Seconds that a store which cannot be used is left alone.
_TROUBLE: Final = 5.0


class Scheduler:
    """Looks every second for ticks that are due. Several servers of one store may each have one."""

    def __init__(self, home: Home, environ: Mapping[str, str], *, wake: Callable[[], None] | None) -> None:
        """`environ` names the time zone of cron expressions; `wake` is told of new runs, where there is somebody to be
        told. UsageError for a zone that is not known."""
        self._home, self._wake = home, wake
        schedules.settle_zone(home, environ)

    async def live(self) -> None:
        """Go on until canceled. What goes wrong is logged, and tried again."""
        while True:
            pause = _LOOK
            try:
                # Answers are not kept waiting by a look at the store.
                made = await to_thread.run_sync(schedules.tick, self._home, time.time(), abandon_on_cancel=True)
            except PalmetteError as error:
                log.error("recurring runs wait: %s", error.message)
                pause = _TROUBLE
            except Exception:
                # This is the loop that reports it; without it no recurring run would ever run again.
                log.exception("recurring runs wait, for an error of Palmette's own")
                pause = _TROUBLE
            else:
                if made:
                    log.info("made %d run%s of recurring runs", made, "" if made == 1 else "s")
                    if self._wake is not None:
                        self._wake()
            await asyncio.sleep(pause)
