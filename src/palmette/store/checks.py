"""What CI did about algorithms at commits: one row for each (project, commit, algorithm, kind, variant)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row, Select, and_, func, select, update

from palmette.domain import wire
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context
from palmette.domain.states import RunState
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import checks, runs
from palmette.store.statements import insert_new

_ADD: Final = insert_new(checks)
_KEYS: Final = ("project", "commit", "algorithm", "kind", "variant")
_TEXTS: Final = ("variant", "run", "branch", "closure", "reason", "key", "trouble")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A check, and how its run stands."""

    check: Check
    #: None where the run is not here
    state: RunState | None = None


def put(store: Store, check: Check) -> Check:
    """Keep a check in place of the one that was; the one that is there where it has the same key and a run already:
    of two jobs that ask for the same at once, both get the first one's."""
    row = _row(replace(check, created=check.created or time.time()))
    of_it = and_(*(checks.c[name] == row[name] for name in _KEYS))
    with store.write() as connection:
        if connection.execute(_ADD, row).rowcount == 1:
            return _check(row)
        known = _loaded(connection.execute(select(checks).where(of_it).with_for_update()).one())
        if known.key and known.key == row["key"] and known.run:
            return known
        if known.run == row["run"] and not check.verdict:
            # The comparison is the run's, whoever asked for it.
            row["verdict"] = encode(wire.dump(known.verdict))
        connection.execute(update(checks).where(of_it).values(row))
        return _check(row)


def change(store: Store, before: Check, after: Check) -> Check | None:
    """Write verdict, settled, tries, trouble and run of a check; None, and nothing is written, where somebody else did
    since `before` was read."""
    row = _row(after)
    same = [checks.c[name] == getattr(before, name) for name in (*_KEYS, "run", "key", "tries")]
    same.append(checks.c.settled.is_(None) if before.settled is None else checks.c.settled.is_not(None))
    values = {name: row[name] for name in ("verdict", "settled", "tries", "trouble", "run")}
    with store.write() as connection:
        done = connection.execute(update(checks).where(*same).values(values))
    return after if done.rowcount == 1 else None


def of(store: Store, project: str, commit: str) -> tuple[Check, ...]:
    """The checks of a commit, by algorithm and kind."""
    query = _of(project).where(checks.c.commit == commit).order_by(checks.c.algorithm, checks.c.kind, checks.c.variant)
    with store.read() as connection:
        return tuple(map(_loaded, connection.execute(query)))


def unsettled(store: Store, project: str) -> tuple[Check, ...]:
    """Those with a run that nobody has reported the end of, the oldest first; of all projects where none is named."""
    query = _of(project).where(checks.c.settled.is_(None), checks.c.run != "").order_by(checks.c.created)
    with store.read() as connection:
        return tuple(map(_loaded, connection.execute(query)))


def on_branch(store: Store, project: str, branch: str, limit: int) -> tuple[Tried, ...]:
    """The checks of a branch with the states of their runs, the newest first."""
    query = _tried(project).where(checks.c.branch == plain(branch)).order_by(checks.c.created.desc()).limit(limit)
    with store.read() as connection:
        return tuple(map(_with_state, connection.execute(query)))


def newest(store: Store, project: str, kind: Kind, branch: str, *, state: RunState | None = None) -> tuple[Tried, ...]:
    """The newest check of each algorithm on a branch that has a run; of those whose run is in that state, if one is
    named."""
    where = [checks.c.project == project, checks.c.branch == plain(branch), checks.c.kind == kind.value]
    where += [checks.c.run != ""]
    if state is not None:
        where.append(runs.c.state == state.value)
    joined = checks.outerjoin(runs, runs.c.id == checks.c.run)
    latest = (
        select(checks.c.algorithm, func.max(checks.c.created).label("created"))
        .select_from(joined)
        .where(*where)
        .group_by(checks.c.algorithm)
        .subquery()
    )
    same = and_(checks.c.algorithm == latest.c.algorithm, checks.c.created == latest.c.created)
    query = select(checks, runs.c.state.label("run_state")).select_from(joined.join(latest, same)).where(*where)
    with store.read() as connection:
        rows: Sequence[Row[Any]] = connection.execute(query.order_by(checks.c.algorithm)).all()
    return tuple({row.algorithm: _with_state(row) for row in rows}.values())


def states(store: Store, project: str, ids: Sequence[str]) -> dict[str, RunState]:
    """Run → its state, of those of the project that are here."""
    query = select(runs.c.id, runs.c.state).where(runs.c.id.in_(ids))
    with store.read() as connection:
        rows = connection.execute(query.where(runs.c.project == project) if project else query).all()
    return {row.id: RunState(row.state) for row in rows}


def _of(project: str) -> Select[Any]:
    return select(checks).where(checks.c.project == project) if project else select(checks)


def _tried(project: str) -> Select[Any]:
    joined = checks.outerjoin(runs, runs.c.id == checks.c.run)
    query = select(checks, runs.c.state.label("run_state")).select_from(joined)
    return query.where(checks.c.project == project) if project else query


def _with_state(row: Row[Any]) -> Tried:
    return Tried(check=_loaded(row), state=None if row.run_state is None else RunState(row.run_state))


def _row(check: Check) -> dict[str, Any]:
    row: dict[str, Any] = {name: plain(getattr(check, name)) for name in _TEXTS}
    row |= {name: getattr(check, name) for name in ("project", "commit", "algorithm", "unchanged", "created", "tries")}
    row |= {"kind": check.kind.value, "settled": check.settled}
    return row | {name: encode(wire.dump(getattr(check, name))) for name in ("parts", "context", "verdict")}


def _loaded(row: Row[Any]) -> Check:
    return _check(dict(row._mapping))


def _check(row: dict[str, Any]) -> Check:
    own = {name: row[name] for name in (*_TEXTS, "project", "commit", "algorithm", "created", "settled", "tries")}
    return Check(
        **own,
        kind=Kind(row["kind"]),
        unchanged=bool(row["unchanged"]),
        parts=decode(row["parts"]),
        context=wire.load(Context, decode(row["context"])),
        verdict=decode(row["verdict"]),
    )
