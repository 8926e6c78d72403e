"""Texts of tickets that were missing when a branch was updated: jobs of feature branches often lack what opens a
tracker, and a tracker may have been down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from palmette.ci import experiments
from palmette.ci.tickets import SECONDS, tickets
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
    known = place(branches.known) if place.there else ()
    lacking = [each for each in known if _lacking(each) and each.name != context.branch][:_MANY]
    if not lacking:
        return ()
    names, end = Names(prefix=host.claim(project.name), project=project.name), clock() + SECONDS
    filled = []
    for branch in lacking:
        job = replace(context, branch=branch.name, title=branch.title, description="")
        found = tickets(place, project, job, environ, clock=clock, seconds=end - clock())
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
