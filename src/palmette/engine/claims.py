"""Tasks that make and delete volumes: containers that a cluster never starts, and neither does this engine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import Parts, fingerprint
from palmette.domain.values import Json
from palmette.engine.inputs import Inputs, Job, UnusableInput
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Vault
from palmette.engine.vocabulary import Imported
from palmette.errors import PalmetteError
from palmette.ir.spec import ContainerSpec

CREATE: Final = "argostub/createpvc"
DELETE: Final = "argostub/deletepvc"
_DNS: Final = re.compile(r"[^a-z0-9-]+")


def claims(container: ContainerSpec) -> bool:
    """Whether it stands for making or deleting a volume, and nothing is executed."""
    return container.image.partition(":")[0] in (CREATE, DELETE) and not container.command


def deleted(task: PlannedTask, inputs: Inputs) -> str:
    """The name of the volume that the task deletes; empty if it deletes none."""
    return _text(inputs, "pvc_name") if claims(task.container) and task.container.image.startswith(DELETE) else ""


def claimed(task: PlannedTask, inputs: Inputs, vault: Vault, *, job: Job, now: float) -> Imported:
    """Make or delete the volume; what that comes to. UnusableInput if it cannot be.

    May be done twice, if a driver dies before it has written down what was done.
    """
    try:
        if name := deleted(task, inputs):
            vault.delete_volume(name)
            outputs: dict[str, Json] = {}
        else:
            outputs = {"name": _create(task, inputs, vault, job)}
    except PalmetteError as error:
        raise UnusableInput(str(error)) from None
    known = Parts(what=task.container.image, parameters={**inputs.parameters, **outputs}, token=job.id)
    return Imported(
        task=task.name, time=now, outputs=Outputs(parameters=outputs), fingerprint=fingerprint(known), parts=known
    )


def _create(task: PlannedTask, inputs: Inputs, vault: Vault, job: Job) -> str:
    given, suffix = _text(inputs, "pvc_name"), _text(inputs, "pvc_name_suffix")
    if bool(given) == bool(suffix):
        raise UnusableInput("a volume needs either a name or a suffix for one")
    if inputs.parameters.get("data_source"):
        raise UnusableInput("a volume cannot be made from another one here: leave data_source out")
    name = given or _named(task, job, suffix)
    existing = vault.volume(name)
    # What a driver made that died just then, or somebody for this run: nothing is lost by taking it.
    if existing is None or any(existing.iterdir()):
        modes = inputs.parameters.get("access_modes")
        vault.create_volume(
            name,
            size=_text(inputs, "size"),
            access_modes=[str(mode) for mode in modes] if isinstance(modes, Sequence) else [],
            storage_class=_text(inputs, "storage_class_name"),
        )
    return name


def _named(task: PlannedTask, job: Job, suffix: str) -> str:
    """Another name for each task of each run, and the same each time that the task is tried."""
    own = hashlib.sha256(task.name.encode()).hexdigest()[:6]
    return _DNS.sub("-", f"{job.id}-{own}-{suffix.strip('-')}".lower()).strip("-")


def _text(inputs: Inputs, name: str) -> str:
    value = inputs.parameters.get(name)
    return value if isinstance(value, str) else ""
