"""Runs that may be a baseline, found by few queries however many runs there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, not_, select, tuple_

from palmette.domain.lines import Fork, Start
from palmette.domain.run import Run, Source
from palmette.domain.states import RunState
from palmette.store import columns, trainings
from palmette.store.database import Store
from palmette.store.runs import LISTED
from palmette.store.schema import runs, settings

_MORE: Final = (Source.OVERRIDE.value, Source.FILE.value)
#: commits that are asked about first, and at once: the nearest usually has a run
_NEAR: Final = (8, 500)
#: runs that are looked at: fitting ones of some commits; unfit ones that are named; those without a branch
_FITTING, _UNFIT, _DETACHED = 1_000, 50, 200

_COLUMNS: Final = (
    *(runs.c.id, runs.c.algorithm, runs.c.preset, runs.c.state, runs.c.git_commit, runs.c.git_branch),
    *(runs.c.git_dirty, runs.c.created, runs.c.fork),
)
_NEWEST: Final = (runs.c.created.desc(), runs.c.id.desc())


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Whose runs may be the baseline of which one."""

    project: str
    algorithm: str
    preset: str
    #: the run that is not to be found: the head itself
    head: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A run as a rule sees it."""

    run: str
    algorithm: str
    preset: str
    commit: str
    #: where it was made; the target branch for one that was made there without a name, in a detached checkout
    branch: str
    created: float
    succeeded: bool
    #: names of the config fields that were overridden
    overrides: tuple[str, ...] = ()
    dirty: bool = False
    #: digest over the outputs of its source steps; empty where it is not known
    data: str = ""


def nearest(store: Store, wanted: Wanted, commits: Sequence[str]) -> tuple[Standing, ...]:
    """The runs of the first of these commits that has a fitting one, and of those before it the unfit ones, by which
    the walk has passed."""
    with store.read() as connection:
        place, found = len(commits), list[Row[Any]]()
        start = 0
        for size in _NEAR:
            near = commits[start : start + size]
            start += size
            rows = _rows(connection, _at(wanted, connection, near).where(_fits(wanted)).limit(_FITTING)) if near else []
            if rows:
                place = min(commits.index(row.git_commit) for row in rows)
                found = [row for row in rows if row.git_commit == commits[place]]
                break
        passed = commits[: place + 1]
        if passed:
            found += _rows(connection, _at(wanted, connection, passed).where(not_(_fits(wanted))).limit(_UNFIT))
        return _standings(connection, found)


def newest(store: Store, wanted: Wanted, branch: str) -> tuple[Standing, ...]:
    """The newest fitting run of a branch, and the unfit ones that are newer."""
    with store.read() as connection:
        found = _on(wanted, connection, branch, _fits(wanted), most=1)
        bare = _on(wanted, connection, "", _fits(wanted), most=_DETACHED)
        found += [row for row in bare if _branch(row) == branch][:1]
        newer = [runs.c.created > max(row.created for row in found)] if found else []
        found += _on(wanted, connection, branch, not_(_fits(wanted)), *newer, most=_UNFIT)
        return _standings(connection, found)


def previous(store: Store, wanted: Wanted, created: float) -> tuple[Standing, ...]:
    """The newest run before this one that succeeded, whatever its settings, and what failed since."""
    before = tuple_(runs.c.created, runs.c.id) < tuple_(created, wanted.head)
    succeeded = runs.c.state == RunState.SUCCEEDED.value
    with store.read() as connection:
        every = _of(wanted, connection).where(before, runs.c.preset == wanted.preset)
        found = _rows(connection, every.where(succeeded).limit(1))
        failed = every.where(not_(succeeded))
        if found:
            failed = failed.where(runs.c.created > found[0].created)
        return _standings(connection, [*found, *_rows(connection, failed.limit(_UNFIT))])


def standing(store: Store, run: str) -> Standing | None:
    """A run as a rule sees it; None if there is none with this id."""
    with store.read() as connection:
        found = _standings(connection, _rows(connection, select(*_COLUMNS).where(runs.c.id == run)))
        return found[0] if found else None


def known(store: Store, project: str, algorithm: str) -> bool:
    """Whether there are runs of an algorithm."""
    query = select(runs.c.id).where(runs.c.algorithm == algorithm, LISTED)
    query = query.where(runs.c.project == project) if project else query
    with store.read() as connection:
        return connection.execute(query.limit(1)).first() is not None


def fork(store: Store, run: Run, target: str = "") -> Fork:
    """Where another run of the same commit stood, to this branch if one is given, for one of which that is not
    known."""
    query = select(runs.c.fork).where(runs.c.git_commit == run.git.commit, runs.c.project == run.project)
    with store.read() as connection:
        for text in connection.execute(query.where(runs.c.fork != "").order_by(*_NEWEST).limit(20)).scalars():
            found = columns.fork(text)
            if found.start is not Start.NONE and target in ("", found.target):
                return found
    return Fork()


# Queries


def _of(wanted: Wanted, connection: Connection, *, by: str = "") -> Select[Any]:
    """Its runs, newest first. SQLite, which knows no statistics, would look through all runs of the algorithm where
    few of a commit or a branch are wanted (`by`): it is kept from that."""
    project: ColumnElement[str] = runs.c.project
    algorithm: ColumnElement[str] = runs.c.algorithm
    if by and connection.dialect.name == "sqlite":
        algorithm = algorithm.concat("")
        project = project.concat("") if by == "commit" else project
    query = select(*_COLUMNS).where(algorithm == wanted.algorithm, project == wanted.project)
    return query.where(LISTED, runs.c.id != wanted.head).order_by(*_NEWEST)


def _fits(wanted: Wanted) -> ColumnElement[bool]:
    more = exists().where(settings.c.run == runs.c.id, settings.c.source.in_(_MORE))
    return and_(
        *(runs.c.preset == wanted.preset, runs.c.state == RunState.SUCCEEDED.value),
        *(not_(runs.c.git_dirty), not_(more)),
    )


def _at(wanted: Wanted, connection: Connection, commits: Sequence[str]) -> Select[Any]:
    return _of(wanted, connection, by="commit").where(runs.c.git_commit.in_(commits))


def _on(
    wanted: Wanted, connection: Connection, branch: str, *conditions: ColumnElement[bool], most: int
) -> list[Row[Any]]:
    """The newest runs of a branch: first their ids, for which one index is enough."""
    query = _of(wanted, connection, by="branch").where(runs.c.git_branch == branch, *conditions)
    ids = connection.execute(query.with_only_columns(runs.c.id).limit(most)).scalars().all()
    return _rows(connection, select(*_COLUMNS).where(runs.c.id.in_(ids)).order_by(*_NEWEST)) if ids else []


def _rows(connection: Connection, query: Select[Any]) -> list[Row[Any]]:
    return list(connection.execute(query).all())


def _standings(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Standing, ...]:
    ids = [row.id for row in rows]
    overrides: dict[str, list[str]] = defaultdict(list)
    query = select(settings.c.run, settings.c.name).where(settings.c.run.in_(ids), settings.c.source.in_(_MORE))
    for each in connection.execute(query.order_by(settings.c.run, settings.c.position)):
        overrides[each.run].append(each.name)
    digests = trainings.data_of(connection, ids)
    return tuple(
        Standing(
            run=row.id,
            algorithm=row.algorithm,
            preset=row.preset,
            commit=row.git_commit,
            branch=_branch(row),
            created=row.created,
            succeeded=row.state == RunState.SUCCEEDED.value,
            overrides=tuple(overrides[row.id]),
            dirty=row.git_dirty,
            data=digests.get(row.id, ""),
        )
        for row in rows
    )


def _branch(row: Row[Any]) -> str:
    if row.git_branch:
        return str(row.git_branch)
    found = columns.fork(row.fork)
    return found.target if found.start.on_target else ""
