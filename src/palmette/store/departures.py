"""Branches that the repository does not have any more, and what is left of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import delete, select, update

from palmette.domain.branches import Branch
from palmette.store import branches as rows
from palmette.store.columns import decode, plain
from palmette.store.database import Store
from palmette.store.retention import Candidate, candidates
from palmette.store.runs import LISTED
from palmette.store.schema import branches, checks, extras, orphans, pins, runs
from palmette.store.statements import chunks, insert_new

_KEEP = insert_new(orphans)


def leave(store: Store, project: str, left: Mapping[str, float], time: float) -> tuple[str, ...]:
    """Say since when branches are gone that the home knew as they were updated then; those that now are. One that was
    updated meanwhile is not gone."""
    marked = []
    with store.write() as connection:
        for name, seen in left.items():
            of_it = (branches.c.project == plain(project), branches.c.name == plain(name))
            as_known = (branches.c.seen == seen, branches.c.gone.is_(None))
            if connection.execute(update(branches).where(*of_it, *as_known).values(gone=time)).rowcount:
                marked.append(name)
    return tuple(marked)


def remember(store: Store, gone: Sequence[Branch]) -> None:
    """Keep branches that nobody told of before they were gone; one that is known stays as it is."""
    for each in gone:
        rows.change(store, each, lambda _: None)


def come_back(store: Store, project: str, names: Collection[str]) -> None:
    """Say that the repository has branches again. That the experiment was archived stays, until it is not."""
    with store.write() as connection:
        for some in chunks(names):
            of_them = (branches.c.project == plain(project), branches.c.name.in_(list(map(plain, some))))
            connection.execute(update(branches).where(*of_them, branches.c.gone.is_not(None)).values(gone=None))


def archived(store: Store, project: str, name: str, seen: float, time: float) -> bool:
    """Say when the experiment of a branch was archived that is gone; False where it is not, or was updated since."""
    same = (branches.c.seen == seen, branches.c.gone.is_not(None))
    of_it = (branches.c.project == plain(project), branches.c.name == plain(name), *same)
    with store.write() as connection:
        return connection.execute(update(branches).where(*of_it).values(archived=time)).rowcount > 0


def of_branches(store: Store, project: str, names: Collection[str]) -> tuple[Candidate, ...]:
    """The runs of these branches as the rules of retention see them, the newest first."""
    wanted = frozenset(map(plain, names))
    kept = _compared(store, project)
    found = candidates(store, project)
    return tuple(replace(run, baseline=run.id in kept) for run in found if run.branch in wanted)


def _compared(store: Store, project: str) -> frozenset[str]:
    """The runs that are pinned, and those that others were compared with."""
    with store.read() as connection:
        found = set(connection.execute(select(pins.c.run).where(pins.c.project == project)).scalars())
        found.update(connection.execute(select(extras.c.baseline).distinct()).scalars())
        judged = select(checks.c.verdict).where(checks.c.project == project, checks.c.verdict != "{}")
        for verdict in connection.execute(judged).scalars():
            baseline = decode(verdict).get("baseline")
            if isinstance(baseline, str):
                found.add(baseline)
    return frozenset(found)


def commits(store: Store, project: str) -> tuple[str, ...]:
    """The commits that runs on branches were made of."""
    where = (runs.c.project == project, runs.c.git_commit != "", runs.c.git_branch != "", LISTED)
    query = select(runs.c.git_commit).distinct().where(*where).order_by(runs.c.git_commit)
    with store.read() as connection:
        return tuple(connection.execute(query).scalars())


def orphan(store: Store, project: str, found: Collection[str], time: float) -> int:
    """Say which commits are on no branch any more, and that all others are on one; how many are newly so."""
    wanted = set(map(plain, found))
    with store.write() as connection:
        known = set(connection.execute(select(orphans.c.commit).where(orphans.c.project == project)).scalars())
        for some in chunks(sorted(known - wanted)):
            connection.execute(delete(orphans).where(orphans.c.project == project, orphans.c.commit.in_(some)))
        new = [{"project": project, "commit": commit, "since": time} for commit in sorted(wanted - known)]
        if new:
            connection.execute(_KEEP, new)
    return len(new)
