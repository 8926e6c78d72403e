"""Files that somebody has handed to a server for a run: bytes of its store, under an address that says so."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from palmette.blobs import Blobs
from palmette.blobs.manifests import DIRECTORY
from palmette.engine.ports import Importer, Referred
from palmette.errors import NotFound

#: blob://DIGEST/NAME
SCHEME: Final = "blob://"


def address(digest: str, name: str) -> str:
    """Where bytes of the store are found by whoever executes a run."""
    return f"{SCHEME}{digest}/{name}"


def digest_of(uri: str) -> str:
    """The digest of what is meant; empty for an address of something else."""
    return uri.removeprefix(SCHEME).partition("/")[0] if uri.startswith(SCHEME) else ""


class Uploaded:
    """The engine's importer: what was uploaded is an artifact of the store like any other, the rest lies outside."""

    def __init__(self, blobs: Blobs, outside: Importer) -> None:
        self._blobs = blobs
        self._outside = outside

    def refer(self, uri: str) -> Referred:
        """What lies there now; PalmetteError if nothing does."""
        digest = digest_of(uri)
        if not digest:
            return self._outside.refer(uri)
        if not self._blobs.claim(digest):
            raise NotFound(f"what was uploaded is gone: {uri}", "Run it anew: that uploads it again.")
        # It comes from elsewhere: only its last part counts, so that it cannot lead anywhere.
        name = PurePosixPath(uri).name + ("/" if digest.startswith(DIRECTORY) else "")
        return Referred(uri="", digest=digest, size=self._blobs.size(digest), filename=name)

    def fetch(self, uri: str, target: Path) -> None:
        """Copy what lies there to a path that does not exist yet."""
        digest = digest_of(uri)
        if digest:
            self._blobs.export(digest, target)
        else:
            self._outside.fetch(uri, target)
