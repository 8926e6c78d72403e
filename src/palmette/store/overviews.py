"""What is known of many branches at once: their runs counted, what was tried at their heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Row, Select, func, select, true

from palmette.domain.branches import Kind
from palmette.domain.hosting import Version
from palmette.domain.lines import Fork
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.store import columns
from palmette.store.columns import decode, plain
from palmette.store.database import Store
from palmette.store.runs import LISTED
from palmette.store.schema import SHORT_BRANCH, branches, checks, orphans, pipelines, runs, versions
from palmette.store.statements import begins, chunks
from palmette.store.versions import version

#: a project and the name of a branch of it
Key: TypeAlias = tuple[str, str]
_TOLD: Final = ("id", "project", "algorithm", "state", "preset", "git_branch", "git_commit", "git_author")
#: many rows are read: looking one up takes a tenth of what calling the class does
_STATES: Final = {each.value: each for each in RunState}
_KINDS: Final = {each.value: each for each in Kind}
#: runs of a branch in which its algorithms are looked for
_RECENT: Final = 1_000
_COLUMNS: Final = (*_TOLD, "git_message", "git_committed", "git_dirty", "created", "trigger", "fork")


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The runs of a branch."""

    states: Mapping[RunState, int] = field(default_factory=Counter)
    #: when the newest one was created
    newest: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Brief:
    """A run of a branch, in short."""

    run: str
    project: str
    algorithm: str
    state: RunState
    preset: str
    branch: str
    commit: str
    author: str
    #: the commit's subject line
    subject: str
    committed: float
    created: float
    dirty: bool
    trigger: str
    fork: Fork = Fork()


class Checked(NamedTuple):
    """What a check says, and how its run stands; thousands are made at once."""

    algorithm: str
    kind: Kind
    commit: str
    run: str
    #: None where the run is not here
    state: RunState | None
    unchanged: bool
    reason: str
    created: float
    verdict: Mapping[str, Json]


def counted(store: Store, project: str, branch: str = "") -> dict[Key, Counted]:
    """How many runs each branch has in which state; of all projects, of all branches, where none is named."""
    query = select(runs.c.project, runs.c.git_branch, runs.c.state, func.count(), func.max(runs.c.created))
    query = query.where(LISTED, runs.c.git_branch == plain(branch) if branch else runs.c.git_branch != "")
    query = query.where(runs.c.project == plain(project)) if project else query
    found: dict[Key, dict[RunState, int]] = {}
    newest: dict[Key, float] = {}
    grouped = query.group_by(runs.c.project, runs.c.git_branch, runs.c.state)
    with store.read() as connection:
        # Short names stand in one index with all that is counted, which PostgreSQL is told so; others in another one.
        apart = connection.dialect.name == "postgresql" and not branch
        for where in (SHORT_BRANCH, ~SHORT_BRANCH) if apart else (true(),):
            for of, name, state, count, last in connection.execute(grouped.where(where)).all():
                found.setdefault((of, name), {})[_STATES[state]] = count
                newest[of, name] = max(last, newest.get((of, name), 0.0))
    return {key: Counted(states=states, newest=newest[key]) for key, states in found.items()}


def newest(store: Store, wanted: Mapping[Key, float]) -> dict[Key, Brief]:
    """The newest run of each branch, by when that was created."""
    found: dict[Key, Brief] = {}
    query = select(*(runs.c[name] for name in _COLUMNS)).where(LISTED)
    with store.read() as connection:
        for some in chunks(sorted(set(wanted.values()))):
            for row in connection.execute(query.where(runs.c.created.in_(some)).order_by(runs.c.id)).all():
                if wanted.get((row.project, row.git_branch)) == row.created:
                    found[row.project, row.git_branch] = _brief(row)
    return found


def of_branch(store: Store, project: str, branch: str, limit: int) -> tuple[Brief, ...]:
    """The newest runs of a branch, the newest first."""
    query = select(*(runs.c[name] for name in _COLUMNS)).where(LISTED, runs.c.git_branch == plain(branch))
    query = query.where(runs.c.project == plain(project)).order_by(runs.c.created.desc(), runs.c.id.desc())
    with store.read() as connection:
        return tuple(map(_brief, connection.execute(query.limit(limit))))


def algorithms(store: Store, project: str, branch: str) -> tuple[str, ...]:
    """Those that were trained in full on a branch lately, by name."""
    where = (runs.c.project == plain(project), runs.c.git_branch == plain(branch), LISTED)
    latest = select(runs.c.algorithm, runs.c.preset).where(*where).order_by(runs.c.created.desc()).limit(_RECENT)
    found = latest.subquery()
    with store.read() as connection:
        names = connection.execute(select(found.c.algorithm).distinct().where(found.c.preset == "full")).scalars()
        return tuple(sorted(names))


def at_heads(store: Store, heads: Mapping[Key, str]) -> dict[Key, tuple[Checked, ...]]:
    """What was tried at the heads of branches, by algorithm and kind; of those where something was."""
    # By the commits, and not joined: without statistics SQLite would go through all checks of the project.
    of_commits: dict[Key, list[Checked]] = {}
    query: Select[Any] = select(*_CHECKED, checks.c.project)
    query = query.select_from(checks.outerjoin(runs, runs.c.id == checks.c.run))
    with store.read() as connection:
        for project in {project for project, _ in heads}:
            wanted = {head for (of, _), head in heads.items() if of == project and head}
            for some in chunks(sorted(wanted)):
                where = (checks.c.project == plain(project), checks.c.commit.in_(some))
                for row in connection.execute(query.where(*where)).all():
                    of_commits.setdefault((row.project, row.commit), []).append(_checked(row))
    found = ((key, of_commits.get((key[0], head))) for key, head in heads.items())
    return {key: tuple(sorted(each, key=_order)) for key, each in found if each}


def _order(each: Checked) -> tuple[str, bool]:
    return each.algorithm, each.kind is Kind.FULL


def on_branch(store: Store, project: str, branch: str, limit: int) -> tuple[Checked, ...]:
    """What was tried on a branch, the newest first."""
    query = select(*_CHECKED).select_from(checks.outerjoin(runs, runs.c.id == checks.c.run))
    query = query.where(checks.c.project == plain(project), checks.c.branch == plain(branch))
    with store.read() as connection:
        return tuple(map(_checked, connection.execute(query.order_by(checks.c.created.desc()).limit(limit))))


def tried(store: Store, project: str) -> dict[Key, str]:
    """The commit at which something was tried last, of branches at whose heads nothing was."""
    at_head = select(checks.c.commit).where(checks.c.project == branches.c.project, checks.c.commit == branches.c.head)
    on_it = select(checks.c.commit).where(checks.c.project == branches.c.project, checks.c.branch == branches.c.name)
    last = on_it.order_by(checks.c.created.desc()).limit(1).correlate(branches).scalar_subquery()
    query = select(branches.c.project, branches.c.name, last).where(branches.c.head != "")
    query = query.where(~at_head.correlate(branches).exists())
    query = query.where(branches.c.project == plain(project)) if project else query
    with store.read() as connection:
        return {(of, name): commit for of, name, commit in connection.execute(query).all() if commit}


def of_versions(store: Store, names: Collection[str]) -> tuple[tuple[str, Version], ...]:
    """The versions of pipelines whose names begin so, the newest first, each after the name of its pipeline."""
    found: list[tuple[str, Version]] = []
    query = select(versions, pipelines.c.name.label("called")).join(pipelines, pipelines.c.id == versions.c.pipeline)
    with store.read() as connection:
        for name in names:
            begun = query.where(begins(versions.c.name, plain(name), connection.dialect.name))
            found += [(row.called, version(row)) for row in connection.execute(begun)]
    return tuple(sorted(found, key=lambda each: (-each[1].created, each[0])))


def orphaned(store: Store, project: str, commits: Collection[str]) -> frozenset[str]:
    """Those of the commits that are on no branch any more."""
    found: set[str] = set()
    with store.read() as connection:
        for some in chunks(set(commits)):
            where = (orphans.c.project == plain(project), orphans.c.commit.in_(some))
            found.update(connection.execute(select(orphans.c.commit).where(*where)).scalars())
    return frozenset(found)


_CHECKED: Final = (
    *(checks.c[name] for name in ("algorithm", "kind", "commit", "run", "unchanged", "reason", "created", "verdict")),
    runs.c.state.label("run_state"),
)


def _checked(row: Sequence[Any]) -> Checked:
    # By place: by name takes as long as reading the row.
    algorithm, kind, commit, run, unchanged, reason, created, verdict, state, *_ = row
    said = decode(verdict) if len(verdict) > len("{}") else {}
    known = None if state is None else _STATES[state]
    return Checked(algorithm, _KINDS[kind], commit, run, known, bool(unchanged), reason, created, said)


def _brief(row: Row[Any]) -> Brief:
    return Brief(
        run=row.id,
        project=row.project,
        algorithm=row.algorithm,
        state=_STATES[row.state],
        preset=row.preset,
        branch=row.git_branch,
        commit=row.git_commit,
        author=row.git_author,
        subject=row.git_message,
        committed=row.git_committed,
        created=row.created,
        dirty=bool(row.git_dirty),
        trigger=row.trigger,
        fork=columns.fork(row.fork),
    )
