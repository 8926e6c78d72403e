"""Pipelines and their versions."""

from __future__ import annotations

from functools import partial
from typing import Final

from palmette.domain.hosting import Role
from palmette.errors import Problem, UsageError
from palmette.kfpapi import hosted, listing, messages
from palmette.operations import pipelines
from palmette.server.kfp.parts import LIST, NAMESPACE, PREFIX, Documents, listed
from palmette.server.rows import EMPTY, FLAG, Asked, Query, Row, message

_PATH: Final = f"{PREFIX}/pipelines"
_ONE: Final = _PATH + "/{pipeline_id}"
_VERSIONS: Final = f"{_ONE}/versions"
_VERSION: Final = _VERSIONS + "/{pipeline_version_id}"
_SERVICE: Final = "PipelineService"


def _create(asked: Asked) -> messages.Pipeline:
    wanted: messages.Pipeline = asked.body
    made = pipelines.create(
        asked.home,
        wanted.name or wanted.display_name,
        display_name=wanted.display_name,
        description=wanted.description,
        tags=wanted.tags or {},
    )
    return hosted.pipeline(made)


def _create_with_version(asked: Asked) -> messages.Pipeline:
    wanted: messages.CreatePipelineAndVersionRequest = asked.body
    pipeline = wanted.pipeline or messages.Pipeline()
    version = wanted.pipeline_version or messages.PipelineVersion()
    url = _url(version, "pipeline_version.package_url.pipeline_url")
    filename, data = pipelines.fetch(url)
    made, _ = pipelines.upload(
        asked.home,
        data,
        filename=filename,
        name=pipeline.name or pipeline.display_name,
        display_name=pipeline.display_name,
        description=pipeline.description,
        tags=pipeline.tags or {},
        code_source_url=version.code_source_url,
        package_url=url,
    )
    return hosted.pipeline(made)


def _url(version: messages.PipelineVersion, where: str) -> str:
    url = version.package_url.pipeline_url if version.package_url else ""
    if not url:
        hint = "Upload a file to /apis/v2beta1/pipelines/upload instead, if there is no address."
        raise UsageError("there is no pipeline", problems=[Problem(where=where, what="it is missing", hint=hint)])
    return url


def _list(asked: Asked) -> messages.ListPipelinesResponse:
    found, total, token = listed(listing.PIPELINES, asked, partial(pipelines.page, asked.home))
    shown = tuple(hosted.pipeline(each) for each in found)
    return messages.ListPipelinesResponse(pipelines=shown, total_size=total, next_page_token=token)


def _get(asked: Asked) -> messages.Pipeline:
    return hosted.pipeline(pipelines.get(asked.home, asked.path["pipeline_id"]))


def _named(asked: Asked) -> messages.Pipeline:
    return hosted.pipeline(pipelines.named(asked.home, asked.path["name"]))


def _update(asked: Asked) -> messages.Pipeline:
    wanted: messages.Pipeline = asked.body
    changed = pipelines.update(
        asked.home, asked.path["pipeline_id"], display_name=wanted.display_name or None, tags=wanted.tags
    )
    return hosted.pipeline(changed)


def _delete(asked: Asked) -> messages.Empty:
    cascade = asked.query.get("cascade", "").lower()
    if cascade not in ("", "true", "false"):
        raise UsageError("cascade is neither true nor false")
    pipelines.delete(asked.home, asked.path["pipeline_id"], cascade=cascade == "true")
    return messages.Empty()


# Versions.


def _add_version(asked: Asked) -> messages.PipelineVersion:
    wanted: messages.PipelineVersion = asked.body
    url = _url(wanted, "package_url.pipeline_url")
    filename, data = pipelines.fetch(url)
    made = pipelines.add_version(
        asked.home,
        asked.path["pipeline_id"],
        data,
        filename=filename,
        name=wanted.name or wanted.display_name,
        display_name=wanted.display_name,
        description=wanted.description,
        tags=wanted.tags or {},
        code_source_url=wanted.code_source_url,
        package_url=url,
    )
    return hosted.version(made, Documents(asked.home).shown(made.spec))


def _list_versions(asked: Asked) -> messages.ListPipelineVersionsResponse:
    page = partial(pipelines.versions, asked.home, asked.path["pipeline_id"])
    found, total, token = listed(listing.VERSIONS, asked, page)
    documents = Documents(asked.home)
    shown = tuple(hosted.version(each, documents.shown(each.spec)) for each in found)
    return messages.ListPipelineVersionsResponse(pipeline_versions=shown, total_size=total, next_page_token=token)


def _get_version(asked: Asked) -> messages.PipelineVersion:
    found = pipelines.version(asked.home, asked.path["pipeline_id"], asked.path["pipeline_version_id"])
    return hosted.version(found, Documents(asked.home).shown(found.spec))


def _update_version(asked: Asked) -> messages.PipelineVersion:
    wanted: messages.PipelineVersion = asked.body
    changed = pipelines.update_version(
        asked.home,
        asked.path["pipeline_id"],
        asked.path["pipeline_version_id"],
        display_name=wanted.display_name or None,
        tags=wanted.tags,
    )
    return hosted.version(changed, Documents(asked.home).shown(changed.spec))


def _delete_version(asked: Asked) -> messages.Empty:
    pipelines.delete_version(asked.home, asked.path["pipeline_id"], asked.path["pipeline_version_id"])
    return messages.Empty()


_PIPELINE: Final = message(messages.Pipeline)
_PIPELINE_VERSION: Final = message(messages.PipelineVersion)
_CASCADE: Final = {"cascade": Query(schema=FLAG, description="Delete its versions, too.")}

ROWS: Final = (
    Row(
        name=f"{_SERVICE}_CreatePipeline",
        method="POST",
        path=_PATH,
        summary="Make a pipeline without a version.",
        answer=_create,
        role=Role.RUN,
        body=_PIPELINE,
        reply=_PIPELINE,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_CreatePipelineAndVersion",
        method="POST",
        path=f"{_PATH}/create",
        summary="Make a pipeline, its first version fetched from an address.",
        answer=_create_with_version,
        role=Role.RUN,
        body=message(messages.CreatePipelineAndVersionRequest),
        reply=_PIPELINE,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ListPipelines",
        method="GET",
        path=_PATH,
        summary="List pipelines.",
        answer=_list,
        query=LIST,
        reply=message(messages.ListPipelinesResponse),
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_GetPipelineByName",
        method="GET",
        path=f"{_PATH}/names/{{name:path}}",
        summary="Show the pipeline of a name.",
        answer=_named,
        query=NAMESPACE,
        reply=_PIPELINE,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_GetPipeline",
        method="GET",
        path=_ONE,
        summary="Show a pipeline.",
        answer=_get,
        reply=_PIPELINE,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_UpdatePipeline",
        method="PATCH",
        path=_ONE,
        summary="Give a pipeline another display name, other tags. Tags of {} take all of them away.",
        answer=_update,
        role=Role.RUN,
        body=_PIPELINE,
        reply=_PIPELINE,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_DeletePipeline",
        method="DELETE",
        path=_ONE,
        summary="Delete a pipeline, if it has no versions.",
        answer=_delete,
        role=Role.RUN,
        query=_CASCADE,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_CreatePipelineVersion",
        method="POST",
        path=_VERSIONS,
        summary="Give a pipeline another version, fetched from an address.",
        answer=_add_version,
        role=Role.RUN,
        body=_PIPELINE_VERSION,
        reply=_PIPELINE_VERSION,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ListPipelineVersions",
        method="GET",
        path=_VERSIONS,
        summary="List the versions of a pipeline.",
        answer=_list_versions,
        query=LIST,
        reply=message(messages.ListPipelineVersionsResponse),
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_GetPipelineVersion",
        method="GET",
        path=_VERSION,
        summary="Show a version of a pipeline.",
        answer=_get_version,
        reply=_PIPELINE_VERSION,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_UpdatePipelineVersion",
        method="PATCH",
        path=_VERSION,
        summary="Give a version another display name, other tags. Tags of {} take all of them away.",
        answer=_update_version,
        role=Role.RUN,
        body=_PIPELINE_VERSION,
        reply=_PIPELINE_VERSION,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_DeletePipelineVersion",
        method="DELETE",
        path=_VERSION,
        summary="Delete a version of a pipeline.",
        answer=_delete_version,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
)
