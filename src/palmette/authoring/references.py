"""Data that is named and never copied: what a step refers to, and files that a config names."""

from __future__ import annotations

import os
from pathlib import Path


class Reference(str):
    """The address of data that stays where it is: ``return Reference("s3://scans/2024")``, or an absolute path.

    A step that returns one has an artifact with that address and the digest of what lies there. A step whose
    parameter is annotated `Reference` is given it; one annotated `Path` is given the path, if it is on this machine.
    """

    __slots__ = ()

    def __new__(cls, address: str | os.PathLike[str]) -> Reference:
        return super().__new__(cls, os.fspath(address))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @property
    def uri(self) -> str:
        """The address as a plain text."""
        return str(self)

    @property
    def remote(self) -> bool:
        """Whether it lies elsewhere."""
        return "://" in self.removeprefix("file://")

    @property
    def path(self) -> Path:
        """Where it lies on this machine; ValueError if it lies elsewhere."""
        if self.remote:
            raise ValueError(f"{self} is not on this machine: open it with a library that reads its address")
        return Path(self.removeprefix("file://"))


class InputFile(Reference):
    """A file or directory that a config names: ``labels: InputFile = InputFile("data/labels.csv")``.

    A path is relative to the project. It is given to a step's `Path`, is never copied, and counts by its content.
    """

    __slots__ = ()
