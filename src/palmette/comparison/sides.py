"""What a comparison looks at."""

from __future__ import annotations

from collections.abc import Mapping
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
