"""What a pipeline brings along for its steps: their code and the pins of their environments, made ready here."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from palmette.capture.bundle import opened, unpack
from palmette.capture.closure import close
from palmette.capture.sources import SourceTree
from palmette.domain.run import Environment, Pin, Run
from palmette.errors import CaptureError
from palmette.ir.spec import ExecutorSpec, PipelineDocument
from palmette.operations import environments
from palmette.operations.home import Home
from palmette.operations.preparing import RUNTIME
from palmette.operations.shelf import Shelf
from palmette.runtime.delivery import BOOTSTRAP

#: How the container of a captured step begins.
_CAPTURED: Final = ("python3", "-c", BOOTSTRAP)


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """One captured step's container, as far as it says what the step is executed with."""

    #: the environment that the step names; empty for the run's own
    environment: str
    #: digest of its code
    bundle: str
    #: the code's tar.gz as base64; empty where the host has it
    archive: str
    #: "3.11": of the image
    python: str
    #: distribution → version
    pins: Mapping[str, str]


def delivered(document: PipelineDocument) -> Iterator[Delivered]:
    """The captured steps of a pipeline."""
    for label, executor in document.pipeline.executors.items():
        container = executor.container
        if container is None or container.command[:3] != _CAPTURED:
            continue
        config = document.platform.palmette.get(label)
        given = dict(zip(container.args[:-1], container.args[1:], strict=True))
        yield Delivered(
            environment=config.environment if config else "",
            bundle=given.get("--bundle", ""),
            archive=given.get("--archive", ""),
            python=_version(container.image),
            pins=_pins(given.get("--pins", "{}")),
        )


def prepared(document: PipelineDocument) -> PipelineDocument:
    """The pipeline for a host that makes its steps' environments: none of them installs anything itself."""

    def executor(spec: ExecutorSpec) -> ExecutorSpec:
        container = spec.container
        if container is None or container.command[:3] != _CAPTURED:
            return spec
        args = tuple(each for each in container.args if each != "--install")
        return replace(spec, container=replace(container, args=args))

    executors = {label: executor(spec) for label, spec in document.pipeline.executors.items()}
    return replace(document, pipeline=replace(document.pipeline, executors=executors))


def code(home: Home, document: PipelineDocument) -> None:
    """Unpack what the steps bring along, each bundle once; CaptureError for one that is damaged, or that is neither
    here nor in the pipeline."""
    found: dict[str, str] = {}
    for each in delivered(document):
        found[each.bundle] = found.get(each.bundle) or each.archive
    for digest, archive in found.items():
        if (home.bundles / digest).is_dir():
            continue
        if not archive:
            raise CaptureError(
                f"the code of the steps is not here (bundle {digest[:12]})",
                "Compile the pipeline for a cluster, so that it brings its code along: palmette compile.",
            )
        try:
            content = base64.b64decode(archive, validate=True)
        except binascii.Error as error:
            raise CaptureError(f"the bundle in the pipeline is damaged: {error}", "Compile it again.") from None
        unpack(opened(content, digest), home.bundles)


def ready(held: Shelf, run: Run, document: PipelineDocument, python: Path) -> Run:
    """The run with an interpreter for each environment that its steps need: the one that is there, or one that is
    built from its pins, and held. `python` serves steps that pin nothing. EnvironmentFailed says what cannot be built.
    """
    wanted: dict[str, Delivered] = {}
    for each in delivered(document):
        wanted.setdefault(each.environment, each)
    if not wanted:
        return replace(run, environment=replace(run.environment, executable=str(python)))
    known = {**run.environments, "": run.environment}
    made = {name: _made(held, known.get(name, Environment()), each, python) for name, each in wanted.items()}
    return replace(
        run,
        environment=made.pop("", replace(run.environment, executable=run.environment.executable or str(python))),
        environments=made,
    )


def imports(directory: Path, document: PipelineDocument) -> tuple[str, ...]:
    """What the captured steps of a pipeline import, whose code is unpacked there: so that it is imported once."""
    modules = {config.step.partition(":")[0] for config in document.platform.palmette.values() if config.step}
    if not modules or not directory.is_dir():
        return ()
    taken = close(SourceTree(directory, (directory,)), sorted(modules))
    return (*RUNTIME, *taken.third_party, *taken.third_party_maybe)


def _made(held: Shelf, known: Environment, each: Delivered, python: Path) -> Environment:
    if known.executable and Path(known.executable).exists():
        held.keep(Path(known.executable))
        return known
    # The hashes that a lock file gave are not in the pipeline; whoever handed the run in may know them.
    pins = known.pins or tuple(Pin(name=name, version=version) for name, version in each.pins.items())
    if not pins:
        return replace(known, executable=str(python))
    version = known.python or each.python or environments.base(python, held.environ).python
    if environments.satisfies(python, pins, version, held.environ):
        return replace(known, executable=str(python), pins=pins, python=version)
    built = environments.build(pins, version, held.environ, held=held)
    return replace(known, executable=str(built), pins=pins, python=version)


def _pins(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}


def _version(image: str) -> str:
    """The Python of an image of Python's own, "python:3.11-slim"; empty for any other."""
    name, _, tag = image.rpartition(":")
    version = tag.partition("-")[0]
    return version if name.rpartition("/")[2] == "python" and version.replace(".", "").isdigit() else ""
