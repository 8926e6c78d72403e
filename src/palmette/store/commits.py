"""First-parent histories: what runs have told of the branches that they are compared with. Each commit is kept once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Integer, and_, literal, select

from palmette.domain.lines import Commit, Start
from palmette.domain.run import Run
from palmette.store.database import Store
from palmette.store.schema import commits
from palmette.store.statements import upsert

#: how many are told of at once, at most
_MANY: Final = 1_000
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: Of a commit that is there nothing changes, but for the parent that nobody knew.
_KEEP: Final = upsert(commits, where="commits.parent = '' AND excluded.parent <> ''")


def plausible(history: Sequence[Commit]) -> bool:
    """Whether it can be a history, and is not too long."""
    names = (name for each in history for name in (each.sha, *([each.parent] if each.parent else [])))
    return len(history) <= _MANY and all(_SHA.fullmatch(name) for name in names)


def keep(store: Store, project: str, history: Sequence[Commit]) -> None:
    """Remember a history, the newest commit first; what is known of it already is not written again."""
    if not history:
        return
    whole = and_(commits.c.project == project, commits.c.sha.in_([each.sha for each in history]))
    with store.read() as connection:
        rows = connection.execute(select(commits.c.sha, commits.c.parent).where(whole))
        known = {row.sha: row.parent for row in rows}
    new = [each for each in history if each.sha not in known or (each.parent and not known[each.sha])]
    if new:
        with store.write() as connection:
            written = [
                {"project": project, "sha": one.sha, "parent": one.parent, "committed": one.committed} for one in new
            ]
            connection.execute(_KEEP, written)


def walk(store: Store, project: str, start: str, *, limit: int = 500) -> tuple[Commit, ...]:
    """A commit and those before it along first parents, as far as they are known; nothing for an unknown one."""
    first = select(commits.c.sha, commits.c.parent, commits.c.committed, literal(1, Integer).label("place"))
    line = first.where(commits.c.project == project, commits.c.sha == start).cte("line", recursive=True)
    before = (
        select(commits.c.sha, commits.c.parent, commits.c.committed, line.c.place + 1)
        .join(line, commits.c.sha == line.c.parent)
        .where(commits.c.project == project, line.c.place < limit)
    )
    line = line.union_all(before)
    with store.read() as connection:
        found = connection.execute(select(line.c.sha, line.c.parent, line.c.committed).order_by(line.c.place))
        return tuple(Commit(sha=row.sha, parent=row.parent, committed=row.committed) for row in found)


def first(store: Store, project: str, names: Sequence[str]) -> str:
    """The first of these commits that runs have told of; empty if there is none."""
    asked = select(commits.c.sha).where(commits.c.project == project, commits.c.sha.in_(names))
    with store.read() as connection:
        known = set(connection.execute(asked).scalars())
    return next((name for name in names if name in known), "")


def before(store: Store, run: Run, *, limit: int = 500) -> tuple[Commit, ...]:
    """The line that a run remembers, as far as it is known; it begins with the run's own commit where that is on its
    target branch."""
    own = run.fork.start in (Start.FIRST_PARENT, Start.COMMIT)
    start = run.git.commit if own else run.fork.commit
    return walk(store, run.project, start, limit=limit) if start else ()
