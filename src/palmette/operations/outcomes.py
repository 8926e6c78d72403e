"""What the task `palmette-outcome` wrote, read. It comes from a cluster's store: nothing of it is believed unseen."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Final

from palmette.authoring.results import Evaluation
from palmette.domain.graph import ArtifactType
from palmette.domain.values import Json
from palmette.errors import UsageError
from palmette.operations.evaluations import DAMAGED, MOST, STRANGE, size
from palmette.runtime.evaluations import ARRAYS, read_evaluation, read_metrics

__all__ = ["LARGEST", "Measured", "Outcome", "read"]

#: bytes of one, which holds what compiling left room for
LARGEST: Final = 64 << 20
#: as `palmette.runtime.outcome` writes it, which is a program and imported by nobody
_SCHEMA: Final = 1
_LISTED: Final = "outcome.json"
_MANY: Final = 1000
_SUFFIXES: Final = {"evaluation": ".npz", "metrics": ".json"}
_TYPES: Final = {"evaluation": "Evaluation", "metrics": "Metrics"}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An artifact of type Metrics that a task made."""

    #: the task's key in its DAG
    task: str
    output: str
    format: str
    #: of it as the home keeps it; what is known of one whose bytes are not here
    metadata: Mapping[str, Json] = field(default_factory=dict)
    filename: str = ""
    #: empty where they were left out
    content: bytes = b""
    #: why they were: "it is sensitive"
    left: str = ""

    @property
    def type(self) -> str:
        """KFP's schema title."""
        return ArtifactType.METRICS.value


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the tasks of one DAG measured."""

    #: the DAG's component, or "root"
    scope: str
    measured: tuple[Measured, ...]


def read(data: bytes) -> Outcome:
    """What is in the file; UsageError if it is none, or leads to more than it may."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if sum(entry.file_size for entry in file.infolist()) > 2 * LARGEST:
                raise UsageError("the outcome comes to more than it may hold")
            listed = json.loads(file.read(_LISTED))
            if listed["schema"] != _SCHEMA:
                raise UsageError("the outcome is of another Palmette", "Bring this one up to date.")
            return Outcome(scope=str(listed["scope"]), measured=tuple(_each(file, listed["artifacts"])))
    except (zipfile.BadZipFile, zlib.error, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise UsageError(f"the outcome is damaged: {error}") from None


def _each(file: zipfile.ZipFile, listed: list[Mapping[str, Any]]) -> Iterator[Measured]:
    for entry in listed[:_MANY]:
        said = {name: str(entry[name]) for name in ("task", "output", "format")}
        sensitive = bool(entry.get("sensitive"))
        content = file.read(str(entry["file"])) if "file" in entry else b""
        left = str(entry.get("left", ""))
        told = {} if sensitive else _numbers(entry.get("metadata", {}))
        if content:
            found = _told(said["format"], content)
            left, told = ("it cannot be read", told) if found is None else ("", found)
        name = said["output"] + _SUFFIXES.get(said["format"], "")
        about: dict[str, Json] = {"format": said["format"], "filename": name, "type": _TYPES.get(said["format"], "")}
        # As the runtime writes it: of what is sensitive no number stands beside it.
        metadata = {**about, "sensitive": True} if sensitive else {**told, **about}
        yield Measured(**said, metadata=metadata, filename=name, content=b"" if left else content, left=left)


def _numbers(metadata: Mapping[str, Any]) -> dict[str, Json]:
    """The metrics among what a cluster kept beside an artifact, where all numbers are floats."""
    texts = ("nan", "inf", "-inf")
    return {
        str(name): value
        for name, value in metadata.items()
        if value in texts or (isinstance(value, (int, float)) and not isinstance(value, bool))
    }


def _told(form: str, content: bytes) -> dict[str, Json] | None:
    """What the runtime said of it when it was written; None for what cannot be read."""
    with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
        path = Path(directory) / "artifact"
        path.write_bytes(content)
        try:
            if form == "metrics":
                return _plain(read_metrics(path))
            if form == "evaluation" and size(str(path)) <= MOST:
                evaluation = read_evaluation(path)
                return {**_plain(evaluation.metrics), "holds": _holds(evaluation)}
        except (*DAMAGED, *STRANGE):
            return None
    return {} if form not in _SUFFIXES else None


def _plain(metrics: Mapping[str, float]) -> dict[str, Json]:
    return {name: value if isfinite(value) else str(value) for name, value in metrics.items()}


def _holds(evaluation: Evaluation) -> list[Json]:
    found: list[Json] = [name for name in ARRAYS if getattr(evaluation, name) is not None]
    return found + [name for name in ("roc", "curves", "slices") if getattr(evaluation, name)]
