"""Where a commit stands to the branch that it is compared with: what the repository at hand says, and the CI."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from palmette.domain.lines import Commit, Fork, Line, Start, full
from palmette.domain.run import Git, Run, Source
from palmette.operations import jobs
from palmette.operations.project import Project
from palmette.operations.questions import Ask, asking

#: Commits that a line has at most; those that a run remembers, which the store keeps once for all runs.
_LONG: Final = 500
_SHORT: Final = 100
#: Commits of the target branch that are newer than a head which was merged into it.
_NEWER: Final = 100_000

#: Where nothing says otherwise: the first of them that there is.
_USUAL: Final = ("main", "master")
_OWN: Final = "refs/remotes/origin/HEAD"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is known of a commit's place."""

    start: Start = Start.NONE
    #: from the start along first parents; headed by the commit itself if that is on the target branch
    history: tuple[Commit, ...] = ()
    shallow: bool = False
    #: where no start can be found, or the CI has not fetched the target branch: from the commit itself along first
    #: parents
    own: tuple[Commit, ...] = ()
    #: there: the commits that it comes from, without those of the target branch as it is here; the nearest first
    ancestors: tuple[str, ...] = ()
    #: there: those of them that were merged into its line
    merged: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a commit stands to its target branch."""

    #: empty where there is no repository
    target: str = ""
    place: Place = Place()

    @property
    def history(self) -> tuple[Commit, ...]:
        """The commits that it tells of: the target branch's, and its own where those are needed to find that."""
        return tuple(each for each in (*self.place.own, *self.place.history) if each.committed)


def of(root: Path, run: Run, target: str, environ: Mapping[str, str]) -> Line | None:
    """The line that the run's baseline is looked for on, as this repository knows it; None where there is none. Where
    it does not know the run's commit, it says so."""
    commit = run.git.commit
    if not full(commit):
        return None
    try:
        with asking(root, environ) as ask:
            if ask is None:
                return None
            place = _place(ask, commit, target, environ, _LONG)
            held = ask("for-each-ref", "--count=1", "--contains", commit, "--format=%(refname)")
            head = ask("rev-parse", "HEAD")
            if place.history and not held.text() and head.text() != commit:
                gone = f"no branch has its commit {commit[:8]} any more: its branch was force-pushed or deleted"
                place = replace(place, remarks=(*place.remarks, gone))
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _line(place, run, target)


def at_hand(project: Project | None, run: Run, environ: Mapping[str, str]) -> Line | None:
    """The line of a run of this project, as its repository knows it; None for a run of another one."""
    if project is None or run.project != project.name:
        return None
    return of(project.root, run, target(project.root, environ, project.default_branch), environ)


def stand(root: Path, git: Git, environ: Mapping[str, str], setting: str | None) -> Stand:
    """Where a run that is about to be accepted stands to its target branch."""
    branch = _declared(environ, setting)
    if not git.commit:
        return Stand(target=branch or _USUAL[0]) if git.branch else Stand()
    with suppress(OSError, subprocess.TimeoutExpired), asking(root, environ) as ask:
        if ask is not None and full(git.commit):
            refs = _refs(ask, branch)
            branch = branch or _usual(refs, environ)
            return Stand(target=branch, place=_place(ask, git.commit, branch, environ, _SHORT, refs=refs))
    return Stand(target=branch or _USUAL[0])


def fork(stand: Stand, run: Run, against: str = "") -> Fork:
    """What a new run remembers of where it stands."""
    line = _line(stand.place, run, stand.target)
    start = line.commits[0] if line.commits else ""
    merged = stand.place.merged
    return Fork(
        target=stand.target, start=line.start, commit=start, shallow=line.shallow, merged=merged, against=against
    )


def target(root: Path, environ: Mapping[str, str], setting: str | None) -> str:
    """The branch that is compared with: the merge request's target, else what the settings say, else what the remote
    `origin` calls its own, else `main` or `master`, whichever is there."""
    return _declared(environ, setting) or default(root, environ, setting)


def default(root: Path, environ: Mapping[str, str], setting: str | None) -> str:
    """The default branch: as `target`, whatever merge request there is."""
    if setting:
        return setting
    with suppress(OSError, subprocess.TimeoutExpired), asking(root, environ) as ask:
        if ask is not None:
            return _usual(_refs(ask), environ)
    return jobs.read(environ).context.default_branch or _USUAL[0]


def more(run: Run) -> bool:
    """Whether the run is more than its commit: it has overrides or uncommitted changes."""
    return run.git.dirty or any(each.source in (Source.OVERRIDE, Source.FILE) for each in run.settings)


def _line(place: Place, run: Run, target: str) -> Line:
    start, history = place.start, place.history
    if start.on_target:
        start, history = (Start.COMMIT, history) if more(run) else (Start.FIRST_PARENT, history[1:])
    commits = [each.sha for each in history]
    # The commit before the last one that a shallow clone has is known by name.
    last = place.history[-1].parent if place.history else ""
    commits += [last] if last and last not in commits else []
    own = list(place.ancestors)
    if start is Start.NONE:
        own += [*(each.sha for each in place.own), *(each.parent for each in place.own[-1:] if each.parent)]
    return Line(
        target=target,
        start=start,
        commits=tuple(commits),
        shallow=place.shallow,
        own=tuple(dict.fromkeys(own)),
        remarks=place.remarks,
    )


# Asking


def _declared(environ: Mapping[str, str], setting: str | None) -> str:
    """The target branch, where the merge request or the settings name it."""
    return jobs.read(environ).context.target or setting or ""


@dataclass(frozen=True, kw_only=True)
class _Refs:
    """Branches here and on remotes."""

    #: those that were asked for
    names: tuple[str, ...]
    #: "refs/heads/main" → SHA
    tips: Mapping[str, str]
    #: what the remote `origin` calls its own branch; empty where that is not known
    own: str = ""


def _refs(ask: Ask, branch: str = "") -> _Refs:
    """What the clone has of a branch, else of those that are usual."""
    names = (branch,) if branch else _USUAL
    places = (f"refs/{where}/{name}" for name in names for where in ("heads", "remotes/*"))
    asked = ask("for-each-ref", "--format=%(refname) %(objectname) %(symref)", _OWN, *places)
    rows = [(*line.split(" "), "")[:3] for line in asked.text().splitlines()]
    own = next((symref for name, _, symref in rows if name == _OWN), "")
    return _Refs(names=names, tips={name: sha for name, sha, _ in rows}, own=own.removeprefix("refs/remotes/origin/"))


def _usual(refs: _Refs, environ: Mapping[str, str]) -> str:
    """The target branch, where nobody names it."""
    there = {name.rpartition("/")[2] for name in refs.tips if name != _OWN}
    usual = next((name for name in _USUAL if name in there), _USUAL[0])
    return refs.own or jobs.read(environ).context.default_branch or usual


def _place(
    ask: Ask, commit: str, target: str, environ: Mapping[str, str], count: int, *, refs: _Refs | None = None
) -> Place:
    """Where the commit stands; the questions that do not wait for each other are put at once."""
    raw, shallow = ask("cat-file", "commit", commit), ask.shallow
    if refs is None or target not in refs.names:
        refs = _refs(ask, target)
    parents = _parents(raw.text())
    unknown: tuple[str, ...] = ()
    if base := _named(environ, commit, target, parents or ()):
        start, sha = base
        history = _history(ask, sha, count)
        if history[0].committed or shallow or parents is None:
            return Place(start=start, history=history, shallow=shallow)
        unknown = (f"the commit {sha[:8]} that the CI names as the base is not here, though this clone is whole",)
    if parents is None:
        why = "this clone is shallow" if shallow else "its branch was force-pushed, or never fetched"
        return Place(start=Start.NONE, shallow=shallow, remarks=(f"its commit {commit[:8]} is not here: {why}",))
    tip, remark = _tip(ask, refs.tips, target)
    remarks = (*unknown, *([remark] if remark else []))
    start, sha = _start(ask, commit, tip) if tip else (Start.NONE, "")
    if tip and not sha:
        start, why = Start.NONE, f"this clone ends before the commits that it has in common with {target}"
        remarks = (*remarks, why if shallow else f"it has no commit in common with {target}")
    history = _history(ask, sha, count) if sha else ()
    place = Place(start=start, history=history, shallow=shallow, remarks=remarks)
    # A CI fetches the branch that it tests, and no other: its target branch may be an old one.
    if start.on_target or not (start is Start.NONE or environ.get("CI")):
        return place
    return _beyond(ask, place, commit, tip, count)


def _beyond(ask: Ask, place: Place, commit: str, tip: str, count: int) -> Place:
    """The place, with the commits among which those of the target branch are to be found."""
    most, lacking = f"--max-count={count}", ["--not", tip] if tip else []
    every = ask("rev-list", "--topo-order", most, commit, *lacking)
    merges = ask(
        "log", "--first-parent", "--no-show-signature", "--min-parents=2", "--format=%P", most, commit, *lacking
    )
    own, ancestors = _history(ask, commit, count), tuple(every.text().split())
    named = (name for line in merges.text().splitlines() for name in line.split()[1:])
    merged = tuple(name for name in dict.fromkeys(named) if name in ancestors)
    return replace(place, own=own, ancestors=ancestors, merged=merged)


def _named(environ: Mapping[str, str], commit: str, target: str, parents: tuple[str, ...]) -> tuple[Start, str] | None:
    """The base as the CI has it, where the commit is the one that its merge request is tested at, or the branch's own,
    which is tested merged: what is tested holds all of the target branch then."""
    if environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") == target:
        tested, own = environ.get("CI_COMMIT_SHA", ""), environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "")
        merged = environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "")
        if own and commit in (tested, own) and tested != own and full(merged):
            return Start.MERGE_BASE, merged
        base = environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
        if commit in (tested or commit, own) and full(base):
            return Start.DIFF_BASE, base
    if environ.get("GITHUB_BASE_REF") == target and environ.get("GITHUB_SHA"):
        if environ["GITHUB_SHA"] == commit and len(parents) == 2:
            return Start.MERGE_BASE, parents[0]
        context = jobs.read(environ).context
        if context.head == commit != context.commit and context.base:
            return Start.MERGE_BASE, context.base
    return None


def _tip(ask: Ask, refs: Mapping[str, str], target: str) -> tuple[str, str]:
    """The target branch's newest commit, and what there is to say of that: the local branch's or the remote's,
    whichever has the other."""
    here = refs.get(f"refs/heads/{target}", "")
    parts = {tuple(name.split("/", 3)[1:]): sha for name, sha in refs.items()}
    remotes = {part[1]: sha for part, sha in parts.items() if part[0] == "remotes" and part[2:] == (target,)}
    remote = "origin" if "origin" in remotes else min(remotes, default="")
    there = remotes.get(remote, "")
    if not here or not there or here == there:
        return here or there, "" if here or there else f"this clone does not have {target}"
    ahead, _, behind = ask("rev-list", "--left-right", "--count", f"{here}...{there}").text().partition("\t")
    if behind == "0":
        return here, ""
    return there, "" if ahead == "0" else f"{target} and {remote}/{target} have diverged: {remote}/{target} is taken"


def _start(ask: Ask, commit: str, tip: str) -> tuple[Start, str]:
    """Where the walk begins; the commit itself where it is on the target branch, nothing where none can be found."""
    if commit == tip:
        return Start.FIRST_PARENT, commit
    newer = ask("rev-list", "--first-parent", "--parents", f"--max-count={_NEWER}", tip, "--not", commit)
    base = ask("merge-base", tip, commit).text()
    ahead = newer.text().splitlines()
    # The newest commit of the target branch's own line that the head has, too.
    joint = (ahead[-1].split()[1:] or [""])[0] if ahead else tip
    if joint == commit:
        return Start.FIRST_PARENT, commit
    return Start.MERGE_BASE, joint if base == commit else base


def _history(ask: Ask, sha: str, count: int) -> tuple[Commit, ...]:
    """The commit and those before it along first parents; it alone where the clone does not have it."""
    asked = ask("log", "--first-parent", "--no-show-signature", f"--max-count={count}", "--format=%H %ct %P", sha, "--")
    found = [line.split() for line in asked.text().splitlines()]
    history = [Commit(sha=each[0], parent=each[2] if len(each) > 2 else "", committed=float(each[1])) for each in found]
    if not history:
        return (Commit(sha=sha),)
    if ask.shallow and not history[-1].parent:
        end = history[-1]
        parents = _parents(ask("cat-file", "commit", end.sha).text()) or ("",)
        history[-1] = Commit(sha=end.sha, parent=parents[0], committed=end.committed)
    return tuple(history)


def _parents(raw: str) -> tuple[str, ...] | None:
    """A commit's parents as it was written, also those that a shallow clone does not have; None for no commit."""
    head = raw.split("\n\n", 1)[0].splitlines()
    return tuple(line[7:] for line in head if line.startswith("parent ")) if raw else None
