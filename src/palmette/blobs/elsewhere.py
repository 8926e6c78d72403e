"""What lies on another machine: behind a web server, or in a store of objects. Nothing waits for ever."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from palmette.errors import NotFound, PalmetteError

#: Seconds until a host must have answered, and until a whole copy must be here.
_PATIENCE: Final = 30.0
_LONGEST: Final = 3600.0
#: Bytes of the largest copy.
LARGEST: Final = 64 << 30
_CHUNK: Final = 1 << 20
#: What must stay free on the disk, in bytes.
_SPARE: Final = 64 << 20
#: So often may a web server send us elsewhere.
_REDIRECTS: Final = 5
#: The module that reads a scheme, and the extra of Palmette's that brings it.
_MODULES: Final = {"s3": ("s3fs", "s3"), "minio": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a host says of a thing."""

    digest: str
    #: bytes
    size: int
    #: "/" for a directory
    ending: str = ""


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = _REDIRECTS

    def redirect_request(  # noqa: PLR0917 - as the library has it
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith(("http://", "https://")):
            raise urllib.error.URLError(f"its server sends us to {newurl}, which is no web address")
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None and req.get_method() == "HEAD":
            followed.method = "HEAD"
        return followed


_WEB: Final = urllib.request.build_opener(_Redirects)


def asked(uri: str) -> Answer:
    """What a web server says of a file."""
    try:
        try:
            answer = _WEB.open(urllib.request.Request(uri, method="HEAD"), timeout=_PATIENCE)
        except urllib.error.HTTPError as error:
            if error.code not in (405, 501):
                raise
            # It knows no HEAD. Nothing of what it sends is read.
            answer = _WEB.open(uri, timeout=_PATIENCE)
        with answer:
            said = answer.headers
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _trouble(uri, error) from None
    length = said.get("Content-Length") or "0"
    size = int(length) if length.isdecimal() else 0
    if said.get("ETag"):
        return Answer(digest=f"etag:{said['ETag']}", size=size)
    if said.get("Last-Modified"):
        return Answer(digest=f"modified:{said['Last-Modified']};{size}", size=size)
    raise PalmetteError(
        f"{uri} cannot be referred to: its server says neither ETag nor Last-Modified",
        "Without either a change would not be noticed: fetch it in a step.",
    )


def downloaded(uri: str, target: Path, *, largest: int = LARGEST) -> None:
    """Copy what a web server sends to a path that does not exist yet."""
    end, size = time.monotonic() + _LONGEST, 0
    room = max(0, shutil.disk_usage(target.parent).free - _SPARE)
    try:
        with _WEB.open(uri, timeout=_PATIENCE) as answer, target.open("xb") as file:
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > largest:
                    raise PalmetteError(f"{uri} is larger than {largest:,} bytes, which are the most that are copied")
                if size > room:
                    raise PalmetteError(f"{uri} has no place in {target.parent}: {room:,} bytes are free there")
                if time.monotonic() > end:
                    raise PalmetteError(f"{uri} could not be copied in {_LONGEST:g} s")
                file.write(chunk)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _trouble(uri, error) from None


def described(uri: str, scheme: str) -> Answer:
    """What a store of objects says of one."""
    said = json.loads(_fsspec(uri, scheme, [], _PATIENCE * 4))
    return Answer(digest=said["digest"], size=said["size"], ending="/" if said.get("directory") else "")


def copied(uri: str, scheme: str, target: Path) -> None:
    """Copy an object to a path that does not exist yet."""
    room = max(0, shutil.disk_usage(target.parent).free - _SPARE)
    _fsspec(uri, scheme, [str(target), str(min(LARGEST, room))], _LONGEST)


def _fsspec(uri: str, scheme: str, more: list[str], longest: float) -> str:
    """Ask fsspec in a process of its own, since its libraries are slow to load."""
    module, extra = _MODULES.get(scheme, ("fsspec", "s3"))
    if find_spec(module) is None:
        hint = f"Install Palmette with what reads it: pip install 'palmette[{extra}]'."
        raise PalmetteError(f"nothing here can read {uri}", hint)
    # MinIO is spoken to as S3 is.
    address = "s3" + uri.removeprefix(scheme) if scheme == "minio" else uri
    command = [sys.executable, "-m", "palmette.blobs.remote", address, *more]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=longest)
    except subprocess.TimeoutExpired:
        raise PalmetteError(f"{uri} cannot be read: its host did not answer in {longest:g} s") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if "NotFound" in reason:
            raise NotFound(f"{uri} does not exist", "Check the address.")
        raise PalmetteError(f"{uri} cannot be read: {reason}")
    return done.stdout


def _trouble(uri: str, error: Exception) -> PalmetteError:
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (404, 410):
            return NotFound(f"{uri} does not exist ({error.code})", "Check the address.")
        return PalmetteError(f"{uri} cannot be read: {error.code} {error.reason}")
    return PalmetteError(f"{uri} cannot be read: {error}", "Check the address and the network.")
