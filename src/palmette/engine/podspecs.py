"""The settings of a pod: the names in them, what is wrong with them, which of them mean nothing on one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from palmette.engine.quantities import quantity
from palmette.errors import Problem
from palmette.ir.spec import KubernetesConfig, ParameterInput, PvcMount, SecretAsEnv

#: The secret whose keys Palmette's own steps ask for by name alone.
OWN: Final = "palmette"
LABEL: Final = re.compile(r"metadata\.(?P<kind>labels|annotations)\[(?P<quote>['\"])(?P<name>.+)(?P=quote)\]")
#: What a pod can be told of itself, beyond its single labels.
FIELDS: Final = frozenset(
    {
        *("metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"),
        *("spec.nodeName", "spec.serviceAccountName"),
        *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
    }
)
#: Settings that say where on a cluster a pod is to be.
_WITHOUT_EFFECT: Final = {
    "nodeSelector": "node selectors",
    "tolerations": "tolerations",
    "nodeAffinity": "node affinity",
    "podAffinity": "pod affinity",
    "imagePullSecret": "image pull secrets",
}


def own(secret: SecretAsEnv) -> bool:
    """Whether its keys are what Palmette's own steps ask for by name alone; the run is given these before it begins."""
    parameter = secret.secret_parameter
    name = secret.secret if parameter is None or not parameter.has_constant else parameter.constant
    return name == OWN and not secret.optional


def references(config: KubernetesConfig) -> dict[str, ParameterInput]:
    """Where the names of what is lent come from; the keys say for what each is."""
    found: dict[str, ParameterInput] = {}
    for index, secret in enumerate(config.secrets_as_env):
        if not own(secret):
            found[f"secretAsEnv[{index}]"] = secret.secret_parameter or _constant(secret.secret)
    for index, configmap in enumerate(config.configmaps_as_env):
        found[f"configMapAsEnv[{index}]"] = configmap.configmap_parameter or _constant(configmap.configmap)
    for index, files in enumerate(config.secrets_as_volumes):
        found[f"secretAsVolume[{index}]"] = files.secret_parameter or _constant(files.secret)
    for index, entry in enumerate(config.configmaps_as_volumes):
        found[f"configMapAsVolume[{index}]"] = entry.configmap_parameter or _constant(entry.configmap)
    for index, volume in enumerate(config.volumes):
        found[f"pvcMount[{index}]"] = volume.name_parameter or _older(volume)
    return found


def _constant(name: str) -> ParameterInput:
    return ParameterInput(constant=name, has_constant=True)


def _older(volume: PvcMount) -> ParameterInput:
    """The name of a volume as SDKs before 2.11 write it."""
    return ParameterInput(
        constant=volume.constant or None,
        has_constant=bool(volume.constant),
        component_input_parameter=volume.component_input_parameter,
        task_output_parameter=volume.task_output_parameter,
    )


def problems(name: str, config: KubernetesConfig, *, images: bool) -> Iterator[Problem]:
    """What cannot be had, here or anywhere; `images`: whether tasks run in their images."""
    for key in config.extra:
        if key not in _WITHOUT_EFFECT:
            yield Problem(where=name, what=f"the Kubernetes setting {key}: a later version executes this")
    yield from _misplaced(name, _paths(config))
    for field in config.fields_as_env:
        if field.field_path not in FIELDS and not LABEL.fullmatch(field.field_path):
            yield Problem(where=name, what=f"{field.field_path!r} is nothing that a pod can be told of itself")
    for size in _sizes(config):
        try:
            quantity(size)
        except ValueError as error:
            yield Problem(where=name, what=str(error))
    for index, one in enumerate(config.before):
        if images:
            yield Problem(where=name, what="init containers are executed only where no images are used")
        elif not one.command:
            what = f"the init container {one.name or index} has no command, which is its image's to say"
            yield Problem(where=name, what=what)


def _misplaced(name: str, paths: Sequence[str]) -> Iterator[Problem]:
    """The places at which nothing can be mounted, or not that much."""
    for path in paths:
        if not path.startswith("/") or ".." in path.split("/") or not path.strip("/"):
            yield Problem(where=name, what=f"{path!r} is no place to mount at", hint="Give an absolute path.")
    bare = [path.rstrip("/") for path in paths]
    for path in sorted({path for path in bare if bare.count(path) > 1}):
        yield Problem(where=name, what=f"two things are to be mounted at {path}")


def notes(name: str, config: KubernetesConfig, *, images: bool) -> Iterator[Problem]:
    """What is accepted, and is not as on a cluster."""
    for key in config.extra:
        if key in _WITHOUT_EFFECT:
            yield Problem(where=name, what=f"{_WITHOUT_EFFECT[key]} have no effect on one machine")
    if config.pull_policy and not images:
        yield Problem(where=name, what="the image pull policy has no effect without containers")
    if config.ephemeral_volumes or any(one.size_limit and one.medium != "Memory" for one in config.empty_directories):
        yield Problem(where=name, what="a directory on the disk may outgrow the size that is asked for")
    if not images and (config.security.user is not None or config.security.group is not None):
        what = "it runs as the user and group it asks for only where root runs Palmette, else as you"
        yield Problem(where=name, what=what)


def _paths(config: KubernetesConfig) -> list[str]:
    return [
        *(one.mount_path for one in config.secrets_as_volumes),
        *(one.mount_path for one in config.configmaps_as_volumes),
        *(one.mount_path for one in config.volumes),
        *(one.mount_path for one in config.empty_directories),
        *(one.mount_path for one in config.ephemeral_volumes),
    ]


def _sizes(config: KubernetesConfig) -> Iterator[str]:
    yield from (one.size_limit for one in config.empty_directories if one.size_limit)
    yield from (one.size for one in config.ephemeral_volumes if one.size)
    if config.shared_memory is not None and config.shared_memory.size:
        yield config.shared_memory.size
