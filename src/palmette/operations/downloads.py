"""Bring an artifact from a server, checked as it comes."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from palmette.blobs.manifests import DIRECTORY, FILE, decode, digits, make_directories
from palmette.client.connection import Connection, segment
from palmette.domain.artifact import Artifact
from palmette.errors import CorruptBlob, PalmetteError

_BYTES: Final = "application/octet-stream"


def bring(connection: Connection, artifact: Artifact, content: tuple[str, str], target: Path) -> None:
    """Put an artifact at a path that does not exist; what does not come whole is not there afterwards. `content` is
    where the server gives what it has no digest of its own for, and the project that this is in."""
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if artifact.uri:
            _content(connection, artifact, content, new)
        elif artifact.digest.startswith(DIRECTORY):
            _directory(connection, digits(artifact.digest), new)
        else:
            _file(connection, digits(artifact.digest), new, 0o644)
        new.rename(target)
    except OSError as error:
        raise PalmetteError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            new.unlink(missing_ok=True)


def _directory(connection: Connection, sha256: str, target: Path) -> None:
    """A directory, file by file, as its list of files says."""
    written = target.with_name(f"{target.name}.files")
    try:
        _file(connection, sha256, written, 0o600)
        manifest = decode(written.read_bytes(), sha256, str(target))
    finally:
        written.unlink(missing_ok=True)
    target.mkdir()
    make_directories(target, manifest)
    for entry in manifest.files:
        _file(connection, entry.sha256, target / entry.path, 0o755 if entry.executable else 0o644)


def _file(connection: Connection, sha256: str, target: Path, mode: int) -> None:
    found = _written(connection.stream(f"/blobs/{segment(FILE + sha256)}", accept=_BYTES), target)
    _judge(found, sha256, target)
    target.chmod(mode)


def _content(connection: Connection, artifact: Artifact, content: tuple[str, str], target: Path) -> None:
    """What was passed by reference: the server reads it where it lies, if it is what it was."""
    path, project = content
    parts = connection.stream(path, [("project", project)] if project else [], accept=_BYTES)
    if not artifact.directory:
        found = _written(parts, target)
        if artifact.digest.startswith(FILE):
            _judge(found, digits(artifact.digest), target)
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
