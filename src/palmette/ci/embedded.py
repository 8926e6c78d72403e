"""Runs of a commit in the job itself: one after the other, in this process's home."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from palmette.ci.launching import Begun, Ground, Wish, request_of
from palmette.ci.waiting import HEARTBEAT, Bell, spelled
from palmette.domain.branches import Check
from palmette.domain.hosting import Leaving
from palmette.domain.run import TaskChanged
from palmette.domain.states import RunState, TaskState, became
from palmette.errors import LeaseLost, StoreError, Temporary
from palmette.operations import accepting, checks, preparing, reading, running
from palmette.operations.accepting import Accepted
from palmette.operations.watching import Seen


@dataclass
class Embedded:
    """This process executes the runs, until the job must end: then the one that runs is left to be continued."""

    ground: Ground
    bell: Bell
    until: float | None = None
    chosen: bool = True
    #: runs that another process executes
    _joined: set[str] = field(default_factory=set)

    def begin(self, wish: Wish, check: Check) -> Begun:
        """Executed to its end, unless the job ends before."""
        ground, experiment = self.ground, self.ground.experiment
        request = request_of(wish, ground, check, experiment.id if experiment else "")
        with preparing.begin(ground.project, ground.lent, wish.algorithm) as preparation:
            try:
                accepted = accepting.accept(preparation, request)
            except (StoreError, LeaseLost):
                # Of two jobs that began it at once, the other one was first.
                if check.run not in self.states([check.run]):
                    raise
                return self.attach(check)
            for notice in accepted.notices:
                ground.say(f"note: {wish.algorithm}: {notice}")
            return self._driven(accepted)

    def attach(self, check: Check) -> Begun:
        """Continued, if nobody drives it any more."""
        detail = self.ground.place(reading.show, check.run)
        run = detail.run
        if not detail.interrupted:
            self._joined.add(run.id)
            return Begun(id=run.id, state=run.state, attached=True)
        try:
            with running.reopen(self.ground.project, self.ground.lent, run.id) as accepted:
                self.ground.say(f"{run.algorithm} {run.id} is continued: {'; '.join(accepted.notices)}")
                begun = self._driven(accepted)
        except LeaseLost:
            begun = Begun(id=run.id, state=run.state)
        return Begun(id=begun.id, state=begun.state, attached=True)

    def found(self, wish: Wish) -> Check | None:
        """The home knows all."""

    def states(self, runs: Sequence[str]) -> Mapping[str, RunState]:
        """All of them by one question. Temporary for one that whoever executed it does not go on with."""
        for run in self._joined.intersection(runs):
            if self.ground.place(reading.show, run).interrupted:
                raise Temporary(f"whoever executed run {run} has ended", "Start this job again: it goes on with it.")
        return self.ground.place(checks.states, list(runs)) if runs else {}

    def instead(self, run: str) -> None:
        """Identifiers are chosen, so there are no two."""

    def cancel(self, run: str) -> None:
        """Whoever is asked to end drives none any more."""

    def link(self, run: str) -> str:
        """How it is shown."""
        return f"palmette show {run}"

    def _driven(self, accepted: Accepted) -> Begun:
        run, say = accepted.run, self.ground.say
        say(f"{run.algorithm} {run.id} running")
        teller = _Teller(accepted, self)
        detail = running.drive(accepted, teller.see, self.bell, leaving=teller.leaving)
        state = detail.run.state
        if state.final:
            say(f"{run.algorithm} {run.id} {became(state)} after {spelled(time.time() - teller.begun)}")
        return Begun(id=run.id, state=state)


@dataclass
class _Teller:
    """Says once a minute what is executed, and when it is to be left."""

    accepted: Accepted
    executor: Embedded
    begun: float = field(default_factory=time.time)
    said: float = field(default_factory=time.time)
    tasks: dict[str, None] = field(default_factory=dict)

    def see(self, seen: Seen) -> None:
        """Note which tasks run."""
        if isinstance(seen, TaskChanged):
            if seen.state is TaskState.RUNNING:
                self.tasks[seen.task] = None
            else:
                self.tasks.pop(seen.task, None)

    def leaving(self) -> Leaving:
        """Asked a few times a second."""
        now, executor = time.time(), self.executor
        if now - self.said >= HEARTBEAT:
            self.said = now
            tasks = f": {', '.join(self.tasks)}" if self.tasks else ""
            executor.ground.say(f"{spelled(now - self.begun)}: {self.accepted.run.algorithm} running{tasks}")
        ended = executor.bell.signal or (executor.until is not None and now >= executor.until)
        return Leaving.NOW if ended else Leaving.NOT
