"""What came before: the earlier executions of a step."""

from __future__ import annotations

from sqlalchemy import select, tuple_

from palmette.domain.run import Run, TaskRecord
from palmette.domain.states import TaskState
from palmette.store import runs as stored_runs
from palmette.store import tasks as stored_tasks
from palmette.store.database import Store
from palmette.store.schema import runs, tasks


def earlier(store: Store, run: Run, task: str) -> tuple[Run, TaskRecord] | None:
    """The newest execution of a task of that name in an earlier run of the same algorithm that succeeded, else the
    newest that failed; None if there is none. Reused tasks were not executed."""
    return _newest(store, run, task, TaskState.SUCCEEDED) or _newest(store, run, task, TaskState.FAILED)


def _newest(store: Store, run: Run, task: str, state: TaskState) -> tuple[Run, TaskRecord] | None:
    query = (
        select(runs.c.id)
        .join(tasks, tasks.c.run == runs.c.id)
        .where(runs.c.project == run.project, runs.c.algorithm == run.algorithm)
        .where(tasks.c.name == task, tasks.c.state == state.value)
        .where(tuple_(runs.c.created, runs.c.id) < tuple_(run.created, run.id))
        .order_by(runs.c.created.desc(), runs.c.id.desc())
        .limit(1)
    )
    with store.read() as connection:
        found = connection.execute(query).scalar()
    if found is None:
        return None
    return stored_runs.get(store, found), stored_tasks.get(store, found, task)
