"""Artifacts: what a task leaves behind, by content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from palmette.domain.values import Json


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One output of a task, stored by content."""

    #: KFP schema title: "system.Dataset"
    type: str
    #: "sha256:…" of the bytes; of the manifest, for a directory
    digest: str
    #: bytes
    size: int
    #: the name it had as a file: "output.parquet"; a directory's ends in "/"
    filename: str
    #: what the runtime said of it: format, rows, schema, statistics, sensitive …
    metadata: Mapping[str, Json] = field(default_factory=dict)
    #: where it lies, of one that was passed by reference and is not in the store; its digest is then that of its bytes,
    #: or "etag:…" as its host said it
    uri: str = ""

    @property
    def sensitive(self) -> bool:
        """Whether it may never be previewed, quoted or logged."""
        return bool(self.metadata.get("sensitive"))

    @property
    def directory(self) -> bool:
        """Whether it is a directory of files."""
        return self.filename.endswith("/")


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Everything a task gave: values and artifacts by output name."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
