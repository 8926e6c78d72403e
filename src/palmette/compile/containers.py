"""The container of a captured step: Python, the bootstrap, and what tells it where the step is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.graph import Field, Resources, Step
from palmette.domain.run import Environment
from palmette.domain.values import Json, canonical
from palmette.ir import quantities
from palmette.ir.dialects import Dialect
from palmette.ir.spec import ContainerSpec, ResourceSpec
from palmette.runtime.delivery import BOOTSTRAP

#: what a GPU is called where nothing else is said
ACCELERATOR: Final = "nvidia.com/gpu"


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What was captured of an algorithm."""

    #: digest of the bundle
    bundle: str
    #: the bundle's tar.gz, to be put into the pipeline; None where the host has the bundle
    archive: bytes | None = None
    #: step → digest of the definitions it reaches
    closures: Mapping[str, str] = field(default_factory=dict)
    environment: Environment = Environment()
    #: those that steps name, by their names
    environments: Mapping[str, Environment] = field(default_factory=dict)
    #: container image; empty for Python's own of the environment's version
    image: str = ""
    #: environment → the image that holds it, where that is not `image`
    images: Mapping[str, str] = field(default_factory=dict)
    #: the bootstrap installs the pins that the image lacks
    install: bool = False

    def image_of(self, step: Step) -> str:
        """The image that the step is to run in; empty where none is set."""
        return self.images.get(step.environment) or self.image

    def remarks(self, steps: Collection[Step]) -> list[str]:
        """What a cluster's user should know of the images."""
        bare = [step.name for step in steps if not self.image_of(step)]
        start = "the steps start" if len(bare) == len(steps) else f"{', '.join(bare)}: they start"
        said = [
            f"no image is set: {start} in Python's own image and install their packages at each start "
            "(install = true is turned on); set `image` in [tool.palmette]"
        ]
        shared: dict[str, list[str]] = {}
        for step in steps:
            if step.environment and self.image and step.environment not in self.images:
                shared.setdefault(step.environment, []).append(step.name)
        return (said if bare else []) + [
            f"the environment {name} has no image of its own: {self.image} must hold its packages for "
            f"{', '.join(names)}; set `{name}` in [tool.palmette.images]"
            for name, names in shared.items()
        ]


def container(
    step: Step, captured: Captured, *, archive: str, fields: Mapping[str, Field], dialect: Dialect
) -> ContainerSpec:
    """The container; `archive` is the bundle's tar.gz as base64 where it is to be in the pipeline, else empty.

    The bundle's digest stands in the arguments, because KFP's own cache key sees nothing else. What Palmette's own
    fingerprint is made of stands in the environment, so that a comment does not run a step again here. `fields` are the
    config fields that the step's inputs come from and that have a range or choices.
    """
    arguments = ["--step", step.wrapper or step.target, "--bundle", captured.bundle]
    if archive:
        arguments += ["--archive", archive]
    environment = captured.environments[step.environment] if step.environment else captured.environment
    pins = {pin.name: pin.version for pin in environment.pins if pin.version}
    if pins:
        arguments += ["--pins", canonical(pins).decode()]
    if fields:
        arguments += ["--fields", canonical({name: _constraint(field) for name, field in fields.items()}).decode()]
    image = captured.image_of(step)
    if captured.install or (dialect is not Dialect.PALMETTE and not image):
        arguments.append("--install")
    return ContainerSpec(
        image=image or default_image(environment.python),
        command=("python3", "-c", BOOTSTRAP),
        args=(*arguments, "--executor-input", "{{$}}"),
        env={
            "PALMETTE_CLOSURE": captured.closures[step.name],
            "PALMETTE_ENVIRONMENT": environment.digest,
        },
        resources=resources(step.resources, dialect),
    )


def _constraint(field: Field) -> Json:
    """What the step has to know of a config field to hold a value against it."""
    said: dict[str, Json] = {"name": field.name, "type": field.type.value}
    known = {"low": field.low, "high": field.high, "choices": list(field.choices), "item": field.item}
    return said | {name: value for name, value in known.items() if value not in (None, [])}


def default_image(python: str) -> str:
    """Python's own slim image of a version "3.11.7"."""
    return f"python:{'.'.join(python.split('.')[:2]) or '3.11'}-slim"


def resources(wanted: Resources, dialect: Dialect) -> ResourceSpec | None:
    """What is asked for beyond the usual core; None where nothing is.

    KFP began with numbers and went on with quantities as text. For clusters both are written, as the SDK does it, the
    newer where it is known.
    """
    cpu = wanted.cpu if wanted.cpu != Resources().cpu else 0
    if not (cpu or wanted.memory or wanted.gpu):
        return None
    numbers: dict[str, Json] = {}
    if dialect is not Dialect.PALMETTE:
        if cpu:
            numbers |= {"cpuLimit": cpu, "cpuRequest": cpu}
        if wanted.memory:
            numbers |= {"memoryLimit": wanted.memory / 10**9, "memoryRequest": wanted.memory / 10**9}
        if wanted.gpu:
            numbers["accelerator"] = {"type": ACCELERATOR, "count": str(wanted.gpu)}
    if not dialect.knows(Dialect.V2_14):
        return ResourceSpec(extra=numbers)
    cores = quantities.cores(cpu) if cpu else ""
    memory = quantities.size(wanted.memory) if wanted.memory else ""
    return ResourceSpec(
        cpu_limit=cores,
        cpu_request=cores,
        memory_limit=memory,
        memory_request=memory,
        accelerator_type=ACCELERATOR if wanted.gpu else "",
        accelerator_count=str(wanted.gpu) if wanted.gpu else "",
        extra=numbers,
    )
