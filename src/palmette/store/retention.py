"""Which runs there are to be kept or let go, and whose bytes are still needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, literal_column, select

from palmette.domain.states import RunState
from palmette.store import leases
from palmette.store import promotions as aliases
from palmette.store.columns import plain
from palmette.store.database import Store
from palmette.store.leases import Holder
from palmette.store.runs import LISTED
from palmette.store.schema import artifacts, collected, extras, promotions, runs, schedules, tags, versions
from palmette.store.statements import chunks, insert_new

_FINAL = [state.value for state in RunState if state.final]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run as a rule sees it."""

    id: str
    algorithm: str
    branch: str
    created: float
    final: bool
    #: of the lease; a run that is taken up again has another one
    epoch: int
    tags: frozenset[str]
    noted: bool
    #: another run was made from it
    origin: bool
    #: it is or was an alias: "tumour@production"
    promoted: bool
    #: its bytes were collected before
    collected: bool
    #: it is pinned as a baseline, or others were compared with it, where that is asked for
    baseline: bool = False


@dataclass(frozen=True, kw_only=True)
class Collected:
    """When the bytes of a run were given up, and by which rule."""

    time: float
    rule: str


def candidates(store: Store, project: str) -> tuple[Candidate, ...]:
    """All runs of a project, newest first."""
    wanted = (
        runs.c.id,
        runs.c.algorithm,
        runs.c.git_branch,
        runs.c.created,
        runs.c.state,
        runs.c.epoch,
        (runs.c.note != "").label("noted"),
    )
    query = select(*wanted).where(runs.c.project == project, LISTED).order_by(runs.c.created.desc(), runs.c.id.desc())
    with store.read() as connection:
        marks: dict[str, set[str]] = {}
        for run, tag in connection.execute(select(tags.c.run, tags.c.tag)):
            marks.setdefault(run, set()).add(tag)
        origins = set(connection.execute(select(runs.c.origin).where(runs.c.origin != "", LISTED).distinct()).scalars())
        gone = set(connection.execute(select(collected.c.run)).scalars())
        promoted = set(connection.execute(select(promotions.c.run).distinct()).scalars())
        return tuple(
            Candidate(
                id=row.id,
                algorithm=row.algorithm,
                branch=row.git_branch,
                created=row.created,
                final=RunState(row.state).final,
                epoch=row.epoch,
                tags=frozenset(marks.get(row.id, ())),
                noted=bool(row.noted),
                origin=row.id in origins,
                promoted=row.id in promoted,
                collected=row.id in gone,
            )
            for row in connection.execute(query)
        )


def delete_runs(store: Store, chosen: Mapping[str, int]) -> tuple[str, ...]:
    """Delete runs whose epoch is still the one given here, with all that the store knows of them; those that went.

    One that somebody has taken up or promoted in the meantime stays. What was executed for a comparison goes as soon as
    one of the two runs has gone.
    """
    gone: list[str] = []
    for names in chunks(sorted(chosen)):
        with store.write() as connection:
            query = select(runs.c.id, runs.c.epoch).where(runs.c.id.in_(names)).with_for_update()
            found = [row.id for row in connection.execute(query) if row.epoch == chosen[row.id]]
            found = sorted({*found} - aliases.promoted(connection, found))
            connection.execute(delete(runs).where(runs.c.id.in_(found)))
        gone += found
    stray = runs.c.id.not_in(select(extras.c.run))
    with store.write() as connection:
        connection.execute(delete(runs).where(~LISTED, runs.c.state.in_(_FINAL), stray))
    return tuple(gone)


def _with_extras(connection: Connection, names: Collection[str]) -> frozenset[str]:
    """These runs, and those that were executed for comparisons of them."""
    rows = connection.execute(select(runs.c.id, runs.c.origin).where(~LISTED)).all() if names else ()
    return frozenset(names) | {row.id for row in rows if row.origin in names}


def collect(store: Store, chosen: Collection[str], rule: str, time: float) -> None:
    """Say that the bytes of these runs are no longer kept for their sake. Runs that are not over are left
    out, and those that somebody has promoted in the meantime."""
    for names in chunks(sorted(chosen)):
        with store.write() as connection:
            query = select(runs.c.id).where(runs.c.id.in_(names), runs.c.state.in_(_FINAL)).with_for_update()
            over = connection.execute(query).scalars().all()
            going = sorted(_with_extras(connection, {*over} - aliases.promoted(connection, over)))
            rows = [{"run": run, "time": time, "rule": plain(rule)} for run in going]
            if rows:
                connection.execute(insert_new(collected), rows)


def collection(store: Store, run: str) -> Collected | None:
    """When and by which rule the bytes of a run were given up; None if they were not."""
    with store.read() as connection:
        row = connection.execute(select(collected).where(collected.c.run == run)).first()
    return None if row is None else Collected(time=row.time, rule=row.rule)


def needed(store: Store, *, without: Collection[str] = (), deleted: Collection[str] = ()) -> frozenset[str]:
    """The digests of all bytes that runs of any project, versions of pipelines and recurring runs refer to, as they
    would be if the artifacts of the runs `without` were not kept, and the runs `deleted` were not there."""
    of_tasks = (
        select(artifacts.c.run, artifacts.c.digest)
        .outerjoin(collected, collected.c.run == artifacts.c.run)
        .where(collected.c.run.is_(None))
        .distinct()
    )
    with store.read() as connection:
        absent = _with_extras(connection, deleted)
        ignored = _with_extras(connection, without) | absent
        found = {row.digest for row in connection.execute(of_tasks) if row.run not in ignored}
        for row in connection.execute(select(runs.c.id, runs.c.spec, runs.c.git_diff)):
            if row.id not in absent:
                found.update(filter(None, (row.spec, row.git_diff)))
        for spec in (versions.c.spec, schedules.c.spec):
            found.update(connection.execute(select(spec).where(spec != "")).scalars())
    return frozenset(found)


def bundles(store: Store, *, deleted: Collection[str] = ()) -> frozenset[str]:
    """The digests of the bundles that runs of any project are executed from, without the runs `deleted`."""
    with store.read() as connection:
        rows = connection.execute(select(runs.c.id, runs.c.bundle).where(runs.c.bundle != "")).all()
        absent = _with_extras(connection, deleted)
        return frozenset(row.bundle for row in rows if row.id not in absent)


def known(store: Store) -> Mapping[str, float | None]:
    """Every run of any project that the store knows, and when it was over; None for one that is not."""
    with store.read() as connection:
        rows = connection.execute(select(runs.c.id, runs.c.state, runs.c.ended, runs.c.created))
        return {
            row.id: (row.ended if row.ended is not None else row.created) if row.state in _FINAL else None
            for row in rows
        }


def holders(store: Store) -> tuple[tuple[float, Holder], ...]:
    """The runs of any project that have a driver, dead or alive: when they were created, and who it is."""
    query = select(runs, literal_column(store.clock).label("now")).where(runs.c.lease_host.is_not(None))
    with store.read() as connection:
        found = []
        for row in connection.execute(query):
            lease = leases.of_row(row)
            if lease is not None:
                found.append((row.created, Holder(lease=lease, silent=max(0.0, row.now - row.lease_renewed))))
    return tuple(found)
