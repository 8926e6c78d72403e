"""Pipelines and their versions: upload them, find them, change them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from palmette.domain.hosting import Pipeline, Version
from palmette.domain.listing import Page, Slice
from palmette.errors import AlreadyThere, Conflict, NotFound
from palmette.ir.spec import PipelineDocument
from palmette.operations import documents, titles
from palmette.operations.fetching import fetch
from palmette.operations.home import Home
from palmette.store import pipelines
from palmette.store import versions as version_rows
from palmette.store.identity import new_id

__all__ = [
    "add_version",
    "create",
    "delete",
    "delete_version",
    "document",
    "fetch",
    "get",
    "named",
    "newest",
    "page",
    "update",
    "update_version",
    "upload",
    "version",
    "version_named",
    "versions",
]


def upload(
    home: Home,
    text: bytes,
    *,
    filename: str,
    name: str = "",
    display_name: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
    code_source_url: str = "",
    package_url: str = "",
    project: str = "",
) -> tuple[Pipeline, Version]:
    """Make a pipeline from a file; its first version has the same name and description. Without a name it has that of
    the pipeline in the file. SpecError for the file, UsageError for the rest, AlreadyThere where the name is taken."""
    found = documents.read(text, filename)
    name = name or found.pipeline.name
    # The name of a version may be shorter.
    version_name = name[: titles.LONGEST["version"]]
    titles.require("pipeline", name, tags=tags, display_name=display_name, description=description)
    pipeline = _pipeline(name, display_name, description, tags, project)
    first = Version(
        id=new_id(),
        pipeline=pipeline.id,
        name=version_name,
        display_name=display_name or version_name,
        description=description,
        tags=dict(tags or {}),
        spec=documents.keep(home, found),
        code_source_url=code_source_url,
        package_url=package_url,
        created=pipeline.created,
    )
    if not pipelines.create(home.store, pipeline, first):
        raise _taken(name)
    return pipeline, first


def create(
    home: Home,
    name: str,
    *,
    display_name: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
    project: str = "",
) -> Pipeline:
    """Make a pipeline that has no version yet."""
    titles.require("pipeline", name, tags=tags, display_name=display_name, description=description)
    pipeline = _pipeline(name, display_name, description, tags, project)
    if not pipelines.create(home.store, pipeline):
        raise _taken(name)
    return pipeline


def _pipeline(name: str, display_name: str, description: str, tags: Mapping[str, str] | None, project: str) -> Pipeline:
    return Pipeline(
        id=new_id(),
        name=name,
        display_name=display_name or name,
        description=description,
        tags=dict(tags or {}),
        project=project,
        created=time.time(),
    )


def _taken(name: str) -> AlreadyThere:
    return AlreadyThere(f"there is a pipeline {name!r} already", "Upload a version of it, or choose another name.")


def get(home: Home, id: str) -> Pipeline:
    """The pipeline of this id; NotFound if there is none."""
    found = pipelines.get(home.store, id)
    if found is None:
        raise NotFound(f"there is no pipeline {id!r}")
    return found


def named(home: Home, name: str) -> Pipeline:
    """The pipeline of this name; NotFound if there is none."""
    found = pipelines.named(home.store, name)
    if found is None:
        raise NotFound(f"no pipeline is named {name!r}")
    return found


def page(home: Home, wanted: Slice) -> Page[Pipeline]:
    """A part of the list of pipelines."""
    return pipelines.page(home.store, wanted)


def update(home: Home, id: str, *, display_name: str | None = None, tags: Mapping[str, str] | None = None) -> Pipeline:
    """Give a pipeline another display name, or other tags in place of those it has; what is None stays."""
    titles.require_changes("pipeline", display_name=display_name, tags=tags)
    pipelines.change(home.store, get(home, id).id, display_name=display_name, tags=tags)
    return get(home, id)


def delete(home: Home, id: str, *, cascade: bool = False) -> None:
    """Forget a pipeline. Conflict while it has versions, unless they are to go with it. Runs made from it stay."""
    count = pipelines.remove(home.store, get(home, id).id, cascade=cascade)
    if count:
        many = "a version" if count == 1 else f"{count} versions"
        raise Conflict(f"the pipeline has {many}", "Delete them first, or delete it with cascade=true.")


# Versions.


def add_version(
    home: Home,
    pipeline_id: str,
    text: bytes,
    *,
    filename: str,
    name: str = "",
    display_name: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
    code_source_url: str = "",
    package_url: str = "",
) -> Version:
    """Make a version of a pipeline from a file. Without a name it has that of the pipeline in the file."""
    pipeline = get(home, pipeline_id)
    found = documents.read(text, filename)
    name = name or found.pipeline.name
    titles.require("version", name, tags=tags, display_name=display_name, description=description)
    made = Version(
        id=new_id(),
        pipeline=pipeline.id,
        name=name,
        display_name=display_name or name,
        description=description,
        tags=dict(tags or {}),
        spec=documents.keep(home, found),
        code_source_url=code_source_url,
        package_url=package_url,
        created=time.time(),
    )
    kept = version_rows.create(home.store, made)
    if kept is None:
        raise NotFound(f"there is no pipeline {pipeline_id!r}")
    if not kept:
        raise AlreadyThere(f"the pipeline {pipeline.name!r} has a version {name!r} already", "Choose another name.")
    return made


def version(home: Home, pipeline_id: str, version_id: str) -> Version:
    """The version of a pipeline by its id; NotFound if there is none."""
    found = version_rows.get(home.store, pipeline_id, version_id)
    if found is None:
        raise NotFound(f"the pipeline {get(home, pipeline_id).name!r} has no version {version_id!r}")
    return found


def version_named(home: Home, pipeline_id: str, name: str) -> Version:
    """The version of a pipeline by its name; NotFound if there is none."""
    found = version_rows.named(home.store, pipeline_id, name)
    if found is None:
        raise NotFound(f"no version of the pipeline {get(home, pipeline_id).name!r} is named {name!r}")
    return found


def newest(home: Home, pipeline_id: str) -> Version:
    """The version that a pipeline was given last; NotFound if it has none."""
    found = version_rows.newest(home.store, pipeline_id)
    if found is None:
        raise NotFound(f"the pipeline {get(home, pipeline_id).name!r} has no version", "Upload one.")
    return found


def versions(home: Home, pipeline_id: str, wanted: Slice) -> Page[Version]:
    """A part of the list of a pipeline's versions."""
    return version_rows.page(home.store, get(home, pipeline_id).id, wanted)


def update_version(
    home: Home,
    pipeline_id: str,
    version_id: str,
    *,
    display_name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Version:
    """Give a version another display name, or other tags in place of those it has; what is None stays."""
    titles.require_changes("version", display_name=display_name, tags=tags)
    found = version(home, pipeline_id, version_id)
    version_rows.change(home.store, found.id, pipelines.changes(display_name=display_name, tags=tags))
    return version(home, pipeline_id, version_id)


def delete_version(home: Home, pipeline_id: str, version_id: str) -> None:
    """Forget a version. Runs made from it stay."""
    version_rows.remove(home.store, version(home, pipeline_id, version_id).id)


def document(home: Home, digest: str) -> PipelineDocument:
    """The document of a version, of a recurring run, of a run, by its digest."""
    return documents.load(home, digest)
