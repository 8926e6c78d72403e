"""The task's own configuration as an input: what a component that starts another workload hands on to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from palmette.domain.values import Json
from palmette.ir.spec import ComponentSpec, ContainerSpec, KubernetesConfig, PvcMount, ResourceSpec, SystemParameter

#: Field of the platform document → name in the configuration.
_POD: Final = {
    "KUBERNETES_NODE_SELECTOR": ("nodeSelector", "nodeSelector"),
    "KUBERNETES_TOLERATIONS": ("tolerations", "tolerations"),
    "KUBERNETES_AFFINITY": ("nodeAffinity", "affinity"),
}


def asked(component: ComponentSpec) -> str:
    """The name of the input that takes the task's configuration; empty for none."""
    definitions = component.input_definitions.parameters
    kinds = (key for key, spec in definitions.items() if spec.parameter_type is SystemParameter.TASK_CONFIG)
    return next(kinds, "")


def fields(component: ComponentSpec) -> Mapping[str, bool]:
    """What is passed through, and whether the task itself has it all the same."""
    passed = (entry for entry in component.task_config_passthroughs if isinstance(entry, Mapping))
    return {str(entry.get("field")): bool(entry.get("applyToTask")) for entry in passed}


def configuration(component: ComponentSpec, container: ContainerSpec, kubernetes: KubernetesConfig) -> dict[str, Json]:
    """The value of that input, in the words of a pod's specification; placeholders stay."""
    passed = fields(component)
    found: dict[str, Any] = {}
    if "RESOURCES" in passed:
        found["resources"] = _resources(container.resources or ResourceSpec())
    if "ENV" in passed:
        found["env"] = [
            *({"name": name, "value": value} for name, value in container.env.items()),
            *_hidden(kubernetes),
        ]
    for field, (key, name) in _POD.items():
        value = kubernetes.extra.get(key)
        if field in passed and value:
            # Labels are wrapped in the platform document, and are not in a pod's.
            found[name] = value["labels"] if isinstance(value, Mapping) and "labels" in value else value
    if "KUBERNETES_VOLUMES" in passed:
        claims = dict.fromkeys(_claim(mount) for mount in kubernetes.volumes)
        found["volumes"] = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
        found["volumeMounts"] = [{"name": _claim(mount), "mountPath": mount.mount_path} for mount in kubernetes.volumes]
    return found


def left(component: ComponentSpec, container: ContainerSpec) -> ContainerSpec:
    """The container without what is only passed through."""
    passed = fields(component)
    if passed.get("RESOURCES") is False:
        container = replace(container, resources=None)
    if passed.get("ENV") is False:
        container = replace(container, env={})
    return container


def _resources(spec: ResourceSpec) -> dict[str, Json]:
    limits = {"cpu": spec.cpu_limit, "memory": spec.memory_limit, spec.accelerator_type: spec.accelerator_count}
    requests = {"cpu": spec.cpu_request, "memory": spec.memory_request}
    sides = {"limits": limits, "requests": requests}
    return {side: {key: text for key, text in given.items() if key and text} for side, given in sides.items()}


def _hidden(kubernetes: KubernetesConfig) -> Iterator[Json]:
    for secret in kubernetes.secrets_as_env:
        parameter = secret.secret_parameter
        name = secret.secret or (str(parameter.constant) if parameter is not None and parameter.has_constant else "")
        for entry in secret.keys:
            yield {"name": entry.variable, "valueFrom": {"secretKeyRef": {"name": name, "key": entry.key}}}


def _claim(mount: PvcMount) -> str:
    parameter = mount.name_parameter
    return str(parameter.constant) if parameter is not None and parameter.has_constant else mount.constant
