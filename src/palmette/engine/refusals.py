"""What a pipeline may say that this engine does not execute yet, and what it accepts without effect.

Nothing is left out silently: the first is refused before a run begins, the second is noted with the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from palmette.engine.claims import claims
from palmette.engine.quantities import accelerator, is_gpu, requested
from palmette.errors import Problem
from palmette.ir.spec import (
    ComponentSpec,
    ContainerSpec,
    ExecutorSpec,
    PlatformSpec,
)

_TIMES_TO_LIVE: Final = ("resourceTtlOnCompletion", "resourceTtlOnSuccess", "resourceTtlOnFailure")
_KNOWN_CONFIG: Final = frozenset({"workspace", "activeDeadlineSeconds", *_TIMES_TO_LIVE})


def file_names(component: ComponentSpec) -> Iterator[str]:
    """The names of inputs and outputs that become names of files."""
    yield from component.input_definitions.artifacts
    yield from component.output_definitions.artifacts
    yield from component.output_definitions.parameters


def of_executor(name: str, executor: ExecutorSpec, *, images: bool) -> Iterator[Problem]:
    """What the executor asks for that no engine of a machine has; `images`: whether tasks run in their images."""
    if executor.container is not None:
        yield from _of_container(name, executor.container, images=images)
    elif executor.importer is None:
        kind = ", ".join(sorted(executor.extra)) or "nothing"
        what = f"its executor is {kind}, and only containers and importers are executed"
        yield Problem(where=name, what=what)


def _of_container(name: str, container: ContainerSpec, *, images: bool) -> Iterator[Problem]:
    if not container.command and not images and not claims(container):
        what = f"its command is its image's to say ({container.image}), and no image is used"
        hint = 'Give the component a command, or run it in its image: containers = "docker" or "podman".'
        yield Problem(where=name, what=what, hint=hint)
    try:
        requested(container.resources, lambda text: "" if "{{" in text else text)
    except ValueError as error:
        yield Problem(where=name, what=str(error))


def of_root(component: ComponentSpec) -> Iterator[Problem]:
    """What a run cannot be given."""
    for name, artifact in component.input_definitions.artifacts.items():
        if not artifact.is_optional:
            what = "an artifact cannot be given to a run"
            yield Problem(
                where=f"root.{name}", what=what, hint="Import it in the pipeline: dsl.importer takes its URI."
            )


def ignored(name: str, executor: ExecutorSpec, *, images: bool) -> Iterator[Problem]:
    """What the executor asks for that has no effect here."""
    container = executor.container
    if container is not None and not (images or claims(container) or "PALMETTE_CLOSURE" in container.env):
        yield Problem(where=f"image {container.image}", what="not used here, its tasks are processes")
    kind = accelerator(executor.container.resources if executor.container is not None else None)
    if kind and not is_gpu(kind):
        yield Problem(where=name, what=f"accelerators of type {kind} are not handed out here: it runs without")


def of_platform(platform: PlatformSpec) -> Iterator[Problem]:
    """What the settings of the whole pipeline ask for that means nothing here."""
    config = platform.pipeline_config
    workspace = config.get("workspace")
    if isinstance(workspace, Mapping) and workspace.get("size"):
        what = f"the size of the workspace ({workspace['size']}) is not enforced, and it is a plain directory"
        yield Problem(where="the pipeline", what=what)
    if any(key in config for key in _TIMES_TO_LIVE):
        what = "a time to live has no effect: Palmette's own rules say how long a run is kept"
        yield Problem(where="the pipeline", what=what)
    for key in sorted(config.keys() - _KNOWN_CONFIG):
        yield Problem(where="the pipeline", what=f"the setting {key} has no effect on one machine")


def deadline(platform: PlatformSpec) -> float | None:
    """How many seconds a run may take; None for no limit."""
    seconds = platform.pipeline_config.get("activeDeadlineSeconds")
    return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else None
