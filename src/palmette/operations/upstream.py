"""What the remote of the repository at hand says: which branches it has, and which commits are on none of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from palmette.errors import ServerError
from palmette.operations.questions import alone, outside

#: A remote that takes longer is one that does not answer.
SECONDS: Final = 20.0
_ORIGIN: Final = "origin"
_HEAD: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\trefs/heads/(.+)")
#: a user and a password in an address
_OPENS: Final = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The branches of a repository."""

    #: name → full SHA; empty text where that was not said
    commits: Mapping[str, str] = field(default_factory=dict)
    #: who said so: "git ls-remote origin"
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Commits that are on no branch any more."""

    commits: tuple[str, ...] = ()
    #: why they are not known, as a sentence without a full stop; empty where they are
    why: str = ""


def heads(root: Path, environ: Mapping[str, str]) -> Heads:
    """The branches that the remote has now; ServerError where it does not say."""
    remotes = _git(root, alone(environ), "remote").splitlines()
    if not remotes:
        raise ServerError(f"the repository in {root} has no remote", "Add one: git remote add origin URL")
    remote = _ORIGIN if _ORIGIN in remotes else remotes[0]
    said = _git(root, outside(environ), "ls-remote", "--heads", remote)
    found = (_HEAD.fullmatch(line) for line in said.splitlines())
    commits = {each[2]: each[1] for each in found if each}
    return Heads(commits=commits, source=f"git ls-remote {remote}")


def lost(root: Path, environ: Mapping[str, str], tips: Collection[str], commits: Sequence[str]) -> Lost:
    """Those of the commits that come before none of the tips. All tips must be in the clone, and all before them."""
    own, asked = alone(environ), "\n".join(tips)
    try:
        if _git(root, own, "rev-parse", "--is-shallow-repository").strip() != "false":
            return Lost(why="the clone is shallow (GIT_DEPTH: 0 clones all of it)")
        if " missing" in _git(root, own, "cat-file", "--batch-check", given=asked):
            return Lost(why="the clone lacks branches (git fetch brings them)")
        reached = set(_git(root, own, "rev-list", "--stdin", given=asked).splitlines())
    except ServerError as error:
        return Lost(why=error.message)
    return Lost(commits=tuple(each for each in commits if each not in reached))


def _git(root: Path, environ: Mapping[str, str], *arguments: str, given: str | None = None) -> str:
    """What Git answers; ServerError where it does not, in time."""
    command = shutil.which("git", path=environ.get("PATH", os.defpath))
    if command is None:
        raise ServerError("git is not installed", "Install it.")
    what = f"git {' '.join(arguments[:3])}"
    try:
        done = subprocess.run(
            [command, "-C", str(root), *arguments],
            env=dict(environ),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServerError(f"{what} gave no answer within {SECONDS:.0f} s") from None
    except OSError as error:
        raise ServerError(f"git cannot be asked: {error.strerror}") from error
    if done.returncode:
        complaint = _OPENS.sub("//", (done.stderr.strip().splitlines() or ["?"])[0]).removeprefix("fatal: ")
        raise ServerError(f"{what} failed: {complaint}", "Try it where `git fetch` works.")
    return done.stdout
