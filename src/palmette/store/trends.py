"""The runs of an algorithm, as far as it takes to set their numbers in order and side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from palmette.domain import wire
from palmette.domain.artifact import Artifact
from palmette.domain.graph import MetricSpec
from palmette.domain.lines import Fork
from palmette.domain.run import Source
from palmette.domain.states import RunState
from palmette.store import trainings
from palmette.store.columns import decode, fork, plain
from palmette.store.database import Store
from palmette.store.runs import LISTED
from palmette.store.schema import artifacts, runs, settings, tasks
from palmette.store.statements import chunks

#: how many of the newest runs are looked at
MOST: Final = 5_000
_EVALUATION: Final = "evaluation"
_STATES: Final = {each.value: each for each in RunState}
_CHANGED: Final = (Source.OVERRIDE.value, Source.FILE.value)
_COLUMNS: Final = (
    "id", "project", "algorithm", "state", "preset", "git_branch", "git_commit", "git_author", "git_message",
    "git_committed", "git_dirty", "bundle", "environment", "created", "sweep", "fork", "metrics",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Past:
    """A run that was, in short."""

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
    #: seconds since the epoch
    committed: float
    created: float
    dirty: bool
    bundle: str
    #: digest of what the steps were executed with
    environment: str
    sweep: str = ""
    fork: Fork = Fork()
    #: JSON: the declared metrics
    declared: str = "[]"
    #: field → value as JSON text, of those that were overridden
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def time(self) -> float:
        """When its commit was made, else when it was started."""
        return self.committed or self.created

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """The metrics that its algorithm declared."""
        return wire.load(tuple[MetricSpec, ...], decode(self.declared))


def algorithms(store: Store, project: str) -> tuple[str, ...]:
    """Those that have runs, by name."""
    query = select(runs.c.algorithm).distinct().where(LISTED).order_by(runs.c.algorithm)
    with store.read() as connection:
        return tuple(connection.execute(_within(query, project)).scalars())


def presets(store: Store, project: str, algorithm: str) -> tuple[str, ...]:
    """Those with which an algorithm was run, by name."""
    query = select(runs.c.preset).distinct().where(runs.c.algorithm == plain(algorithm)).order_by(runs.c.preset)
    with store.read() as connection:
        return tuple(connection.execute(_within(query, project)).scalars())


def newest(
    store: Store,
    project: str,
    algorithm: str,
    *,
    preset: str = "",
    branch: str | None = None,
    before: float = 0.0,
    limit: int = MOST,
) -> tuple[Past, ...]:
    """Runs of an algorithm, the newest first; of a preset, of a branch, only those of before a time (`Past.time`), if
    that is said."""
    where: list[ColumnElement[bool]] = [runs.c.algorithm == plain(algorithm)]
    where += [runs.c.preset == plain(preset)] if preset else []
    where += [runs.c.git_branch == plain(branch)] if branch is not None else []
    where += [func.coalesce(func.nullif(runs.c.git_committed, 0.0), runs.c.created) < before] if before else []
    with store.read() as connection:
        return _told(connection, _rows(connection, project, where, limit))


def of_commits(
    store: Store, project: str, algorithm: str, commits: Collection[str], *, preset: str
) -> tuple[Past, ...]:
    """Runs of an algorithm that were made of these commits, on whatever branch."""
    found: list[Row[Any]] = []
    with store.read() as connection:
        for some in chunks(commits):
            # By the commits alone: told more, SQLite walks all runs of the project instead of the few of these commits.
            rows = _rows(connection, "", [runs.c.git_commit.in_(some)], None)
            found += [row for row in rows if row.algorithm == algorithm and row.preset == preset]
        return _told(connection, [row for row in found if not project or row.project == project])


def configs(store: Store, ids: Collection[str]) -> dict[str, dict[str, str]]:
    """The configs of runs: field → value as JSON text."""
    with store.read() as connection:
        return trainings.configs(connection, ids)


def makers(store: Store, tasks_of: Mapping[str, str]) -> dict[str, str]:
    """Run → task, as "RUN/TASK" that was executed for it: the task itself unless it was reused."""
    found = {run: f"{run}/{task}" for run, task in tasks_of.items()}
    with store.read() as connection:
        for some in chunks(tasks_of):
            query = select(tasks.c.run, tasks.c.name, tasks.c.cached_from)
            reused = query.where(tasks.c.run.in_(some), tasks.c.cached_from.is_not(None))
            for run, name, cached_from in connection.execute(reused):
                if name == tasks_of[run] and cached_from:
                    found[run] = cached_from
    return found


def evaluations(store: Store, ids: Collection[str]) -> dict[str, dict[str, Artifact]]:
    """The evaluations that tasks of runs gave: run → task → the last one of the task, in the order of the tasks."""
    found: dict[str, dict[str, Artifact]] = {run: {} for run in ids}
    made_by = and_(tasks.c.run == artifacts.c.run, tasks.c.name == artifacts.c.task)
    order = (artifacts.c.run, tasks.c.position, artifacts.c.name)
    with store.read() as connection:
        for some in chunks(ids):
            query = select(artifacts).join(tasks, made_by).where(artifacts.c.run.in_(some)).order_by(*order)
            for row in connection.execute(query):
                metadata = decode(row.metadata)
                if metadata.get("format") == _EVALUATION:
                    found[row.run][row.task] = Artifact(
                        type=row.type,
                        digest=row.digest,
                        size=row.size,
                        filename=row.filename,
                        metadata=metadata,
                        uri=row.uri,
                    )
    return found


def _rows(
    connection: Connection, project: str, where: Sequence[ColumnElement[bool]], limit: int | None
) -> Sequence[Row[Any]]:
    """The newest runs; or all of them, in any order."""
    query = select(*(runs.c[name] for name in _COLUMNS)).where(*where, LISTED)
    found = _within(query, project)
    if limit is not None:
        found = found.order_by(runs.c.created.desc(), runs.c.id.desc()).limit(limit)
    return connection.execute(found).all()


def _within(query: Any, project: str) -> Any:
    return query.where(runs.c.project == project) if project else query


def _told(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Past, ...]:
    overrides: dict[str, dict[str, str]] = {}
    for some in chunks([row.id for row in rows]):
        query = select(settings.c.run, settings.c.name, settings.c.value)
        changed = query.where(settings.c.run.in_(some), settings.c.source.in_(_CHANGED)).order_by(settings.c.position)
        for run, name, value in connection.execute(changed).all():
            overrides.setdefault(run, {})[name] = value
    return tuple(_past(row, overrides.get(row.id, {})) for row in rows)


def _past(row: Sequence[Any], overrides: Mapping[str, str]) -> Past:
    # By place: thousands are read, and by name that takes as long again.
    run, project, algorithm, state, preset, branch, commit, author, subject, *more = row
    committed, dirty, bundle, environment, created, sweep, left, declared = more
    return Past(
        run=run,
        project=project,
        algorithm=algorithm,
        state=_STATES[state],
        preset=preset,
        branch=branch,
        commit=commit,
        author=author,
        subject=subject,
        committed=committed,
        created=created,
        dirty=dirty,
        bundle=bundle,
        environment=environment,
        sweep=sweep,
        fork=fork(left),
        declared=declared,
        overrides=overrides,
    )
