"""A run and its tasks as messages."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from palmette.domain.artifact import Artifact
from palmette.domain.run import Run, Source, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.kfpapi import messages
from palmette.kfpapi.hosted import storage
from palmette.kfpapi.kinds import finite
from palmette.kfpapi.messages import (
    ArtifactInfo,
    ArtifactList,
    ChildTask,
    MetadataValue,
    PipelineTaskDetail,
    PipelineVersionReference,
    PluginOutput,
    PluginState,
    RunDetails,
    RuntimeConfig,
    RuntimeState,
    RuntimeStatus,
    Status,
    TaskExecutorDetail,
)

#: gRPC's codes of what was canceled and of what failed
_CANCELED: Final = 1
_FAILED: Final = 2

#: How digests begin. Beside them a task's parts name what else it can see of an input: a file's name, its format.
_DIGESTS: Final = ("sha256:", "sha256-dir:", "etag:")

#: A client waits for SUCCEEDED, FAILED or SKIPPED: to say CANCELED would make it wait for ever.
_RUN_STATES: Final[Mapping[RunState, RuntimeState]] = {
    RunState.PENDING: RuntimeState.PENDING,
    RunState.RUNNING: RuntimeState.RUNNING,
    RunState.CANCELING: RuntimeState.CANCELING,
    RunState.SUCCEEDED: RuntimeState.SUCCEEDED,
    RunState.FAILED: RuntimeState.FAILED,
    RunState.CANCELED: RuntimeState.FAILED,
}
_TASK_STATES: Final[Mapping[TaskState, RuntimeState]] = {
    TaskState.PENDING: RuntimeState.PENDING,
    TaskState.QUEUED: RuntimeState.PENDING,
    TaskState.RUNNING: RuntimeState.RUNNING,
    TaskState.SUCCEEDED: RuntimeState.SUCCEEDED,
    TaskState.CACHED: RuntimeState.SUCCEEDED,
    TaskState.FAILED: RuntimeState.FAILED,
    TaskState.SKIPPED: RuntimeState.SKIPPED,
    TaskState.CANCELED: RuntimeState.CANCELED,
}


def message(run: Run, spec: Mapping[str, Json], tasks: Sequence[TaskRecord] | None = None) -> messages.Run:
    """The run; `spec` is its document, which is left out where a version is named. Without tasks, none are told of."""
    state = _RUN_STATES[run.state]
    error = None
    if state is RuntimeState.FAILED:
        canceled = run.state is RunState.CANCELED
        said = run.message or ("the run was canceled" * canceled)
        error = Status(code=_CANCELED if canceled else _FAILED, message=_with_reason(said, tasks or ()))
    named = PipelineVersionReference(pipeline_id=run.pipeline, pipeline_version_id=run.pipeline_version)
    given = {setting.name: setting.value for setting in run.settings if setting.source is not Source.DEFAULT}
    return messages.Run(
        experiment_id=run.experiment,
        run_id=run.id,
        display_name=run.name or run.algorithm,
        storage_state=storage(run.archived),
        description=run.description,
        pipeline_spec={} if run.pipeline else spec,
        pipeline_version_reference=named if run.pipeline else None,
        runtime_config=RuntimeConfig(parameters=given, pipeline_root=run.root),
        service_account=run.service_account,
        created_at=run.created,
        scheduled_at=run.scheduled if run.scheduled is not None else run.created,
        # Until it is over, KFP's own server says the beginning of 1970 too.
        finished_at=run.ended or 0.0,
        state=state,
        error=error,
        run_details=None if tasks is None else RunDetails(task_details=_details(run, tasks)),
        recurring_run_id=run.schedule,
        plugins_output=_notices(run.notices),
        state_history=_before(run) + _history(_again(run), run.started, run.ended, state, error),
    )


def _with_reason(said: str, tasks: Sequence[TaskRecord]) -> str:
    """What is said of a run that failed, with why its first failed task did."""
    failed = [task for task in tasks if task.state is TaskState.FAILED and not task.group and task.message]
    first = min(failed, key=lambda task: task.ended or 0.0, default=None)
    return said if first is None or first.message in said else f"{said}: {first.message}"


def _before(run: Run) -> tuple[RuntimeStatus, ...]:
    """The states of a run that went on after its end, up to its last end."""
    return tuple(RuntimeStatus(update_time=time, state=_RUN_STATES[each]) for each, time in run.states[:-1])


def _again(run: Run) -> float:
    """When the run was accepted, or went on for the last time."""
    return run.states[-1][1] if run.states else run.created


def _notices(notices: Sequence[str]) -> dict[str, PluginOutput]:
    """What whoever reads of the run should know, where clients have a place for what KFP's API does not know of."""
    if not notices:
        return {}
    entries = {"notices": MetadataValue(value=list(notices))}
    said = "; ".join(notices)
    return {"palmette": PluginOutput(entries=entries, state=PluginState.PLUGIN_SUCCEEDED, state_message=said)}


def _history(
    created: float | None, started: float | None, ended: float | None, state: RuntimeState, error: Status | None
) -> tuple[RuntimeStatus, ...]:
    # A run that went on keeps the time of its first start.
    begun = started if started is None or created is None else max(started, created)
    if state is RuntimeState.PENDING:
        begun = None
    steps = [(created, RuntimeState.PENDING, None), (begun, RuntimeState.RUNNING, None), (ended, state, error)]
    known = [
        RuntimeStatus(update_time=time, state=each, error=problem) for time, each, problem in steps if time is not None
    ]
    if known and known[-1].state is not state:
        known.append(RuntimeStatus(update_time=known[-1].update_time, state=state, error=error))
    return tuple(known)


def task_id(run: str, task: str) -> str:
    """The name of a task that no other task has, of whatever run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"palmette:{run}/{task}"))


def node(tasks: Iterable[TaskRecord], run: str, name: str) -> TaskRecord | None:
    """The task that is meant: by the number it is given here, or by its name."""
    return next((task for task in tasks if name in (task_id(run, task.name), task.name, task.component)), None)


def _details(run: Run, tasks: Sequence[TaskRecord]) -> tuple[PipelineTaskDetail, ...]:
    made = {artifact.digest: artifact for task in tasks for artifact in task.outputs.artifacts.values()}
    names = {task.name for task in tasks}
    parents = {task.name: _parent(task.name, names) for task in tasks}
    children: dict[str, list[ChildTask]] = {}
    for name, parent in parents.items():
        children.setdefault(parent, []).append(ChildTask(task_id=task_id(run.id, name)))
    return tuple(_detail(run, task, parents[task.name], tuple(children.get(task.name, ())), made) for task in tasks)


def _parent(name: str, names: set[str]) -> str:
    """The group that holds it: the longest beginning of its name that is another task's."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in names:
            return name
    return ""


def _detail(
    run: Run, task: TaskRecord, parent: str, children: tuple[ChildTask, ...], made: Mapping[str, Artifact]
) -> PipelineTaskDetail:
    state = _TASK_STATES[task.state]
    created = task.attempts[0].queued if task.attempts else task.started
    failed = task.state in (TaskState.FAILED, TaskState.CANCELED)
    code = _FAILED if task.state is TaskState.FAILED else _CANCELED
    error = Status(code=code, message=task.message) if failed else None
    number = task_id(run.id, task.name)
    return PipelineTaskDetail(
        run_id=run.id,
        task_id=number,
        display_name=task.component or task.name,
        create_time=created or run.created,
        start_time=task.started,
        end_time=task.ended,
        executor_detail=_attempts(number, task),
        state=state,
        execution_id=_number(number),
        error=error,
        inputs=_inputs(task, made),
        outputs=_outputs(task),
        parent_task_id=task_id(run.id, parent) if parent else "",
        state_history=_history(created or run.created, task.started, task.ended, state, error),
        pod_name=number if task.attempts else "",
        child_tasks=children,
    )


def _attempts(number: str, task: TaskRecord) -> TaskExecutorDetail | None:
    if not task.attempts:
        return None
    *earlier, last = [f"{number}-{attempt.serial}" for attempt in task.attempts]
    return TaskExecutorDetail(main_job=last, failed_main_jobs=tuple(earlier))


def _inputs(task: TaskRecord, made: Mapping[str, Artifact]) -> dict[str, ArtifactList]:
    if task.parts is None:
        return {}
    values = {name: _value(value) for name, value in task.parts.parameters.items()}
    artifacts = {
        name: _listed(
            [
                made.get(digest) or Artifact(type="", digest=digest, size=0, filename="")
                for digest in digests
                if digest.startswith(_DIGESTS)
            ]
        )
        for name, digests in task.parts.inputs.items()
    }
    return {**values, **artifacts}


def _outputs(task: TaskRecord) -> dict[str, ArtifactList]:
    values = {name: _value(value) for name, value in task.outputs.parameters.items()}
    return {**values, **{name: _listed([artifact]) for name, artifact in task.outputs.artifacts.items()}}


def _value(value: Json) -> ArtifactList:
    return ArtifactList(artifact_ids=(json.dumps(finite(value), ensure_ascii=False),), value=value)


def _listed(artifacts: Sequence[Artifact]) -> ArtifactList:
    return ArtifactList(
        artifact_ids=tuple(str(_number(artifact.digest)) for artifact in artifacts),
        artifacts=tuple(
            ArtifactInfo(
                type=artifact.type,
                uri=artifact.uri,
                digest=artifact.digest,
                size=artifact.size,
                metadata={} if artifact.sensitive else artifact.metadata,
            )
            for artifact in artifacts
        ),
    )


def _number(text: str) -> int:
    """A number that stands for the text: one that a float holds exactly, as clients in JavaScript need it."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 12
