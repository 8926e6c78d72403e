"""Texts of tickets that were missing when a branch was updated: jobs of feature branches often lack what opens a
tracker, and a tracker may have been down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from palmette.ci import experiments
from palmette.ci.jira import Jira
from palmette.ci.tickets import SECONDS, looked_up, tickets
from palmette.domain.branches import Branch, Ticket
from palmette.domain.context import Context
from palmette.errors import PalmetteError
from palmette.operations import branches
from palmette.operations.hosts import PipelineHost
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.scopes import Names

#: Branches that are looked at by one job, those first that were updated last.
_MANY: Final = 20


def fill(
    place: Place,
    host: PipelineHost,
    project: Project,
    context: Context,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, ...]:
    """Give the branches whose tickets have no title yet their text, as far as the tracker tells it now; five seconds at
    most are spent on that. The names of those that have one now."""

    def ask(branch: Branch, seconds: float) -> tuple[Ticket, ...]:
        job = replace(context, branch=branch.name, title=branch.title, description="")
        return tickets(place, project, job, environ, clock=clock, seconds=seconds)

    return _filled(place, host, project.name, ask, clock, without=context.branch)


def fill_from(
    place: Place, host: PipelineHost, project: str, jira: Jira, *, clock: Callable[[], float] = time.monotonic
) -> tuple[str, ...]:
    """The same of a server that may ask a JIRA: for the tickets that jobs have named, as far as they may be its own."""

    def ask(branch: Branch, seconds: float) -> tuple[Ticket, ...]:
        keys = [each.key for each in branch.tickets if jira.keys(each.key, ()) == (each.key,)]
        found = {each.key: each for each in looked_up(place, jira, keys, clock=clock, seconds=seconds)}
        return tuple(found.get(each.key, each) for each in branch.tickets)

    return _filled(place, host, project, ask, clock)


def _filled(
    place: Place,
    host: PipelineHost,
    project: str,
    ask: Callable[[Branch, float], tuple[Ticket, ...]],
    clock: Callable[[], float],
    *,
    without: str = "",
) -> tuple[str, ...]:
    known = place(branches.known) if place.there else ()
    lacking = [each for each in known if _lacking(each) and each.name != without][:_MANY]
    if not lacking:
        return ()
    names, end = Names(prefix=host.claim(project), project=project), clock() + SECONDS
    filled = []
    for branch in lacking:
        found = ask(branch, end - clock())
        # What cannot be written now is no reason to fail: the next job sees to it.
        with suppress(PalmetteError):
            if _better(branch, found):
                experiments.file(host, names, branch.name, found)
                place(branches.advance, replace(branch, tickets=found), compared=branch.head)
                filled.append(branch.name)
    return tuple(filled)


def _lacking(branch: Branch) -> bool:
    """Whether a branch that is there waits for a text."""
    there = bool(branch.experiment) and branch.gone is None and branch.archived is None
    return there and any(each.pending and not each.title for each in branch.tickets)


def _better(branch: Branch, found: tuple[Ticket, ...]) -> bool:
    """Whether a title is there that was not."""
    titled = {each.key for each in branch.tickets if each.title}
    return any(each.title and each.key not in titled for each in found)
