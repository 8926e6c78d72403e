"""Branches that the repository does not have any more: since when, and what becomes of their runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from palmette.domain.branches import Branch
from palmette.domain.hosting import Experiment
from palmette.operations import retention
from palmette.operations.home import Home
from palmette.operations.retention import Rules
from palmette.store import departures
from palmette.store import retention as kept

#: as it is written to runs whose bytes are given up, for whoever asks later
RULE = 'gone = "thin" in [tool.palmette.ci]'


@dataclass(frozen=True, kw_only=True)
class Thinned:
    """Runs of branches that are gone."""

    #: those whose bytes are given up
    runs: tuple[str, ...] = ()
    #: why others stay as they are → how many
    spared: Mapping[str, int] = field(default_factory=dict)


class Fate(StrEnum):
    """What becomes of a branch."""

    #: it is noted that it is gone; its experiment stays for a while
    LEFT = "gone now"
    WAITING = "gone"
    #: its experiment stays until its runs are over
    BUSY = "still runs"
    ARCHIVE = "archived"
    #: there is nothing left to archive
    DONE = "archived before"
    #: the repository has it again
    BACK = "back"


@dataclass(frozen=True, kw_only=True)
class Departure:
    """A branch that the repository does not have, or has again."""

    branch: str
    fate: Fate
    #: since when it is gone, and when its experiment is archived: seconds since the epoch
    since: float = 0.0
    due: float = 0.0
    #: on the host; None where it has none there
    experiment: Experiment | None = None
    #: identifiers of its runs that are not over
    runs: tuple[str, ...] = ()
    #: names of its recurring runs that this disables
    schedules: tuple[str, ...] = ()
    #: as the home knew it; None where it did not
    known: Branch | None = None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What there is to do, or what was done."""

    departures: tuple[Departure, ...] = ()
    #: branches that the repository has, and who said so
    branches: int = 0
    source: str = ""
    #: whose runs are thinned, and which runs these are; None where the settings keep them
    thinned: Thinned | None = None
    #: commits of runs that are on no branch any more; None where that is not known
    orphans: int | None = None
    #: what the reader should know, as sentences without a full stop
    remarks: tuple[str, ...] = ()
    #: it was done; else it would be
    done: bool = False


def leave(home: Home, left: Mapping[str, float], at: float) -> tuple[str, ...]:
    """Say that branches are gone since then, by name and by when each was updated last; those that now are. One that
    was updated meanwhile is not."""
    return departures.leave(home.store, home.project, left, at)


def remember(home: Home, gone: Sequence[Branch]) -> None:
    """Keep branches that this home did not know before they were gone."""
    departures.remember(home.store, [each for each in gone if each.project == home.project])


def come_back(home: Home, names: Sequence[str]) -> None:
    """Say that the repository has branches again."""
    departures.come_back(home.store, home.project, names)


def archived(home: Home, name: str, seen: float, at: float) -> bool:
    """Say that the experiment of a branch was archived that is gone, and that was updated last when it was seen; False
    where it came back meanwhile."""
    return departures.archived(home.store, home.project, name, seen, at)


def preview(home: Home, names: Sequence[str]) -> Thinned:
    """What `thin` would do."""
    candidates = departures.of_branches(home.store, home.project, names)
    # All of them: the newest none are kept, however young they are.
    choice = retention.choose(Rules(keep_last=0, text=RULE), candidates, time.time())
    return Thinned(runs=choice.collect, spared=choice.spared)


def thin(home: Home, names: Sequence[str]) -> Thinned:
    """Give up what the runs of branches made. What is known of them stays, and so does all of a run that is not over,
    was promoted, is pinned, tagged or noted, of which another one was made, or that others were compared with."""
    found = preview(home, names)
    kept.collect(home.store, found.runs, RULE, time.time())
    return found


def commits(home: Home) -> tuple[str, ...]:
    """The commits that runs on branches were made of: full SHAs."""
    return departures.commits(home.store, home.project)


def orphan(home: Home, found: Sequence[str], at: float) -> int:
    """Say which of them are on no branch any more, and that all others are on one; how many are newly so."""
    return departures.orphan(home.store, home.project, found, at)
