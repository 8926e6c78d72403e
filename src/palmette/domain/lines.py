"""Where a run's commit stands to the branch that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


def full(commit: str) -> bool:
    """Whether a commit is named by all of its SHA, as Git writes it."""
    return len(commit) in (40, 64) and not commit.strip("0123456789abcdef")


class Start(StrEnum):
    """Where the walk along first parents begins."""

    #: the merge request's diff base, as the CI names it
    DIFF_BASE = "diff base"
    #: where the branch left the target branch
    MERGE_BASE = "merge base"
    #: the head is itself on the target branch
    FIRST_PARENT = "first parent"
    #: the head is on the target branch, and is more than its commit: it has overrides or uncommitted changes
    COMMIT = "commit itself"
    #: none could be found: another history, a clone that is cut off before it, no repository
    NONE = "none"

    @property
    def on_target(self) -> bool:
        """Whether the head is itself on the target branch."""
        return self in (Start.FIRST_PARENT, Start.COMMIT)


@dataclass(frozen=True, kw_only=True)
class Line:
    """The target branch, as far as it can be seen from the head."""

    #: "main"
    target: str
    start: Start
    #: full SHAs, from the start along first parents
    commits: tuple[str, ...] = ()
    #: the clone ends before the history does
    shallow: bool = False
    #: where no start can be found, or may be an old one: full SHAs from the head itself back, among which the target
    #: branch's are looked for that other runs told of
    own: tuple[str, ...] = ()
    #: what else is to be known of it, as sentences without a full stop
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit of a first-parent history."""

    #: full SHA
    sha: str
    #: its first parent, which a shallow clone need not have; empty for a root
    parent: str = ""
    #: seconds since the epoch
    committed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Fork:
    """What a run remembers of where it stood when it was accepted, so that its baseline is found without the
    repository: on a server, and after the branch was force-pushed or is gone."""

    #: the target branch: "main"; empty where there was no repository
    target: str = ""
    start: Start = Start.NONE
    #: full SHA of the start; the commits from there are kept once for all runs
    commit: str = ""
    shallow: bool = False
    #: full SHAs of what was merged into the branch, the newest first, where the target branch has still to be found
    merged: tuple[str, ...] = ()
    #: what the project compares this algorithm with instead of its own runs: "tumour", "tumour@production"
    against: str = ""
