"""What a pipeline may say that this engine does not execute yet, and what it accepts without effect.

Nothing is left out silently: the first is refused before a run begins, the second is noted with the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from palmette.engine.quantities import requested
from palmette.errors import Problem
from palmette.ir.spec import (
    ComponentSpec,
    ContainerSpec,
    ExecutorSpec,
    KubernetesConfig,
    PlatformSpec,
    SystemParameter,
    TaskSpec,
)

#: Settings of a pod that mean nothing on one machine. Everything else that Kubernetes knows is refused.
_WITHOUT_EFFECT: Final = {
    "nodeSelector": "node selectors",
    "tolerations": "tolerations",
    "nodeAffinity": "node affinity",
    "podAffinity": "pod affinity",
    "podMetadata": "pod labels and annotations",
    "imagePullSecret": "image pull secrets",
    "imagePullPolicy": "the image pull policy",
    "enabledSharedMemory": "a shared memory volume",
}
_KUBERNETES: Final = {
    "secretAsVolume": "secrets as files",
    "configMapAsEnv": "config maps as variables",
    "configMapAsVolume": "config maps as files",
    "pvcMount": "persistent volumes",
    "fieldPathAsEnv": "fields of the pod as variables",
    "genericEphemeralVolume": "ephemeral volumes",
    "emptyDirMounts": "empty directories",
    "securityContext": "a security context",
    "initContainers": "init containers",
}
_PLACEHOLDER: Final = re.compile(r"\{\{\$.*?\}\}", re.DOTALL)


def later(where: str, what: str) -> Problem:
    """The finding that a construct comes with a later version."""
    return Problem(where=where, what=f"{what}: a later version executes this")


def of_task(name: str, task: TaskSpec) -> Iterator[Problem]:
    """What the task's own settings ask for."""
    for key, entry in task.inputs.parameters.items():
        if entry.has_constant and isinstance(entry.constant, str):
            yield from _of_text(f"{name}.{key}", entry.constant)


def of_component(name: str, component: ComponentSpec) -> Iterator[Problem]:
    """What the component's interface asks for."""
    for key, spec in component.output_definitions.artifacts.items():
        if spec.is_artifact_list:
            yield later(f"{name}.{key}", "a list of artifacts as an output")
    for key, parameter in component.input_definitions.parameters.items():
        if parameter.parameter_type is SystemParameter.TASK_CONFIG:
            yield later(f"{name}.{key}", f"an input of type {parameter.parameter_type}")
    if component.task_config_passthroughs:
        yield later(name, "the task's own configuration as an input")


def file_names(component: ComponentSpec) -> Iterator[str]:
    """The names of inputs and outputs that become names of files."""
    yield from component.input_definitions.artifacts
    yield from component.output_definitions.artifacts
    yield from component.output_definitions.parameters


def of_executor(name: str, executor: ExecutorSpec) -> Iterator[Problem]:
    """What the executor asks for."""
    if executor.importer is not None:
        if executor.importer.download_to_workspace:
            yield later(name, "an importer into a workspace")
    elif executor.container is None:
        yield later(name, f"an executor that is no container ({', '.join(sorted(executor.extra)) or 'empty'})")
    else:
        yield from _of_container(name, executor.container)


def _of_container(name: str, container: ContainerSpec) -> Iterator[Problem]:
    if container.image.startswith("argostub/"):
        yield later(name, "a persistent volume")
    elif not container.command:
        yield later(name, "a container without a command, which is its image's to say")
    for text in (*container.command, *container.args, *container.env.values()):
        yield from _of_text(name, text)
    resources = container.resources
    if resources is None:
        return
    kind = resources.accelerator_type
    if kind and "gpu" not in kind.lower() and "nvidia" not in kind.lower() and not kind.startswith("{{"):
        yield later(name, f"accelerators of type {kind}")
    try:
        requested(resources, lambda text: "" if "{{" in text else text)
    except ValueError as error:
        yield Problem(where=name, what=str(error))


def _of_text(where: str, text: str) -> Iterator[Problem]:
    if "{{$" not in text:
        return
    for placeholder in _PLACEHOLDER.findall(text):
        if "json_escape" in placeholder:
            yield later(where, "the placeholder json_escape")
        elif placeholder == "{{$.workspace_path}}":
            yield later(where, "a workspace")


def of_kubernetes(name: str, kubernetes: KubernetesConfig) -> Iterator[Problem]:
    """What the pod's settings ask for."""
    for key in kubernetes.extra:
        if key not in _WITHOUT_EFFECT:
            yield later(name, _KUBERNETES.get(key, f"the Kubernetes setting {key}"))
    for secret in kubernetes.secrets_as_env:
        named = secret.secret_parameter is None or secret.secret_parameter.has_constant
        if not secret.secret and not named:
            yield later(name, "a secret that a parameter names")


def without_effect(name: str, kubernetes: KubernetesConfig) -> Iterator[Problem]:
    """What is accepted, and means nothing here."""
    for key in kubernetes.extra:
        if key in _WITHOUT_EFFECT:
            yield Problem(where=name, what=f"{_WITHOUT_EFFECT[key]} have no effect on one machine")


def of_platform(platform: PlatformSpec) -> Iterator[Problem]:
    """What the platform document asks for the whole pipeline."""
    if platform.pipeline_config.get("workspace"):
        yield later("the pipeline", "a workspace")
