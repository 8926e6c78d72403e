"""Branches as experiments: how each of them does, and which needs somebody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.branches import Branch, Kind
from palmette.domain.footer import split
from palmette.domain.hosting import Experiment
from palmette.domain.states import RunState
from palmette.errors import NotFound, UsageError
from palmette.operations import attention, histories
from palmette.operations.attention import Finding, Known, Need
from palmette.operations.histories import History
from palmette.operations.home import Home
from palmette.operations.scopes import Names
from palmette.store import branches as rows
from palmette.store import experiments, overviews
from palmette.store.overviews import Brief, Checked, Counted, Key

__all__ = ["Brief", "Checked", "Overview", "Overviews", "Page", "Version", "branch", "branches"]

#: branches that are listed where nobody says how many, and at most
USUAL: Final = 100
MOST: Final = 10_000
#: of a branch: runs, things that were tried, versions, and algorithms whose metric is followed
_RUNS, _TRIED, _VERSIONS, _FOLLOWED = 50, 200, 100, 8
_MAIN: Final = ("main", "master")


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A branch, and how it does."""

    branch: Branch
    need: Need
    #: a sentence without a full stop
    why: str = ""
    #: what was tried at its head, by algorithm
    findings: tuple[Finding, ...] = ()
    #: state → how many runs
    runs: Mapping[str, int] = field(default_factory=dict)
    newest: Brief | None = None
    #: a CI told of it; else its runs alone do
    updated: bool = True
    #: others are compared with it
    trunk: bool = False

    @property
    def trained(self) -> bool:
        """Whether its newest run is a full training of its head that succeeded, of nothing but what is committed."""
        return _trained(self.branch, self.newest, self.findings)

    @property
    def at(self) -> float:
        """When something happened on it last."""
        return max(self.branch.seen, self.newest.created if self.newest else 0.0)


@dataclass(frozen=True, kw_only=True)
class Overviews:
    """Branches, those first that need somebody."""

    items: tuple[Overview, ...] = ()
    #: how many there are
    total: int = 0
    #: need → how many of them
    needs: Mapping[str, int] = field(default_factory=dict)
    #: those of which the repository knows nothing any more, and which are not among them unless that was asked for
    gone: int = 0


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a pipeline that was made of a commit of the branch."""

    pipeline: str
    name: str
    id: str
    commit: str = ""
    created: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """All about one branch."""

    overview: Overview
    experiment: Experiment | None = None
    #: what was tried on it, the newest first
    tried: tuple[Finding, ...] = ()
    #: the primary metric of each algorithm that has runs there, with the point at which it left its target
    histories: tuple[History, ...] = ()
    #: the newest first
    runs: tuple[Brief, ...] = ()
    versions: tuple[Version, ...] = ()
    #: commits of those runs that are on no branch any more
    orphaned: tuple[str, ...] = ()


def branches(home: Home, *, gone: bool = False, limit: int = USUAL) -> Overviews:
    """The branches of the project, those first that need somebody; with those that are gone, if that is said. Those
    that no CI told of are known by their runs."""
    if not 0 < limit <= MOST:
        raise UsageError(f"a list of branches has 1 to {MOST:,} of them, and not {limit}")
    known = {(each.project, each.name): each for each in rows.known(home.store, home.project)}
    counted = overviews.counted(home.store, home.project)
    newest = overviews.newest(home.store, {key: each.newest for key, each in counted.items()})
    # Of a branch that no CI told of, its newest run's commit is its head.
    heads = {key: each.commit for key, each in newest.items()} | {key: each.head for key, each in known.items()}
    at_heads = overviews.at_heads(home.store, heads)
    tried = overviews.tried(home.store, home.project)
    trunks = _trunks([*known.values()], [*newest.values()])
    found = [
        _overview(
            known.get(key) or _from_run(newest[key]),
            newest.get(key),
            counted.get(key, Counted()),
            at_heads.get(key, ()),
            before=tried.get(key, ""),
            updated=key in known,
            trunk=key in trunks,
        )
        for key in dict.fromkeys((*known, *newest))
    ]
    absent = sum(each.need is Need.GONE for each in found)
    shown = sorted((each for each in found if gone or each.need is not Need.GONE), key=_order)
    needs = Counter(each.need.value for each in shown)
    return Overviews(items=tuple(shown[:limit]), total=len(shown), needs=dict(needs), gone=absent)


def branch(home: Home, branch: str) -> Page:
    """All about a branch; NotFound where neither a CI nor a run told of it."""
    row = _row(home, branch)
    found = overviews.counted(home.store, home.project, branch)
    counted = found.get((row.project, branch)) if row else next(iter(found.values()), None)
    made = overviews.of_branch(home.store, row.project if row else next(iter(found), ("",))[0], branch, _RUNS)
    if row is None and not made:
        raise NotFound(f"no branch {branch!r} is known here", "See which are: palmette branches --all")
    project = row.project if row else made[0].project
    checked = overviews.on_branch(home.store, project, branch, _TRIED)
    head = row.head if row else made[0].commit
    # What was tried at the head may have been asked for by another branch that has the same commit.
    at_head = overviews.at_heads(home.store, {(project, branch): head}).get((project, branch), ())
    overview = _overview(
        row or _from_run(made[0]),
        made[0] if made else None,
        counted or Counted(),
        at_head,
        before=next((each.commit for each in checked if each.commit != head), ""),
        updated=row is not None,
        trunk=(project, branch) in _trunks(rows.known(home.store, project), made),
    )
    commits = {each.commit for each in made} | {each.commit for each in checked}
    tried = (*at_head, *(each for each in checked if each not in at_head))
    return Page(
        overview=overview,
        experiment=experiments.get(home.store, row.experiment) if row and row.experiment else None,
        # Values that were misspelled are no variant of anything.
        tried=tuple(_finding(each) for each in tried if each.run or each.kind is not Kind.VARIANT),
        histories=_histories(home, project, branch),
        runs=made,
        versions=_versions(home, project, branch),
        orphaned=tuple(sorted(overviews.orphaned(home.store, project, commits))),
    )


def _row(home: Home, branch: str) -> Branch | None:
    """The branch as a CI told of it; of several projects' the one that was updated last."""
    if home.project:
        return rows.named(home.store, home.project, branch)
    return next((each for each in rows.known(home.store) if each.name == branch), None)


def _order(each: Overview) -> tuple[int, float, str]:
    return (each.need.urgency, -each.at, each.branch.name)


def _trunks(known: Sequence[Branch], made: Iterable[Brief]) -> frozenset[Key]:
    """The branches that others are compared with; where nobody is, those that are usually called so."""
    told = {(each.project, each.target) for each in known if each.target}
    told |= {(each.project, each.fork.target) for each in made if each.fork.target}
    projects = {project for project, _ in told}
    others = {each.project for each in known} | {each.project for each in made}
    return frozenset(told | {(project, name) for project in others - projects for name in _MAIN})


def _from_run(made: Brief) -> Branch:
    """A branch that no CI told of, as its newest run has it."""
    fork = made.fork
    return Branch(
        project=made.project,
        name=made.branch,
        author=made.author,
        committed=made.committed,
        target="" if fork.target == made.branch else fork.target,
        fork="" if fork.start.on_target else fork.commit,
        seen=made.created,
    )


def _overview(
    branch: Branch,
    newest: Brief | None,
    counted: Counted,
    at_head: Sequence[Checked],
    *,
    before: str,
    updated: bool,
    trunk: bool,
) -> Overview:
    findings = tuple(map(_finding, at_head))
    need, why = attention.need(
        Known(
            gone=branch.gone is not None,
            trunk=trunk,
            head=branch.head,
            tried=findings,
            before=before,
            updated=updated,
            newest=newest.state if newest else None,
            algorithm=newest.algorithm if newest else "",
            commit=newest.commit if newest else "",
            trained=_trained(branch, newest, findings),
        )
    )
    counts = {state.value: counted.states[state] for state in RunState if counted.states.get(state)}
    return Overview(
        branch=branch,
        need=need,
        why=why,
        findings=findings,
        runs=counts,
        newest=newest,
        updated=updated,
        trunk=trunk,
    )


def _trained(branch: Branch, newest: Brief | None, findings: Sequence[Finding]) -> bool:
    variants = {each.run for each in findings if each.kind is Kind.VARIANT}
    if (
        newest is None
        or newest.run in variants
        or newest.dirty
        or newest.preset != "full"
        or newest.state is not RunState.SUCCEEDED
    ):
        return False
    return not branch.head or newest.commit == branch.head


def _finding(each: Checked) -> Finding:
    return Finding(
        algorithm=each.algorithm,
        kind=each.kind,
        commit=each.commit,
        run=each.run,
        state=each.state,
        unchanged=each.unchanged,
        created=each.created,
        reason=each.reason,
        verdict=attention.verdict(each.verdict),
    )


def _histories(home: Home, project: str, branch: str) -> tuple[History, ...]:
    """The primary metric of each algorithm over the branch's commits, of those that have a number there."""
    found = []
    for algorithm in overviews.algorithms(home.store, project, branch)[:_FOLLOWED]:
        try:
            history = histories.lately(home, algorithm, branch)
        except NotFound:
            continue  # it declares no metric
        if history.entries and (not history.target or history.fork is not None):
            found.append(history)
    return tuple(found)


def _versions(home: Home, project: str, branch: str) -> tuple[Version, ...]:
    """The versions whose footers name the branch."""
    digits = "0" * 40
    begun = Names(prefix="", project=project).version(branch, digits).rstrip("0")
    found = []
    for pipeline, version in overviews.of_versions(home.store, [begun]):
        _, facts = split(version.description)
        if facts.get("project") == project and facts.get("branch") == branch:
            commit = str(facts.get("commit", ""))
            found.append(
                Version(pipeline=pipeline, name=version.name, id=version.id, commit=commit, created=version.created)
            )
    return tuple(found[:_VERSIONS])
