"""The tasks of a run, with their attempts and outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.fingerprint import plain as plain_parts
from palmette.domain.run import Attempt, Process, TaskChanged, TaskRecord
from palmette.domain.states import AttemptState, TaskState
from palmette.errors import NotFound
from palmette.store import artifacts
from palmette.store.columns import decode, encode, plain
from palmette.store.database import Store
from palmette.store.schema import attempts, tasks
from palmette.store.statements import insert_new, upsert

_RUN: Final[BindParameter[str]] = bindparam("run_id")
_TASK: Final[BindParameter[str]] = bindparam("task_name")
_TASKS: Final = select(tasks).where(tasks.c.run == _RUN).order_by(tasks.c.position, tasks.c.name)
_ATTEMPTS: Final = select(attempts).where(attempts.c.run == _RUN).order_by(attempts.c.task, attempts.c.serial)
_WRITE_ATTEMPT: Final = upsert(attempts, keep=("pid", "pid_start", "pid_boot"))
#: What is there already was written by the same transaction, whose end nobody heard of.
_INSERT: Final = insert_new(tasks)
_UNTOUCHED: Final = dict.fromkeys(column.name for column in tasks.columns)
_NEXT: Final = select(func.coalesce(func.max(tasks.c.position) + 1, 0)).where(tasks.c.run == _RUN)


def _or_kept(column: str) -> Any:
    return func.coalesce(bindparam(f"new_{column}", type_=tasks.c[column].type), tasks.c[column])


_CHANGE: Final = (
    update(tasks)
    .where(tasks.c.run == _RUN, tasks.c.name == _TASK)
    .values(
        state=bindparam("new_state"),
        message=bindparam("new_message"),
        fingerprint=_or_kept("fingerprint"),
        parts=_or_kept("parts"),
        cached_from=_or_kept("cached_from"),
        cached_made=_or_kept("cached_made"),
        made=_or_kept("made"),
        # The first attempt's; a task that is tried again started when it was first tried.
        started=func.coalesce(tasks.c.started, bindparam("new_started", type_=tasks.c.started.type)),
        ended=bindparam("new_ended"),
    )
)


def of_run(store: Store, run: str) -> tuple[TaskRecord, ...]:
    """All tasks and groups of a run, in the order in which they were planned; what is in a group follows it."""
    with store.read() as connection:
        outputs = artifacts.read_all(connection, run)
        tries: dict[str, list[Attempt]] = {}
        for row in connection.execute(_ATTEMPTS, {"run_id": run}):
            tries.setdefault(row.task, []).append(_attempt(row))
        found = _nested(connection.execute(_TASKS, {"run_id": run}).all())
    return tuple(_record(row, outputs.get(row.name, Outputs()), tries.get(row.name, ())) for row in found)


def get(store: Store, run: str, name: str) -> TaskRecord:
    """One task of a run; NotFound says which there are."""
    with store.read() as connection:
        row = connection.execute(_TASKS.where(tasks.c.name == _TASK), {"run_id": run, "task_name": name}).first()
        if row is None:
            known = connection.execute(_TASKS, {"run_id": run}).all()
            raise NotFound(f"run {run} has no task {name!r}", f"Its tasks: {', '.join(task.name for task in known)}.")
        query = _ATTEMPTS.where(attempts.c.task == _TASK)
        tries = [_attempt(found) for found in connection.execute(query, {"run_id": run, "task_name": name})]
        return _record(row, artifacts.read(connection, run, name), tries)


def counts(connection: Connection, runs: Collection[str]) -> dict[str, dict[TaskState, int]]:
    """How many tasks of each run are in which state, for several runs at once. Groups of tasks are none."""
    query = select(tasks.c.run, tasks.c.state, func.count()).where(tasks.c.run.in_(runs), tasks.c.executor != "")
    found: dict[str, dict[TaskState, int]] = {}
    for run, state, count in connection.execute(query.group_by(tasks.c.run, tasks.c.state)):
        found.setdefault(run, {})[TaskState(state)] = count
    return found


def _nested(rows: Sequence[Any]) -> list[Any]:
    """The rows in order, those of a group's members behind it: an iteration is planned long after what follows its
    loop."""
    places = {row.name: row.position for row in rows}

    def path(name: str) -> list[int]:
        ends = [at for at, sign in enumerate(name) if sign == "."]
        return [places[name[:at]] for at in ends if name[:at] in places] + [places[name]]

    return sorted(rows, key=lambda row: path(row.name))


def plan(connection: Connection, run: str, project: str, records: Sequence[TaskRecord]) -> None:
    """Write tasks that nothing has happened to yet, within a transaction."""
    if not records:
        return
    first = connection.execute(_NEXT, {"run_id": run}).scalar_one()
    rows = [_UNTOUCHED | _row(run, project, position, record) for position, record in enumerate(records, first)]
    connection.execute(_INSERT, rows)


def change(connection: Connection, run: str, project: str, changed: TaskChanged) -> None:
    """Write a task's change within a transaction; a task that was not planned (of a loop, say) comes to be."""
    values = _changed(changed)
    done = connection.execute(_CHANGE, {"run_id": run, "task_name": changed.task, **values})
    if done.rowcount == 0:
        plan(connection, run, project, [TaskRecord(name=changed.task)])
        connection.execute(_CHANGE, {"run_id": run, "task_name": changed.task, **values})
    outputs = changed.outputs or (changed.reused.outputs if changed.reused else None)
    if outputs is not None:
        artifacts.write(connection, run, changed.task, outputs)


def write_attempt(connection: Connection, run: str, task: str, attempt: Attempt) -> None:
    """Write what is known of an attempt within a transaction; a process that was known stays known."""
    process = attempt.process
    values = {
        "run": run,
        "task": task,
        "serial": attempt.serial,
        "number": attempt.number,
        "state": attempt.state.value,
        "how": attempt.how,
        "why": plain(attempt.why),
        "pid": process and process.pid,
        "pid_start": process and process.start,
        "pid_boot": process and process.boot,
        "queued": attempt.queued,
        "started": attempt.started,
        "ended": attempt.ended,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_memory": attempt.peak_memory,
        "exit_code": attempt.exit_code,
        "message": plain(attempt.message),
        "directory": attempt.directory,
    }
    connection.execute(_WRITE_ATTEMPT, values)


def _changed(changed: TaskChanged) -> dict[str, object]:
    reused, state = changed.reused, changed.state
    made = reused.made if reused else changed.time if state is TaskState.SUCCEEDED else None
    return {
        "new_state": state.value,
        "new_message": plain(changed.message),
        "new_fingerprint": changed.fingerprint,
        "new_parts": None if changed.parts is None else encode(plain_parts(changed.parts)),
        "new_cached_from": f"{reused.run}/{reused.task}" if reused else None,
        "new_cached_made": reused.made if reused else None,
        "new_made": made,
        "new_started": changed.time if state is TaskState.RUNNING else None,
        "new_ended": changed.time if state.final else None,
    }


def _row(run: str, project: str, position: int, record: TaskRecord) -> dict[str, object]:
    return {
        "run": run,
        "name": record.name,
        "position": position,
        "project": project,
        "state": record.state.value,
        "executor": record.executor,
        "component": record.component,
        "needs": encode(list(record.needs)),
        "message": "",
    }


def _record(row: Any, outputs: Outputs, tries: Sequence[Attempt]) -> TaskRecord:
    return TaskRecord(
        name=row.name,
        state=TaskState(row.state),
        executor=row.executor,
        component=row.component,
        needs=tuple(decode(row.needs)),
        fingerprint=row.fingerprint or "",
        parts=None if row.parts is None else _parts(decode(row.parts)),
        outputs=outputs,
        cached_from=row.cached_from or "",
        cached_made=row.cached_made,
        started=row.started,
        ended=row.ended,
        message=row.message,
        attempts=tuple(tries),
    )


def _parts(body: dict[str, Any]) -> Parts:
    # Field by field: a newer writer's unknown parts are left out, and the digests of an input are a tuple.
    known = {name: value for name, value in body.items() if name in Parts.__dataclass_fields__}
    inputs = {name: tuple(digests) for name, digests in body["inputs"].items()}
    return Parts(**{**known, "inputs": inputs})


def _attempt(row: Any) -> Attempt:
    process = None if row.pid is None else Process(pid=row.pid, start=row.pid_start, boot=row.pid_boot)
    return Attempt(
        serial=row.serial,
        number=row.number,
        state=AttemptState(row.state),
        how=row.how,
        why=row.why,
        process=process,
        queued=row.queued,
        started=row.started,
        ended=row.ended,
        cpu_seconds=row.cpu_seconds,
        peak_memory=row.peak_memory,
        exit_code=row.exit_code,
        message=row.message,
        directory=row.directory,
    )
