"""Bring an artifact from a server, checked as it comes."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palmette.client.connection import Connection, segment
from palmette.errors import CorruptBlob, PalmetteError

FILE: Final = "sha256:"
DIRECTORY: Final = "sha256-dir:"
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An artifact on a server."""

    run: str
    #: STEP.OUTPUT
    name: str
    digest: str
    #: it lies somewhere else, and the server only knows where
    elsewhere: bool
    directory: bool
    project: str = ""


def bring(connection: Connection, wanted: Wanted, target: Path) -> None:
    """Put an artifact at a path that does not exist. What does not come whole is not there afterwards."""
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if wanted.elsewhere:
            _content(connection, wanted, new)
        elif wanted.digest.startswith(DIRECTORY):
            _directory(connection, wanted.digest.removeprefix(DIRECTORY), new)
        else:
            _file(connection, wanted.digest.removeprefix(FILE), new, 0o644)
        new.rename(target)
    except OSError as error:
        raise PalmetteError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            new.unlink(missing_ok=True)


def _directory(connection: Connection, sha256: str, target: Path) -> None:
    """A directory, file by file, as its list of files says."""
    target.mkdir()
    listed = _listed(_bytes(connection, sha256, target), sha256)
    for name in listed["empty"]:
        (target / name).mkdir(parents=True, exist_ok=True)
    for entry in listed["files"]:
        path = target / entry["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        _file(connection, entry["sha256"], path, 0o755 if entry["executable"] else 0o644)


def _listed(data: bytes, sha256: str) -> Any:
    """The list of a directory's files. Its bytes are right, but nobody promised that no path in it leads elsewhere."""
    try:
        body = json.loads(data)
        for name in [*(entry["path"] for entry in body["files"]), *body["empty"]]:
            if name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/")):
                raise ValueError(name)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CorruptBlob(f"{FILE}{sha256} is not the list of a directory's files") from None
    return body


def _bytes(connection: Connection, sha256: str, target: Path) -> bytes:
    data = b"".join(connection.stream(f"/blobs/{segment(FILE + sha256)}", accept=_BYTES))
    _judge(hashlib.sha256(data).hexdigest(), sha256, target)
    return data


def _file(connection: Connection, sha256: str, target: Path, mode: int) -> None:
    found = _written(connection.stream(f"/blobs/{segment(FILE + sha256)}", accept=_BYTES), target)
    _judge(found, sha256, target)
    target.chmod(mode)


def _content(connection: Connection, wanted: Wanted, target: Path) -> None:
    """What was passed by reference: the server reads it where it lies, if it is what it was."""
    path = f"/runs/{segment(wanted.run, 'run')}/artifacts/{segment(wanted.name, 'artifact')}/content"
    parts = connection.stream(path, [("project", wanted.project)] if wanted.project else [], accept=_BYTES)
    if not wanted.directory:
        found = _written(parts, target)
        if wanted.digest.startswith(FILE):
            _judge(found, wanted.digest.removeprefix(FILE), target)
        return
    packed = target.with_name(f"{target.name}.tar")
    try:
        _written(parts, packed)
        with tarfile.open(packed) as archive:
            archive.extractall(target, filter="data")
    finally:
        packed.unlink(missing_ok=True)


def _written(parts: Iterable[bytes], target: Path) -> str:
    """Write what comes; its SHA-256."""
    found = hashlib.sha256()
    with target.open("xb") as file:
        for part in parts:
            found.update(part)
            file.write(part)
    return found.hexdigest()


def _judge(found: str, sha256: str, target: Path) -> None:
    if found != sha256:
        raise CorruptBlob(f"what the server gave for {target.name.lstrip('.')} is not {FILE}{sha256}", "Try again.")
