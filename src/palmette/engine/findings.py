"""The artifacts that an attempt left behind: where they lie, what was said of them, and how they are taken over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palmette.domain.artifact import Artifact
from palmette.domain.graph import ArtifactType
from palmette.domain.values import Json
from palmette.engine.attempt import SCRATCH
from palmette.engine.inputs import Places
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Bytes, Importer, Referred
from palmette.engine.references import remote
from palmette.ir.spec import ArtifactSpec

_METRICS: Final = (ArtifactType.METRICS, "system.ClassificationMetrics", "system.SlicedClassificationMetrics")

#: No path is longer; what else an attempt says of one would only fill messages.
_LONGEST: Final = 4096


class Spoiled(Exception):
    """An attempt ended with exit code 0 and did not leave what it had to."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One artifact before it is taken over."""

    #: of one in a list, with its number: "made[0]"
    name: str
    #: KFP schema title
    title: str
    #: where its bytes are, or the address of what is passed by reference
    place: Path | str
    metadata: Mapping[str, Json]
    #: it lies where others may use it, and is copied
    kept: bool = False


def require_rooms(places: Places) -> None:
    """Spoiled if the attempt has put links in the place of its directories: what is taken, and removed, would not be
    its own."""
    for name in SCRATCH:
        if (places.directory / name).is_symlink():
            raise Spoiled(f"it made the directory {name} a symbolic link; leave it what it was")


def left_behind(
    task: PlannedTask, said: Mapping[str, Any], places: Places, *, confined: bool = False
) -> Iterator[Finding]:
    """Every artifact of a task that must be there; Spoiled for the first that is not as it should be."""
    for name, spec in task.definition.output_definitions.artifacts.items():
        entries = _entries(name, said, many=spec.is_artifact_list)
        if not spec.is_artifact_list:
            yield _finding(task, name, spec, entries[0] if entries else {}, places, confined=confined)
        elif not entries:
            yield from _listed(name, spec, places)
        else:
            for index, entry in enumerate(entries):
                yield _finding(task, f"{name}[{index}]", spec, entry, places, confined=confined)


def taken(found: Finding, places: Places, files: Bytes, importer: Importer) -> Artifact:
    """The artifact, its bytes stored; those of what is passed by reference stay where they are."""
    if isinstance(found.place, str):
        return _referred(found, importer.refer(found.place), places)
    path = found.place
    filename = _filename(found.metadata.get("filename"), found.name, path)
    if found.kept:
        # In a directory of nobody else's making, lest a link of the task's be in the way.
        path = Path(tempfile.mkdtemp(prefix=".taken-", dir=places.directory)) / "copy"
        shutil.copytree(found.place, path) if found.place.is_dir() else shutil.copyfile(found.place, path)
    digest, size = files.put(path)
    if found.kept:
        path.parent.rmdir()
    return Artifact(type=found.title, digest=digest, size=size, filename=filename, metadata=found.metadata)


def _finding(
    task: PlannedTask, name: str, spec: ArtifactSpec, entry: Mapping[str, Any], places: Places, *, confined: bool
) -> Finding:
    metadata = {**spec.metadata, **entry.get("metadata", {})}
    title = spec.artifact_type.schema_title or ArtifactType.ARTIFACT.value
    uri, custom = _path(name, entry.get("uri")) or str(places.artifact(name)), _path(name, entry.get("custom_path"))
    if not custom and (metadata.get("format") == "reference" or remote(uri)):
        if confined and not remote(uri):
            raise Spoiled(f"output {name!r} refers to a path of the machine, of which its task sees another one")
        return Finding(name=name, title=title, place=uri, metadata=metadata)
    # A path of its own begins where the container does, and may be outside the directory of the task.
    path = places.directory.resolve() / "work" / custom if custom else _within(name, uri, places)
    if confined:
        path = _within(name, str(path), places)
    if path.is_symlink():
        raise Spoiled(f"output {name!r} is a symbolic link; write the file itself")
    if not path.exists():
        # What a stock component only described has no file, and none is expected: metrics, for one.
        if task.captured or (not entry and title not in _METRICS):
            raise Spoiled(f"output {name!r} was not written")
        path, custom = places.artifact(name), ""
        if path.is_symlink():
            raise Spoiled(f"output {name!r} is a symbolic link; write the file itself")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    elif not path.is_dir() and not path.is_file():
        raise Spoiled(f"output {name!r} is neither a file nor a directory")
    kept = bool(custom) and not path.resolve().is_relative_to(places.directory.resolve())
    return Finding(name=name, title=title, place=path, metadata=metadata, kept=kept)


def _listed(name: str, spec: ArtifactSpec, places: Places) -> Iterator[Finding]:
    """The artifacts of a list that nothing describes: what lies in the output's directory, by name."""
    room = places.artifact(name)
    title = spec.artifact_type.schema_title or ArtifactType.ARTIFACT.value
    for index, path in enumerate(sorted(room.iterdir()) if room.is_dir() and not room.is_symlink() else ()):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise Spoiled(f"output {name!r} holds {path.name}, which is neither a file nor a directory")
        metadata = {**spec.metadata, "filename": path.name}
        yield Finding(name=f"{name}[{index}]", title=title, place=path, metadata=metadata)


def _referred(found: Finding, there: Referred, places: Places) -> Artifact:
    """The artifact of what lies elsewhere and stays there."""
    if Path(there.uri).is_relative_to(places.directory):
        raise Spoiled(
            f"output {found.name!r} refers into the directory of its task, which goes; return a Path to keep it"
        )
    return Artifact(
        type=found.title,
        digest=there.digest,
        size=there.size,
        filename=there.filename,
        metadata=found.metadata,
        uri=there.uri,
    )


def _entries(name: str, said: Mapping[str, Any], *, many: bool) -> list[dict[str, Any]]:
    entries = said.get("artifacts", {})
    entry = entries.get(name, {}) if isinstance(entries, dict) else None
    listed = entry.get("artifacts", []) if isinstance(entry, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Spoiled(f"executor_output.json does not describe output {name!r} as a list of artifacts")
    if len(listed) > 1 and not many:
        raise Spoiled(f"executor_output.json does not describe output {name!r} as one artifact")
    if not all(isinstance(one.get("metadata", {}), dict) for one in listed):
        raise Spoiled(f"executor_output.json gives output {name!r} metadata that are no object")
    return listed


def _path(name: str, said: object) -> str:
    """What an attempt says of a place; empty if it says nothing."""
    if said is not None and (not isinstance(said, str) or "\0" in said or len(said) > _LONGEST):
        raise Spoiled(f"output {name!r} lies at what is no path")
    return said or ""


def _within(name: str, uri: str, places: Places) -> Path:
    """The path of an output; it may not leave the attempt's own directory, through links neither."""
    path = Path(uri.removeprefix("file://"))
    real = path.parent.resolve() / path.name
    if path.name == ".." or not real.is_relative_to(places.directory.resolve()) or real == places.directory.resolve():
        raise Spoiled(f"output {name!r} lies outside the directory of its task")
    return real


def _filename(wanted: object, name: str, path: Path) -> str:
    """The file name to keep: what the step said if that is one, else the output's name."""
    base = wanted.rstrip("/") if isinstance(wanted, str) else ""
    if not base or base in (".", "..") or "/" in base or "\0" in base or len(base.encode()) > 200:
        base = name
    return f"{base}/" if path.is_dir() else base
