"""What fields of runs are, for the columns of a list; and which names they may have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from palmette.domain.query import Field, Group
from palmette.domain.run import Run
from palmette.domain.values import Json
from palmette.store.columns import number
from palmette.store.conditions import METRICS, SIZES, known_as, task_name
from palmette.store.database import Store
from palmette.store.runs import LISTED
from palmette.store.schema import artifacts, runs, settings, summaries, tags, tasks

#: of the newest runs, how many tell which names are in use
_RECENT = 100


def values(store: Store, found: Sequence[Run], fields: Sequence[Field]) -> list[dict[Field, Json]]:
    """What each run has for these fields; what it does not have is left out."""
    answers: list[dict[Field, Json]] = [{} for _ in found]
    with store.read() as connection:
        for field in fields:
            asked = _beside(connection, [run.id for run in found], field)
            for run, answer in zip(found, answers, strict=True):
                value = _own(run, field) if asked is None else asked.get(run.id)
                if value not in (None, ""):
                    answer[field] = value
    return answers


def _own(run: Run, field: Field) -> Json:
    if field.group is Group.CONFIG:
        return run.config.get(field.name)
    git = run.git
    took = None if run.started is None or run.ended is None else run.ended - run.started
    special: dict[str, Json] = {
        "author": git.author,
        "branch": git.branch,
        "commit": git.commit,
        "dirty": git.dirty,
        "duration": took,
        "message": run.message or git.message,
        "state": run.state.value,
        "tag": " ".join(run.tags),
    }
    own: Json = special[field.name] if field.name in special else getattr(run, field.name)
    return own


def _beside(connection: Connection, ids: Collection[str], field: Field) -> Mapping[str, Json] | None:
    """What other tables say of the runs: of several rows the last one; None for what the run itself has."""
    query: Any
    match field.group:
        case Group.METRIC:
            query = select(summaries.c.run, METRICS[field.aspect]).where(summaries.c.name == field.name)
            query = query.where(summaries.c.run.in_(ids)).order_by(summaries.c.time)
            return {run: number(value) for run, value in connection.execute(query)}
        case Group.STEP:
            query = select(tasks.c.run, tasks.c.state, tasks.c.ended - tasks.c.started).where(known_as(field.name))
            rows = connection.execute(query.where(tasks.c.run.in_(ids)).order_by(tasks.c.position)).all()
            aspects = {"state": lambda row: row[1], "cached": lambda row: row[1] == "CACHED"}
            return {row[0]: aspects.get(field.aspect, lambda row: row[2])(row) for row in rows}
        case Group.DATA:
            column = SIZES.get(field.aspect, artifacts.c.digest)
            query = select(artifacts.c.run, column).where(artifacts.c.task == task_name(field.name))
            return {run: value for run, value in connection.execute(query.where(artifacts.c.run.in_(ids)))}
        case _:
            return None


# Names in use.


def names(store: Store, project: str, algorithm: str = "") -> tuple[str, ...]:
    """The config fields, metrics and steps of the newest runs, as a query names them."""
    own = (runs.c.algorithm == algorithm) if algorithm else runs.c.id.is_not(None)
    recent = (
        select(runs.c.id).where(runs.c.project == project, LISTED, own).order_by(runs.c.created.desc()).limit(_RECENT)
    )
    with store.read() as connection:
        ids = connection.execute(recent).scalars().all()
        found = set()
        for group, column in (("config", settings.c.name), ("metric", summaries.c.name), ("step", tasks.c.component)):
            query = select(column).where(column.table.c.run.in_(ids)).distinct()
            found |= {f"{group}.{name}" for name in connection.execute(query).scalars() if name}
    return tuple(sorted(found))


def unknown(store: Store, field: Field) -> bool:
    """Whether no run has such a config field or metric at all."""
    table = {Group.CONFIG: settings, Group.METRIC: summaries}.get(field.group)
    if table is None:
        return False
    with store.read() as connection:
        return connection.execute(select(1).where(table.c.name == field.name).limit(1)).first() is None


def used(store: Store, project: str, field: Field, most: int = 50) -> tuple[str, ...]:
    """Values that a field of text has, the most frequent of the newest runs first."""
    columns = {
        "algorithm": runs.c.algorithm,
        "author": runs.c.git_author,
        "branch": runs.c.git_branch,
        "commit": runs.c.git_commit,
        "id": runs.c.id,
        "preset": runs.c.preset,
        "sweep": runs.c.sweep,
        "ticket": runs.c.ticket,
        "trigger": runs.c.trigger,
    }
    newest = select(runs.c.id).where(runs.c.project == project, LISTED).order_by(runs.c.created.desc()).limit(_RECENT)
    with store.read() as connection:
        ids = connection.execute(newest).scalars().all()
        query: Any
        if field.group is Group.CONFIG:
            query = select(settings.c.text).where(settings.c.run.in_(ids), settings.c.name == field.name)
            column: Any = settings.c.text
        elif field.name == "tag":
            query, column = select(tags.c.tag).where(tags.c.run.in_(ids)), tags.c.tag
        elif field.name in columns:
            column = columns[field.name]
            query = select(column).where(runs.c.id.in_(ids))
        else:
            return ()
        found = connection.execute(query.group_by(column).order_by(func.count().desc(), column).limit(most))
        return tuple(value for value in found.scalars() if value)
