"""Trainings that outlive the job that began them: when they end, note and commit status are written again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from palmette.ci import reporting, tickets
from palmette.ci.forge import Forge
from palmette.domain.branches import Check
from palmette.domain.context import Context
from palmette.domain.states import RunState
from palmette.errors import PalmetteError
from palmette.operations import checks, reports
from palmette.operations.extras import Extra
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.reports import Report

#: Seconds after which what failed is tried again: twice as many each time, and at most so many.
_FIRST: Final = 5.0
_LONGEST: Final = 1800.0
#: Seconds in which a run may begin whose identifier was chosen: a job remembers it first.
_BEGINS: Final = 600.0
#: Seconds after which nobody tries any more.
_LAST: Final = 86400.0
#: The entry of a check's verdict that says when somebody began to report on it last.
_TRIED: Final = "tried"
#: And since when it cannot be reported.
_SINCE: Final = "since"
_CLAIMED: Final = "it is being reported"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of the trainings that nobody had reported the end of."""

    #: reported now
    done: tuple[Check, ...] = ()
    #: they have not ended, or something is executed first for their comparison
    running: tuple[Check, ...] = ()
    #: not reported, with the reason; they are tried again
    troubled: tuple[Check, ...] = ()
    #: not reported, and not tried again
    given_up: tuple[Check, ...] = ()
    #: somebody else does it, it is not time to try again, or others came first
    left: tuple[Check, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.running or self.troubled or self.left)


def settle(
    place: Place,
    environ: Mapping[str, str],
    *,
    forge_of: Callable[[Context], Forge],
    project: Project | None = None,
    accept: Callable[[Extra], object] | None = None,
    limit: int = 50,
    say: Callable[[str], None] = lambda _: None,
    now: Callable[[], float] = time.time,
) -> Settled:
    """Report on the commits whose trainings have ended, at most so many. What cannot be reported is tried again later,
    for a day. Several may do this at once: each training is reported by one of them.

    `forge_of` gives the forge of a job, and raises UsageError where there is none that may be written to. `accept` is
    told what a comparison asks to be executed first; without it that is executed here, and waited for.
    """
    waiting = place(checks.unsettled) if place.there else ()
    states = place(checks.states, sorted({each.run for each in waiting})) if waiting else {}
    running = [each for each in waiting if _goes_on(each, states.get(each.run), now())]
    ended = [each for each in waiting if each not in running]
    due = [each for each in ended if _due(each, now())]
    groups = list(_groups(due))
    late = [each for _, group in groups[limit:] for each in group]
    found = {"running": running, "left": [*(each for each in ended if each not in due), *late]}
    work = _Work(
        place=place, environ=environ, forge_of=forge_of, project=project, accept=accept, say=say, now=now, found=found
    )
    for context, group in groups[:limit]:
        work.report(context, group)
    return Settled(**{name: tuple(entries) for name, entries in work.found.items()})


def _goes_on(check: Check, state: RunState | None, now: float) -> bool:
    """Whether its run has not ended. One that is not here is about to begin, or else never will."""
    return abs(now - check.created) < _BEGINS if state is None else not state.final


def _due(check: Check, now: float) -> bool:
    tried = check.verdict.get(_TRIED)
    if not isinstance(tried, (int, float)) or not tried:
        return True
    if tried > now + _LONGEST:
        # By a clock that is far ahead; nobody else would report before it is that late.
        return True
    return bool(now >= tried + min(_FIRST * 2 ** min(check.tries, 20), _LONGEST))


def _groups(due: Sequence[Check]) -> Iterator[tuple[Context, list[Check]]]:
    """What is reported together: the checks of a commit."""

    def commit(check: Check) -> tuple[str, str]:
        return check.project, check.commit

    for _, group in groupby(sorted(due, key=commit), key=commit):
        found = sorted(group, key=lambda each: each.created)
        yield found[-1].context, found


@dataclass(frozen=True, kw_only=True)
class _Work:
    place: Place
    environ: Mapping[str, str]
    forge_of: Callable[[Context], Forge]
    project: Project | None
    accept: Callable[[Extra], object] | None
    say: Callable[[str], None]
    now: Callable[[], float]
    #: field of `Settled` → what belongs there
    found: dict[str, list[Check]]

    def report(self, context: Context, group: Sequence[Check]) -> None:
        """Report on a commit, unless somebody else does."""
        taken = [claimed for each in group if (claimed := self._claimed(each))]
        self._note("left", [each for each in group if not any(_same(each, other) for other in taken)])
        if not taken:
            return
        try:
            told = self._told(context, taken)
        except PalmetteError as error:
            self._troubled(taken, error.message)
            return
        if told is None:
            self._released(taken)
        elif told.done:
            self._done(taken)
        else:
            self._troubled(taken, "; ".join(told.remarks) or "the forge does not take it")

    def _claimed(self, check: Check) -> Check | None:
        return self._write(check, tried=self.now(), since=_since(check), trouble=_CLAIMED)

    def _told(self, context: Context, taken: Sequence[Check]) -> reporting.Told | None:
        """What became of it; None while something is executed for it first."""

        def made(names: Sequence[str]) -> Report:
            where = self.place, self.project, self.environ, _at(context, taken[0].commit)
            return reports.report(*where, names, accept=self.accept)

        found = reports.keep(self.place, made(sorted({each.algorithm for each in taken})))
        if any(each.waiting for each in found.algorithms):
            return None
        if not context.api:
            # The job was of no forge: the verdict is kept, and there is nobody to tell.
            return reporting.Told(done=True)
        memory = reporting.remembered(self.place, found, made)
        title = tickets.text(found.tickets, context.branch)
        return reporting.tell(self.forge_of(context), found, title=title, memory=memory)

    def _done(self, taken: Sequence[Check]) -> None:
        for each in taken:
            after = self._write(self._fresh(each), settled=self.now())
            self._note("done", [after] if after else [])
            self.say(f"{each.algorithm} at {each.commit[:8]}: reported")

    def _released(self, taken: Sequence[Check]) -> None:
        for each in taken:
            self._write(self._fresh(each))
        self._note("running", taken)

    def _troubled(self, taken: Sequence[Check], why: str) -> None:
        for each in taken:
            known = self._fresh(each)
            since = _since(known) or self.now()
            late = self.now() - since > _LAST
            settled = self.now() if late else None
            after = self._write(known, tried=self.now(), since=since, trouble=why, settled=settled)
            self._note("given_up" if late else "troubled", [after] if after else [])
            self.say(f"{each.algorithm} at {each.commit[:8]}: {'given up: ' if late else ''}{why}")

    def _write(
        self,
        check: Check,
        *,
        tried: float | None = None,
        since: float | None = None,
        trouble: str = "",
        settled: float | None = None,
    ) -> Check | None:
        """Write how far it is; without `tried` it may be looked at again at once."""
        verdict = {name: entry for name, entry in check.verdict.items() if name not in (_TRIED, _SINCE)}
        verdict |= {name: moment for name, moment in ((_TRIED, tried), (_SINCE, since)) if moment is not None}
        return self.place(checks.settle, check, verdict=verdict, trouble=trouble, settled=settled)

    def _fresh(self, check: Check) -> Check:
        """As it is by now: the comparison has written to it."""
        known = [each for each in self.place(checks.of, check.commit) if _same(each, check)]
        return known[0] if known else check

    def _note(self, what: str, entries: Sequence[Check]) -> None:
        self.found.setdefault(what, []).extend(entries)


def _since(check: Check) -> float | None:
    since = check.verdict.get(_SINCE)
    return float(since) if isinstance(since, (int, float)) else None


def _same(one: Check, other: Check) -> bool:
    return _names(one) == _names(other)


def _names(check: Check) -> tuple[str, ...]:
    return check.project, check.commit, check.algorithm, check.kind, check.variant


def _at(context: Context, commit: str) -> Context:
    """The job's context, filed under the check's own commit."""
    return replace(context, head=commit)
