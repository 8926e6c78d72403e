"""What stands inside ``Annotated[…]``: bounds, formats, what is a model, sensitivity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Range:
    """The inclusive bounds of a number (of each one, in a list): ``Annotated[float, Range(0.05, 0.5)]``."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Format:
    """How values of a type are kept: ``Annotated[Graph, Format(read_graph, write_graph, ".gml")]``.

    Both functions stand at the top level of a module. Equal values must give equal bytes, or what depends on them
    runs again.
    """

    read: Callable[[Path], Any]
    write: Callable[[Any, Path], object]
    #: what the file's name ends in; "/" where `write` makes a directory
    suffix: str = ""


class Sensitive:
    """Marks an output that is never previewed, quoted, summarised or logged: ``Annotated[DataFrame, Sensitive]``."""


class Model:
    """Marks a file or a directory, or what has a format of its own, as a trained model: ``Annotated[Path, Model]``.

    A fitted estimator is one anyway. To compare two runs, one's model is scored on the other's test data.
    """
