"""A metric over the commits of a branch: how much it moves anyway, where it moved more, and what was changed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from palmette.comparison.changepoints import changes
from palmette.comparison.evidence import Refusal
from palmette.comparison.repeats import BAND_LENGTH, Earlier, noise_band

#: edits of the config that are spelled out
_EDITS: Final = 3
_SHORT: Final = 24


@dataclass(frozen=True, kw_only=True)
class Read:
    """What is known of the run that speaks for a commit."""

    run: str
    commit: str
    subject: str
    author: str
    #: when the commit was made, seconds since the epoch
    time: float
    value: float
    #: what stands for the training behind the number
    training: str
    #: field → value as JSON text
    config: Mapping[str, str] = field(default_factory=dict)
    #: digests: of the data, of the environment, of the code; empty where they are not known
    data: str = ""
    environment: str = ""
    code: str = ""
    #: commits between the one before and this, of which no run counts
    skipped: int = 0
    #: of the branch itself, after it left the target branch
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A commit with its number."""

    run: str
    commit: str
    subject: str
    author: str
    time: float
    value: float
    #: where 95 % of further trainings with this config and data would lie, by the earlier ones; None before there are
    #: enough of them
    band: tuple[float, float] | None = None
    #: what differs from the entry before: "config", "data" (then another band begins), "code", "environment"
    changed: tuple[str, ...] = ()
    #: the edits of the config, as text: "C 1.0 → 0.1"
    edits: tuple[str, ...] = ()
    #: an earlier entry has the number of the very same training
    again: bool = False
    skipped: int = 0
    own: bool = False

    @property
    def outside(self) -> bool:
        """Whether it lies where only one in twenty would."""
        return self.band is not None and not self.band[0] <= self.value <= self.band[1]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The metric has another level from a commit on."""

    #: index of the entry
    at: int
    before: float
    after: float
    #: how often numbers of no order show as much
    p: float


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The entries in the order of their commits, the oldest first, and where they change their level."""

    entries: tuple[Entry, ...]
    shifts: tuple[Shift, ...]


def trend(reads: Sequence[Read]) -> Trend:
    """Set numbers in relation to those before them. Change points are looked for among different trainings: a number
    that was reused says nothing new. Those of a branch of its own are looked for on the line as a whole."""
    bands = [*_bands(reads)]
    entries, seen = [], set()
    for place, each in enumerate(reads):
        before = reads[place - 1] if place else None
        entries.append(
            Entry(
                run=each.run,
                commit=each.commit,
                subject=each.subject,
                author=each.author,
                time=each.time,
                value=each.value,
                band=bands[place],
                changed=tuple(_changed(before, each)) if before else (),
                edits=tuple(_edits(before.config, each.config)) if before else (),
                again=(each.training, each.value) in seen,
                skipped=each.skipped,
                own=each.own,
            )
        )
        seen.add((each.training, each.value))
    return Trend(entries=tuple(entries), shifts=tuple(_shifts(reads)))


def _shifts(reads: Sequence[Read]) -> Iterator[Shift]:
    first: dict[tuple[str, float], int] = {}
    for place, each in enumerate(reads):
        first.setdefault((each.training, each.value), place)
    places = [*first.values()]
    for change in changes([reads[place].value for place in places]):
        yield Shift(at=places[change.at], before=change.before, after=change.after, p=change.p)


def _bands(reads: Sequence[Read]) -> Iterator[tuple[float, float] | None]:
    """The prediction interval of each, by the earlier trainings with the same config and data."""
    known: dict[tuple[str, frozenset[tuple[str, str]]], list[Earlier]] = {}
    for each in reads:
        earlier = known.setdefault((each.data, frozenset(each.config.items())), [])
        before = [one for one in reversed(earlier) if one.training != each.training]
        found = noise_band(each.value, before)
        if isinstance(found, Refusal):
            yield None
        else:
            half = (found.wide.high - found.wide.low) / 2.0
            yield found.baseline - half, found.baseline + half
        earlier.append(Earlier(run=each.run, value=each.value, training=each.training))
        del earlier[: -2 * BAND_LENGTH]


def _changed(before: Read, after: Read) -> Iterator[str]:
    if before.config != after.config:
        yield "config"
    for name in ("data", "code", "environment"):
        if getattr(before, name) != getattr(after, name):
            yield name


def _edits(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    if before == after:
        return
    edited = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    for name in edited[:_EDITS]:
        yield f"{name} {_shown(before.get(name))} → {_shown(after.get(name))}"
    if len(edited) > _EDITS:
        yield f"{len(edited) - _EDITS} more"


def _shown(value: str | None) -> str:
    if value is None:
        return "none"
    text = value.removeprefix('"').removesuffix('"')
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def gaps(line: Sequence[str], known: Sequence[str]) -> dict[str, int]:
    """Of commits of a line, the oldest first: how many of it stand between each and the one before that is known."""
    places = {sha: place for place, sha in enumerate(line)}
    found = [sha for sha in known if sha in places]
    return {after: places[after] - places[before] - 1 for before, after in pairwise(found)}
