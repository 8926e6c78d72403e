"""What the repository at hand says of a commit, and of how it stands to others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from palmette.domain.lines import full
from palmette.operations import git
from palmette.operations.questions import Answer, Ask, asking


@dataclass(frozen=True, kw_only=True)
class Ancestry:
    """A commit, as far as the repository at hand knows it."""

    author: str = ""
    #: its subject line
    subject: str = ""
    #: seconds since the epoch
    committed: float = 0.0
    #: of the commits that were asked about, those that it comes from, and those that come from it
    ancestors: tuple[str, ...] = ()
    descendants: tuple[str, ...] = ()
    #: where it left the target branch, its own commits since, and those of the target branch that it lacks
    fork: str = ""
    ahead: int | None = None
    behind: int | None = None


def of(root: Path, environ: Mapping[str, str], commit: str, target: str = "", others: Iterable[str] = ()) -> Ancestry:
    """What is known of a commit here: nothing where there is no repository, or it is not in it."""
    with suppress(OSError, subprocess.TimeoutExpired), asking(root, environ) as ask:
        if ask is not None and full(commit):
            known = [each for each in dict.fromkeys(others) if each != commit and full(each)]
            return _asked(ask, commit, target, known)
    return Ancestry()


def _asked(ask: Ask, commit: str, target: str, others: list[str]) -> Ancestry:
    log = git.log(ask, commit)
    # Both directions at once: of two commits one comes from the other if one of the counts is nothing.
    counts = {each: ask("rev-list", "--left-right", "--count", f"{each}...{commit}", "--") for each in others}
    places = (f"refs/remotes/origin/{target}", f"refs/heads/{target}")
    # The remote's own first: a branch here may be an old one.
    tips = ask("for-each-ref", "--sort=-refname", "--format=%(objectname)", *places)
    told = git.logged(log)
    found = {each: _counts(answer) for each, answer in counts.items()}
    tip = tips.text().split("\n", 1)[0] if target else ""
    fork, ahead, behind = _against(ask, commit, tip) if tip else ("", None, None)
    return Ancestry(
        author=told.author,
        subject=told.message,
        committed=told.committed,
        ancestors=tuple(each for each, both in found.items() if both and both[0] == 0),
        descendants=tuple(each for each, both in found.items() if both and both[1] == 0),
        fork=fork,
        ahead=ahead,
        behind=behind,
    )


def _against(ask: Ask, commit: str, tip: str) -> tuple[str, int | None, int | None]:
    """Where the commit left a branch, and how many commits lie between; a clone that ends too early does not tell."""
    base = ask("merge-base", tip, commit)
    both = _counts(ask("rev-list", "--left-right", "--count", f"{tip}...{commit}", "--"))
    if ask.shallow or both is None:
        return base.text(), None, None
    return base.text(), both[1], both[0]


def _counts(answer: Answer) -> tuple[int, int] | None:
    """Commits that only the first one has, and only the second one; None where either is not here."""
    left, _, right = answer.text().partition("\t")
    return (int(left), int(right)) if left.isdigit() and right.isdigit() else None
