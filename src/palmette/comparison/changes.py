"""What can differ between two runs, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from palmette.comparison.examples import Moved
from palmette.comparison.numbers import Numbers
from palmette.comparison.sides import Side
from palmette.comparison.tables import TableChange
from palmette.domain.run import Setting


class ConfigEdit(StrEnum):
    """Why a config value is another one."""

    #: somebody asked for it, on either side: an override, a config file
    OVERRIDE = "override"
    #: the code's own default is another one
    DEFAULT = "default"
    #: the preset is another one, or says something else
    PRESET = "preset"
    #: the field is new, or is gone
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class ConfigChange:
    """A config field whose value differs; None where a side's algorithm has no such field."""

    name: str
    before: Setting | None
    after: Setting | None
    edit: ConfigEdit = ConfigEdit.OVERRIDE


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
    """A package, "python", "platform", "host", "cpus", "memory", "gpus", "image"; of an environment that steps name
    "torch: PACKAGE", or its own name."""

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
    #: what differs between the two tables; None for what is none, said nothing of its columns, or is sensitive
    table: TableChange | None = None


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
class CommitChange:
    """A commit that only one side has."""

    #: full SHA
    sha: str
    subject: str
    author: str = ""
    #: seconds since the epoch
    committed: float = 0.0
    #: it is the baseline's: the head's branch does not have it
    behind: bool = False


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """A file of the bundles that differs."""

    path: str
    edit: Edit
    #: lines
    added: int = 0
    removed: int = 0
    #: the steps whose closure reaches something that differs in it; empty where no step does
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A step that was executed on the head's side though the baseline had made the same step's outputs, and why."""

    task: str
    #: fragments: "code", "C 1.0 → 0.1", "its input dataset"
    because: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that differs, read from baseline to head."""

    head: Side
    #: None where there is nothing to compare with
    baseline: Side | None
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
    #: newest first; None where the repository does not tell
    commits: tuple[CommitChange, ...] | None = None
    files: tuple[FileChange, ...] = ()
    #: the files' unified diff, uncommitted changes included
    diff: str = ""
    #: whether each side was made with uncommitted changes: head, baseline
    dirty: tuple[bool, bool] = (False, False)
    #: examples that changed sides between training and test; None where keys are not known
    moved: Moved | None = None
    reruns: tuple[Rerun, ...] = ()
    numbers: Numbers = Numbers()

    @property
    def causes(self) -> tuple[str, ...]:
        """The kinds of thing that differ on the way in: of "config", "code", "data", "environment"."""
        sources = tuple(change for change in self.data if change.source)
        kinds = {"config": self.config, "code": self.code, "data": sources, "environment": self.environment}
        return tuple(kind for kind, found in kinds.items() if found)
