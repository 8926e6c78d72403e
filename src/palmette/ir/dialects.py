"""Which fields of a pipeline document which range of KFP versions knows.

A stock server refuses a field that it does not know, so a newer one is written only for a dialect that takes it. The
tables below follow the descriptors that were published with each version of the SDK (packages ``kfp-pipeline-spec``
and ``kfp-kubernetes``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from palmette.domain.values import Json
from palmette.errors import Problem


class Dialect(StrEnum):
    """A range of KFP versions, named after the first of them; each knows what the earlier ones know."""

    V2_0 = "2.0"
    V2_5 = "2.5"
    V2_14 = "2.14"
    V2_17 = "2.17"
    #: Palmette's own engine
    PALMETTE = "palmette"

    def knows(self, since: Dialect) -> bool:
        """Whether what came with `since` is known here."""
        order = list(Dialect)
        return order.index(since) <= order.index(self)


#: `Message: field field:Message field:[Message] field:{Message} field@since`; {…} for a mapping of names to messages,
#: and what stands behind a field without a message may be anything.
_TABLE: Final = """
PipelineSpec: pipelineInfo:PipelineInfo deploymentSpec:Deployment sdkVersion schemaVersion components:{Component}
  root:Component defaultPipelineRoot
PipelineInfo: name displayName description
Component: inputDefinitions:Inputs outputDefinitions:Outputs dag:Dag executorLabel singlePlatformSpecs@2.14
  taskConfigPassthroughs:[TaskConfigPassthrough]@2.17
TaskConfigPassthrough: field applyToTask
Inputs: artifacts:{InputArtifact} parameters:{InputParameter}
InputArtifact: artifactType:ArtifactType isArtifactList isOptional description
ArtifactType: schemaTitle schemaUri instanceSchema schemaVersion
InputParameter: type parameterType defaultValue isOptional description literals@2.17
Outputs: artifacts:{OutputArtifact} parameters:{OutputParameter}
OutputArtifact: artifactType:ArtifactType properties:{AnyValue} customProperties:{AnyValue} metadata isArtifactList
  description
AnyValue: constantValue:OldValue runtimeParameter constant
OldValue: intValue doubleValue stringValue
OutputParameter: type parameterType description
Dag: tasks:{Task} outputs:DagOutputs
Task: taskInfo:TaskInfo inputs:TaskInputs dependentTasks cachingOptions:Caching componentRef:ComponentRef
  triggerPolicy:Trigger artifactIterator:ArtifactIterator parameterIterator:ParameterIterator retryPolicy:Retry
  iteratorPolicy:IteratorPolicy
TaskInfo: name
TaskInputs: parameters:{TaskParameter} artifacts:{TaskArtifact}
TaskParameter: taskOutputParameter:TaskOutputParameter runtimeValue:AnyValue componentInputParameter
  taskFinalStatus:FinalStatus parameterExpressionSelector
TaskOutputParameter: producerTask outputParameterKey
FinalStatus: producerTask
TaskArtifact: taskOutputArtifact:TaskOutputArtifact componentInputArtifact
TaskOutputArtifact: producerTask outputArtifactKey
Caching: enableCache cacheKey@2.14
ComponentRef: name
Trigger: condition strategy
ArtifactIterator: items:ArtifactItems itemInput
ArtifactItems: inputArtifact
ParameterIterator: items:ParameterItems itemInput
ParameterItems: raw inputParameter
Retry: maxRetryCount backoffDuration backoffFactor backoffMaxDuration
IteratorPolicy: parallelismLimit
DagOutputs: artifacts:{DagArtifact} parameters:{DagParameter}
DagArtifact: artifactSelectors:[ArtifactSelector]
ArtifactSelector: producerSubtask outputArtifactKey
DagParameter: valueFromParameter:ParameterSelector valueFromOneof:ParameterSelectors
ParameterSelector: producerSubtask outputParameterKey
ParameterSelectors: parameterSelectors:[ParameterSelector]
Deployment: executors:{Executor}
Executor: container:Container importer:Importer resolver customJob
Container: image command args lifecycle resources:Resources env:[Variable]
Resources: cpuLimit memoryLimit cpuRequest memoryRequest accelerator:Accelerator resourceCpuLimit@2.14
  resourceMemoryLimit@2.14 resourceCpuRequest@2.14 resourceMemoryRequest@2.14
Accelerator: type count resourceType@2.14 resourceCount@2.14
Variable: name value
Importer: artifactUri:AnyValue typeSchema:ArtifactType properties:{AnyValue} customProperties:{AnyValue} metadata
  reimport downloadToWorkspace@2.17
Kubernetes: deploymentSpec:KubernetesDeployment platform@2.14 config@2.14 pipelineConfig:PipelineConfig@2.14
KubernetesDeployment: executors:{KubernetesExecutor}
PipelineConfig: semaphoreKey mutexName resourceTtl workspace resourceTtlOnCompletion@2.17 resourceTtlOnSuccess@2.17
  resourceTtlOnFailure@2.17 activeDeadlineSeconds@2.17
KubernetesExecutor: secretAsVolume:[SecretVolume] secretAsEnv:[SecretEnv] pvcMount:[Mount] nodeSelector:NodeSelector
  podMetadata@2.14 imagePullSecret@2.14 imagePullPolicy@2.14 configMapAsVolume@2.14 configMapAsEnv@2.14
  activeDeadlineSeconds@2.14 fieldPathAsEnv@2.14 tolerations@2.14 genericEphemeralVolume@2.14 nodeAffinity@2.14
  podAffinity@2.14 enabledSharedMemory@2.14 emptyDirMounts@2.14 securityContext@2.17
SecretVolume: secretName mountPath optional@2.14 secretNameParameter@2.14
SecretEnv: secretName keyToEnv:[SecretKey] secretNameParameter@2.14 optional@2.17
SecretKey: secretKey envVar
Mount: taskOutputParameter constant componentInputParameter mountPath pvcNameParameter@2.14 subPath@2.17
NodeSelector: labels nodeSelectorJson@2.14
"""

_ENTRY: Final = re.compile(r"(\w+)(?::([\[{]?)(\w+)[\]}]?)?(?:@([\d.]+))?")


def _parse(table: str) -> dict[str, dict[str, tuple[str, str, Dialect]]]:
    messages: dict[str, dict[str, tuple[str, str, Dialect]]] = {}
    for line in re.sub(r"\n  +", " ", table).strip().splitlines():
        name, _, listed = line.partition(": ")
        messages[name] = {
            match[1]: (match[2] or "", match[3] or "", Dialect(match[4] or "2.0"))
            for match in map(_ENTRY.fullmatch, listed.split())
            if match
        }
    return messages


_MESSAGES: Final = _parse(_TABLE)


def unknown_fields(pipeline: Mapping[str, Json], platform: Mapping[str, Json], dialect: Dialect) -> Iterator[Problem]:
    """The fields of a document's plain values that the dialect does not know."""
    yield from _unknown("PipelineSpec", pipeline, "", dialect)
    for name in sorted(platform.keys() - {"platforms"}):
        yield Problem(where=name, what="no platform document has such a field")
    platforms = platform.get("platforms")
    if isinstance(platforms, Mapping) and "kubernetes" in platforms:
        yield from _unknown("Kubernetes", platforms["kubernetes"], "platforms.kubernetes", dialect)


def _unknown(message: str, value: Any, where: str, dialect: Dialect) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(where=where, what="expected a mapping")
        return
    for name in sorted(value):
        place = f"{where}.{name}" if where else name
        found = _MESSAGES[message].get(re.sub(r"_([a-z])", lambda match: match[1].upper(), name))
        if found is None:
            yield Problem(where=place, what="no version of KFP that is known here has such a field")
            continue
        shape, inner, since = found
        if not dialect.knows(since):
            yield Problem(
                where=place,
                what=f"KFP {dialect} does not know this field",
                hint=f"It came with KFP {since} or shortly before; choose a newer dialect if the server is newer.",
            )
        elif inner:
            yield from _below(shape, inner, value[name], place, dialect)


def _below(shape: str, message: str, value: Any, where: str, dialect: Dialect) -> Iterator[Problem]:
    match shape:
        case "[":
            entries = [(f"{where}[{index}]", entry) for index, entry in enumerate(value if _is_list(value) else [])]
        case "{":
            entries = [(f"{where}.{key}", entry) for key, entry in value.items()] if _is_mapping(value) else []
        case _:
            entries = [(where, value)]
    for place, entry in entries:
        yield from _unknown(message, entry, place, dialect)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)
