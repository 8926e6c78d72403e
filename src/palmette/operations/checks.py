"""What CI did about algorithms at commits: checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from palmette.domain.branches import Check, Kind
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import UsageError
from palmette.operations.home import Home
from palmette.store import checks
from palmette.store.checks import Tried

__all__ = ["Tried", "newest", "of", "on_branch", "record", "settle", "states", "tried", "unsettled"]


def record(home: Home, check: Check) -> Check:
    """Keep a check in place of the one that the commit had. The one that is there, where it has the same key and a run:
    of two jobs that ask for the same at once, both get the same run."""
    if home.project and check.project != home.project:
        raise UsageError(f"the check is of the project {check.project!r}, and {home.project!r} is asked for")
    return checks.put(home.store, check)


def of(home: Home, commit: str) -> tuple[Check, ...]:
    """The checks of a commit (its full SHA), by algorithm and kind."""
    return checks.of(home.store, home.project, commit)


def unsettled(home: Home) -> tuple[Check, ...]:
    """Those with a run that nobody has reported the end of, the oldest first."""
    return checks.unsettled(home.store, home.project)


def settle(
    home: Home,
    check: Check,
    *,
    verdict: Mapping[str, Json] | None = None,
    settled: float | None = None,
    trouble: str = "",
) -> Check | None:
    """Write what became of a check: the verdict, when its end was reported, or what was in the way of that, which
    counts as a try. What is None stays. None, and nothing is written, where somebody else came first since the check
    was read."""
    after = replace(
        check,
        verdict=check.verdict if verdict is None else verdict,
        settled=check.settled if settled is None else settled,
        tries=check.tries + bool(trouble),
        trouble=trouble,
    )
    return checks.change(home.store, check, after)


def newest(home: Home, kind: Kind, branch: str) -> tuple[Tried, ...]:
    """The newest check of each algorithm on a branch that has a run, and how that stands."""
    return checks.newest(home.store, home.project, kind, branch)


def tried(home: Home, kind: Kind, branch: str) -> tuple[Tried, ...]:
    """The newest check of each algorithm on a branch whose run succeeded."""
    return checks.newest(home.store, home.project, kind, branch, state=RunState.SUCCEEDED)


def on_branch(home: Home, branch: str, limit: int = 200) -> tuple[Tried, ...]:
    """The checks of a branch and how their runs stand, the newest first."""
    return checks.on_branch(home.store, home.project, branch, limit)


def states(home: Home, runs: Sequence[str]) -> Mapping[str, RunState]:
    """Run → its state, of those that are here; by their whole identifiers."""
    return checks.states(home.store, home.project, runs)
