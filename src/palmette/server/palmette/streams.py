"""What carries bytes, and what says who answers: the routes that the table of verbs cannot make."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final

from anyio import from_thread, to_thread
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from palmette.operations import messages, offering, reading
from palmette.operations.home import Home
from palmette.operations.reading import Stored
from palmette.operations.servers import Greeting
from palmette.server.palmette.routes import in_thread, ours, uploads
from palmette.server.rows import JSON, Asked

BYTES: Final = "application/octet-stream"
#: bytes of one file at the most
_LARGEST: Final = 64 << 30
_PART: Final = 1 << 20


async def greeting(_request: Request, asked: Asked) -> Response:
    """Say what this is, and who asks."""
    projects = await in_thread(offering.projects, asked.home)
    said = Greeting(
        server="palmette",
        version=version("palmette"),
        protocol=messages.PROTOCOL,
        caller=asked.caller.name,
        role=asked.caller.role,
        projects=tuple(projects),
    )
    return ours(Response(messages.written(said), media_type=JSON))


async def given(_request: Request, asked: Asked) -> Response:
    """Give the bytes of a digest."""
    file, size = await in_thread(offering.opened, asked.home, asked.path["digest"])
    return ours(_stream(file, size))


async def taken(request: Request, asked: Asked) -> Response:
    """Take bytes, and store them if they are the digest's."""
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        raise HTTPException(411, "the length of the bytes must be said")
    if int(length) > _LARGEST:
        raise HTTPException(413, f"a file may have {_LARGEST >> 30} GiB at the most")
    coming = request.stream()

    def parts() -> Iterator[bytes]:
        while (part := from_thread.run(_next, coming)) is not None:
            yield part

    size = await to_thread.run_sync(offering.received, asked.home, asked.path["digest"], parts(), limiter=uploads())
    return ours(Response(messages.written({"size": size}), media_type=JSON))


async def _next(coming: AsyncIterator[bytes]) -> bytes | None:
    return await anext(coming, None)


async def content(request: Request, asked: Asked) -> Response:
    """Give an artifact's bytes: a file as it is, a directory as a tar archive."""
    home = replace(asked.home, project=request.query_params.get("project", ""))
    stored = await in_thread(reading.named, home, asked.path["ref"], asked.path["name"])
    if not stored.artifact.uri and not stored.artifact.directory:
        file, size = await in_thread(offering.opened, home, stored.artifact.digest)
        return ours(_named(_stream(file, size), stored))
    directory = Path(await in_thread(tempfile.mkdtemp, None, "palmette-content-"))
    done = BackgroundTask(shutil.rmtree, directory, ignore_errors=True)
    try:
        path = await in_thread(_copied, home, stored, directory)
    except BaseException:
        await in_thread(shutil.rmtree, directory)
        raise
    return ours(_named(FileResponse(path, media_type=BYTES, background=done), stored))


def _copied(home: Home, stored: Stored, directory: Path) -> Path:
    """A copy of what is not one stored file: what was passed by reference, or a directory, packed."""
    target = directory / "content"
    reading.copy(home, stored.artifact, target)
    if not target.is_dir():
        return target
    packed = directory / "content.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(target, arcname=".")
    return packed


def _named(response: Response, stored: Stored) -> Response:
    """With what tells whoever fetches it whether all of it came. It is never shown by a browser, whatever it is."""
    response.headers["Palmette-Digest"] = stored.artifact.digest
    response.headers["Content-Disposition"] = "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _stream(file: BinaryIO, size: int) -> Response:
    async def parts() -> AsyncIterator[Any]:
        with file:
            while part := await in_thread(file.read, _PART):
                yield part

    return StreamingResponse(parts(), media_type=BYTES, headers={"Content-Length": str(size)})
