"""How two tables differ, from what was noted of their columns when they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, Final

from palmette.domain.artifact import Artifact
from palmette.domain.values import Json

#: a standardised difference that is small enough to be called none (Austin 2009)
NEGLIGIBLE: Final = 0.1
#: standard errors beyond which it is no chance, with many columns looked at
_BEYOND_CHANCE: Final = 3.0
_STATISTICS: Final = ("nulls", "min", "max", "mean", "std", "true", "distinct")


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """A column that both tables have and of which something differs."""

    name: str
    type_before: str
    type_after: str
    #: statistic → before, after; None where one side has none
    statistics: Mapping[str, tuple[Json, Json]]
    #: difference of the means in standard deviations; None where it cannot be told
    shift: float | None = None
    #: difference of the shares of missing values, before and after
    missing: tuple[float, float] | None = None
    #: whether the column is another one now, by more than chance: in its mean or in what is missing
    drifted: bool = False


@dataclass(frozen=True, kw_only=True)
class TableChange:
    """What differs between two versions of a table."""

    rows_before: int | None
    rows_after: int | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    #: those that drifted first, by how far
    columns: tuple[ColumnChange, ...] = ()

    @property
    def schema_differs(self) -> bool:
        """Whether columns came, went or took another type."""
        return bool(self.added or self.removed or any(each.type_before != each.type_after for each in self.columns))

    @property
    def drifted(self) -> tuple[ColumnChange, ...]:
        """The columns whose distribution moved."""
        return tuple(each for each in self.columns if each.drifted)


def table_change(before: Artifact, after: Artifact) -> TableChange | None:
    """Compare two tables; None where a side is sensitive or said nothing of its columns."""
    old, new = _columns(before), _columns(after)
    if before.sensitive or after.sensitive or not old or not new:
        return None
    sizes = (_rows(before), _rows(after))
    changes = [_change(name, old[name], new[name], sizes) for name in new if name in old and old[name] != new[name]]
    return TableChange(
        rows_before=sizes[0],
        rows_after=sizes[1],
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        columns=tuple(sorted(changes, key=lambda each: (not each.drifted, -abs(each.shift or 0.0)))),
    )


def standardised(before: tuple[float, float], after: tuple[float, float]) -> float | None:
    """The difference of two means in standard deviations (the mean of both variances); None without any spread."""
    spread = sqrt((before[1] ** 2 + after[1] ** 2) / 2.0)
    return (after[0] - before[0]) / spread if spread > 0.0 else None


def _change(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], sizes: tuple[int | None, int | None]
) -> ColumnChange:
    moments = [_moments(old), _moments(new)]
    shift = standardised(moments[0], moments[1]) if moments[0] and moments[1] else None
    missing = _missing(old, new, sizes)
    gap = standardised(*((share, sqrt(share * (1.0 - share))) for share in missing)) if missing else None
    return ColumnChange(
        name=name,
        type_before=str(old.get("type", "")),
        type_after=str(new.get("type", "")),
        statistics={key: (old.get(key), new.get(key)) for key in _STATISTICS if old.get(key) != new.get(key)},
        shift=shift,
        missing=missing if missing and missing[0] != missing[1] else None,
        drifted=any(_beyond(each, sizes) for each in (shift, gap)),
    )


def _beyond(shift: float | None, sizes: tuple[int | None, int | None]) -> bool:
    before, after = sizes
    if shift is None or not before or not after:
        return False
    return abs(shift) >= max(NEGLIGIBLE, _BEYOND_CHANCE * sqrt(1.0 / before + 1.0 / after))


def _moments(column: Mapping[str, Any]) -> tuple[float, float] | None:
    """Mean and standard deviation of numbers; of truth values those of their share."""
    share = column.get("true")
    if isinstance(share, (int, float)):
        return float(share), sqrt(max(0.0, share * (1.0 - share)))
    mean, std = column.get("mean"), column.get("std")
    known = [value for value in (mean, std) if isinstance(value, (int, float)) and isfinite(value)]
    return (float(known[0]), float(known[1])) if len(known) == 2 else None


def _missing(
    old: Mapping[str, Any], new: Mapping[str, Any], sizes: tuple[int | None, int | None]
) -> tuple[float, float] | None:
    counts = (old.get("nulls"), new.get("nulls"))
    shares = [
        count / size for count, size in zip(counts, sizes, strict=True) if isinstance(count, (int, float)) and size
    ]
    return (shares[0], shares[1]) if len(shares) == 2 else None


def _columns(artifact: Artifact) -> dict[str, Mapping[str, Any]]:
    return {str(column["name"]): column for column in _entries(artifact)}


def _entries(artifact: Artifact) -> Iterator[Mapping[str, Any]]:
    columns: Any = artifact.metadata.get("columns")
    yield from columns if isinstance(columns, (list, tuple)) else ()


def _rows(artifact: Artifact) -> int | None:
    rows = artifact.metadata.get("rows")
    return rows if isinstance(rows, int) else None
