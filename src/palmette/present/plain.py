"""Runs as JSON values: the shape that `--json` promises."""

from __future__ import annotations

import math
from collections.abc import Sequence

from palmette.domain.artifact import Artifact
from palmette.domain.run import Attempt, Environment, Run, TaskRecord
from palmette.domain.values import Json, literal
from palmette.operations.details import Detail, Row, shown
from palmette.present.words import instant


def detail(known: Detail) -> dict[str, Json]:
    """One run with everything: what `run --json` and `show --json` print."""
    return {
        **_run(known.run, interrupted=known.interrupted),
        "aliases": list(known.aliases),
        "metrics": {name: finite(value) for name, value in known.metrics.items()},
        "curves": {
            name: [{"step": point.step, "value": finite(point.value), "time": instant(point.time)} for point in points]
            for name, points in known.curves.items()
        },
        "tasks": [_task(task) for task in known.tasks],
    }


def rows(known: Sequence[Row]) -> list[Json]:
    """A list of runs: what `runs --json` prints."""
    return [
        {
            **_run(row.run, interrupted=row.interrupted),
            "metrics": {name: finite(value) for name, value in row.metrics.items()},
            "task_count": row.tasks,
            "cached_count": row.cached,
        }
        for row in known
    ]


def finite(value: float | None) -> float | None:
    """The number, or none: JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def _run(run: Run, *, interrupted: bool) -> dict[str, Json]:
    environment, host = run.environment, run.host
    return {
        "run_id": run.id,
        "state": run.state.value.lower(),
        "interrupted": interrupted,
        "project": run.project,
        "algorithm": run.algorithm,
        "name": run.name,
        "goals": {metric.name: metric.goal for metric in run.metrics},
        "version": run.version or None,
        "preset": run.preset,
        "trigger": run.trigger,
        "origin": run.origin or None,
        "config": run.config,
        "provenance": {
            setting.name: {"source": setting.source.value, "origin": setting.origin or None} for setting in run.settings
        },
        "created_at": instant(run.created),
        "started_at": instant(run.started),
        "ended_at": instant(run.ended),
        "duration_seconds": None if run.started is None or run.ended is None else round(run.ended - run.started, 3),
        "message": run.message or None,
        "git": {
            "branch": run.git.branch or None,
            "commit": run.git.commit or None,
            "author": run.git.author or None,
            "message": run.git.message or None,
            "dirty": run.git.dirty,
        },
        "bundle": run.bundle,
        "environment": _environment(environment),
        "environments": {name: _environment(each) for name, each in run.environments.items()},
        "host": None if host is None else {"name": host.name, "cpus": host.cpus, "memory": host.memory},
        "tags": list(run.tags),
        "note": run.note or None,
        "notices": list(run.notices),
    }


def _environment(environment: Environment) -> dict[str, Json]:
    return {
        "digest": environment.digest,
        "python": environment.python,
        "platform": environment.platform,
        "lock": environment.lock or None,
        "packages": {pin.name: pin.version or pin.url for pin in environment.pins},
    }


def _task(task: TaskRecord) -> dict[str, Json]:
    return {
        "name": shown(task),
        "task": task.name,
        "state": task.state.value.lower(),
        "cached": bool(task.cached_from),
        "cached_from": task.cached_from or None,
        "cached_made_at": instant(task.cached_made),
        "needs": list(task.needs),
        "started_at": instant(task.started),
        "ended_at": instant(task.ended),
        "message": task.message or None,
        "fingerprint": task.fingerprint or None,
        "parameters": dict(task.outputs.parameters),
        "artifacts": {name: artifact(entry) for name, entry in task.outputs.artifacts.items()},
        "attempts": [_attempt(attempt) for attempt in task.attempts],
    }


def artifact(entry: Artifact) -> dict[str, Json]:
    """An artifact; of a sensitive one nothing but what identifies it."""
    keep = ("format", "filename", "type", "sensitive")
    metadata = {key: value for key, value in entry.metadata.items() if not entry.sensitive or key in keep}
    return {
        "type": entry.type,
        "digest": entry.digest,
        "size": entry.size,
        "filename": entry.filename,
        "uri": entry.uri,
        "metadata": metadata,
    }


def _attempt(attempt: Attempt) -> dict[str, Json]:
    wall = None if attempt.ended is None else round(attempt.ended - attempt.started, 4)
    return {
        "serial": attempt.serial,
        "number": attempt.number,
        "state": attempt.state.value.lower(),
        "how": attempt.how,
        "why": attempt.why or None,
        "queued_seconds": round(max(0.0, attempt.started - attempt.queued), 4),
        "wall_seconds": wall,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_memory": attempt.peak_memory,
        "exit_code": attempt.exit_code,
        "message": attempt.message or None,
    }


def cells(known: Sequence[Row]) -> list[list[str]]:
    """A list of runs as rows of text, the first one the header: a column for each config field and metric."""
    fields = sorted({setting.name for row in known for setting in row.run.settings})
    names = sorted({name for row in known for name in row.metrics})
    header = ["run_id", "algorithm", "state", "created_at", "duration_seconds", "preset", "branch", "commit"]
    header += [*(f"config.{name}" for name in fields), *(f"metric.{name}" for name in names)]
    return [header, *(_cells(row, fields, names) for row in known)]


def _cells(row: Row, fields: Sequence[str], names: Sequence[str]) -> list[str]:
    run = row.run
    took = "" if run.started is None or run.ended is None else f"{run.ended - run.started:.3f}"
    texts = [run.id, run.algorithm, run.state.value.lower(), instant(run.created) or "", took, run.preset]
    texts += [run.git.branch, run.git.commit]
    texts += [literal(run.config[name]) if name in run.config else "" for name in fields]
    return [*texts, *(repr(row.metrics[name]) if name in row.metrics else "" for name in names)]
