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
from palmette.domain.metric import MetricPoint
from palmette.domain.values import Json
from palmette.engine.events import Tail
from palmette.errors import UsageError
from palmette.ir.embedded import loads
from palmette.operations.evaluations import DAMAGED, MOST, STRANGE, size
from palmette.runtime.evaluations import ARRAYS, read_evaluation, read_metrics

__all__ = ["LARGEST", "Kept", "Made", "Outcome", "read"]

#: bytes of one, which holds what compiling left room for
LARGEST: Final = 64 << 20
#: as `palmette.runtime.outcome` writes it, which is a program and imported by nobody
_SCHEMA: Final = 1
_LISTED: Final = "outcome.json"
_MANY: Final = 1000
#: how `palmette.runtime.kept` is called in it, and the parts of such a file; bytes that one may lead to
_KEPT, _ABOUT, _LOGGED = "kept", "kept.json", "logged"
_ROOM: Final = 32 << 20
_DAMAGES: Final = (
    *(zipfile.BadZipFile, zlib.error, ValueError, LookupError),
    *(TypeError, AttributeError, RuntimeError, NotImplementedError),
)
_SUFFIXES: Final = {"evaluation": ".npz", "metrics": ".json"}
_TYPES: Final = {"evaluation": "Evaluation", "metrics": "Metrics"}


@dataclass(frozen=True, kw_only=True)
class Made:
    """An artifact that a task made."""

    #: the task's key in its DAG
    task: str
    output: str
    format: str
    #: KFP's schema title
    type: str = ArtifactType.METRICS.value
    #: of it as the home keeps it; what is known of one whose bytes are not here
    metadata: Mapping[str, Json] = field(default_factory=dict)
    filename: str = ""
    #: empty where they were left out
    content: bytes = b""
    #: why they were: "it is sensitive"
    left: str = ""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a task kept of itself for its outcome."""

    task: str
    #: the parameters that it gave
    values: Mapping[str, Json] = field(default_factory=dict)
    #: its artifacts that are no metrics, if they are small
    made: tuple[Made, ...] = ()
    #: the names of those that are not
    stayed: tuple[str, ...] = ()
    #: what it logged, and whether it logged more than that
    points: tuple[MetricPoint, ...] = ()
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the tasks of one DAG made."""

    #: the DAG's component, or "root"
    scope: str
    #: what is of type Metrics, and all that is left out
    measured: tuple[Made, ...] = ()
    kept: tuple[Kept, ...] = ()
    #: of a loop's iteration its item, by the loop's key; the same of loops around it
    items: Mapping[str, Json] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The keys of the tasks that it tells of."""
        found = [each.task for each in self.measured] + [each.task for each in self.kept]
        return tuple(dict.fromkeys(found))


def read(data: bytes) -> Outcome:
    """What is in the file; UsageError if it is none, or leads to more than it may."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if sum(entry.file_size for entry in file.infolist()) > 2 * LARGEST:
                raise UsageError("the outcome comes to more than it may hold")
            listed = json.loads(file.read(_LISTED))
            if listed["schema"] != _SCHEMA:
                raise UsageError("the outcome is of another Palmette", "Bring this one up to date.")
            found = tuple(_each(file, listed["artifacts"][:_MANY]))
            return Outcome(
                scope=str(listed["scope"]),
                measured=tuple(each for each in found if isinstance(each, Made)),
                kept=tuple(each for each in found if isinstance(each, Kept)),
                items=dict(listed.get("items", {})),
            )
    except _DAMAGES as error:
        raise UsageError(f"the outcome is damaged: {error}") from None


def _each(file: zipfile.ZipFile, listed: list[Mapping[str, Any]]) -> Iterator[Made | Kept]:
    for entry in listed:
        said = {name: str(entry[name]) for name in ("task", "output", "format")}
        if said["format"] == _KEPT and "file" in entry:
            kept = _kept(said["task"], file.read(str(entry["file"])))
            yield kept or Made(task=said["task"], output=said["output"], format=_KEPT, left="it cannot be read")
            continue
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
        yield Made(**said, metadata=metadata, filename=name, content=b"" if left else content, left=left)


def _kept(task: str, data: bytes) -> Kept | None:
    """What the file of a task holds; None for one that cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if sum(entry.file_size for entry in file.infolist()) > _ROOM:
                return None
            about, names = loads(file.read(_ABOUT)), {*file.namelist()}
            listed: dict[str, dict[str, Any]] = about["made"]
            here = [name for name in listed if f"made/{name}" in names]
            return Kept(
                task=task,
                values=dict(about["values"]),
                made=tuple(_made(task, name, listed[name], file.read(f"made/{name}")) for name in here),
                stayed=tuple(name for name in listed if name not in here),
                points=_points(task, file.read(_LOGGED)) if _LOGGED in names else (),
                cut=bool(about["cut"]),
            )
    except _DAMAGES:
        return None


def _made(task: str, output: str, said: Mapping[str, Any], content: bytes) -> Made:
    metadata = dict(said["metadata"])
    filename = Path(str(metadata.get("filename") or output)).name or output
    title = str(said["type"].get("schemaTitle") or ArtifactType.ARTIFACT.value)
    form = str(metadata.get("format") or "")
    return Made(
        task=task, output=output, format=form, type=title, metadata=metadata, filename=filename, content=content
    )


def _points(task: str, lines: bytes) -> tuple[MetricPoint, ...]:
    """What was logged, read as the engine reads it."""
    with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
        path = Path(directory) / _LOGGED
        path.write_bytes(lines)
        return tuple(point for batch in Tail(path, task).rest() for point in batch.points)


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
