"""Where each field of `palmette.ir.spec` stands on the wire."""

from __future__ import annotations

from typing import Any, Final

from palmette.domain.graph import ParameterType
from palmette.domain.values import Json
from palmette.errors import Problem
from palmette.ir import spec
from palmette.ir.kinds import (
    ABSENT,
    FLAG,
    JSON,
    LONG,
    NUMBER,
    SECONDS,
    STRUCT,
    TEXT,
    WHOLE,
    Kind,
    each,
    enumeration,
    message,
    put,
    shape,
    table,
    take,
    wrong,
)

_PARAMETER_TYPE: Final = enumeration(ParameterType, spec.SystemParameter)

ARTIFACT_TYPE_SCHEMA: Final = shape(
    spec.ArtifactTypeSchema,
    {
        "schema_title": ("schemaTitle", TEXT),
        "schema_version": ("schemaVersion", TEXT),
        "schema_uri": ("schemaUri", TEXT),
        "instance_schema": ("instanceSchema", TEXT),
    },
)
PARAMETER_SPEC: Final = shape(
    spec.ParameterSpec,
    {
        "parameter_type": ("parameterType", _PARAMETER_TYPE),
        "default_value": ("defaultValue", JSON),
        "is_optional": ("isOptional", FLAG),
        "description": ("description", TEXT),
        "literals": ("literals", each(JSON)),
    },
    required=("parameter_type",),
)
ARTIFACT_SPEC: Final = shape(
    spec.ArtifactSpec,
    {
        "artifact_type": ("artifactType", message(ARTIFACT_TYPE_SCHEMA)),
        "is_artifact_list": ("isArtifactList", FLAG),
        "is_optional": ("isOptional", FLAG),
        "description": ("description", TEXT),
        "metadata": ("metadata", STRUCT),
    },
    artifact_type=spec.ArtifactTypeSchema(),
)
DEFINITIONS: Final = shape(
    spec.Definitions,
    {
        "parameters": ("parameters", table(message(PARAMETER_SPEC))),
        "artifacts": ("artifacts", table(message(ARTIFACT_SPEC))),
    },
)
TASK_OUTPUT_PARAMETER: Final = shape(
    spec.TaskOutputParameter,
    {"producer_task": ("producerTask", TEXT), "output_parameter_key": ("outputParameterKey", TEXT)},
)
TASK_OUTPUT_ARTIFACT: Final = shape(
    spec.TaskOutputArtifact,
    {"producer_task": ("producerTask", TEXT), "output_artifact_key": ("outputArtifactKey", TEXT)},
)
PARAMETER_INPUT: Final = shape(
    spec.ParameterInput,
    {
        "constant": ("runtimeValue.constant", JSON),
        "component_input_parameter": ("componentInputParameter", TEXT),
        "task_output_parameter": ("taskOutputParameter", message(TASK_OUTPUT_PARAMETER)),
        "task_final_status": ("taskFinalStatus.producerTask", TEXT),
        "parameter_expression_selector": ("parameterExpressionSelector", TEXT),
    },
)
ARTIFACT_INPUT: Final = shape(
    spec.ArtifactInput,
    {
        "component_input_artifact": ("componentInputArtifact", TEXT),
        "task_output_artifact": ("taskOutputArtifact", message(TASK_OUTPUT_ARTIFACT)),
    },
)
TASK_INPUTS: Final = shape(
    spec.TaskInputs,
    {
        "parameters": ("parameters", table(message(PARAMETER_INPUT))),
        "artifacts": ("artifacts", table(message(ARTIFACT_INPUT))),
    },
)
TRIGGER_POLICY: Final = shape(
    spec.TriggerPolicy,
    {"condition": ("condition", TEXT), "strategy": ("strategy", enumeration(spec.TriggerStrategy))},
)
RETRY_POLICY: Final = shape(
    spec.RetryPolicy,
    {
        "max_retry_count": ("maxRetryCount", WHOLE),
        "backoff_duration": ("backoffDuration", SECONDS),
        "backoff_factor": ("backoffFactor", NUMBER),
        "backoff_max_duration": ("backoffMaxDuration", SECONDS),
    },
    always=("max_retry_count", "backoff_duration", "backoff_factor", "backoff_max_duration"),
)
CACHING_OPTIONS: Final = shape(
    spec.CachingOptions, {"enable_cache": ("enableCache", FLAG), "cache_key": ("cacheKey", TEXT)}
)
PARAMETER_ITERATOR: Final = shape(
    spec.ParameterIterator,
    {
        "item_input": ("itemInput", TEXT),
        "raw": ("items.raw", TEXT),
        "input_parameter": ("items.inputParameter", TEXT),
    },
)
ARTIFACT_ITERATOR: Final = shape(
    spec.ArtifactIterator, {"item_input": ("itemInput", TEXT), "input_artifact": ("items.inputArtifact", TEXT)}
)
TASK_SPEC: Final = shape(
    spec.TaskSpec,
    {
        "name": ("taskInfo.name", TEXT),
        "component": ("componentRef.name", TEXT),
        "inputs": ("inputs", message(TASK_INPUTS)),
        "dependent_tasks": ("dependentTasks", each(TEXT)),
        "trigger_policy": ("triggerPolicy", message(TRIGGER_POLICY)),
        "retry_policy": ("retryPolicy", message(RETRY_POLICY)),
        "caching_options": ("cachingOptions", message(CACHING_OPTIONS)),
        "parameter_iterator": ("parameterIterator", message(PARAMETER_ITERATOR)),
        "artifact_iterator": ("artifactIterator", message(ARTIFACT_ITERATOR)),
        "parallelism_limit": ("iteratorPolicy.parallelismLimit", WHOLE),
    },
)
PARAMETER_SELECTOR: Final = shape(
    spec.ParameterSelector,
    {"producer_subtask": ("producerSubtask", TEXT), "output_parameter_key": ("outputParameterKey", TEXT)},
)
ARTIFACT_SELECTOR: Final = shape(
    spec.ArtifactSelector,
    {"producer_subtask": ("producerSubtask", TEXT), "output_artifact_key": ("outputArtifactKey", TEXT)},
)


def _selectors() -> Kind:
    """``valueFromParameter``, or ``valueFromOneof`` for several."""
    one = message(PARAMETER_SELECTOR)
    several = each(one)

    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        if not isinstance(raw, dict):
            problems.append(wrong(where, "a mapping", raw))
            return (), ABSENT
        rest = dict(raw)
        if (single := take(rest, ("valueFromParameter",))) is not ABSENT:
            return (one.read(single, f"{where}.valueFromParameter", problems)[0],), rest or ABSENT
        listed = take(rest, ("valueFromOneof", "parameterSelectors"))
        if listed is ABSENT:
            return (), rest or ABSENT
        value, _ = several.read(listed, f"{where}.valueFromOneof.parameterSelectors", problems)
        if len(value) < 2 and "valueFromOneof" not in rest:
            rest["valueFromOneof"] = {}
        return value, rest or ABSENT

    def write(value: Any, left: Any) -> Json:
        rest = dict(left) if isinstance(left, dict) else {}
        if len(value) > 1 or (value and "valueFromOneof" in rest):
            put(rest, ("valueFromOneof", "parameterSelectors"), several.write(value, ABSENT))
        elif value:
            rest["valueFromParameter"] = one.write(value[0], ABSENT)
        return rest

    return Kind(blank=(), read=read, write=write)


def _artifact_selectors() -> Kind:
    listed = each(message(ARTIFACT_SELECTOR))

    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        if not isinstance(raw, dict):
            problems.append(wrong(where, "a mapping", raw))
            return (), ABSENT
        rest = dict(raw)
        found = take(rest, ("artifactSelectors",))
        value = () if found is ABSENT else listed.read(found, f"{where}.artifactSelectors", problems)[0]
        return value, rest or ABSENT

    def write(value: Any, left: Any) -> Json:
        rest = dict(left) if isinstance(left, dict) else {}
        return {**rest, "artifactSelectors": listed.write(value, ABSENT)} if value else rest

    return Kind(blank=(), read=read, write=write)


DAG_OUTPUTS: Final = shape(
    spec.DagOutputs,
    {"parameters": ("parameters", table(_selectors())), "artifacts": ("artifacts", table(_artifact_selectors()))},
)
DAG_SPEC: Final = shape(
    spec.DagSpec,
    {"tasks": ("tasks", table(message(TASK_SPEC))), "outputs": ("outputs", message(DAG_OUTPUTS))},
)
COMPONENT_SPEC: Final = shape(
    spec.ComponentSpec,
    {
        "input_definitions": ("inputDefinitions", message(DEFINITIONS)),
        "output_definitions": ("outputDefinitions", message(DEFINITIONS)),
        "dag": ("dag", message(DAG_SPEC)),
        "executor_label": ("executorLabel", TEXT),
        "task_config_passthroughs": ("taskConfigPassthroughs", each(JSON)),
    },
)
RESOURCE_SPEC: Final = shape(
    spec.ResourceSpec,
    {
        "cpu_limit": ("resourceCpuLimit", TEXT),
        "cpu_request": ("resourceCpuRequest", TEXT),
        "memory_limit": ("resourceMemoryLimit", TEXT),
        "memory_request": ("resourceMemoryRequest", TEXT),
        "accelerator_type": ("accelerator.resourceType", TEXT),
        "accelerator_count": ("accelerator.resourceCount", TEXT),
    },
)


def _env() -> Kind:
    """A list of ``{name, value}``; of two with one name the last counts, as in Kubernetes."""

    def read(raw: Any, where: str, problems: list[Problem]) -> tuple[Any, Any]:
        if not isinstance(raw, list):
            problems.append(wrong(where, "a list", raw))
            return {}, ABSENT
        values: dict[str, str] = {}
        for index, entry in enumerate(raw):
            pair = entry if isinstance(entry, dict) else {}
            name, value = pair.get("name"), pair.get("value", "")
            if isinstance(name, str) and isinstance(value, str) and not pair.keys() - {"name", "value"}:
                values[name] = value
            else:
                problems.append(Problem(where=f"{where}[{index}]", what="expected a name and a value, both text"))
        return values, ABSENT

    return Kind(
        blank={}, read=read, write=lambda value, _: [{"name": name, "value": text} for name, text in value.items()]
    )


CONTAINER_SPEC: Final = shape(
    spec.ContainerSpec,
    {
        "image": ("image", TEXT),
        "command": ("command", each(TEXT)),
        "args": ("args", each(TEXT)),
        "env": ("env", _env()),
        "resources": ("resources", message(RESOURCE_SPEC)),
    },
)
IMPORTER_SPEC: Final = shape(
    spec.ImporterSpec,
    {
        "artifact_uri": ("artifactUri.constant", TEXT),
        "artifact_uri_parameter": ("artifactUri.runtimeParameter", TEXT),
        "type_schema": ("typeSchema", message(ARTIFACT_TYPE_SCHEMA)),
        "metadata": ("metadata", STRUCT),
        "reimport": ("reimport", FLAG),
        "download_to_workspace": ("downloadToWorkspace", FLAG),
    },
)
EXECUTOR_SPEC: Final = shape(
    spec.ExecutorSpec,
    {"container": ("container", message(CONTAINER_SPEC)), "importer": ("importer", message(IMPORTER_SPEC))},
)
PIPELINE_SPEC: Final = shape(
    spec.PipelineSpec,
    {
        "name": ("pipelineInfo.name", TEXT),
        "root": ("root", message(COMPONENT_SPEC)),
        "components": ("components", table(message(COMPONENT_SPEC))),
        "executors": ("deploymentSpec.executors", table(message(EXECUTOR_SPEC))),
        "description": ("pipelineInfo.description", TEXT),
        "display_name": ("pipelineInfo.displayName", TEXT),
        "default_pipeline_root": ("defaultPipelineRoot", TEXT),
        "schema_version": ("schemaVersion", TEXT),
        "sdk_version": ("sdkVersion", TEXT),
    },
    root=spec.ComponentSpec(),
    schema_version="",
)
KEY_TO_VAR: Final = shape(spec.KeyToVar, {"key": ("secretKey", TEXT), "variable": ("envVar", TEXT)})
SECRET_AS_ENV: Final = shape(
    spec.SecretAsEnv,
    {
        "secret": ("secretName", TEXT),
        "keys": ("keyToEnv", each(message(KEY_TO_VAR))),
        "optional": ("optional", FLAG),
        "secret_parameter": ("secretNameParameter", message(PARAMETER_INPUT)),
    },
)
CONFIGMAP_KEY: Final = shape(spec.KeyToVar, {"key": ("configMapKey", TEXT), "variable": ("envVar", TEXT)})
CONFIGMAP_AS_ENV: Final = shape(
    spec.ConfigMapAsEnv,
    {
        "configmap": ("configMapName", TEXT),
        "keys": ("keyToEnv", each(message(CONFIGMAP_KEY))),
        "optional": ("optional", FLAG),
        "configmap_parameter": ("configMapNameParameter", message(PARAMETER_INPUT)),
    },
)
SECRET_AS_VOLUME: Final = shape(
    spec.SecretAsVolume,
    {
        "secret": ("secretName", TEXT),
        "mount_path": ("mountPath", TEXT),
        "optional": ("optional", FLAG),
        "secret_parameter": ("secretNameParameter", message(PARAMETER_INPUT)),
    },
)
CONFIGMAP_AS_VOLUME: Final = shape(
    spec.ConfigMapAsVolume,
    {
        "configmap": ("configMapName", TEXT),
        "mount_path": ("mountPath", TEXT),
        "optional": ("optional", FLAG),
        "configmap_parameter": ("configMapNameParameter", message(PARAMETER_INPUT)),
    },
)
PVC_MOUNT: Final = shape(
    spec.PvcMount,
    {
        "mount_path": ("mountPath", TEXT),
        "sub_path": ("subPath", TEXT),
        "name_parameter": ("pvcNameParameter", message(PARAMETER_INPUT)),
        "constant": ("constant", TEXT),
        "component_input_parameter": ("componentInputParameter", TEXT),
        "task_output_parameter": ("taskOutputParameter", message(TASK_OUTPUT_PARAMETER)),
    },
)
EMPTY_DIR_MOUNT: Final = shape(
    spec.EmptyDirMount,
    {
        "volume": ("volumeName", TEXT),
        "mount_path": ("mountPath", TEXT),
        "medium": ("medium", TEXT),
        "size_limit": ("sizeLimit", TEXT),
    },
)
EPHEMERAL_VOLUME: Final = shape(
    spec.EphemeralVolume,
    {"volume": ("volumeName", TEXT), "mount_path": ("mountPath", TEXT), "size": ("size", TEXT)},
)
FIELD_PATH_AS_ENV: Final = shape(spec.FieldPathAsEnv, {"variable": ("name", TEXT), "field_path": ("fieldPath", TEXT)})
SHARED_MEMORY: Final = shape(spec.SharedMemory, {"size": ("size", TEXT)})
SECURITY_CONTEXT: Final = shape(
    spec.SecurityContext,
    {"user": ("runAsUser", LONG), "group": ("runAsGroup", LONG), "non_root": ("runAsNonRoot", FLAG)},
)
POD_METADATA: Final = shape(
    spec.PodMetadata, {"labels": ("labels", table(TEXT)), "annotations": ("annotations", table(TEXT))}
)
INIT_CONTAINER: Final = shape(
    spec.InitContainer,
    {
        "name": ("name", TEXT),
        "image": ("image", TEXT),
        "command": ("command", each(TEXT)),
        "args": ("args", each(TEXT)),
        "env": ("env", _env()),
    },
)
KUBERNETES_CONFIG: Final = shape(
    spec.KubernetesConfig,
    {
        "secrets_as_env": ("secretAsEnv", each(message(SECRET_AS_ENV))),
        "active_deadline_seconds": ("activeDeadlineSeconds", LONG),
        "configmaps_as_env": ("configMapAsEnv", each(message(CONFIGMAP_AS_ENV))),
        "secrets_as_volumes": ("secretAsVolume", each(message(SECRET_AS_VOLUME))),
        "configmaps_as_volumes": ("configMapAsVolume", each(message(CONFIGMAP_AS_VOLUME))),
        "volumes": ("pvcMount", each(message(PVC_MOUNT))),
        "empty_directories": ("emptyDirMounts", each(message(EMPTY_DIR_MOUNT))),
        "ephemeral_volumes": ("genericEphemeralVolume", each(message(EPHEMERAL_VOLUME))),
        "fields_as_env": ("fieldPathAsEnv", each(message(FIELD_PATH_AS_ENV))),
        "shared_memory": ("enabledSharedMemory", message(SHARED_MEMORY)),
        "security": ("securityContext", message(SECURITY_CONTEXT)),
        "metadata": ("podMetadata", message(POD_METADATA)),
        "before": ("initContainers", each(message(INIT_CONTAINER))),
        "pull_policy": ("imagePullPolicy", TEXT),
    },
)
PALMETTE_CONFIG: Final = shape(
    spec.PalmetteConfig,
    {
        "fresh": ("fresh", TEXT),
        "step": ("step", TEXT),
        "sensitive": ("sensitive", each(TEXT)),
        "env": ("env", each(TEXT)),
        "imports": ("imports", each(TEXT)),
        "environment": ("environment", TEXT),
        "timeout": ("timeout", NUMBER),
        "formats": ("formats", table(TEXT)),
    },
)
PLATFORM_SPEC: Final = shape(
    spec.PlatformSpec,
    {
        "algorithm": ("platforms.palmette.deploymentSpec.executors.algorithm", STRUCT),
        "palmette": ("platforms.palmette.deploymentSpec.executors", table(message(PALMETTE_CONFIG))),
        "pipeline_config": ("platforms.kubernetes.pipelineConfig", STRUCT),
        "kubernetes": ("platforms.kubernetes.deploymentSpec.executors", table(message(KUBERNETES_CONFIG))),
    },
)
