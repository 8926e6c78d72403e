"""The intermediate representation: a KFP ``PipelineSpec`` (schema 2.1.0) and its platform document as frozen types.

Field names are the protocol buffer's in snake_case; `palmette.ir.codec` knows the wire's camelCase. Source: the
published ``pipeline_spec.proto`` and ``kubernetes_executor_config.proto`` of Kubeflow Pipelines (Apache-2.0). What a
document says and these types do not name is kept in `extra` of the nearest message, so that reading and writing a
foreign document loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from palmette.domain.graph import ParameterType
from palmette.domain.values import Json


@dataclass(frozen=True, kw_only=True)
class ArtifactTypeSchema:
    schema_title: str = ""
    schema_version: str = ""
    schema_uri: str = ""
    instance_schema: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


class SystemParameter(StrEnum):
    """Types of the parameters that the backend fills by itself."""

    TASK_FINAL_STATUS = "TASK_FINAL_STATUS"
    TASK_CONFIG = "TASK_CONFIG"


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """An input or output parameter. `has_default` tells a default of null from no default."""

    parameter_type: ParameterType | SystemParameter
    default_value: Json = None
    has_default: bool = False
    is_optional: bool = False
    description: str = ""
    #: allowed values; newer dialects only
    literals: tuple[Json, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ArtifactSpec:
    artifact_type: ArtifactTypeSchema
    is_artifact_list: bool = False
    is_optional: bool = False
    description: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """``inputDefinitions`` or ``outputDefinitions``."""

    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactSpec] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskOutputParameter:
    producer_task: str
    output_parameter_key: str
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class TaskOutputArtifact:
    producer_task: str
    output_artifact_key: str
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class ParameterInput:
    """Exactly one source is set: constant, component input, task output or a task's final status."""

    constant: Json = None
    has_constant: bool = False
    component_input_parameter: str = ""
    task_output_parameter: TaskOutputParameter | None = None
    #: producer task of ``taskFinalStatus``
    task_final_status: str = ""
    #: CEL over ``string_value``: ``parseJson(string_value)["a"]``
    parameter_expression_selector: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ArtifactInput:
    """Exactly one source is set."""

    component_input_artifact: str = ""
    task_output_artifact: TaskOutputArtifact | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskInputs:
    parameters: Mapping[str, ParameterInput] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactInput] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


class TriggerStrategy(StrEnum):
    UNSPECIFIED = "TRIGGER_STRATEGY_UNSPECIFIED"
    ALL_UPSTREAM_TASKS_SUCCEEDED = "ALL_UPSTREAM_TASKS_SUCCEEDED"
    ALL_UPSTREAM_TASKS_COMPLETED = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass(frozen=True, kw_only=True)
class TriggerPolicy:
    #: CEL over ``inputs``
    condition: str = ""
    strategy: TriggerStrategy = TriggerStrategy.UNSPECIFIED
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    max_retry_count: int = 0
    #: seconds
    backoff_duration: float = 0.0
    backoff_factor: float = 2.0
    #: seconds
    backoff_max_duration: float = 3600.0
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CachingOptions:
    enable_cache: bool = False
    cache_key: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ParameterIterator:
    item_input: str
    #: JSON text of a list, or…
    raw: str = ""
    #: …the name of an input parameter
    input_parameter: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ArtifactIterator:
    item_input: str
    input_artifact: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """``PipelineTaskSpec``."""

    #: display name, ``taskInfo.name``
    name: str
    component: str
    inputs: TaskInputs = TaskInputs()
    dependent_tasks: tuple[str, ...] = ()
    trigger_policy: TriggerPolicy | None = None
    retry_policy: RetryPolicy | None = None
    caching_options: CachingOptions | None = None
    parameter_iterator: ParameterIterator | None = None
    artifact_iterator: ArtifactIterator | None = None
    #: ``iteratorPolicy.parallelismLimit``; 0 for none
    parallelism_limit: int = 0
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ParameterSelector:
    producer_subtask: str
    output_parameter_key: str
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class ArtifactSelector:
    producer_subtask: str
    output_artifact_key: str
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class DagOutputs:
    #: several selectors: the first that ran (``valueFromOneof``, or a list of ``artifactSelectors``); a
    #: ``valueFromOneof`` of one leaves its mark in `extra`, so that it is written as it was read
    parameters: Mapping[str, tuple[ParameterSelector, ...]] = field(default_factory=dict)
    artifacts: Mapping[str, tuple[ArtifactSelector, ...]] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DagSpec:
    tasks: Mapping[str, TaskSpec]
    outputs: DagOutputs = DagOutputs()
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ComponentSpec:
    """Either a `dag`, or an `executor_label` that `PipelineSpec.executors` explains."""

    input_definitions: Definitions = Definitions()
    output_definitions: Definitions = Definitions()
    dag: DagSpec | None = None
    executor_label: str = ""
    #: platform-specific passthroughs
    task_config_passthroughs: tuple[Json, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ResourceSpec:
    """Kubernetes quantities as text ("2", "500m", "4Gi"), or placeholders; the old numeric fields stay in `extra`."""

    cpu_limit: str = ""
    cpu_request: str = ""
    memory_limit: str = ""
    memory_request: str = ""
    accelerator_type: str = ""
    accelerator_count: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    resources: ResourceSpec | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImporterSpec:
    #: a constant URI, or…
    artifact_uri: str = ""
    #: …the name of an input parameter
    artifact_uri_parameter: str = ""
    type_schema: ArtifactTypeSchema = ArtifactTypeSchema()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    reimport: bool = False
    download_to_workspace: bool = False
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    container: ContainerSpec | None = None
    importer: ImporterSpec | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PipelineSpec:
    name: str
    root: ComponentSpec
    components: Mapping[str, ComponentSpec] = field(default_factory=dict)
    executors: Mapping[str, ExecutorSpec] = field(default_factory=dict)
    description: str = ""
    display_name: str = ""
    default_pipeline_root: str = ""
    schema_version: str = "2.1.0"
    sdk_version: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class KeyToVar:
    """An entry of ``keyToEnv``: a key of a secret or config map becomes an environment variable."""

    key: str
    variable: str
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class SecretAsEnv:
    """`secret` names it, or `secret_parameter` does when the task runs; the newer SDK writes a constant name twice."""

    secret: str = ""
    keys: tuple[KeyToVar, ...] = ()
    optional: bool = False
    secret_parameter: ParameterInput | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ConfigMapAsEnv:
    """As `SecretAsEnv`, for a config map."""

    configmap: str = ""
    keys: tuple[KeyToVar, ...] = ()
    optional: bool = False
    configmap_parameter: ParameterInput | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SecretAsVolume:
    """Every key of a secret as a file below `mount_path`."""

    secret: str = ""
    mount_path: str = ""
    optional: bool = False
    secret_parameter: ParameterInput | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ConfigMapAsVolume:
    """Every key of a config map as a file below `mount_path`."""

    configmap: str = ""
    mount_path: str = ""
    optional: bool = False
    configmap_parameter: ParameterInput | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PvcMount:
    """A volume, named by `name_parameter`, or by one of the other three as older SDKs write it."""

    mount_path: str = ""
    sub_path: str = ""
    name_parameter: ParameterInput | None = None
    constant: str = ""
    component_input_parameter: str = ""
    task_output_parameter: TaskOutputParameter | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EmptyDirMount:
    """A directory that is empty at first and gone afterwards; medium "Memory" or "" for the disk."""

    volume: str = ""
    mount_path: str = ""
    medium: str = ""
    size_limit: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EphemeralVolume:
    """A volume that lives as long as its pod."""

    volume: str = ""
    mount_path: str = ""
    size: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FieldPathAsEnv:
    """A fact of the pod, such as "metadata.name", as an environment variable."""

    variable: str = ""
    field_path: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SharedMemory:
    """A /dev/shm of this size, a quantity; empty for any."""

    size: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SecurityContext:
    """Who the container runs as; None where nothing is said."""

    user: int | None = None
    group: int | None = None
    non_root: bool | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PodMetadata:
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InitContainer:
    """What runs to its end before the task does."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class KubernetesConfig:
    """``KubernetesExecutorConfig``: what is used by name, the rest in `extra` as it was written."""

    secrets_as_env: tuple[SecretAsEnv, ...] = ()
    #: seconds; 0 for none
    active_deadline_seconds: int = 0
    configmaps_as_env: tuple[ConfigMapAsEnv, ...] = ()
    secrets_as_volumes: tuple[SecretAsVolume, ...] = ()
    configmaps_as_volumes: tuple[ConfigMapAsVolume, ...] = ()
    volumes: tuple[PvcMount, ...] = ()
    empty_directories: tuple[EmptyDirMount, ...] = ()
    ephemeral_volumes: tuple[EphemeralVolume, ...] = ()
    fields_as_env: tuple[FieldPathAsEnv, ...] = ()
    shared_memory: SharedMemory | None = None
    security: SecurityContext = SecurityContext()
    metadata: PodMetadata = PodMetadata()
    before: tuple[InitContainer, ...] = ()
    #: "Always", "IfNotPresent", "Never"; empty where nothing is said
    pull_policy: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PalmetteConfig:
    """What Palmette's own engine knows of one executor beyond KFP."""

    #: "unsaid", "always", "function", or seconds as text ("86400")
    fresh: str = ""
    #: "module:qualname" of the captured step; empty for a foreign container
    step: str = ""
    #: output names that are never shown
    sensitive: tuple[str, ...] = ()
    #: names of environment variables that are passed on
    env: tuple[str, ...] = ()
    #: third-party modules worth importing before the step is forked
    imports: tuple[str, ...] = ()
    #: the environment that the step names; empty for the project's own
    environment: str = ""
    #: seconds, where finer than ``active_deadline_seconds`` can say; None for none
    timeout: float | None = None
    #: output name → format
    formats: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlatformSpec:
    """The second document of a pipeline file: per executor label, for Kubernetes and for Palmette."""

    kubernetes: Mapping[str, KubernetesConfig] = field(default_factory=dict)
    palmette: Mapping[str, PalmetteConfig] = field(default_factory=dict)
    #: the algorithm's own facts: a `palmette.domain.graph.Algorithm` without steps and tasks, dumped
    algorithm: Mapping[str, Json] = field(default_factory=dict)
    #: ``pipelineConfig`` of Kubernetes as it was written: workspace, deadlines, time to live
    pipeline_config: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PipelineDocument:
    """A pipeline file: the spec and, where there is one, its platform document."""

    pipeline: PipelineSpec
    platform: PlatformSpec = PlatformSpec()
