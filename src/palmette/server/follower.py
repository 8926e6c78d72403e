"""The follower: says on the forge how trainings ended whose jobs are long over, as long as the server lives."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from anyio import to_thread

from palmette.domain.context import Context
from palmette.errors import PalmetteError
from palmette.operations import checks, secrets, vault
from palmette.operations.home import Home
from palmette.operations.inside import Inside

log: Final = logging.getLogger("palmette.follower")
#: The secret that opens a project's forge: `token`, `url` (of its API), `kind`, and `repository` if only one is meant.
SECRET: Final = "forge"
#: Seconds between looks at what has ended, and that a store which cannot be used is left alone.
_LOOK: Final = 5.0
_TROUBLE: Final = 15.0


class Follower:
    """Looks every few seconds for trainings that have ended and were not reported. Several servers of one store may
    each have one."""

    def __init__(self, home: Home, environ: Mapping[str, str], *, wake: Callable[[], None] | None = None) -> None:
        """`wake` is told that a comparison asks for something to be executed."""
        self._home, self._environ, self._wake = home, environ, wake

    async def live(self) -> None:
        """Go on until canceled. What goes wrong is logged, and tried again."""
        while True:
            pause = _LOOK
            try:
                await to_thread.run_sync(self.look, abandon_on_cancel=True)
            except PalmetteError as error:
                log.error("reports wait: %s", error.message)
                pause = _TROUBLE
            except Exception:
                # This is the loop that reports it; without it nothing would ever be said again.
                log.exception("reports wait, for an error of Palmette's own")
                pause = _TROUBLE
            await asyncio.sleep(pause)

    def look(self) -> None:
        """Report what has ended of each project that has a forge."""
        if not any(each.name == SECRET for each in secrets.listed(self._home)):
            return
        waiting = sorted({each.project for each in checks.unsettled(self._home)})
        for project in waiting:
            kept = vault.of(self._home, self._environ, project=project).secret(SECRET)
            if kept:
                self._settle(replace(self._home, project=project), kept)

    def _settle(self, home: Home, kept: Mapping[str, str]) -> None:
        # What compares imports NumPy; a server without anything to report starts without it.
        settling = importlib.import_module("palmette.ci.settling")
        forges = importlib.import_module("palmette.ci.forges")

        def forge_of(context: Context) -> Any:
            return forges.trusted(kept, context, self._environ)

        def accept(extra: Any) -> None:
            importlib.import_module("palmette.operations.performing").accept(home, extra)
            if self._wake is not None:
                self._wake()

        settling.settle(Inside(home), {}, forge_of=forge_of, accept=accept, say=log.info)
