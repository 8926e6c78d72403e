"""What the ways to find runs cost on SQLite, which has no statistics of its own here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from palmette.store.conditions import Condition, Rows

#: relative to each other, about microseconds: a run that is walked over, a look at another table's row, a row that is
#: gathered, a row of a table that is searched through
WALKED: Final = 0.15
_LOOKED: Final = 2.7
_GATHERED: Final = 1.4
_SCANNED: Final = 0.16


@dataclass(frozen=True)
class Estimate:
    """How many runs there are, and how many rows each condition has."""

    count: int
    sizes: Mapping[Rows, float]

    def share(self, part: Condition) -> float:
        """Of all runs, those for which it holds; as if conditions had nothing to do with each other."""
        if part.leaf is not None:
            return min(1.0, self.sizes[part.leaf] / self.count) if isinstance(part.leaf, Rows) else 0.3
        shares = [self.share(each) for each in part.parts]
        match part.operator:
            case "not":
                return 1.0 - shares[0]
            case "or":
                return min(1.0, sum(shares))
            case _:
                product = 1.0
                for each in shares:
                    product *= each
                return product

    def ordered(self, part: Condition) -> Condition:
        """The same condition, so that what decides soonest is asked first; what the run's own row answers before."""
        parts = [self.ordered(each) for each in part.parts]
        sign = -1 if part.operator == "or" else 1
        parts.sort(key=lambda each: (next(each.rows(), None) is not None, sign * self.share(each)))
        return replace(part, parts=tuple(parts))

    def gathering(self, rows: Rows) -> float:
        """What it costs to have all of them at hand."""
        if rows.parts:
            return sum(map(self.gathering, rows.parts))
        each = _GATHERED + (_LOOKED if rows.outside else 0)
        return self.sizes[rows] * each + (_SCANNED * self.count if rows.scanned else 0)

    def walk(self, part: Condition, reached: float) -> tuple[float, frozenset[Rows]]:
        """What it costs to ask so many runs, and the rows that are better gathered first."""
        if isinstance(part.leaf, Rows):
            looked, gathered = _LOOKED * reached, self.gathering(part.leaf) + _SCANNED * reached
            return (gathered, frozenset([part.leaf])) if gathered < looked else (looked, frozenset())
        cost, better = 0.0, frozenset[Rows]()
        for each in part.parts:
            more, rows = self.walk(each, reached)
            cost, better = cost + more, better | rows
            share = self.share(each)
            reached *= share if part.operator == "and" else 1.0 - share
        return cost, better

    def cover(self, part: Condition) -> list[Rows] | None:
        """The fewest rows among whose runs are all that are meant; None if any run may be."""
        if isinstance(part.leaf, Rows):
            return [part.leaf]
        inner = [self.cover(each) for each in part.parts]
        known = [each for each in inner if each is not None]
        if part.operator == "or" and known and len(known) == len(inner):
            return list(dict.fromkeys(rows for each in known for rows in each))
        if part.operator == "and" and known:
            return min(known, key=lambda each: sum(map(self.gathering, each)))
        return None
