"""Pipelines that are sent as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from palmette.domain.hosting import Role
from palmette.errors import Problem, UsageError
from palmette.kfpapi import codec, hosted, messages
from palmette.operations import pipelines
from palmette.server.kfp.parts import NAMESPACE, PREFIX, Documents
from palmette.server.rows import FORM, Asked, Content, Manner, Query, Row, Sent, message

_SERVICE: Final = "PipelineUploadService"


def _upload(asked: Asked) -> messages.Pipeline:
    sent: Sent = asked.body
    made, _ = pipelines.upload(
        asked.home,
        sent.data,
        filename=sent.filename,
        name=asked.query.get("name", ""),
        display_name=asked.query.get("display_name", ""),
        description=asked.query.get("description", ""),
        tags=_tags(asked),
        code_source_url=asked.query.get("code_source_url", ""),
    )
    return hosted.pipeline(made)


def _upload_version(asked: Asked) -> messages.PipelineVersion:
    sent: Sent = asked.body
    pipeline = asked.query.get("pipelineid", "")
    if not pipeline:
        problem = Problem(where="pipelineid", what="it is missing")
        raise UsageError("it is not said of which pipeline this is a version", problems=[problem])
    made = pipelines.add_version(
        asked.home,
        pipeline,
        sent.data,
        filename=sent.filename,
        name=asked.query.get("name", ""),
        display_name=asked.query.get("display_name", ""),
        description=asked.query.get("description", ""),
        tags=_tags(asked),
        code_source_url=asked.query.get("code_source_url", ""),
    )
    return hosted.version(made, Documents(asked.home).shown(made.spec))


def _tags(asked: Asked) -> Mapping[str, str]:
    """Tags stand in the query as a JSON object."""
    text = asked.query.get("tags", "")
    value = codec.parse(text.encode(), "tags") if text else {}
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value.values()):
        raise UsageError("tags are no JSON object of texts")
    return {key: str(each) for key, each in value.items()}


_FILE: Final = Content(
    schema={
        "type": "object",
        "properties": {
            "uploadfile": {"type": "string", "format": "binary", "description": "YAML, JSON, or a .zip or .tar.gz."}
        },
        "required": ["uploadfile"],
    },
    media=FORM,
)
_SAID: Final[Mapping[str, Query]] = {
    "name": Query(description="What the file says where nothing is said."),
    "display_name": Query(),
    "description": Query(),
    "tags": Query(description='As JSON: {"team": "imaging"}.'),
    "code_source_url": Query(),
}

ROWS: Final = (
    Row(
        name=f"{_SERVICE}_UploadPipeline",
        method="POST",
        path=f"{PREFIX}/pipelines/upload",
        summary="Make a pipeline of a file, which becomes its first version.",
        answer=_upload,
        role=Role.RUN,
        query={**_SAID, **NAMESPACE},
        body=_FILE,
        reply=message(messages.Pipeline),
        tag=_SERVICE,
        manner=Manner.UPLOAD,
    ),
    Row(
        name=f"{_SERVICE}_UploadPipelineVersion",
        method="POST",
        path=f"{PREFIX}/pipelines/upload_version",
        summary="Make another version of a pipeline of a file.",
        answer=_upload_version,
        role=Role.RUN,
        query={**_SAID, "pipelineid": Query(required=True)},
        body=_FILE,
        reply=message(messages.PipelineVersion),
        tag=_SERVICE,
        manner=Manner.UPLOAD,
    ),
)
