"""What a step is asked to do, and what it answers: KFP's ExecutorInput and ExecutorOutput."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from palmette.domain.values import Json
from palmette.errors import PalmetteError

#: the artifact that a task of a cluster's gives besides its own: what nothing else there hands out
KEPT: Final = "palmette-kept"
#: Where a launcher mounts the stores that are no directories.
_SCHEMES: Final = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/", "oci://": "/oci/"}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An artifact and its place."""

    name: str
    uri: str
    type: Mapping[str, Json] = field(default_factory=dict)
    metadata: Mapping[str, Json] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the artifact lies, or is to be written."""
        for scheme, mount in _SCHEMES.items():
            if self.uri.startswith(scheme):
                return Path(mount + self.uri.removeprefix(scheme))
        return Path(self.uri.removeprefix("file://"))

    @property
    def remote(self) -> bool:
        """Whether it was passed by reference and lies elsewhere: only its address is of use. What a launcher mounted
        does not."""
        return "://" in self.uri.removeprefix("file://") and not self.path.exists()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a step is asked to do."""

    parameters: Mapping[str, Json]
    artifacts: Mapping[str, tuple[Placed, ...]]
    outputs: Mapping[str, Placed]
    #: output parameter → the file that its text belongs in
    files: Mapping[str, Path]
    #: the file that the answer belongs in
    answer: Path


def parse(text: str) -> Request:
    """Read an ExecutorInput."""
    try:
        message = json.loads(text)
        inputs, outputs = message.get("inputs", {}), message["outputs"]
        return Request(
            parameters=inputs.get("parameterValues", {}),
            artifacts={
                name: tuple(_placed(name, entry) for entry in each["artifacts"])
                for name, each in inputs.get("artifacts", {}).items()
            },
            outputs={name: _placed(name, each["artifacts"][0]) for name, each in outputs.get("artifacts", {}).items()},
            files={name: Path(each["outputFile"]) for name, each in outputs.get("parameters", {}).items()},
            answer=Path(outputs["outputFile"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PalmetteError(
            f"the step was not given a KFP ExecutorInput: {type(error).__name__} {error}",
            "Something changed the container's arguments.",
        ) from None


def answer(request: Request, parameters: Mapping[str, Json], artifacts: Mapping[str, Mapping[str, Json]]) -> None:
    """Write the values, and last, whole or not at all, the ExecutorOutput. `artifacts` is their metadata by name."""
    for name, value in parameters.items():
        if name in request.files:
            place(request.files[name], value if isinstance(value, str) else json.dumps(value, allow_nan=False))
    said = {
        "parameterValues": parameters,
        "artifacts": {
            name: {"artifacts": [_artifact(request.outputs[name], each)]} for name, each in artifacts.items()
        },
    }
    place(request.answer, json.dumps(said, allow_nan=False))


def place(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _placed(name: str, entry: Mapping[str, Any]) -> Placed:
    return Placed(
        name=entry.get("name", name), uri=entry["uri"], type=entry["type"], metadata=entry.get("metadata", {})
    )


def _artifact(output: Placed, metadata: Mapping[str, Json]) -> Json:
    # Only of what is referred to do the metadata say where it is.
    refers = metadata.get("format") == "reference"
    plain = {key: value for key, value in metadata.items() if not refers or key != "uri"}
    uri = metadata["uri"] if refers else output.uri
    return {"name": output.name, "uri": uri, "type": output.type, "metadata": plain}
