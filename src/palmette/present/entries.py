"""The lines that a comparison is made of, before anybody lays them out."""

from __future__ import annotations

from dataclasses import dataclass

from palmette.comparison.evidence import Interval
from palmette.comparison.verdict import Outcome


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that differs. Texts as users wrote them; no renderer may show them unescaped."""

    label: str
    #: what it was and what it is, where both are short; None where there is no such pair
    before: str | None = None
    after: str | None = None
    aside: str = ""
    #: whether it is for the better; None where that is not said
    favourable: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """What differs of one kind."""

    title: str
    entries: tuple[Entry, ...] = ()
    #: entries that are shown before the rest is counted
    most: int = 10
    #: what holds for all of it
    aside: str = ""
    #: shown only to those who ask for everything
    extra: bool = False
    #: it follows from the others: not what was changed
    follows: bool = False

    def shown(self, *, everything: bool = False) -> tuple[tuple[Entry, ...], int]:
        """The entries that are shown, and how many are not. A single one is never left out."""
        if everything or len(self.entries) <= self.most + 1:
            return self.entries, 0
        return self.entries[: self.most], len(self.entries) - self.most


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A metric of the two runs, and what is concluded of it. Texts; empty where there is nothing to say."""

    name: str
    #: "max", "min", or empty where the metric is not declared
    goal: str
    #: "primary" or "guard"
    role: str
    before: str
    after: str
    change: str
    relative: str
    #: the 95 % interval of the change
    interval: str
    outcome: Outcome | None
    #: whether the number moved towards its goal; None where it did not move or has none
    favourable: bool | None
    #: the verdict in full
    sentence: str = ""
    #: why there is no conclusion
    reason: str = ""
    #: the change and its interval as numbers, to be drawn
    difference: float | None = None
    span: Interval | None = None
    tolerance: float | None = None
    #: the change as a share of what it was
    share: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the number is another one."""
        return self.before != self.after or bool(self.difference)

    @property
    def arrow(self) -> str:
        """Where it should go."""
        return {"max": "↑", "min": "↓"}.get(self.goal, "")
