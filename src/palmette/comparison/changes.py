"""What can differ between two runs, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from palmette.comparison.examples import Moved
from palmette.comparison.numbers import Numbers
from palmette.comparison.sides import Side
from palmette.comparison.tables import TableChange
from palmette.domain.run import Setting

#: the type of what is a value and no artifact
PARAMETER: Final = "parameter"
#: facts of the machine, which make no difference that anybody could name: they are shown, and are no cause
HARDWARE: Final = frozenset({"host", "cpus", "memory", "gpus"})


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
    """A package, "python", "platform", "image" ("image of STEP"), "GPU of STEP", "host", "cpus", "memory", "gpus"; of
    an environment that steps name "torch: PACKAGE", or its own name."""

    name: str
    before: str
    after: str

    @property
    def cause(self) -> bool:
        """Whether results may differ for it; which machine it was does not count."""
        return self.name not in HARDWARE


@dataclass(frozen=True, kw_only=True)
class DataChange:
    """An artifact whose content differs, or a value that came from outside."""

    task: str
    output: str
    #: KFP's schema title, or `PARAMETER`
    type: str
    #: digests, of a value itself, as it is typed, unless it is long; empty where a side has none
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
    #: of a source: what of its own step changed, "code", "config". It may be another for that alone, so it is no cause
    follows: tuple[str, ...] = ()
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
    #: the tasks whose closure reaches something that differs in it; empty where none does
    steps: tuple[str, ...] = ()
    #: why the diff does not show it, as a fragment: "binary", "data"; empty where it does
    unshown: str = ""


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A step that was executed on the head's side though the baseline had made the same step's outputs, and why."""

    task: str
    #: fragments: "code", "C 1.0 → 0.1", "its input dataset"
    because: tuple[str, ...]
    #: it gave what the baseline's gave, so the change goes no further
    same: bool = False


#: one thing that differs on the way in
Cause: TypeAlias = ConfigChange | CodeChange | FileChange | DataChange | EnvironmentChange


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
        return tuple(kind for kind, found in self._ways_in().items() if found)

    @property
    def unchanged(self) -> tuple[str, ...]:
        """The kinds that are known to be the same on both sides. Data that are others because their step is have not
        changed by themselves, and are not the same either."""
        differing = {*self.causes, *self.unknown, *(("data",) if self.following else ())}
        return tuple(kind for kind in self._ways_in() if kind not in differing)

    @property
    def following(self) -> tuple[DataChange, ...]:
        """The data that came in as others, which what changed of their own step explains."""
        return tuple(change for change in self.data if change.source and change.follows)

    @property
    def only(self) -> Cause | None:
        """The one thing that differs on the way in; a file where several of its definitions do. None where there are
        more things, or none, or where nobody knows."""
        found = [cause for causes in self._ways_in().values() for cause in causes]
        if self.unknown or len(self.causes) != 1:
            return None
        if len(found) == 1:
            return found[0]
        reached = [file for file in self.files if file.steps]
        return reached[0] if self.causes == ("code",) and len(reached) == 1 else None

    def _ways_in(self) -> dict[str, tuple[Cause, ...]]:
        return {
            "config": self.config,
            "code": self.code,
            "data": tuple(change for change in self.data if change.source and not change.follows),
            "environment": tuple(change for change in self.environment if change.cause),
        }
