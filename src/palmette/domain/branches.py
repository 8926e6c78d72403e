"""Branches as experiments: what is remembered of each, and of what CI did at its commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from palmette.domain.context import Context
from palmette.domain.values import Json


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A ticket of an issue tracker."""

    #: "IA-1742", as the tracker spells it
    key: str
    #: empty where it was not found; then `why` says the reason
    title: str = ""
    url: str = ""
    status: str = ""
    #: why there is no title ("JIRA_TOKEN is not set"); empty where there is one
    why: str = ""
    #: the title may be there later: it is asked for again
    pending: bool = False


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A branch of a project, as CI and the host know it."""

    project: str
    name: str
    #: the identifier of its experiment on this home's host; empty where it has none here
    experiment: str = ""
    #: full SHA of the newest commit that was updated, its author, and when it was committed
    head: str = ""
    author: str = ""
    committed: float = 0.0
    #: `Context.order` of the pipeline that updated it
    order: int = 0
    #: the branch that it is compared with
    target: str = ""
    #: where it left that one: full SHA
    fork: str = ""
    #: commits of its own, and commits of the target branch that it lacks; None where a shallow clone does not tell
    ahead: int | None = None
    behind: int | None = None
    merge_request: str = ""
    merge_request_url: str = ""
    title: str = ""
    tickets: tuple[Ticket, ...] = ()
    #: when it was updated last, seconds since the epoch
    seen: float = 0.0
    #: since when the repository does not have it any more; None while it does
    gone: float | None = None
    #: when its experiment was archived for that; None unless it was
    archived: float | None = None


class Kind(StrEnum):
    """What a check of a commit is about."""

    #: the toy preset: does it still train
    TOY = "toy"
    #: a full training: is it better
    FULL = "full"
    #: a training with values of its own: an experiment, which says nothing of how good the commit is
    VARIANT = "variant"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What CI did about an algorithm at a commit: one row for each (project, commit, algorithm, kind, variant), the
    newest."""

    project: str
    #: full SHA: `Context.head`
    commit: str
    algorithm: str
    kind: Kind
    #: tells variants of a commit apart; empty for what is none
    variant: str = ""
    #: the run that tells: of this commit, or of an earlier one of the same code
    run: str = ""
    #: the run is an earlier one's, since nothing that goes into it changed
    unchanged: bool = False
    branch: str = ""
    #: digest of the code, lock and settings that go into the algorithm (`operations.closures`)
    closure: str = ""
    #: what that digest is made of, by name, so that it can be said what changed
    parts: Mapping[str, str] = field(default_factory=dict)
    #: why it was run, or was not: a sentence without a full stop
    reason: str = ""
    #: identifies what was asked for, so that a job that is started again finds its run
    key: str = ""
    #: the job that asked; what is reported where when the run ends
    context: Context = Context()
    created: float = 0.0
    #: what the comparison came to, as `present` reads it; empty before there is one
    verdict: Mapping[str, Json] = field(default_factory=dict)
    #: when note and commit status last said how the run ended; None while they do not
    settled: float | None = None
    #: how often reporting failed, and the last reason
    tries: int = 0
    trouble: str = ""
