"""A version of a pipeline made by hand: of an algorithm as its code is now, or of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.domain.footer import signed, split
from palmette.domain.hosting import Pipeline, Version
from palmette.domain.values import Json
from palmette.errors import AlreadyThere, UsageError
from palmette.ir.dialects import Dialect
from palmette.operations import documents, git
from palmette.operations.compiling import compile_all
from palmette.operations.finding import Looked
from palmette.operations.project import Project

_ENDINGS: Final = (".yaml", ".yml", ".json", ".zip", ".gz", ".tgz")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version that is on the host now."""

    pipeline: Pipeline
    version: Version
    #: it was there already, with the same document
    known: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """What is to be uploaded."""

    #: of the pipeline, on the host
    name: str
    about: str
    #: what versions are called that nobody names
    version: str
    text: bytes
    facts: Mapping[str, Json]
    warnings: tuple[str, ...] = ()


def is_file(said: str) -> bool:
    """Whether a pipeline's file is meant, and no algorithm."""
    return said.lower().endswith(_ENDINGS)


def publish(
    looked: Looked,
    project: Project | None,
    environ: Mapping[str, str],
    said: str,
    *,
    directory: Path,
    pipeline: str = "",
    version: str = "",
    description: str = "",
) -> Published:
    """Upload a version. One of that name with the same document is found; with another one it is AlreadyThere."""
    looked = looked.claimed()
    if is_file(said):
        draft = _of_file(looked, directory / said, pipeline)
    elif project is None:
        raise UsageError(f"{said!r} is no pipeline's file, and there is no project here", "Name a .yaml or .json file.")
    else:
        draft = _of_algorithm(looked, project, environ, said)
    name = version or draft.version
    facts: dict[str, Json] = {**draft.facts, "document": hashlib.sha256(draft.text).hexdigest()}
    owner: dict[str, Json] = {each: facts[each] for each in ("project", "algorithm") if each in facts}
    host = looked.host
    made = host.pipelines.named(draft.name) or host.pipelines.create(draft.name, description=signed(draft.about, owner))
    try:
        added = host.pipelines.add(made.id, name, draft.text, description=signed(description, facts))
        return Published(pipeline=made, version=added, known=False, warnings=draft.warnings)
    except AlreadyThere:
        there = host.pipelines.version(made.id, name)
        if there is None or split(there.description)[1].get("document") != facts["document"]:
            what = f"{draft.name} has a version {name!r} already, with another document"
            raise AlreadyThere(what, "Choose another name: --version NAME.") from None
        return Published(pipeline=made, version=there, known=True, warnings=draft.warnings)


def _of_file(looked: Looked, path: Path, name: str) -> _Draft:
    try:
        data = documents.unpacked(path.read_bytes(), path.name)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "Name a .yaml or .json file.") from None
    document = documents.read(data)
    named = name or document.pipeline.name
    facts: dict[str, Json] = {"project": looked.names.project} if looked.scoped else {}
    return _Draft(
        name=looked.names.pipeline(named),
        about=document.pipeline.description,
        version=hashlib.sha256(data).hexdigest()[:8],
        text=data,
        facts=facts,
    )


def _of_algorithm(looked: Looked, project: Project, environ: Mapping[str, str], name: str) -> _Draft:
    dialect = looked.host.dialect
    prefix = project.name if looked.names.prefix and dialect is not Dialect.PALMETTE else ""
    built = compile_all(project, environ, [name], dialect=dialect, prefix=prefix)[name]
    state = git.read(project.root, environ).of(built.files)
    facts: dict[str, Json] = {
        "project": project.name,
        "algorithm": name,
        "branch": state.branch,
        "commit": state.commit,
        "closure": built.closure,
        "bundle": built.bundle,
    }
    if state.dirty:
        facts["dirty"] = True
    # Of uncommitted changes there may be several at one commit.
    called = looked.names.version(state.branch or "no branch", state.commit, built.digest if state.dirty else "")
    return _Draft(
        name=looked.names.pipeline(name),
        about=built.algorithm.description,
        version=called if state.commit else built.digest[:8],
        text=built.text,
        facts=facts,
        warnings=built.warnings,
    )
