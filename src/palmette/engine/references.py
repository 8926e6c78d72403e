"""Artifacts that were passed by reference: they lie where they lay, and are used as long as they are what they were."""

from __future__ import annotations

from pathlib import Path

from palmette.domain.artifact import Artifact, Outputs
from palmette.engine.ports import Bytes, Importer
from palmette.errors import PalmetteError


def remote(uri: str) -> bool:
    """Whether it lies on another machine."""
    return "://" in uri.removeprefix("file://")


def bring(artifact: Artifact, path: Path, files: Bytes, importer: Importer) -> None:
    """Make an input available at its place. What was passed by reference stays where it is, and must be what it was;
    PalmetteError names both digests if it is not."""
    if not artifact.uri:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.restore(artifact.digest, path)
        return
    now = importer.refer(artifact.uri).digest
    if now != artifact.digest:
        raise PalmetteError(
            f"{artifact.uri} is not what it was: it was {artifact.digest}, and is {now}",
            "It was passed by reference and changed since: run what refers to it again.",
        )


def standing(outputs: Outputs, importer: Importer) -> bool:
    """Whether everything that these outputs refer to is still there, and what it was."""
    for artifact in outputs.artifacts.values():
        if artifact.uri:
            try:
                if importer.refer(artifact.uri).digest != artifact.digest:
                    return False
            except PalmetteError:
                return False
    return True
