"""Runs that were executed elsewhere: written all at once, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, insert, select

from palmette.domain.run import Run
from palmette.store import texts
from palmette.store.columns import plain, real
from palmette.store.database import Store
from palmette.store.runs import row_of, setting_row
from palmette.store.schema import points, projects, runs, settings, summaries, tags
from palmette.store.statements import chunks, insert_new

_KEEP_PROJECT: Final = insert_new(projects)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A run that is over, and the last value of each of its metrics."""

    run: Run
    metrics: Mapping[str, float]


def known(store: Store, names: Iterable[str]) -> frozenset[str]:
    """Those of the ids that a run has already."""
    with store.read() as connection:
        return _known(connection, names)


def add(store: Store, entries: Sequence[Imported]) -> frozenset[str]:
    """Write down all runs whose ids are new; the ids of those that were there already. All, or none."""
    with store.write() as connection:
        there = _known(connection, (entry.run.id for entry in entries))
        new = [entry for entry in entries if entry.run.id not in there]
        oldest = {entry.run.project: entry.run.created for entry in new}
        for project, created in oldest.items():
            connection.execute(_KEEP_PROJECT, {"name": project, "created": created})
        for some in chunks(new):
            _write(connection, some)
    return there


def _known(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    found = [connection.execute(select(runs.c.id).where(runs.c.id.in_(some))).scalars().all() for some in chunks(names)]
    return frozenset(name for some in found for name in some)


def _write(connection: Connection, entries: Sequence[Imported]) -> None:
    """Write some runs with a statement for each table."""
    all_runs = [entry.run for entry in entries]
    rows: dict[Table, list[dict[str, object]]] = {
        runs: [{**row_of(run), "created": run.created} for run in all_runs],
        settings: [setting_row(run.id, place, each) for run in all_runs for place, each in enumerate(run.settings)],
        tags: [{"run": run.id, "tag": plain(tag)} for run in all_runs for tag in dict.fromkeys(run.tags)],
        points: [_point(entry.run, name, value) for entry in entries for name, value in entry.metrics.items()],
        summaries: [_summary(entry.run, name, value) for entry in entries for name, value in entry.metrics.items()],
    }
    for table, found in rows.items():
        if found:
            connection.execute(insert(table), found)
    for run in all_runs:
        texts.write(connection, run.id)


def _point(run: Run, name: str, value: float) -> dict[str, object]:
    return {**_of(run, name), "position": 0, "ordinal": 0, "step": None, "value": real(value), "time": _time(run)}


def _summary(run: Run, name: str, value: float) -> dict[str, object]:
    number = real(value)
    return {
        **_of(run, name),
        "points": 1,
        "last": number,
        "step": None,
        "low": number,
        "high": number,
        "time": _time(run),
    }


def _of(run: Run, name: str) -> dict[str, object]:
    """No task logged it that is known here."""
    return {"run": run.id, "name": name, "task": "", "serial": 1}


def _time(run: Run) -> float:
    return run.created if run.ended is None else run.ended
