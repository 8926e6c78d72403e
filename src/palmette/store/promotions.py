"""Promotions: which run an alias is, and all that it was before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from palmette.domain import wire
from palmette.domain.values import Json
from palmette.errors import NotFound
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import promotions, runs
from palmette.store.statements import insert_new

_ADD: Final = insert_new(promotions)
#: what parts an algorithm from an alias where a run is named
SIGN: Final = "@"


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """What one gate said."""

    metric: str
    #: "minimum", "max_drop", "present"
    gate: str
    #: "passed", "failed", "inconclusive"
    outcome: str
    limit: float | None = None
    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What all gates said when a run was promoted, and what it was compared with."""

    #: the run that it was compared with; empty for none
    baseline: str = ""
    #: how that run was found, without a full stop
    found: str = ""
    #: of the comparison as a whole: "better", "not comparable"
    verdict: str = ""
    #: of all gates together: "passed", "failed", "inconclusive"
    gate: str = "passed"
    gates: tuple[Ruled, ...] = ()
    #: it was promoted all the same
    forced: bool = False
    #: it was made of uncommitted changes as well
    dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A run took an alias: somebody promoted it, or went back to it."""

    project: str
    algorithm: str
    #: "production"
    alias: str
    #: counts what the alias was; the largest says what it is
    serial: int = 0
    run: str
    #: the serial of the promotion that a rollback went back to; None for a promotion
    restored: int | None = None
    #: who did it; empty where nobody knows
    author: str = ""
    reason: str = ""
    ruling: Ruling = field(default_factory=Ruling)
    #: seconds since the epoch
    created: float = 0.0

    @property
    def name(self) -> str:
        """As a run is named by it: "tumour@production"."""
        return f"{self.algorithm}{SIGN}{self.alias}"


def add(store: Store, promotion: Promotion, *, after: int) -> Promotion | None:
    """Let the run be the alias from now on, if `after` is still the newest serial (0 for none); None, and nothing is
    written, where somebody else came first. NotFound for a run that is gone."""
    made = replace(promotion, serial=after + 1, created=promotion.created or time.time())
    with store.write() as connection:
        # Locked, so that it cannot be deleted beside this.
        there = select(runs.c.id).where(runs.c.id == made.run).with_for_update(read=True)
        if connection.execute(there).first() is None:
            raise NotFound(f"run {made.run} was deleted in the meantime")
        newest = select(func.max(promotions.c.serial)).where(*_of(made.project, made.algorithm, made.alias))
        if (connection.execute(newest).scalar() or 0) != after:
            return None
        # Of two that saw the same serial on PostgreSQL, the second one waits for the first, and then adds nothing.
        return made if connection.execute(_ADD, _row(made)).rowcount == 1 else None


def log(store: Store, *, project: str = "", algorithm: str = "", alias: str = "") -> tuple[Promotion, ...]:
    """Every promotion and rollback, the newest first; what is empty does not restrict."""
    query = select(promotions).where(*_of(project, algorithm, alias))
    # The order of one alias is that of its serials, whatever clocks say.
    of_one = project and algorithm and alias
    order = (promotions.c.serial.desc(),) if of_one else (promotions.c.created.desc(), promotions.c.serial.desc())
    with store.read() as connection:
        return tuple(map(_loaded, connection.execute(query.order_by(*order)).all()))


def current(store: Store, *, project: str = "", algorithm: str = "", alias: str = "") -> tuple[Promotion, ...]:
    """What every alias is now, by project, algorithm and alias; what is empty does not restrict."""
    with store.read() as connection:
        rows = connection.execute(_current(project, algorithm, alias)).all()
    return tuple(map(_loaded, rows))


def promoted(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of the runs that are or were an alias."""
    query = select(promotions.c.run).where(promotions.c.run.in_(ids)).distinct()
    return frozenset(connection.execute(query).scalars())


def named(connection: Connection, reference: str, project: str) -> str:
    """The id of the run that "ALGORITHM@ALIAS" is. NotFound says what there is; empty for any other reference."""
    algorithm, sign, alias = reference.rpartition(SIGN)
    if not (sign and algorithm and alias):
        return ""
    rows = connection.execute(_current(project, algorithm, "")).all()
    found = [row for row in rows if row.alias == alias]
    if len(found) == 1:
        return str(found[0].run)
    if found:
        names = ", ".join(sorted(row.project for row in found))
        raise NotFound(f"{reference} is a run of several projects", f"Ask in a directory of one of them: {names}.")
    known = ", ".join(sorted({f"{algorithm}{SIGN}{row.alias}" for row in rows}))
    hint = f"There is {known}." if known else f"Promote a run first: palmette promote RUN --as {alias}."
    raise NotFound(f"no run is {reference}", hint)


def _current(project: str, algorithm: str, alias: str) -> Select[Any]:
    keys = tuple(promotions.c[name] for name in ("project", "algorithm", "alias"))
    newest = (
        select(*keys, func.max(promotions.c.serial).label("serial"))
        .where(*_of(project, algorithm, alias))
        .group_by(*keys)
        .subquery()
    )
    same = and_(*(promotions.c[key.name] == newest.c[key.name] for key in (*keys, promotions.c.serial)))
    return select(promotions).join(newest, same).order_by(*keys)


def _of(project: str, algorithm: str, alias: str) -> list[ColumnElement[bool]]:
    given = {"project": project, "algorithm": algorithm, "alias": alias}
    return [promotions.c[name] == value for name, value in given.items() if value]


def _row(promotion: Promotion) -> dict[str, object]:
    return {
        "project": promotion.project,
        "algorithm": promotion.algorithm,
        "alias": promotion.alias,
        "serial": promotion.serial,
        "run": promotion.run,
        "restored": promotion.restored,
        "author": plain(promotion.author),
        "reason": plain(promotion.reason),
        "gates": encode(_finite(wire.dump(promotion.ruling))),
        "created": promotion.created,
    }


def _finite(value: Json) -> Json:
    # JSON has no NaN; a gate's number may be one.
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def _loaded(row: Row[Any]) -> Promotion:
    return Promotion(
        project=row.project,
        algorithm=row.algorithm,
        alias=row.alias,
        serial=row.serial,
        run=row.run,
        restored=row.restored,
        author=row.author,
        reason=row.reason,
        ruling=wire.load(Ruling, decode(row.gates)),
        created=row.created,
    )
