"""Runs as a table of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from palmette.runtime.environment import library

_FIRST: Final = ("id", "algorithm", "state", "preset", "branch", "commit", "started", "duration", "tags", "note")


def frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """One row a run, in the order given: what identifies it, "config.*" by name, "metric.*" by name. `started` is a
    time in UTC, `duration` seconds. Needs pandas."""
    pandas = library("pandas")
    records = [_record(row) for row in rows]
    config = sorted({name for record in records for name in record if name.startswith("config.")})
    metrics = sorted({name for record in records for name in record if name.startswith("metric.")})
    made = pandas.DataFrame.from_records(records, columns=[*_FIRST, *config, *metrics])
    made["started"] = pandas.to_datetime(made["started"], utc=True, format="ISO8601")
    for name in ("duration", *metrics):
        made[name] = pandas.to_numeric(made[name])
    return made


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    git = row["git"]
    return {
        "id": row["run_id"],
        "algorithm": row["algorithm"],
        "state": row["state"].lower(),
        "preset": row["preset"],
        "branch": git["branch"] or "",
        "commit": git["commit"] or "",
        "started": row["started_at"],
        "duration": row["duration_seconds"],
        "tags": tuple(row["tags"]),
        "note": row["note"] or "",
        **{f"config.{name}": value for name, value in row["config"].items()},
        **{f"metric.{name}": value for name, value in row["metrics"].items()},
    }
