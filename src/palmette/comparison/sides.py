"""What a comparison looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from palmette.domain.run import Run, TaskRecord


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs, with everything that may differ."""

    run: Run
    tasks: tuple[TaskRecord, ...] = ()
    #: last value of each metric
    metrics: Mapping[str, float] = field(default_factory=dict)
    #: task → definition ("module:name") → digest of its normal form
    definitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def dirty(self) -> bool:
        """Whether it was made with uncommitted changes."""
        return self.run.git.dirty


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files that differ between the code of two runs, path → bytes; a side lacks what only the other has."""

    head: Mapping[str, bytes] = field(default_factory=dict)
    baseline: Mapping[str, bytes] = field(default_factory=dict)
    #: why files were not compared, as sentences without a full stop
    remarks: tuple[str, ...] = ()


def union(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Both sides' names: the first's in its order, then what only the second has."""
    return list(dict.fromkeys([*first, *second]))
