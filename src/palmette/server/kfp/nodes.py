"""What the tasks of a run printed and made."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Final

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from palmette.domain.run import TaskRecord
from palmette.errors import NotFound, UsageError
from palmette.kfpapi import messages
from palmette.kfpapi import runs as shown
from palmette.operations import contents, submitting
from palmette.operations.contents import Log
from palmette.server.kfp.parts import PREFIX
from palmette.server.rows import FLAG, Asked, Content, Manner, Query, Row, message

#: bytes of an artifact that are answered with at once
_MOST: Final = 64 * 1024 * 1024
#: seconds between two looks at a log that is followed
_PAUSE: Final = 0.2
_SERVICE: Final = "RunService"


def _node(asked: Asked) -> TaskRecord:
    """The task that is meant."""
    run = submitting.get(asked.home, asked.path["run_id"])
    task = shown.node(contents.tasks(asked.home, run.id), run.id, asked.path["node_id"])
    if task is None:
        raise NotFound(f"the run has no task {asked.path['node_id']!r}", "Its run_details name each as task_id.")
    return task


def _read(asked: Asked) -> messages.ArtifactBytes:
    data = contents.artifact(asked.home, _node(asked), asked.path["artifact_name"], most=_MOST)
    return messages.ArtifactBytes(data=base64.b64encode(data).decode())


async def _log(request: Request, asked: Asked) -> Response:
    follow = asked.query.get("follow", "").lower()
    if follow not in ("", "true", "false"):
        raise UsageError("follow is neither true nor false")
    at_once: CapacityLimiter = request.app.state.at_once
    task = await to_thread.run_sync(_node, asked, limiter=at_once)
    log = Log(asked.home, asked.path["run_id"], task)
    pieces = _pieces(request, log, at_once, follow=follow == "true")
    return StreamingResponse(
        pieces, media_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"}
    )


async def _pieces(request: Request, log: Log, at_once: CapacityLimiter, *, follow: bool) -> AsyncIterator[bytes]:
    """The log as it grows; whoever goes away ends it, since this waits in no thread."""
    while (piece := await to_thread.run_sync(log.piece, limiter=at_once)) is not None:
        if piece:
            yield piece
        elif not follow or await request.is_disconnected():
            return
        else:
            await anyio.sleep(_PAUSE)


_LOG: Final = Content(schema={"type": "string"}, media="text/plain")
_FOLLOW: Final = {"follow": Query(schema=FLAG, description="Go on until the task is over.")}

ROWS: Final = (
    *(
        Row(
            name=f"{_SERVICE}_ReadArtifact{suffix}",
            method="GET",
            path=f"{prefix}/runs/{{run_id}}/nodes/{{node_id}}/artifacts/{{artifact_name}}:read",
            summary="Read an artifact of a task, a task being named by its task_id or its name.",
            answer=_read,
            reply=message(messages.ArtifactBytes),
            tag=_SERVICE,
            manner=Manner.UPLOAD,
        )
        for prefix, suffix in ((PREFIX, ""), ("/apis/v1beta1", "V1"))
    ),
    Row(
        name=f"{_SERVICE}_ReadLog",
        method="GET",
        path="/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log",
        summary="Read what a task printed in its newest attempt, a task being named by its task_id or its name.",
        handle=_log,
        query=_FOLLOW,
        reply=_LOG,
        tag=_SERVICE,
    ),
)
