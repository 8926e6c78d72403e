"""What the repository at hand says of a commit, and of how it stands to others."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.operations.questions import Answer, Ask, asking

_LIMIT: Final = 1 << 16
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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
        if ask is not None and _SHA.fullmatch(commit):
            known = [each for each in dict.fromkeys(others) if each != commit and _SHA.fullmatch(each)]
            return _asked(ask, commit, target, known)
    return Ancestry()


def _asked(ask: Ask, commit: str, target: str, others: list[str]) -> Ancestry:
    told = ask("log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%aN%x00%ct%x00%s", commit, "--")
    # Both directions at once: of two commits one comes from the other if one of the counts is nothing.
    counts = {each: ask("rev-list", "--left-right", "--count", f"{each}...{commit}", "--") for each in others}
    places = (f"refs/remotes/origin/{target}", f"refs/heads/{target}")
    # The remote's own first: a branch here may be an old one.
    tips = ask("for-each-ref", "--sort=-refname", "--format=%(objectname)", *places)
    author, committed, subject = (*_text(told).split("\0"), "", "", "")[:3]
    found = {each: _counts(answer) for each, answer in counts.items()}
    tip = _text(tips).split("\n", 1)[0] if target else ""
    fork, ahead, behind = _against(ask, commit, tip) if tip else ("", None, None)
    return Ancestry(
        author=author,
        subject=subject,
        committed=float(committed or 0),
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
        return _text(base), None, None
    return _text(base), both[1], both[0]


def _counts(answer: Answer) -> tuple[int, int] | None:
    """Commits that only the first one has, and only the second one; None where either is not here."""
    left, _, right = _text(answer).partition("\t")
    return (int(left), int(right)) if left.isdigit() and right.isdigit() else None


def _text(answer: Answer) -> str:
    return answer.output(_LIMIT).decode(errors="replace").strip("\n")
