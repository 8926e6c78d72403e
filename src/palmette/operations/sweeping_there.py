"""A sweep whose runs a server drives. What is begun next is decided here, as it is of one that is driven here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from palmette.domain.run import Run
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import UsageError
from palmette.ir import codec
from palmette.operations import attending, handing, reading, redoing, sweeps
from palmette.operations.details import Detail
from palmette.operations.handing import Ready
from palmette.operations.points import Varied
from palmette.operations.remote import There
from palmette.operations.sharing import Reach, reach
from palmette.operations.sweeping import Channel, Grid, Values
from palmette.operations.sweeps import Drafted, Member, Sweep
from palmette.operations.taking import Taken
from palmette.operations.watching import Watch
from palmette.store.identity import new_run_id

#: How many runs are watched at once if nothing was said; the server has turns of its own.
_USUAL: Final = 8


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A server drives them. Implements `sweeping.Ground`."""

    there: There
    sweep: Sweep
    reach: Reach
    #: a run of the sweep, of which the others are made
    model: Run
    #: the run that was accepted with the sweep
    first: Taken | None = None
    known: tuple[Member, ...] = ()

    @property
    def jobs(self) -> int:
        """See the port."""
        return self.sweep.wish.jobs or max(1, min(_USUAL, self.sweep.size))

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Points that two begin at once are two runs; nothing breaks."""
        return contextlib.nullcontext()

    def waiting(self) -> Sequence[tuple[Values, contextlib.AbstractContextManager[Taken]]]:
        """The run that was accepted with the sweep, and those that go on."""
        first = [] if self.first is None else [(self.sweep.at(self.first.run), contextlib.nullcontext(self.first))]
        others = [
            (member.values, contextlib.nullcontext(taken))
            for member in self.known
            if not member.run.state.final and (taken := self._resumed(member)) is not None
        ]
        return [*first, *others]

    def _resumed(self, member: Member) -> Taken | None:
        """The run, gone on with; None if it has succeeded since it was looked at."""
        try:
            return handing.surely(self.there, redoing.resume, member.run.id)
        except UsageError:
            if handing.surely(self.there, reading.show, member.run.id).run.state is not RunState.SUCCEEDED:
                raise
            return None

    def point(self, values: Values) -> contextlib.AbstractContextManager[Taken]:
        """See the port."""
        given = dict(zip(self.sweep.names, values, strict=True))
        point = redoing.point
        taken = handing.surely(self.there, point, self.sweep.id, self.model.id, new_run_id(), given)
        return contextlib.nullcontext(taken)

    def drive(self, begun: Taken, watch: Watch, channel: Channel) -> Detail:
        """See the port."""
        return attending.attend(self.there, begun, watch, channel)

    def members(self) -> tuple[Member, ...]:
        """See the port."""
        return handing.surely(self.there, sweeps.look, self.sweep.id)[1]

    def grid(self) -> Grid:
        """The points of the sweep that no run stands for yet."""
        taken = [each.values for each in self.known if each.over or not each.run.state.final]
        taken += [self.sweep.at(self.first.run)] if self.first is not None else []
        return Grid([values for values in self.sweep.points if values not in taken])


def placed(there: There, drafted: Drafted, root: Path, environ: Mapping[str, str]) -> Drafted:
    """The sweep with the files that it varies sent to the server, and named as they are found there."""

    def address(name: str, value: Json) -> Json:
        [text] = handing.uploaded(there, environ, root, [name], [f"{name}={value}"])
        return text.partition("=")[2].strip('"')

    def moved(each: Varied) -> Varied:
        if each.name not in drafted.files:
            return each
        return replace(each, values=tuple(address(each.name, value) for value in each.values))

    varied = tuple(moved(each) for each in drafted.sweep.varied)
    return replace(drafted, sweep=replace(drafted.sweep, varied=varied))


def begin(there: There, ready: Ready, sweep: Sweep) -> Elsewhere:
    """Let the server accept the sweep and the run of its first point."""
    taken = handing.hand(there, ready, sweep=sweeps.record(sweep))
    reached = reach(ready.asked.document, sweep.names)
    return Elsewhere(there=there, sweep=sweep, reach=reached, model=taken.run, first=taken)


def reopen(there: There, reference: str) -> Elsewhere:
    """Take up a sweep of the server's."""
    sweep, known = handing.surely(there, sweeps.look, reference)
    model = known[0].run
    body = there.connection.ask("GET", f"/blobs/{model.spec}").body
    document = codec.loads(body)
    return Elsewhere(there=there, sweep=sweep, reach=reach(document, sweep.names), model=model, known=known)
