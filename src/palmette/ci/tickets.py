"""The tickets that a branch is about. A tracker that is down, refuses or answers a page never stops a job: what it does
not tell is left out, with the reason, and asked for again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, assert_never

from palmette.ci.issues import GitHubIssues, GitLabIssues, token
from palmette.ci.jira import Jira
from palmette.ci.tracker import NOT_VISIBLE, Tracker, Unasked
from palmette.ci.web import WebError
from palmette.domain import ticket
from palmette.domain.branches import Ticket
from palmette.domain.context import Context, Provider
from palmette.errors import PalmetteError
from palmette.operations import continuing
from palmette.operations import tickets as kept
from palmette.operations.places import Place
from palmette.operations.project import Project

__all__ = ["Tracker", "text", "tickets", "trackers"]

#: Seconds for all tickets of a job together.
SECONDS: Final = 5.0
#: Tickets of a branch that are looked up; a description may mention a hundred.
_SEVERAL: Final = 5


@dataclass(frozen=True)
class Static:
    """Tickets whose texts stand in pyproject.toml."""

    titles: Mapping[str, str]
    projects: Sequence[str] = ()
    called: str = "pyproject.toml"

    def keys(self, branch: str, texts: Sequence[str]) -> tuple[str, ...]:
        """The tickets that are mentioned: of the projects that the texts are of, where no others are named."""
        known = dict.fromkeys(key.rpartition("-")[0].upper() for key in self.titles if "-" in key)
        projects = self.projects or tuple(known)
        return next(filter(None, (ticket.tickets(each, projects) for each in (branch, *texts))), ())

    def fetch(self, key: str, seconds: float) -> Ticket:
        """The text as it is written there."""
        title = next((title for each, title in self.titles.items() if each.upper() == key), "")
        return Ticket(key=key, title=title, why="" if title else "it is not in [tool.palmette.ci] tickets")


def trackers(project: Project, context: Context, environ: Mapping[str, str]) -> tuple[Tracker, ...]:
    """Where the project's tickets may be, in the order in which that is tried."""
    settings = project.ci
    jira = Jira(environ, settings.ticket_projects)
    gitlab, github = GitLabIssues(context, environ), GitHubIssues(context, environ)
    match settings.tracker:
        case continuing.Tracker.NONE:
            return ()
        case continuing.Tracker.STATIC:
            return (Static(settings.tickets, settings.ticket_projects),)
        case continuing.Tracker.JIRA:
            return (jira,)
        case continuing.Tracker.GITLAB:
            return (gitlab,)
        case continuing.Tracker.GITHUB:
            return (github,)
        case continuing.Tracker.AUTO:
            own = "PALMETTE_FORGE_TOKEN"
            there = context.provider is Provider.GITLAB and bool(token(environ, own, "GITLAB_TOKEN"))
            elsewhere = context.provider is Provider.GITHUB and bool(token(environ, own, "GITHUB_TOKEN", "GH_TOKEN"))
            return (jira, *([gitlab] if there else []), *([github] if elsewhere else []))
        case _:
            assert_never(settings.tracker)


def tickets(
    place: Place | None,
    project: Project,
    context: Context,
    environ: Mapping[str, str],
    *,
    say: Callable[[str], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    seconds: float = SECONDS,
    among: Sequence[Tracker] | None = None,
) -> tuple[Ticket, ...]:
    """The tickets of the context's branch, as it names them; else those that its merge request names. Never raises for
    a tracker, and takes five seconds at most for all of them, or as many as there are.

    A title is kept in the home for an hour, and counts for longer while the tracker does not answer. `say` is told once
    of what somebody has to mend.
    """
    texts = tuple(filter(None, (context.title, context.description)))
    for tracker in trackers(project, context, environ) if among is None else among:
        if keys := tracker.keys(context.branch, texts)[:_SEVERAL]:
            return looked_up(place, tracker, keys, say=say, clock=clock, seconds=seconds)
    return ()


def looked_up(
    place: Place | None,
    tracker: Tracker,
    keys: Sequence[str],
    *,
    say: Callable[[str], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    seconds: float = SECONDS,
) -> tuple[Ticket, ...]:
    """These tickets, of this tracker; as `tickets`."""
    # What stands in a commit is that commit's own.
    known = {} if isinstance(tracker, Static) else _known(place, keys)
    asked = {key: each.ticket for key, each in known.items() if each.fresh}
    found = dict(_fetched(tracker, [key for key in keys if key not in asked], clock, clock() + seconds, say))
    if not isinstance(tracker, Static):
        _keep(place, found)
    return tuple(_best(key, asked.get(key) or found[key], known.get(key)) for key in keys)


def text(tickets: Sequence[Ticket], branch: str, *, lasting: bool = False) -> str:
    """What an experiment is described by: "[IA-1742] DOC TYPE"; the branch, where it is about no ticket. One that can
    never be changed does not say why a title is missing today."""
    if not tickets:
        return branch
    keys = ", ".join(each.key for each in tickets)
    title = next((each.title for each in tickets if each.title), "")
    if title:
        return f"[{keys}] {title}"
    why = tickets[0].why
    if lasting:
        return keys
    return f"{keys} ({why})" if why == NOT_VISIBLE else f"{keys} (ticket not looked up{f': {why}' if why else ''})"


def _fetched(
    tracker: Tracker,
    keys: Sequence[str],
    clock: Callable[[], float],
    end: float,
    say: Callable[[str], None] | None,
) -> Iterator[tuple[str, Ticket]]:
    """Each of the tickets, in the time that there is for all. Once the tracker is found to be of no use, the others are
    not asked for."""
    why = ""
    for key in keys:
        remaining = end - clock()
        if not why and remaining <= 0:
            why = f"{tracker.called} timed out"
        if not why:
            try:
                yield key, tracker.fetch(key, remaining)
                continue
            except Unasked as reason:
                why = reason.message
            except WebError as error:
                why = _reason(tracker.called, error)
                if error.status in (401, 403) and say is not None:
                    say(f"{why}: tickets have no titles until it is replaced")
        yield key, Ticket(key=key, why=why, pending=True)


def _reason(called: str, error: WebError) -> str:
    if error.status in (401, 403):
        return f"{called} refuses the token ({error.status})"
    return f"{called} answered {error.reason}" if error.reason.isdecimal() else f"{called}: {error.reason}"


def _best(key: str, found: Ticket, known: kept.Kept | None) -> Ticket:
    """A title that is known, however old, where there is none now."""
    if found.title or known is None or not known.ticket.title or found.why == NOT_VISIBLE:
        return found
    return replace(known.ticket, pending=found.pending)


def _known(place: Place | None, keys: Sequence[str]) -> dict[str, kept.Kept]:
    """What the home knows of them. One that cannot be asked is whoever asks next's matter, not the tickets'."""
    with suppress(PalmetteError):
        if place is not None and place.there:
            return {each.ticket.key: each for each in place(kept.known, keys)}
    return {}


def _keep(place: Place | None, found: Mapping[str, Ticket]) -> None:
    with suppress(PalmetteError):
        # A ticket that was moved has another key than the one that is asked for: it is asked for each time.
        keeping = [each for key, each in found.items() if each.key == key]
        if place is not None and place.there and keeping:
            place(kept.keep, keeping)
