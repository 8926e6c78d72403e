"""What tasks gave: artifacts and values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, select

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.values import Json
from palmette.store.columns import decode, encode, integer, plain
from palmette.store.database import Store
from palmette.store.schema import artifacts, parameters
from palmette.store.statements import upsert

_WRITE_ARTIFACT: Final = upsert(artifacts)
_WRITE_PARAMETER: Final = upsert(parameters)
_RUN: Final[BindParameter[str]] = bindparam("run_id")
_TASK: Final[BindParameter[str]] = bindparam("task_name")
_ARTIFACTS: Final = select(artifacts).where(artifacts.c.run == _RUN).order_by(artifacts.c.task, artifacts.c.name)
_PARAMETERS: Final = select(parameters).where(parameters.c.run == _RUN).order_by(parameters.c.task, parameters.c.name)
_ARTIFACTS_OF: Final = _ARTIFACTS.where(artifacts.c.task == _TASK)
_PARAMETERS_OF: Final = _PARAMETERS.where(parameters.c.task == _TASK)


def of_run(store: Store, run: str) -> dict[str, Outputs]:
    """The outputs of a run's tasks, by task; a task without any is absent."""
    with store.read() as connection:
        return read_all(connection, run)


def digests(store: Store) -> Iterable[str]:
    """Every artifact's digest, each once: what the store still needs."""
    with store.read() as connection:
        return connection.execute(select(artifacts.c.digest).distinct()).scalars().all()


def write(connection: Connection, run: str, task: str, outputs: Outputs) -> None:
    """Write a task's outputs within a transaction."""
    if outputs.artifacts:
        rows = [
            {
                "run": run,
                "task": task,
                "name": name,
                "position": 0,
                "type": artifact.type,
                "digest": artifact.digest,
                "size": artifact.size,
                "filename": artifact.filename,
                "metadata": encode(dict(artifact.metadata)),
                "uri": plain(artifact.uri),
                "rows": _counted(artifact.metadata.get("rows")),
            }
            for name, artifact in outputs.artifacts.items()
        ]
        connection.execute(_WRITE_ARTIFACT, rows)
    if outputs.parameters:
        values = [
            {"run": run, "task": task, "name": name, "value": encode(value)}
            for name, value in outputs.parameters.items()
        ]
        connection.execute(_WRITE_PARAMETER, values)


def read(connection: Connection, run: str, task: str) -> Outputs:
    """One task's outputs."""
    key = {"run_id": run, "task_name": task}
    return Outputs(
        parameters={row.name: decode(row.value) for row in connection.execute(_PARAMETERS_OF, key)},
        artifacts={row.name: _artifact(row) for row in connection.execute(_ARTIFACTS_OF, key)},
    )


def read_all(connection: Connection, run: str) -> dict[str, Outputs]:
    """All tasks' outputs, in two queries."""
    values: dict[str, dict[str, Json]] = {}
    for row in connection.execute(_PARAMETERS, {"run_id": run}):
        values.setdefault(row.task, {})[row.name] = decode(row.value)
    made: dict[str, dict[str, Artifact]] = {}
    for row in connection.execute(_ARTIFACTS, {"run_id": run}):
        made.setdefault(row.task, {})[row.name] = _artifact(row)
    return {
        task: Outputs(parameters=values.get(task, {}), artifacts=made.get(task, {}))
        for task in sorted({*values, *made})
    }


def _artifact(row: Any) -> Artifact:
    return Artifact(
        type=row.type,
        digest=row.digest,
        size=row.size,
        filename=row.filename,
        metadata=decode(row.metadata),
        uri=row.uri,
    )


def _counted(rows: Json) -> int | None:
    return integer(rows) if isinstance(rows, int) and not isinstance(rows, bool) else None
