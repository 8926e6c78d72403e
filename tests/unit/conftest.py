from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from palmette.capture.bundle import carried


@dataclass(frozen=True, kw_only=True)
class MadeBundle:
    digest: str
    directory: Path
    archive: str

    @property
    def home(self) -> Path:
        """What PALMETTE_BUNDLES names."""
        return self.directory.parent


@cache
def palmette_carried() -> Mapping[str, bytes]:
    """What goes along with every bundle; taking its comments out is slow, so it is done once."""
    return carried()


def archived(files: Mapping[str, bytes]) -> str:
    """Any files, as an archive to embed; nothing is checked."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(data), 315532800
            tar.addfile(member, io.BytesIO(data))
    return base64.b64encode(gzip.compress(raw.getvalue(), mtime=0)).decode()


def manifest_of(files: Mapping[str, bytes], python: str = "3.11") -> bytes:
    entries = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in sorted(files.items())
    ]
    return json.dumps(
        {"schema": 1, "python": python, "files": entries}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., MadeBundle]:
    """A bundle of the given files and Palmette's own kit, unpacked and as an archive."""

    def make(files: Mapping[str, str], python: str = "3.11") -> MadeBundle:
        content = {**palmette_carried(), **{path: text.encode() for path, text in files.items()}}
        manifest = manifest_of(content, python)
        digest = hashlib.sha256(manifest).hexdigest()
        directory = tmp_path / "bundles" / digest
        for path, data in {**content, "manifest.json": manifest}.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return MadeBundle(digest=digest, directory=directory, archive=archived({**content, "manifest.json": manifest}))

    return make


@pytest.fixture(scope="session")
def project_python(request: pytest.FixtureRequest) -> Path:
    """An interpreter with the libraries of a real project: the examples', or the one PALMETTE_TEST_PYTHON names."""
    named = os.environ.get("PALMETTE_TEST_PYTHON")
    if named:
        return Path(named)
    try:
        return Path(request.getfixturevalue("clinic_python"))
    except pytest.FixtureLookupError:
        pytest.skip("PALMETTE_TEST_PYTHON names no interpreter with pandas, pyarrow, scikit-learn and Matplotlib")
