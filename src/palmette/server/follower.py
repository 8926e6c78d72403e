"""The follower: does what jobs could not, as long as the server lives. It says on the forge how trainings ended whose
jobs are long over, and fills in texts of tickets that were missing."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any, Final

from anyio import to_thread

from palmette.domain.context import Context
from palmette.errors import PalmetteError
from palmette.operations import branches, checks, secrets, vault
from palmette.operations.home import Home
from palmette.operations.inside import Inside

log: Final = logging.getLogger("palmette.follower")
#: The secret that opens a project's forge: `token`, `url` (of its API), `kind`, and `repository` if only one is meant.
SECRET: Final = "forge"
#: The secret that opens a project's JIRA: `token`, `url`, `user` for Cloud, and `projects` if only theirs are meant.
TRACKER: Final = "tracker"
#: Seconds between looks at what has ended, and that a store which cannot be used is left alone.
_LOOK: Final = 5.0
#: Seconds between questions for texts that are missing.
_ASK: Final = 600.0
_TROUBLE: Final = 15.0


class Follower:
    """Looks every few seconds for trainings that have ended and were not reported. Several servers of one store may
    each have one."""

    def __init__(self, home: Home, environ: Mapping[str, str], *, wake: Callable[[], None] | None = None) -> None:
        """`wake` is told that a comparison asks for something to be executed."""
        self._home, self._environ, self._wake = home, environ, wake
        self._asked: float | None = None

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
        """Report what has ended of each project that has a forge; now and then, ask what a tracker tells."""
        names = {each.name for each in secrets.listed(self._home)}
        if SECRET in names:
            self._each(SECRET, {each.project for each in checks.unsettled(self._home)}, self._settle)
        now = time.monotonic()
        if TRACKER in names and (self._asked is None or now - self._asked >= _ASK):
            self._asked = now
            self._each(TRACKER, {each.project for each in branches.known(self._home)}, self._fill)

    def _each(self, secret: str, projects: Set[str], do: Callable[[Home, Mapping[str, str]], None]) -> None:
        for project in sorted(projects):
            if kept := vault.of(self._home, self._environ, project=project).secret(secret):
                do(replace(self._home, project=project), kept)

    def _fill(self, home: Home, kept: Mapping[str, str]) -> None:
        filling, jira = (importlib.import_module(f"palmette.ci.{name}") for name in ("filling", "jira"))
        place = Inside(home)
        host = importlib.import_module("palmette.operations.placed").PlacedHost(place)
        try:
            filled = filling.fill_from(place, host, home.project, jira.trusted(kept, self._environ))
        except PalmetteError as error:
            # What is wrong with one project's keeps no other one waiting.
            log.error("texts of tickets of %s wait: %s", home.project, error.message)
        else:
            log.info("texts of tickets of %s: %d filled in", home.project, len(filled))

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
