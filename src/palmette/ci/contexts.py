"""Where a job stands: what its environment says, what the command line puts in its place, and what Git adds."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from palmette.domain.context import Context, Provider
from palmette.errors import NotFound, Problem, UsageError
from palmette.operations import jobs, lines
from palmette.operations.jobs import Job
from palmette.operations.questions import Ask, asking, outside

#: Characters of a commit that are enough to name it.
SHORT: Final = 6
#: Commits that a shallow clone is deepened by, one step after the other, until it has the one that is meant.
_DEEPER: Final = (50, 200, 1000)
#: Commits of the same beginning that are told apart.
_ALIKE: Final = 20
_HEX: Final = re.compile(r"[0-9a-f]+")
_GIT: Final = "Git"
#: how the sources begin of what somebody says of one job
_SAID: Final = ("--", "PALMETTE_")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A context, and where each of its fields comes from: a variable, an option, Git, the settings."""

    context: Context
    sources: Mapping[str, str]


def found(
    root: Path,
    environ: Mapping[str, str],
    *,
    branch: str = "",
    commit: str = "",
    setting: str | None = None,
) -> Found:
    """Where the job stands that this process is part of; of somebody who is in no job, where the repository stands.

    A branch and a commit that are given precede. A commit may be given by six characters, or as Git names it.
    `setting` is the default branch that the project's settings name. NotFound for a commit that nobody knows.
    """
    job = jobs.on(jobs.read(environ, now=time.time), branch, "--branch")
    given, source = (commit, "--commit") if commit else (environ.get("PALMETTE_COMMIT", ""), "PALMETTE_COMMIT")
    if given.strip():
        full = resolved(root, environ, given.strip(), branch=job.context.branch, named=job.named)
        job = jobs.at(job, full, source)
    return _completed(root, environ, job, setting)


def _completed(root: Path, environ: Mapping[str, str], job: Job, setting: str | None) -> Found:
    """What Git adds, and what it objects to."""
    context, sources, remarks = job.context, dict(job.sources), list(job.context.remarks)
    checked_out, branch = _head(root, environ)
    if not context.commit and checked_out:
        context = replace(context, commit=checked_out, head=checked_out)
        sources |= {"commit": _GIT, "head": _GIT}
    if checked_out and context.provider is Provider.JENKINS and not sources.get("head", "").startswith(_SAID):
        own = _taken_apart(root, environ, checked_out, context.target)
        if own and context.commit in (checked_out, own):
            context = replace(context, commit=checked_out, head=own)
            sources |= {"commit": _GIT, "head": _GIT}
    if checked_out and checked_out not in (context.commit, context.head):
        remarks.append(f"commit {checked_out[:8]} is checked out, not {context.head[:8]}")
    if not context.branch and not context.tag and branch:
        context = replace(context, branch=branch)
        sources["branch"] = _GIT
    if not context.branch and not context.tag:
        remarks.append("no branch is known: -b BRANCH or PALMETTE_BRANCH names it")
    if not context.commit:
        nothing = "the repository has no commit yet" if branch else "no commit is known"
        remarks.append(f"{nothing}: -c COMMIT or PALMETTE_COMMIT names one")
    usual = lines.default(root, environ, setting)
    if usual != context.default_branch:
        sources["default_branch"] = "default-branch in [tool.palmette]" if setting else _GIT
    return Found(context=replace(context, default_branch=usual, remarks=tuple(remarks)), sources=sources)


def _taken_apart(root: Path, environ: Mapping[str, str], commit: str, target: str) -> str:
    """The own commit of a request that a CI has merged with its target for itself alone, as Jenkins does without saying
    so. Nothing for any other commit: a merge that somebody pushed is pointed at by a branch of the remote."""
    with suppress(OSError, subprocess.TimeoutExpired), asking(root, environ) as ask:
        parents = ask("rev-list", "--parents", "--max-count=1", commit, "--").text().split()[1:] if ask else []
        if ask is None or len(parents) != 2 or not target or _pointed(ask, commit):
            return ""
        place = f"refs/remotes/{_remote(ask)}/{target}"
        own = [each for each in parents if not ask("for-each-ref", f"--contains={each}", place).text()]
        return own[0] if len(own) == 1 and _pointed(ask, own[0]) else ""
    return ""


def _pointed(ask: Ask, commit: str) -> bool:
    """Whether a branch of a remote is at the commit."""
    return bool(ask("for-each-ref", f"--points-at={commit}", "refs/remotes").text())


def _head(root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """The commit and the branch that are checked out, as far as there are any."""
    with suppress(OSError, subprocess.TimeoutExpired), asking(root, environ) as ask:
        if ask is not None:
            commit = ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            branch = ask("symbolic-ref", "--short", "--quiet", "HEAD")
            return jobs.sha(commit.text()), jobs.plain(branch.text())
    return "", ""


# A commit by its beginning


def resolved(
    root: Path, environ: Mapping[str, str], given: str, *, branch: str = "", named: tuple[str, ...] = ()
) -> str:
    """The full SHA of a commit that is given by its beginning, or as Git names it: one that the CI names, else one that
    is here, else one of the remote, which is asked for what a shallow clone does not have."""
    text = given.lower()
    if jobs.sha(text):
        return text
    if _HEX.fullmatch(text):
        if len(text) < SHORT:
            raise UsageError(f"{given!r} is too short for a commit", f"Give {SHORT} characters of it or more.")
        if one := _one(given, [each for each in named if each.startswith(text)]):
            return one
    try:
        with asking(root, environ) as ask:
            if ask is not None:
                return _asked(ask, root, environ, given, branch)
    except (OSError, subprocess.TimeoutExpired):
        pass
    raise NotFound(f"no commit {given} is known", "There is no repository here that could be asked: give all of it.")


def _asked(ask: Ask, root: Path, environ: Mapping[str, str], given: str, branch: str) -> str:
    text = given.lower()
    if not _HEX.fullmatch(text):
        whole = ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{given}^{{commit}}")
        if one := jobs.sha(whole.text()):
            return one
        raise NotFound(f"there is no commit {given!r} here", f"Give {SHORT} characters of its SHA or more.")
    if one := _one(given, _here(ask, text), ask):
        return one
    remote = _remote(ask)
    for commits in _there(root, environ, remote, text, branch, shallow=ask.shallow) if remote else ():
        if one := _one(given, commits or _here(ask, text), ask):
            return one
    where = f"neither here nor on {remote}" if remote else "not here, and there is no remote to ask"
    hint = f"Give all of it, or fetch it: git fetch {remote or 'REMOTE'} {branch or 'BRANCH'}"
    raise NotFound(f"commit {given} is {where}", hint)


def _here(ask: Ask, text: str) -> list[str]:
    """The commits here that begin so."""
    alike = ask("rev-parse", f"--disambiguate={text}").text().split()[:_ALIKE]
    asked = [(each, ask("cat-file", "-t", each)) for each in alike]
    return [each for each, kind in asked if kind.text() == "commit"]


def _remote(ask: Ask) -> str:
    names = ask("remote").text().split()
    return "origin" if "origin" in names else next(iter(names), "")


def _there(
    root: Path, environ: Mapping[str, str], remote: str, text: str, branch: str, *, shallow: bool
) -> Iterator[list[str]]:
    """Look further, step by step: at the tips of the remote's branches, then at what a fetch brings here. What each
    step found; nothing where it has to be looked for here again."""
    ask = Ask(shutil.which("git", path=environ.get("PATH")) or "git", root, outside(environ))
    try:
        tips = _tips(ask, remote)
        yield [sha for sha in tips.values() if sha.startswith(text)]
        heads = [name for name in tips if name.startswith("refs/heads/")]
        head = f"refs/heads/{branch}"
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap=")
        # Only what is shallow is made deeper: a whole clone would become shallow by it.
        deeper = [[f"--deepen={number}"] for number in _DEEPER] if shallow else [[]]
        for step in deeper if heads else ():
            ask("fetch", *quiet, *step, remote, *([head] if head in tips else heads)).complete()
            yield []
    except subprocess.TimeoutExpired:
        return
    finally:
        ask.end()


def _tips(ask: Ask, remote: str) -> dict[str, str]:
    """The commits that the remote's refs name; of a tag that is an object of its own, the one that it is of."""
    rows = [line.partition("\t") for line in ask("ls-remote", remote).text().splitlines()]
    # The commit of such a tag follows it, and takes its place.
    return {name.removesuffix("^{}"): sha for sha, _, name in rows if jobs.sha(sha)}


def _one(given: str, commits: list[str], ask: Ask | None = None) -> str:
    """The only commit of several; nothing for none. UsageError names those that there are."""
    several = sorted(set(commits))
    if len(several) < 2:
        return several[0] if several else ""
    subjects = {each: ask("log", "-1", "--no-show-signature", "--format=%s", each) for each in several} if ask else {}
    problems = [
        Problem(where=each, what=subjects[each].text() if each in subjects else "named by the CI") for each in several
    ]
    raise UsageError(f"{given} may be one of {len(several)} commits", "Give more of it.", problems=problems)
