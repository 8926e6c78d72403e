"""What the columns of a table of results mean: by their names in Palmette's, MLflow's and W&B's exports, by the
algorithm's own config and metrics, and by what whoever imports says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from palmette.domain.fields import close
from palmette.errors import Problem, UsageError
from palmette.operations.sheets import Sheet


class Fact(StrEnum):
    """What a column can say of a run, besides its config and its metrics."""

    ID = "id"
    ALGORITHM = "algorithm"
    NAME = "name"
    STATE = "state"
    PRESET = "preset"
    CREATED = "created"
    STARTED = "started"
    ENDED = "ended"
    DURATION = "duration"
    BRANCH = "branch"
    COMMIT = "commit"
    AUTHOR = "author"
    MESSAGE = "message"
    FAILURE = "failure"
    TICKET = "ticket"
    TAGS = "tags"
    NOTE = "note"


#: A column without a meaning.
IGNORED: Final = ""
CONFIG: Final = "config."
METRIC: Final = "metric."

_NAMES: Final = {
    Fact.ID: "run_id run_uuid uuid",
    Fact.ALGORITHM: "algo pipeline",
    Fact.NAME: "run_name display_name tags.mlflow.runname",
    Fact.STATE: "status",
    Fact.CREATED: "created_at createdat date timestamp time",
    Fact.STARTED: "started_at start_time start",
    Fact.ENDED: "ended_at end_time end finished finished_at",
    Fact.DURATION: "duration_seconds runtime took elapsed seconds _runtime summary._runtime",
    Fact.BRANCH: "git_branch git.branch tags.mlflow.source.git.branch",
    Fact.COMMIT: "sha git_commit git.commit tags.mlflow.source.git.commit",
    Fact.AUTHOR: "user username git_author git.author tags.mlflow.user",
    Fact.MESSAGE: "commit_message git.message",
    Fact.FAILURE: "error",
    Fact.TICKET: "issue git.ticket",
    Fact.TAGS: "tag",
    Fact.NOTE: "notes comment comments tags.mlflow.note.content",
}
_FACTS: Final = {name: fact for fact in Fact for name in (fact.value, *_NAMES.get(fact, "").split())}
_PREFIXES: Final = {
    **dict.fromkeys(("config.", "params.", "param.", "hparams.", "hyperparameters."), CONFIG),
    **dict.fromkeys(("metric.", "metrics.", "summary."), METRIC),
}
#: What exports hold besides, and no search would ask for.
_BESIDES: Final = re.compile(
    r"(experiment_id|artifact_uri|source_type|source_name|lifecycle_stage|sweep|_timestamp|_step|_wandb.*"
    r"|tags\.mlflow\..*|summary\._.*|config\._wandb.*)"
)
#: What tells Palmette's own export; whatever it holds besides can be worked out, or does not concern a result.
_OURS: Final = frozenset({"run_id", "algorithm", "created_at"})


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is known of an algorithm: the names of its config fields and of its metrics."""

    fields: Collection[str] = ()
    metrics: Collection[str] = ()


def meanings(sheet: Sheet, given: Mapping[str, str], ignored: Collection[str], shape: Shape) -> dict[str, str]:
    """Column → "config.C", "metric.auc", a fact, or nothing; UsageError with every column that has no meaning."""
    problems = _unknown((*given, *ignored), sheet)
    found: dict[str, str] = {}
    for column in sheet.columns:
        if column in ignored:
            found[column] = IGNORED
            continue
        meaning = given[column] if column in given else _guess(column, sheet.columns, shape)
        if meaning is None:
            hint = f"Say what it is: --map {column}=config.NAME (or metric.NAME), or --ignore {column}."
            problems.append(Problem(where=f"column {column!r}", what="it is not known what it means", hint=hint))
        elif meaning != IGNORED and not _valid(meaning):
            known = f"config.NAME, metric.NAME, {', '.join(fact.value for fact in Fact)}"
            problems.append(Problem(where=f"--map {column}={meaning}", what="there is no such field", hint=known))
        else:
            found[column] = meaning
    problems += _doubles(found)
    if problems:
        raise UsageError(f"{sheet.name} cannot be imported", problems=problems)
    return found


def _guess(column: str, columns: Sequence[str], shape: Shape) -> str | None:
    """What a column means by its name; None where that is anybody's guess."""
    name, ours = re.sub(r"[\s-]+", "_", column.strip().lower()), set(columns) >= _OURS
    if name == "message" and ours:
        return Fact.FAILURE
    if name in _FACTS and column not in shape.fields:
        return _FACTS[name]
    if _BESIDES.fullmatch(name):
        return IGNORED
    for prefix, kind in _PREFIXES.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return kind + column[len(prefix) :]
    if column in shape.fields:
        return CONFIG + column
    if column in shape.metrics:
        return METRIC + column
    return IGNORED if ours else None


def _valid(meaning: str) -> bool:
    return meaning in list(Fact) or any(
        len(meaning) > len(kind) and meaning.startswith(kind) for kind in (CONFIG, METRIC)
    )


def _unknown(named: Sequence[str], sheet: Sheet) -> list[Problem]:
    return [
        Problem(
            where=f"column {column!r}", what=f"{sheet.name} has none of that name", hint=close(column, sheet.columns)
        )
        for column in dict.fromkeys(named)
        if column not in sheet.columns
    ]


def _doubles(found: Mapping[str, str]) -> list[Problem]:
    """Two columns may not say the same thing of a run."""
    users: dict[str, list[str]] = {}
    for column, meaning in found.items():
        if meaning != IGNORED:
            users.setdefault(meaning, []).append(column)
    return [
        Problem(
            where=" and ".join(f"column {column!r}" for column in columns),
            what=f"all of them mean {meaning}",
            hint=f"Leave all but one out: --ignore {columns[-1]}",
        )
        for meaning, columns in users.items()
        if len(columns) > 1
    ]
