"""Runs of a commit on a Palmette server: recorded here with the branch's own code, executed there."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from palmette.ci.launching import Begun, Ground, Wish, request_of
from palmette.ci.waiting import Bell
from palmette.domain.branches import Check
from palmette.domain.run import RunChanged
from palmette.domain.states import RunState
from palmette.errors import AlreadyThere, NotFound, PalmetteError
from palmette.operations import canceling, checks, handing, happening, preparing
from palmette.operations.remote import There

#: so many runs are listened to at once; of the others is asked now and then
_LISTENED: Final = 8


@dataclass
class Served:
    """A Palmette server executes the runs."""

    there: There
    ground: Ground
    bell: Bell
    chosen: bool = True
    _heard: set[str] = field(default_factory=set)

    def begin(self, wish: Wish, check: Check) -> Begun:
        """Recorded here, handed in there."""
        ground, experiment = self.ground, self.ground.experiment
        request = request_of(wish, ground, check)
        name = experiment.name if experiment else ""
        with (
            preparing.begin(ground.project, ground.lent, wish.algorithm) as preparation,
            handing.ready(self.there, preparation, request, experiment=name, say=ground.say) as ready,
        ):
            try:
                taken = handing.hand(self.there, ready)
            except AlreadyThere:
                # Another job handed it in, from an environment that is not quite this one.
                return self.attach(check)
        for notice in taken.notices:
            ground.say(f"note: {wish.algorithm}: {notice}")
        ground.say(f"{wish.algorithm} {taken.run.id} begun: {self.link(taken.run.id)}")
        self._listen(taken.run.id)
        return Begun(id=taken.run.id, state=taken.run.state)

    def attach(self, check: Check) -> Begun:
        """It goes on there anyway."""
        state = self.states([check.run]).get(check.run)
        if state is None:
            raise NotFound(f"run {check.run} is not there any more", "Start another one: --rerun.")
        if not state.final:
            self.ground.say(f"{check.algorithm} {check.run} was begun before: {self.link(check.run)}")
            self._listen(check.run)
        return Begun(id=check.run, state=state, attached=True)

    def found(self, wish: Wish) -> Check | None:
        """The home knows all."""

    def states(self, runs: Sequence[str]) -> Mapping[str, RunState]:
        """All of them by one question. Whoever waits for what has begun asks again, and hears signals in between."""
        there = self.there.at_once() if self._heard else self.there
        return there(checks.states, list(runs)) if runs else {}

    def instead(self, run: str) -> None:
        """Identifiers are chosen, so there are no two."""

    def cancel(self, run: str) -> None:
        """One that is over is let be."""
        self.there(canceling.cancel, run)

    def link(self, run: str) -> str:
        """How it is shown: the server has no pages yet."""
        return f"palmette show {run} --on {self.there.connection.server.called}"

    def _listen(self, run: str) -> None:
        """Wake whoever waits when the run's state changes; what is missed is asked for."""
        if len(self._heard) >= _LISTENED or run in self._heard:
            return
        self._heard.add(run)
        threading.Thread(target=self._follow, args=(run,), daemon=True).start()

    def _follow(self, run: str) -> None:
        try:
            for happened in self.there(happening.events, run):
                if isinstance(happened.seen, RunChanged):
                    self.bell.ring()
        except PalmetteError:
            return  # whoever waits asks, and says what is wrong
