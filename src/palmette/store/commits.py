"""First-parent histories: what runs have told of the branches that they are compared with. Each commit is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Integer, and_, literal, select

from palmette.domain.lines import Commit, Fork, Start, full
from palmette.domain.run import Run
from palmette.store import columns
from palmette.store.database import Store
from palmette.store.schema import commits, runs
from palmette.store.statements import upsert

#: how many are told of at once, at most
_MANY: Final = 1_000
#: runs that are asked where a target branch goes
_NEWEST: Final = 100
#: Of a commit that is there nothing changes, but for the parent that nobody knew.
_KEEP: Final = upsert(commits, where="commits.parent = '' AND excluded.parent <> ''")


def plausible(history: Sequence[Commit]) -> bool:
    """Whether it can be a history, and is not too long."""
    names = (name for each in history for name in (each.sha, *([each.parent] if each.parent else [])))
    return len(history) <= _MANY and all(full(name) for name in names)


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


def told(store: Store, project: str, target: str) -> frozenset[str]:
    """The commits of a target branch, as far as the newest runs have told of them."""
    asked = select(runs.c.git_commit, runs.c.fork).where(runs.c.project == project, runs.c.fork != "")
    with store.read() as connection:
        rows = connection.execute(asked.order_by(runs.c.created.desc(), runs.c.id.desc()).limit(_NEWEST)).all()
    found: set[str] = set()
    for row in rows:
        fork = columns.fork(row.fork)
        start = row.git_commit if fork.start.on_target else fork.commit
        if fork.target == target and start and start not in found:
            found |= {start, *(each.sha for each in walk(store, project, start))}
    return frozenset(found)


def fork_of(store: Store, project: str, commit: str) -> Fork:
    """Where a commit stands, as the newest run of it that knew remembers; nothing is known where there is none."""
    of_commit = (runs.c.project == project, runs.c.git_commit == commit, runs.c.fork != "")
    query = select(runs.c.git_commit, runs.c.fork).where(*of_commit)
    with store.read() as connection:
        row = connection.execute(query.order_by(runs.c.created.desc(), runs.c.id.desc()).limit(1)).first()
    fork = columns.fork(row.fork) if row and commit else Fork()
    # That one may have been more than its commit.
    return (
        replace(fork, start=Start.FIRST_PARENT, commit=_parent(store, project, commit))
        if fork.start.on_target
        else fork
    )


def _parent(store: Store, project: str, commit: str) -> str:
    found = walk(store, project, commit, limit=1)
    return found[0].parent if found else ""


def before(store: Store, run: Run, *, limit: int = 500) -> tuple[Commit, ...]:
    """What is known of the commits that a run comes from: its own, and those of its target branch."""
    starts = dict.fromkeys(each for each in (run.git.commit, run.fork.commit) if each)
    found = (each for start in starts for each in walk(store, run.project, start, limit=limit))
    return tuple({each.sha: each for each in found}.values())
