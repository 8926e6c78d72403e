"""What can differ between two runs, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from palmette.comparison.sides import Side
from palmette.domain.run import Setting


@dataclass(frozen=True, kw_only=True)
class ConfigChange:
    """A config field whose value differs; None where a side's algorithm has no such field."""

    name: str
    before: Setting | None
    after: Setting | None


class Edit(StrEnum):
    """What happened to a definition, a package, a column."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class CodeChange:
    """A definition that differs, and the tasks that reach it."""

    definition: str
    edit: Edit
    tasks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EnvironmentChange:
    """A package, "python", "platform", "host"; of an environment that steps name "torch: PACKAGE", or its own name."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class DataChange:
    """An artifact whose content differs."""

    task: str
    output: str
    type: str
    #: empty where a side has none
    before: str
    after: str
    rows_before: int | None = None
    rows_after: int | None = None
    #: column → what happened to it ("added", "removed", "float64 → int64", "mean 3.1 → 3.4")
    columns: tuple[tuple[str, str], ...] = ()
    #: neither quoted nor summarised
    sensitive: bool = False
    #: its task needs no other: the data that came in from outside
    source: bool = False


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """A metric of either side."""

    name: str
    before: float | None
    after: float | None
    #: "max", "min", or empty where the metric is not declared
    goal: str = ""
    primary: bool = False
    tolerance: float | None = None

    @property
    def difference(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def relative(self) -> float | None:
        """The difference as a share of what it was."""
        return self.difference / abs(self.before) if self.before and self.difference is not None else None

    @property
    def favourable(self) -> bool | None:
        """Whether the number moved towards its goal; None where it did not move or has none. This is the direction
        of two single numbers, not a verdict."""
        if not self.goal or not self.difference:
            return None
        return (self.difference > 0) == (self.goal == "max")


@dataclass(frozen=True, kw_only=True)
class TaskChange:
    """A task that ended differently, or that only one side has."""

    task: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that differs, read from baseline to head."""

    head: Side
    baseline: Side
    config: tuple[ConfigChange, ...] = ()
    code: tuple[CodeChange, ...] = ()
    environment: tuple[EnvironmentChange, ...] = ()
    data: tuple[DataChange, ...] = ()
    #: all metrics of either side, declared ones first; the ones that do not differ are in here too
    metrics: tuple[MetricChange, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    #: the kinds of thing of which one side says nothing, so that nobody knows whether they differ
    unknown: tuple[str, ...] = ()
    #: what kept the two from being comparable in full, as sentences
    remarks: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """The kinds of thing that differ on the way in: of "config", "code", "data", "environment"."""
        sources = tuple(change for change in self.data if change.source)
        kinds = {"config": self.config, "code": self.code, "data": sources, "environment": self.environment}
        return tuple(kind for kind, found in kinds.items() if found)
