"""Runs: accept them, find them, list them, mark them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from palmette.domain import wire
from palmette.domain.graph import MetricSpec
from palmette.domain.lines import Fork
from palmette.domain.run import Environment, Git, Host, Run, Setting, Source, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.errors import NotFound, StoreError
from palmette.store import captures, experiments, leases, metrics, promotions, tasks, texts
from palmette.store.columns import decode, encode, fork, plain
from palmette.store.database import Store
from palmette.store.schema import projects, runs, settings, tags
from palmette.store.statements import begins, insert_new

#: The fewest characters of an id by which a run can be named.
SHORTEST: Final = 4

#: How runs come about that were executed for a comparison: they belong to it, and are listed nowhere.
EXTRA: Final = "comparison"
LISTED: Final = runs.c.trigger != EXTRA

#: How many rows one query asks details for.
_CHUNK: Final = 500

_KEEP_PROJECT: Final = insert_new(projects)
_KEEP_TAG: Final = insert_new(tags)
_NEWEST: Final = (runs.c.created.desc(), runs.c.id.desc())


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which runs to list. What is empty does not restrict; `states` and `tags` are alternatives."""

    project: str = ""
    algorithm: str = ""
    states: tuple[RunState, ...] = ()
    branch: str = ""
    #: a prefix of the SHA
    commit: str = ""
    preset: str = ""
    tags: tuple[str, ...] = ()
    #: the sweep that they are points of
    sweep: str = ""
    #: created at or after, seconds since the epoch
    since: float | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run with what a table shows of it. Its environment comes without its pins."""

    run: Run
    #: the last values of its declared metrics
    metrics: Mapping[str, float]
    #: how many of its tasks are in which state
    tasks: Mapping[TaskState, int]

    @property
    def cached(self) -> int:
        """How many of its tasks did not have to be executed."""
        return self.tasks.get(TaskState.CACHED, 0)


def create(store: Store, run: Run, records: Sequence[TaskRecord] = ()) -> None:
    """Accept a run, with its tasks as far as they are known. Once this returns, it is never lost.

    Its id must be new (`identity.new_run_id`). A run without a time of creation is created now.
    """
    try:
        with store.write() as connection:
            write(connection, run, records)
            if run.experiment:
                experiments.touch(connection, run.experiment, run.created or time.time())
    except StoreError as error:
        if isinstance(error.__cause__, IntegrityError):
            raise StoreError(f"there is a run {run.id} already, or two of its settings share a name") from error
        raise


def write(connection: Connection, run: Run, records: Sequence[TaskRecord] = ()) -> None:
    """`create`, in a transaction that does more."""
    created = run.created or time.time()
    connection.execute(_KEEP_PROJECT, {"name": run.project, "created": created})
    for environment in (run.environment, *run.environments.values()):
        captures.keep_pins(connection, environment)
    connection.execute(insert(runs), {**row_of(run), "created": created})
    texts.write(connection, run.id)
    if run.settings:
        rows = [setting_row(run.id, position, each) for position, each in enumerate(run.settings)]
        connection.execute(insert(settings), rows)
    if run.tags:
        connection.execute(_KEEP_TAG, [{"run": run.id, "tag": tag} for tag in run.tags])
    tasks.plan(connection, run.id, run.project, records)


def get(store: Store, reference: str, *, project: str = "") -> Run:
    """The run that a reference names: an id, the beginning of one (4 characters or more), "last" for the newest run,
    an algorithm for its newest, or "ALGORITHM@ALIAS" for the one that was promoted. NotFound says what was meant, or
    what it may have been."""
    with store.read() as connection:
        row = _resolve(connection, reference, project)
        return loaded(connection, [row], pins=True)[0]


def page(store: Store, where: Filter = Filter(), *, limit: int = 50, after: str = "") -> tuple[Listed, ...]:
    """Up to `limit` runs, newest first; those that follow the run with the id `after`, if one is given."""
    with store.read() as connection:
        query = _filtered(where, connection.dialect.name).order_by(*_NEWEST).limit(limit)
        if after:
            mark = connection.execute(select(runs.c.created, runs.c.id).where(runs.c.id == after)).first()
            if mark is None:
                raise NotFound(f"there is no run {after}")
            query = query.where(tuple_(runs.c.created, runs.c.id) < tuple_(mark.created, mark.id))
        rows = connection.execute(query).all()
        return tuple(
            listed
            for start in range(0, len(rows), _CHUNK)
            for listed in _listed(connection, rows[start : start + _CHUNK])
        )


def listed(connection: Connection, ids: Sequence[str]) -> list[Listed]:
    """The runs with these ids, in their order; ids that are gone are left out."""
    found: dict[str, Listed] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = connection.execute(select(runs).where(runs.c.id.in_(ids[start : start + _CHUNK]))).all()
        found.update({each.run.id: each for each in _listed(connection, rows)})
    return [found[id] for id in ids if id in found]


def previous(store: Store, run: Run) -> Run | None:
    """The run of the same algorithm that was created before this one; None for the first."""
    query = (
        select(runs)
        .where(runs.c.project == run.project, runs.c.algorithm == run.algorithm)
        .where(tuple_(runs.c.created, runs.c.id) < tuple_(run.created, run.id))
        .order_by(*_NEWEST)
        .limit(1)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
        return loaded(connection, rows, pins=True)[0] if rows else None


def tag(store: Store, run: str, names: Collection[str]) -> None:
    """Give a run tags; those it has already stay."""
    with store.write() as connection:
        _demand(connection, run)
        if names:
            connection.execute(_KEEP_TAG, [{"run": run, "tag": plain(name)} for name in names])


def untag(store: Store, run: str, names: Collection[str]) -> None:
    """Take tags from a run; those it does not have are ignored."""
    with store.write() as connection:
        _demand(connection, run)
        connection.execute(delete(tags).where(tags.c.run == run, tags.c.tag.in_([plain(name) for name in names])))


def note(store: Store, run: str, text: str) -> None:
    """Give a run this note in place of the one it has; an empty one removes it."""
    with store.write() as connection:
        _demand(connection, run)
        connection.execute(update(runs).where(runs.c.id == run).values(note=plain(text)))
        texts.write(connection, run)


# Finding.


def _resolve(connection: Connection, reference: str, project: str) -> Row[Any]:
    within = select(runs) if not project else select(runs).where(runs.c.project == project)
    newest = within.where(LISTED).order_by(*_NEWEST).limit(1)
    for query in (within.where(runs.c.id == reference), newest.where(runs.c.algorithm == reference)):
        if (row := connection.execute(query).first()) is not None:
            return row
    if reference == "last":
        if (row := connection.execute(newest).first()) is None:
            raise NotFound("there are no runs yet", "Start one: palmette run ALGORITHM.")
        return row
    if promoted := promotions.named(connection, reference, project):
        return connection.execute(within.where(runs.c.id == promoted)).one()
    matches = []
    if len(reference) >= SHORTEST:
        prefixed = within.where(begins(runs.c.id, reference, connection.dialect.name))
        matches = list(connection.execute(prefixed.order_by(*_NEWEST).limit(11)).all())
    if len(matches) == 1:
        return matches[0]
    if not matches and (elsewhere := connection.execute(select(runs.c.project).where(runs.c.id == reference)).scalar()):
        hint = "Ask in a directory of that project, or outside of any."
        raise NotFound(f"run {reference} is one of the project {elsewhere!r}", hint)
    raise _ambiguous(reference, matches) if matches else _unknown(connection, reference, within)


def _ambiguous(reference: str, matches: Sequence[Row[Any]]) -> NotFound:
    names = [f"{row.id} ({row.algorithm})" for row in matches[:10]] + ["…"] * (len(matches) > 10)
    return NotFound(f"{reference!r} is the beginning of several runs", f"Which one? {', '.join(names)}")


def _unknown(connection: Connection, reference: str, within: Select[Any]) -> NotFound:
    found = within.where(LISTED).subquery()
    algorithms = list(connection.execute(select(found.c.algorithm).distinct().limit(1000)).scalars())
    recent = select(found.c.id).order_by(found.c.created.desc()).limit(1000)
    close = get_close_matches(reference, [*algorithms, *connection.execute(recent).scalars(), "last"], n=5, cutoff=0.5)
    if close:
        hint = f"Did you mean {' or '.join(close)}?"
    elif len(reference) < SHORTEST:
        hint = f"Name it by at least {SHORTEST} characters of its id, by its algorithm, or as `last`."
    else:
        hint = f"Algorithms with runs: {', '.join(sorted(algorithms)) or 'none yet'}. `palmette runs` lists them."
    return NotFound(f"there is no run {reference!r}", hint)


def _filtered(where: Filter, dialect: str) -> Select[Any]:
    query = select(runs).where(LISTED)
    exact = {
        "project": where.project,
        "algorithm": where.algorithm,
        "git_branch": where.branch,
        "preset": where.preset,
        "sweep": where.sweep,
    }
    for name, value in exact.items():
        if value:
            query = query.where(runs.c[name] == value)
    if where.states:
        query = query.where(runs.c.state.in_([state.value for state in where.states]))
    if where.commit:
        query = query.where(begins(runs.c.git_commit, where.commit, dialect))
    if where.tags:
        query = query.where(runs.c.id.in_(select(tags.c.run).where(tags.c.tag.in_(where.tags))))
    if where.since is not None:
        query = query.where(runs.c.created >= where.since)
    return query


def _demand(connection: Connection, run: str) -> None:
    if connection.execute(select(runs.c.id).where(runs.c.id == run)).first() is None:
        raise NotFound(f"there is no run {run}")


# Rows and records.


def _listed(connection: Connection, rows: Sequence[Row[Any]]) -> list[Listed]:
    found = loaded(connection, rows, pins=False)
    ids = [run.id for run in found]
    declared = {metric.name for run in found for metric in run.metrics}
    values = metrics.last_values(connection, ids, declared) if declared else {}
    states = tasks.counts(connection, ids)
    return [
        Listed(
            run=run,
            metrics={
                metric.name: values[run.id][metric.name]
                for metric in run.metrics
                if metric.name in values.get(run.id, {})
            },
            tasks=states.get(run.id, {}),
        )
        for run in found
    ]


def loaded(connection: Connection, rows: Sequence[Row[Any]], *, pins: bool) -> list[Run]:
    """The runs that rows of `runs` show, with their settings and tags; with the pins of their environments if asked."""
    ids = [row.id for row in rows]
    configs: dict[str, list[Setting]] = {}
    query = select(settings).where(settings.c.run.in_(ids)).order_by(settings.c.run, settings.c.position)
    for row in connection.execute(query):
        configs.setdefault(row.run, []).append(_setting(row))
    marks: dict[str, list[str]] = {}
    for row in connection.execute(select(tags).where(tags.c.run.in_(ids)).order_by(tags.c.run, tags.c.tag)):
        marks.setdefault(row.run, []).append(row.tag)
    found = [_run(row, configs.get(row.id, []), marks.get(row.id, [])) for row in rows]
    return _pinned(connection, found) if pins else found


def _pinned(connection: Connection, found: Sequence[Run]) -> list[Run]:
    """The runs with the pins of their environments."""
    digests = {each.digest for run in found for each in (run.environment, *run.environments.values())}
    known = captures.pins(connection, digests)

    def whole(environment: Environment) -> Environment:
        return replace(environment, pins=known.get(environment.digest, ()))

    return [
        replace(
            run,
            environment=whole(run.environment),
            environments={name: whole(each) for name, each in run.environments.items()},
        )
        for run in found
    ]


def row_of(run: Run) -> dict[str, object]:
    """The run as a row of `runs`, but for its time of creation."""
    git, environment, host = run.git, run.environment, run.host
    return {
        "id": run.id,
        "project": run.project,
        "algorithm": run.algorithm,
        "state": run.state.value,
        "name": plain(run.name),
        "description": plain(run.description),
        "preset": run.preset,
        "metrics": encode(wire.dump(run.metrics)),
        "git_branch": plain(git.branch),
        "git_commit": git.commit,
        "git_author": plain(git.author),
        "git_message": plain(git.message),
        "git_committed": git.committed,
        "git_dirty": git.dirty,
        "git_diff": git.diff,
        "bundle": run.bundle,
        "environment": environment.digest,
        "python": environment.python,
        "implementation": environment.implementation,
        "platform": environment.platform,
        "executable": plain(environment.executable),
        "lock": plain(environment.lock),
        "lock_digest": environment.lock_digest,
        "environments": _named(run.environments),
        "host_name": host.name if host else "",
        "host": encode(wire.dump(host)) if host else None,
        "spec": run.spec,
        "version": run.version,
        "trigger": run.trigger,
        "tokens": encode(dict(run.tokens)),
        "refresh": run.refresh,
        "started": run.started,
        "ended": run.ended,
        "message": plain(run.message),
        "note": plain(run.note),
        "sweep": run.sweep,
        "origin": run.origin,
        "ticket": plain(run.ticket),
        "fork": encode(wire.dump(run.fork)) if run.fork != Fork() else "",
        "experiment": run.experiment,
        "pipeline": run.pipeline,
        "pipeline_version": run.pipeline_version,
        "schedule": run.schedule,
        "scheduled": run.scheduled,
        "archived": run.archived,
        "queue": run.queue,
        "owner": plain(run.owner),
        "root": plain(run.root),
        "service_account": plain(run.service_account),
        "notices": encode([plain(notice) for notice in run.notices]) if run.notices else "",
        "epoch": 0,
    }


def _named(environments: Mapping[str, Environment]) -> str:
    """The environments that steps name, without their pins, which are kept once."""
    bare = {name: replace(each, pins=()) for name, each in environments.items()}
    return encode(wire.dump(bare)) if bare else ""


def _run(row: Row[Any], config: Sequence[Setting], marks: Sequence[str]) -> Run:
    return Run(
        id=row.id,
        project=row.project,
        algorithm=row.algorithm,
        state=RunState(row.state),
        name=row.name,
        description=row.description,
        preset=row.preset,
        settings=tuple(config),
        metrics=wire.load(tuple[MetricSpec, ...], decode(row.metrics)),
        git=_git(row),
        bundle=row.bundle,
        environment=_environment(row),
        environments=wire.load(dict[str, Environment], decode(row.environments)) if row.environments else {},
        host=None if row.host is None else wire.load(Host, decode(row.host)),
        spec=row.spec,
        version=row.version,
        trigger=row.trigger,
        tokens=decode(row.tokens),
        refresh=row.refresh,
        created=row.created,
        started=row.started,
        ended=row.ended,
        message=row.message,
        lease=leases.of_row(row),
        tags=tuple(marks),
        note=row.note,
        sweep=row.sweep,
        origin=row.origin,
        ticket=row.ticket,
        fork=fork(row.fork),
        experiment=row.experiment,
        pipeline=row.pipeline,
        pipeline_version=row.pipeline_version,
        schedule=row.schedule,
        scheduled=row.scheduled,
        archived=row.archived,
        queue=row.queue,
        owner=row.owner,
        root=row.root,
        service_account=row.service_account,
        notices=tuple(decode(row.notices)) if row.notices else (),
        states=tuple((RunState(state), time) for state, time in decode(row.states)) if row.states else (),
    )


def _git(row: Row[Any]) -> Git:
    return Git(
        branch=row.git_branch,
        commit=row.git_commit,
        author=row.git_author,
        message=row.git_message,
        committed=row.git_committed,
        dirty=row.git_dirty,
        diff=row.git_diff,
    )


def _environment(row: Row[Any]) -> Environment:
    return Environment(
        digest=row.environment,
        python=row.python,
        implementation=row.implementation,
        platform=row.platform,
        executable=row.executable,
        lock=row.lock,
        lock_digest=row.lock_digest,
    )


def setting_row(run: str, position: int, setting: Setting) -> dict[str, object]:
    """A setting of a run as a row of `settings`."""
    value = setting.value
    return {
        "run": run,
        "name": setting.name,
        "position": position,
        "value": encode(value),
        "number": _searchable_number(value),
        "text": plain(value) if isinstance(value, str) else None,
        "source": setting.source.value,
        "origin": plain(setting.origin),
    }


def _searchable_number(value: Json) -> float | None:
    # Integers beyond 2**53 cannot be settings; a float column holds the others exactly.
    return float(value) if isinstance(value, bool | int | float) and abs(value) <= 2**1023 else None


def _setting(row: Row[Any]) -> Setting:
    return Setting(name=row.name, value=decode(row.value), source=Source(row.source), origin=row.origin)
