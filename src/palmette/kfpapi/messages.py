"""The messages of v2beta1 as frozen values. Every field has its zero value, which is left out when it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from palmette.domain.values import Json
from palmette.kfpapi.kinds import Int64, Moment, Struct


class StorageState(StrEnum):
    STORAGE_STATE_UNSPECIFIED = "STORAGE_STATE_UNSPECIFIED"
    AVAILABLE = "AVAILABLE"
    ARCHIVED = "ARCHIVED"


class RuntimeState(StrEnum):
    RUNTIME_STATE_UNSPECIFIED = "RUNTIME_STATE_UNSPECIFIED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    PAUSED = "PAUSED"


class Mode(StrEnum):
    MODE_UNSPECIFIED = "MODE_UNSPECIFIED"
    ENABLE = "ENABLE"
    DISABLE = "DISABLE"


class RecurringRunStatus(StrEnum):
    STATUS_UNSPECIFIED = "STATUS_UNSPECIFIED"
    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


@dataclass(frozen=True, kw_only=True)
class Status:
    """What went wrong, in gRPC's terms."""

    code: int = 0
    message: str = ""
    details: tuple[Json, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Empty:
    """Nothing: the request was carried out."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What runs are filed under."""

    experiment_id: str = ""
    display_name: str = ""
    description: str = ""
    created_at: Moment = None
    #: taken and ignored: there is one namespace
    namespace: str = ""
    storage_state: StorageState = StorageState.STORAGE_STATE_UNSPECIFIED
    last_run_created_at: Moment = None


@dataclass(frozen=True, kw_only=True)
class ListExperimentsResponse:
    """A part of the list of experiments."""

    experiments: tuple[Experiment, ...] = ()
    total_size: int = 0
    next_page_token: str = ""


@dataclass(frozen=True, kw_only=True)
class Url:
    """Where a pipeline is fetched from."""

    pipeline_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline, of which there are versions."""

    pipeline_id: str = ""
    display_name: str = ""
    name: str = ""
    description: str = ""
    created_at: Moment = None
    namespace: str = ""
    error: Status | None = None
    #: None where nothing is said of them, which an update tells from none at all
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class PipelineVersion:
    """One version of a pipeline."""

    pipeline_id: str = ""
    pipeline_version_id: str = ""
    display_name: str = ""
    name: str = ""
    description: str = ""
    created_at: Moment = None
    package_url: Url | None = None
    code_source_url: str = ""
    pipeline_spec: Struct = field(default_factory=dict)
    error: Status | None = None
    #: as a pipeline's
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class CreatePipelineAndVersionRequest:
    """A pipeline, and where its first version is fetched from."""

    pipeline: Pipeline | None = None
    pipeline_version: PipelineVersion | None = None


@dataclass(frozen=True, kw_only=True)
class ListPipelinesResponse:
    """A part of the list of pipelines."""

    pipelines: tuple[Pipeline, ...] = ()
    total_size: int = 0
    next_page_token: str = ""


@dataclass(frozen=True, kw_only=True)
class ListPipelineVersionsResponse:
    """A part of the list of a pipeline's versions."""

    pipeline_versions: tuple[PipelineVersion, ...] = ()
    next_page_token: str = ""
    total_size: int = 0


@dataclass(frozen=True, kw_only=True)
class PipelineVersionReference:
    """Which version of which pipeline; the newest where none is named."""

    pipeline_id: str = ""
    pipeline_version_id: str = ""


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """What a run is given."""

    parameters: Struct = field(default_factory=dict)
    pipeline_root: str = ""


@dataclass(frozen=True, kw_only=True)
class RuntimeStatus:
    """A state, and when it was taken."""

    update_time: Moment = None
    state: RuntimeState = RuntimeState.RUNTIME_STATE_UNSPECIFIED
    error: Status | None = None


@dataclass(frozen=True, kw_only=True)
class ArtifactInfo:
    """An artifact by its content. Not in KFP's own API, whose clients leave it out."""

    type: str = ""
    uri: str = ""
    digest: str = ""
    size: Int64 = 0
    metadata: Struct = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ArtifactList:
    """What a task took or gave under one name: artifacts, equal ones under equal numbers, or a value.

    `artifacts` and `value` are not in KFP's own API, whose clients leave them out. So that these see values, too, the
    only one of `artifact_ids` is then the value's JSON.
    """

    artifact_ids: tuple[str, ...] = ()
    artifacts: tuple[ArtifactInfo, ...] = ()
    value: Json = None


@dataclass(frozen=True, kw_only=True)
class TaskExecutorDetail:
    """The attempts at a task."""

    main_job: str = ""
    pre_caching_check_job: str = ""
    failed_main_jobs: tuple[str, ...] = ()
    failed_pre_caching_check_jobs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChildTask:
    """A task within this one: one of the two names is set."""

    task_id: str = ""
    pod_name: str = ""


@dataclass(frozen=True, kw_only=True)
class PipelineTaskDetail:
    """A task of a run, or a group of tasks."""

    run_id: str = ""
    task_id: str = ""
    display_name: str = ""
    create_time: Moment = None
    start_time: Moment = None
    end_time: Moment = None
    executor_detail: TaskExecutorDetail | None = None
    state: RuntimeState = RuntimeState.RUNTIME_STATE_UNSPECIFIED
    execution_id: Int64 = 0
    error: Status | None = None
    inputs: Mapping[str, ArtifactList] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactList] = field(default_factory=dict)
    parent_task_id: str = ""
    state_history: tuple[RuntimeStatus, ...] = ()
    pod_name: str = ""
    child_tasks: tuple[ChildTask, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """The tasks of a run."""

    pipeline_context_id: Int64 = 0
    pipeline_run_context_id: Int64 = 0
    task_details: tuple[PipelineTaskDetail, ...] = ()


class PluginState(StrEnum):
    PLUGIN_STATE_UNSPECIFIED = "PLUGIN_STATE_UNSPECIFIED"
    PLUGIN_RUNNING = "PLUGIN_RUNNING"
    PLUGIN_SUCCEEDED = "PLUGIN_SUCCEEDED"
    PLUGIN_FAILED = "PLUGIN_FAILED"


@dataclass(frozen=True, kw_only=True)
class MetadataValue:
    """Something that a plugin said."""

    value: Json = None
    render_type: str = ""


@dataclass(frozen=True, kw_only=True)
class PluginOutput:
    """What a plugin said. Under "palmette" stand the `notices` of a run: what this machine ignored of it, and why."""

    entries: Mapping[str, MetadataValue] = field(default_factory=dict)
    state: PluginState = PluginState.PLUGIN_STATE_UNSPECIFIED
    state_message: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of a pipeline."""

    experiment_id: str = ""
    run_id: str = ""
    display_name: str = ""
    storage_state: StorageState = StorageState.STORAGE_STATE_UNSPECIFIED
    description: str = ""
    pipeline_version_id: str = ""
    pipeline_spec: Struct = field(default_factory=dict)
    pipeline_version_reference: PipelineVersionReference | None = None
    runtime_config: RuntimeConfig | None = None
    service_account: str = ""
    created_at: Moment = None
    scheduled_at: Moment = None
    finished_at: Moment = None
    state: RuntimeState = RuntimeState.RUNTIME_STATE_UNSPECIFIED
    error: Status | None = None
    run_details: RunDetails | None = None
    recurring_run_id: str = ""
    state_history: tuple[RuntimeStatus, ...] = ()
    #: taken and ignored: plugins are a cluster's
    plugins_input: Mapping[str, Json] = field(default_factory=dict)
    plugins_output: Mapping[str, PluginOutput] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ListRunsResponse:
    """A part of the list of runs."""

    runs: tuple[Run, ...] = ()
    total_size: int = 0
    next_page_token: str = ""


@dataclass(frozen=True, kw_only=True)
class CronSchedule:
    """At the times that an expression names: seconds first, or five fields."""

    start_time: Moment = None
    end_time: Moment = None
    cron: str = ""


@dataclass(frozen=True, kw_only=True)
class PeriodicSchedule:
    """Every so many seconds."""

    start_time: Moment = None
    end_time: Moment = None
    interval_second: Int64 = 0


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """When a recurring run is due: one of the two."""

    cron_schedule: CronSchedule | None = None
    periodic_schedule: PeriodicSchedule | None = None


@dataclass(frozen=True, kw_only=True)
class RecurringRun:
    """Runs that are started again and again."""

    recurring_run_id: str = ""
    display_name: str = ""
    description: str = ""
    pipeline_version_id: str = ""
    pipeline_spec: Struct = field(default_factory=dict)
    pipeline_version_reference: PipelineVersionReference | None = None
    runtime_config: RuntimeConfig | None = None
    service_account: str = ""
    max_concurrency: Int64 = 0
    trigger: Trigger | None = None
    mode: Mode = Mode.MODE_UNSPECIFIED
    created_at: Moment = None
    updated_at: Moment = None
    status: RecurringRunStatus = RecurringRunStatus.STATUS_UNSPECIFIED
    error: Status | None = None
    no_catchup: bool = False
    namespace: str = ""
    experiment_id: str = ""
    #: as a run's
    plugins_input: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ListRecurringRunsResponse:
    """A part of the list of recurring runs."""

    # In camelCase on the wire too: so it is in KFP's own server.
    recurring_runs: tuple[RecurringRun, ...] = field(default=(), metadata={"wire": "recurringRuns"})
    total_size: int = 0
    next_page_token: str = ""


@dataclass(frozen=True, kw_only=True)
class Healthz:
    """That the server is there. Its own values are written though they are zero."""

    tag_name: str = ""
    multi_user: bool = False
    pipeline_store: str = ""


@dataclass(frozen=True, kw_only=True)
class ArtifactBytes:
    """An artifact's bytes in Base64."""

    data: str = ""
