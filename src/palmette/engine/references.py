"""Artifacts that were passed by reference: they lie where they lay, and are used as long as they are what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from palmette.domain.artifact import Artifact, Outputs
from palmette.engine.ports import Bytes, Importer
from palmette.errors import PalmetteError

#: What a cluster writes into the metadata of such an artifact.
MARK: Final = "_kfp_workspace"


def remote(uri: str) -> bool:
    """Whether it lies on another machine."""
    return "://" in uri.removeprefix("file://")


def in_workspace(artifact: Artifact) -> bool:
    """Whether it was copied to where the tasks of its run share files."""
    return bool(artifact.uri) and artifact.metadata.get(MARK) is True


def shared(workspace: Path, artifact: Artifact) -> Path:
    """Its place there: what its address says after the scheme, as a cluster has it."""
    scheme, _, rest = artifact.uri.rpartition("://")
    parts = [part for part in (scheme, *rest.split("/")) if part not in ("", ".", "..")]
    return workspace.joinpath(".artifacts", *parts)


def bring(artifact: Artifact, path: Path, files: Bytes, importer: Importer) -> None:
    """Make an input available at its place. What was passed by reference must be what it was, and PalmetteError names
    both digests if it is not. It stays where it is, if that is its place; else it is copied."""
    if in_workspace(artifact) and path.exists():
        # What the tasks of the run make of it there is theirs to say.
        return
    if Path(artifact.uri) != path:
        path.parent.mkdir(parents=True, exist_ok=True)
    if not artifact.uri:
        files.restore(artifact.digest, path)
        return
    now = importer.refer(artifact.uri).digest
    if now != artifact.digest:
        raise PalmetteError(
            f"{artifact.uri} is not what it was: it was {artifact.digest}, and is {now}",
            "It was passed by reference and changed since: run what refers to it again.",
        )
    if Path(artifact.uri) != path:
        importer.fetch(artifact.uri, path)


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
