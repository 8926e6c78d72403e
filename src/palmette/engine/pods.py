"""What the pod of a task would be lent by its cluster: secrets, config maps, volumes, facts of itself."""

from __future__ import annotations

import hashlib
import re
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from palmette.domain.values import Json, canonical
from palmette.engine.inputs import Inputs, Job, UnusableInput
from palmette.engine.plan import PlannedTask
from palmette.engine.podspecs import LABEL
from palmette.engine.ports import Before, Mount, Vault
from palmette.engine.quantities import quantity
from palmette.ir.spec import EmptyDirMount, KeyToVar

#: Where a pod's shared memory is.
_SHARED_MEMORY: Final = "/dev/shm"
#: A key becomes the name of a file.
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_DNS: Final = re.compile(r"[^a-z0-9.-]+")
#: What a cluster calls the account of pipelines, and their namespace.
_ACCOUNT: Final = "pipeline-runner"
_NAMESPACE: Final = "kubeflow"
_HERE: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class _Held:
    """A secret or config map: keys of it become variables, or all of them files at a path."""

    holder: str
    secret: bool
    optional: bool
    #: None where there is none of that name
    values: Mapping[str, str] | None = field(repr=False)
    keys: tuple[KeyToVar, ...] = ()
    at: str = ""

    def __str__(self) -> str:
        return f"the {'secret' if self.secret else 'config map'} {self.holder}"

    def wanting(self) -> Iterator[str]:
        """What it lacks."""
        if self.values is None:
            if not self.optional:
                verb = "secret set" if self.secret else "configmap set"
                yield f"{self} is not there (palmette {verb} {self.holder} …)"
            return
        for entry in () if self.optional else self.keys:
            if entry.key not in self.values:
                yield f"{self} has no key {entry.key}"
        for key in self.values if self.at else ():
            if not _KEY.fullmatch(key) or key in (".", ".."):
                yield f"{self} has a key that cannot be the name of a file: {key[:80]!r}"


@dataclass(frozen=True, kw_only=True)
class _Volume:
    name: str
    directory: Path | None
    at: str
    within: str


class Lent:
    """All that one task is lent. Names that are null are as if nothing had been said, as on a cluster."""

    def __init__(self, task: PlannedTask, inputs: Inputs, vault: Vault) -> None:
        self._config, self._names, self._vault = task.kubernetes, inputs.names, vault
        self._held = (*self._secrets(), *self._configmaps())
        self._volumes = tuple(self._mounted())

    def _secrets(self) -> Iterator[_Held]:
        for index, one in enumerate(self._config.secrets_as_env):
            if name := self._names.get(f"secretAsEnv[{index}]"):
                known = self._vault.secret(name)
                yield _Held(holder=name, secret=True, optional=one.optional, values=known, keys=one.keys)
        for index, files in enumerate(self._config.secrets_as_volumes):
            if name := self._names.get(f"secretAsVolume[{index}]"):
                known = self._vault.secret(name)
                yield _Held(holder=name, secret=True, optional=files.optional, values=known, at=files.mount_path)

    def _configmaps(self) -> Iterator[_Held]:
        for index, one in enumerate(self._config.configmaps_as_env):
            if name := self._names.get(f"configMapAsEnv[{index}]"):
                known = self._vault.configmap(name)
                yield _Held(holder=name, secret=False, optional=one.optional, values=known, keys=one.keys)
        for index, files in enumerate(self._config.configmaps_as_volumes):
            if name := self._names.get(f"configMapAsVolume[{index}]"):
                known = self._vault.configmap(name)
                yield _Held(holder=name, secret=False, optional=files.optional, values=known, at=files.mount_path)

    def _mounted(self) -> Iterator[_Volume]:
        for index, one in enumerate(self._config.volumes):
            if name := self._names.get(f"pvcMount[{index}]"):
                directory, within = self._vault.volume(name), one.sub_path.strip("/")
                yield _Volume(name=name, directory=directory, at=one.mount_path, within=within)

    def check(self) -> None:
        """UnusableInput with all that is not there, and must be."""
        missing = [what for held in self._held for what in held.wanting()]
        lost = [volume.name for volume in self._volumes if volume.directory is None]
        missing += [f"there is no volume {name} (palmette volume create {name})" for name in lost]
        if missing:
            raise UnusableInput("; ".join(dict.fromkeys(missing)))

    def variables(self, *, secret: bool) -> dict[str, str]:
        """Environment variables with their values, of secrets or of config maps."""
        return {variable: value for variable, _, value in self._lent(secret)}

    def confidential(self) -> dict[str, str]:
        """The values that are secret, by name."""
        found = {name: value for _, name, value in self._lent(True)}
        for held in self._held:
            if held.secret and held.at:
                found |= {f"{held.holder}/{key}": value for key, value in (held.values or {}).items()}
        return found

    def _lent(self, secret: bool) -> Iterator[tuple[str, str, str]]:
        for held in self._held:
            for entry in held.keys if held.secret is secret else ():
                if held.values is not None and entry.key in held.values:
                    yield entry.variable, f"{held.holder}/{entry.key}", held.values[entry.key]

    @property
    def volumes(self) -> frozenset[str]:
        """The names of the volumes."""
        return frozenset(volume.name for volume in self._volumes)

    def mounts(self, scratch: Path) -> Iterator[Mount]:
        """What is mounted. Directories that are empty at first are to lie below `scratch`."""
        for held in self._held:
            if held.at and held.values is not None:
                yield Mount(at=held.at, what=str(held), files=held.values)
        for volume in self._volumes:
            what = f"the volume {volume.name}"
            yield Mount(at=volume.at, what=what, source=volume.directory, within=volume.within)
        for index, empty in enumerate(self._config.empty_directories):
            what = f"the empty directory {empty.volume}"
            if empty.medium == "Memory":
                yield Mount(at=empty.mount_path, what=what, size=_size(empty))
            else:
                yield Mount(at=empty.mount_path, what=what, source=scratch / f"empty{index}")
        for index, ephemeral in enumerate(self._config.ephemeral_volumes):
            what = f"the ephemeral volume {ephemeral.volume}"
            yield Mount(at=ephemeral.mount_path, what=what, source=scratch / f"ephemeral{index}")
        if (memory := self._config.shared_memory) is not None:
            size = int(quantity(memory.size)) if memory.size else 0
            yield Mount(at=_SHARED_MEMORY, what="shared memory", size=size)

    def versions(self) -> dict[str, str]:
        """For the fingerprint: what changes whenever a value of a secret does, by the secret's name."""
        holders = {held.holder for held in self._held if held.secret}
        return {holder: self._vault.version(holder) for holder in sorted(holders)}

    def marks(self) -> dict[str, str]:
        """For the fingerprint: what else is lent, by where it shows; what config maps hold, which volumes there are."""
        found: dict[str, str] = {}
        for held in self._held:
            for entry in held.keys:
                known = (held.values or {}).get(entry.key)
                found[entry.variable] = "" if known is None or held.secret else _digest(known)
            if held.at:
                found[held.at] = "" if held.secret else _digest(dict(held.values or {}))
        for volume in self._volumes:
            found[volume.at] = _digest([volume.name, volume.within])
        return found


def _size(empty: EmptyDirMount) -> int:
    return int(quantity(empty.size_limit)) if empty.size_limit else 0


def _digest(value: Json) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def before(task: PlannedTask) -> tuple[Before, ...]:
    """What runs before the task's own command."""
    return tuple(
        Before(name=one.name or str(index), command=(*one.command, *one.args), environment=one.env)
        for index, one in enumerate(task.kubernetes.before)
    )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a pod may be told of itself."""

    job: Job
    task: PlannedTask
    serial: int

    def variables(self) -> dict[str, str]:
        """The facts that the task asks for, by variable."""
        return {one.variable: self._value(one.field_path) for one in self.task.kubernetes.fields_as_env}

    def _value(self, path: str) -> str:
        if match := LABEL.fullmatch(path):
            metadata = self.task.kubernetes.metadata
            known = metadata.labels if match["kind"] == "labels" else metadata.annotations
            return known.get(match["name"], "")
        return _VALUES[path](self)

    @property
    def name(self) -> str:
        """The pod's name, made of the run's and the task's as a cluster would have to spell it."""
        spelled = f"{self.job.id}-{self.task.name}-{self.serial}".lower()
        return _DNS.sub("-", spelled).strip("-.")[:253]

    @property
    def uid(self) -> str:
        """Another one for each attempt."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.job.id}/{self.task.name}/{self.serial}"))


def _listed(kind: str, facts: Facts) -> str:
    metadata = facts.task.kubernetes.metadata
    known = metadata.labels if kind == "labels" else metadata.annotations
    return "\n".join(f'{key}="{value}"' for key, value in sorted(known.items()))


_VALUES: Final[Mapping[str, Callable[[Facts], str]]] = {
    "metadata.name": lambda facts: facts.name,
    "metadata.namespace": lambda _: _NAMESPACE,
    "metadata.uid": lambda facts: facts.uid,
    "metadata.labels": partial(_listed, "labels"),
    "metadata.annotations": partial(_listed, "annotations"),
    "spec.nodeName": lambda _: socket.gethostname(),
    "spec.serviceAccountName": lambda _: _ACCOUNT,
    "status.hostIP": lambda _: _HERE,
    "status.hostIPs": lambda _: _HERE,
    "status.podIP": lambda _: _HERE,
    "status.podIPs": lambda _: _HERE,
}
