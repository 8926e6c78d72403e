"""How often, how long, with which secrets a task is executed: what a document says of it, beyond its inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from palmette.domain.graph import Fresh, Freshness
from palmette.engine import refusals
from palmette.engine.plan import SecretVariable
from palmette.engine.podspecs import own
from palmette.engine.retries import retry
from palmette.errors import Problem
from palmette.ir.spec import (
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    ExecutorSpec,
    KubernetesConfig,
    PalmetteConfig,
    PlatformSpec,
    TaskSpec,
)

#: The name of an input or output is the name of a file or directory, and so is…
_PLACE: Final = re.compile(r"[^\x00-\x1f/.][^\x00-\x1f/]{0,99}")
#: …a task's, with the groups around it.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LONGEST: Final = 200


def misnamed(name: str, component: ComponentSpec) -> Iterator[Problem]:
    """The names of a task, of its inputs and outputs that cannot be names of files."""
    if not _NAME.fullmatch(name):
        yield Problem(where=name, what="is not a name a task may have (letters, digits, dots, dashes)")
    if len(name) > _LONGEST:
        what = f"its name has {len(name)} signs, at most {_LONGEST} are allowed: it is within too many groups"
        yield Problem(where=f"…{name[-40:]}", what=what)
    for place in refusals.file_names(component):
        if not _PLACE.fullmatch(place):
            yield Problem(where=f"{name}.{place}", what="is not a name an input or output may have")


def described(platform: PlatformSpec, task: TaskSpec, label: str, executor: ExecutorSpec) -> dict[str, Any]:
    """What a `PlannedTask` says of its execution, by the names of its fields."""
    kubernetes = platform.kubernetes.get(label, KubernetesConfig())
    config = platform.palmette.get(label, PalmetteConfig())
    caching = task.caching_options or CachingOptions()
    return {
        "executor": label,
        "container": executor.container or ContainerSpec(image=""),
        "importer": executor.importer,
        "retry": retry(task.retry_policy),
        "timeout": config.timeout if config.timeout is not None else kubernetes.active_deadline_seconds or None,
        "cache": caching.enable_cache,
        "cache_key": caching.cache_key,
        "fresh": freshness(config),
        "config": config,
        "kubernetes": kubernetes,
        "secrets": tuple(_secrets(kubernetes)),
    }


def freshness(config: PalmetteConfig) -> Fresh | None:
    """How long its outputs stand; ValueError where that makes no sense."""
    if config.fresh in ("", "unsaid"):
        return Fresh() if config.fresh or config.step else None
    if config.fresh in ("always", "function"):
        return Fresh(kind=Freshness(config.fresh))
    return Fresh(kind=Freshness.FOR, seconds=float(config.fresh))


def _secrets(kubernetes: KubernetesConfig) -> Iterator[SecretVariable]:
    for secret in kubernetes.secrets_as_env:
        # Others are looked for when the task begins.
        for entry in secret.keys if own(secret) else ():
            yield SecretVariable(name=entry.key, variable=entry.variable)
