"""Branches of projects, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select, update

from palmette.domain import wire
from palmette.domain.branches import Branch, Ticket
from palmette.store.columns import decode, encode, integer, plain
from palmette.store.database import Store
from palmette.store.schema import branches
from palmette.store.statements import insert_new

_KEEP: Final = insert_new(branches)
_COLUMNS: Final = tuple(branches.columns.keys())
_TEXTS: Final = (
    *("project", "name", "experiment", "head", "author", "target", "fork"),
    *("merge_request", "merge_request_url", "title"),
)


def change(store: Store, new: Branch, decided: Callable[[Branch], Branch | None]) -> tuple[Branch | None, Branch]:
    """Keep a branch that is new; else what `decided` makes of the one that is there, which stays if that is None. One
    transaction: nobody changes the row in between. The row before (None for a new one), and now."""
    with store.write() as connection:
        if connection.execute(_KEEP, _row(new)).rowcount > 0:
            return None, _kept(new)
        before = _within(connection, new.project, new.name, lock=True)
        after = decided(before)
        if after is None:
            return before, before
        row = _row(replace(after, project=new.project, name=new.name))
        of_branch = (branches.c.project == row.pop("project"), branches.c.name == row.pop("name"))
        connection.execute(update(branches).where(*of_branch).values(**row))
        return before, _kept(after)


def named(store: Store, project: str, name: str) -> Branch | None:
    """The project's branch of this name; None if it is not known."""
    with store.read() as connection:
        row = connection.execute(_of(project, name)).first()
    return None if row is None else _branch(row)


def known(store: Store, project: str = "") -> tuple[Branch, ...]:
    """The branches of a project, or of all, those first that were updated last."""
    query = select(branches).order_by(branches.c.seen.desc(), branches.c.project, branches.c.name)
    with store.read() as connection:
        rows = connection.execute(query.where(branches.c.project == plain(project)) if project else query).all()
    return tuple(map(_branch, rows))


def _within(connection: Connection, project: str, name: str, *, lock: bool) -> Branch:
    query = _of(project, name)
    return _branch(connection.execute(query.with_for_update() if lock else query).one())


def _of(project: str, name: str) -> Select[Any]:
    return select(branches).where(branches.c.project == plain(project), branches.c.name == plain(name))


def _kept(branch: Branch) -> Branch:
    """The branch as it is read back."""
    texts: dict[str, Any] = {name: plain(getattr(branch, name)) for name in _TEXTS}
    return replace(branch, **texts)


def _row(branch: Branch) -> dict[str, object]:
    return {
        **{name: plain(getattr(branch, name)) for name in _TEXTS},
        "committed": branch.committed,
        "order": integer(branch.order),
        "ahead": branch.ahead,
        "behind": branch.behind,
        "tickets": encode(wire.dump(branch.tickets)),
        "seen": branch.seen,
        "gone": branch.gone,
        "archived": branch.archived,
    }


def _branch(row: Row[Any]) -> Branch:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["tickets"] = wire.load(tuple[Ticket, ...], decode(values["tickets"]))
    return Branch(**values)
