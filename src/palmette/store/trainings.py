"""Trainings that are like another one: its siblings with other seeds, and what the target branch trained before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, null, select, true

from palmette.domain.run import Run
from palmette.domain.states import RunState
from palmette.domain.values import digest
from palmette.store.columns import decode, number
from palmette.store.database import Store
from palmette.store.runs import LISTED
from palmette.store.schema import artifacts, parameters, runs, settings, summaries, tasks
from palmette.store.statements import chunks

#: how many of an algorithm's newest runs are looked at
NEWEST: Final = 256
#: more names are not spelled out in a statement
_NAMES: Final = 200
#: outputs that say nothing of the data: what was learned of them, and what was said of that
_LEARNED: Final = frozenset(
    {"system.Model", "system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics"}
    | {"system.HTML", "system.Markdown"}
)
_ROWS: Final = select(
    *(runs.c.id, runs.c.git_commit, runs.c.git_branch, runs.c.git_dirty, runs.c.git_diff),
    *(runs.c.bundle, runs.c.created),
)


@dataclass(frozen=True, kw_only=True)
class Training:
    """A run that succeeded, as far as it takes to tell whether it is like another."""

    run: str
    commit: str
    branch: str
    dirty: bool
    #: digest of its uncommitted changes
    diff: str
    bundle: str
    created: float
    #: field → value, as JSON text
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A task of a training: what it was and what it gave."""

    name: str
    needs: tuple[str, ...]
    #: "RUN/TASK" that was executed for it
    maker: str
    #: what was executed, by the digests of its definitions; empty where that is not known
    code: tuple[str, ...]
    #: output → type and digest of an artifact (where it lies, if that is not known), or "" and the JSON text of a
    #: value; in order
    outputs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The last value of a metric, and the task that logged it."""

    task: str
    value: float


def around(store: Store, run: Run) -> tuple[Training, ...]:
    """The successful runs of the run's algorithm and preset that may be its siblings, newest first: of its commit and
    its sweep, and the newest ones."""
    near = [runs.c.id == run.id]
    near += [runs.c.git_commit == run.git.commit] if run.git.commit else []
    near += [runs.c.sweep == run.sweep] if run.sweep else []
    return _found(store, run, [*near, true()])


def before(store: Store, run: Run, *, branch: str, commits: Sequence[str], created: float) -> tuple[Training, ...]:
    """The successful runs of the run's algorithm and preset on a branch or of these commits that were created before a
    time, newest first."""
    near = [runs.c.git_branch == branch, *([runs.c.git_commit.in_(commits)] if commits else [])]
    return _found(store, run, [and_(each, runs.c.created < created) for each in near])


def made(store: Store, ids: Collection[str]) -> dict[str, tuple[Made, ...]]:
    """What the tasks of several runs gave, by run; groups of tasks are left out."""
    with store.read() as connection:
        return _tasks(connection, ids, tasks.c.parts)


def data(given: Iterable[Made]) -> str:
    """A digest over what came in from outside, the one answer to whether two runs have the same data: what tasks that
    need no other gave to others, but for models and what is said of them; empty where there is none."""
    every = [*given]
    needed = {name for task in every for name in task.needs}
    found = sorted(
        f"{name}/{value}"
        for task in every
        if not task.needs and (task.name in needed or any(task.name.startswith(f"{name}.") for name in needed))
        for name, kind, value in task.outputs
        if kind not in _LEARNED
    )
    return digest([*found]) if found else ""


def data_of(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """That digest of several runs."""
    # What was executed is much longer than all that is asked here.
    return {run: data(given) for run, given in _tasks(connection, ids, null().label("parts")).items()}


def readings(store: Store, ids: Collection[str], names: Collection[str]) -> dict[str, dict[str, Reading]]:
    """The last values of these metrics in several runs, by run and name."""
    found: dict[str, dict[str, Reading]] = {run: {} for run in ids}
    wanted = set(names)
    columns = (summaries.c.run, summaries.c.name, summaries.c.task, summaries.c.last)
    with store.read() as connection:
        for some in chunks(ids):
            query = select(*columns).where(summaries.c.run.in_(some))
            if len(wanted) <= _NAMES:
                query = query.where(summaries.c.name.in_(wanted))
            for run, name, task, last in connection.execute(query.order_by(summaries.c.run, summaries.c.time)).all():
                if name in wanted:
                    found[run][name] = Reading(task=task, value=number(last))
    return found


def _tasks(connection: Connection, ids: Collection[str], parts: ColumnElement[Any]) -> dict[str, tuple[Made, ...]]:
    found: dict[str, list[Made]] = {run: [] for run in ids}
    columns = (tasks.c.run, tasks.c.name, tasks.c.needs, parts, tasks.c.cached_from, tasks.c.executor)
    for some in chunks(ids):
        outputs = _outputs(connection, some)
        query = select(*columns).where(tasks.c.run.in_(some)).order_by(tasks.c.run, tasks.c.position)
        for run, name, needs, executed, cached_from, executor in connection.execute(query).all():
            if executor:
                given = outputs.get((run, name), ())
                maker = cached_from or f"{run}/{name}"
                found[run].append(
                    Made(name=name, needs=tuple(decode(needs)), maker=maker, code=_code(executed), outputs=tuple(given))
                )
    return {run: tuple(entries) for run, entries in found.items()}


def _found(store: Store, run: Run, near: Sequence[ColumnElement[bool]]) -> tuple[Training, ...]:
    """The newest of each kind, in one order."""
    fitting = (
        runs.c.project == run.project,
        runs.c.algorithm == run.algorithm,
        runs.c.preset == run.preset,
        runs.c.state == RunState.SUCCEEDED.value,
        LISTED,
    )
    newest = (runs.c.created.desc(), runs.c.id.desc())
    with store.read() as connection:
        # One index has all that is asked here, so that looking through all runs does not read their rows.
        asked = (select(runs.c.id).where(*fitting, where).order_by(*newest).limit(NEWEST) for where in near)
        ids = [*dict.fromkeys(id for query in asked for id in connection.execute(query).scalars())]
        rows = [row for some in chunks(ids) for row in connection.execute(_ROWS.where(runs.c.id.in_(some)))]
        fields = configs(connection, ids)
    return tuple(
        Training(
            run=row.id,
            commit=row.git_commit,
            branch=row.git_branch,
            dirty=row.git_dirty,
            diff=row.git_diff,
            bundle=row.bundle,
            created=row.created,
            config=fields[row.id],
        )
        for row in sorted(rows, key=lambda row: (row.created, row.id), reverse=True)
    )


def configs(connection: Connection, ids: Collection[str]) -> dict[str, dict[str, str]]:
    """The configs of runs: field → value as JSON text, in the order of the fields."""
    found: dict[str, dict[str, str]] = {run: {} for run in ids}
    for some in chunks(ids):
        query = select(settings.c.run, settings.c.name, settings.c.value).where(settings.c.run.in_(some))
        for run, name, value in connection.execute(query.order_by(settings.c.run, settings.c.position)).all():
            found[run][name] = value
    return found


def _outputs(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], list[tuple[str, str, str]]]:
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    content = case((artifacts.c.digest != "", artifacts.c.digest), else_=artifacts.c.uri)
    stored = select(artifacts.c.run, artifacts.c.task, artifacts.c.name, artifacts.c.type, content)
    stored = stored.where(artifacts.c.run.in_(ids))
    order = (artifacts.c.run, artifacts.c.task, artifacts.c.name, artifacts.c.position)
    for run, task, name, kind, said in connection.execute(
        stored.where(artifacts.c.run.in_(ids)).order_by(*order)
    ).all():
        found.setdefault((run, task), []).append((name, kind, said))
    given = select(parameters.c.run, parameters.c.task, parameters.c.name, parameters.c.value)
    sequence = (parameters.c.run, parameters.c.task, parameters.c.name)
    for run, task, name, value in connection.execute(given.where(parameters.c.run.in_(ids)).order_by(*sequence)).all():
        found.setdefault((run, task), []).append((name, "", value))
    return found


def _code(parts: str | None) -> tuple[str, ...]:
    known = {} if parts is None else decode(parts)
    return tuple(str(known.get(each, "")) for each in ("what", "image", "closure")) if known else ()
