"""Where a series of numbers changed its level.

For a stretch of the series, the mean before each place is held against the mean after it, in seeded intervals (Kovács,
Bühlmann, Li & Munk 2023), so that a drop that was mended soon is found as well as one that stayed. Noise is measured by
successive differences (von Neumann 1941), which a change of level hardly moves. The largest contrast is held against
those of the same numbers in random orders (Antoch & Hušková 2001; so do Matteson & James 2014): whatever the numbers
are distributed like, a series in which nothing changes is said to change with the probability of the level at most.
Where it does, both parts are looked at in the same way, each at half the level. Numbers are taken to be independent of
each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

LEVEL: Final = 0.05
METHOD: Final = "seeded intervals with a permutation test"
SOURCE: Final = "Kovács 2023; Antoch & Hušková 2001"
#: numbers on either side of a change, below which none is looked for
FEWEST: Final = 2
#: of more numbers, the newest are looked at
MOST: Final = 2_000
#: random orders, and how many are drawn at once
_ORDERS: Final = 499
_BATCH: Final = 50
#: each layer of intervals is shorter than the one before by the square root of this
_DECAY: Final = 0.5
_SHORTEST: Final = 2 * FEWEST


@dataclass(frozen=True, kw_only=True)
class Change:
    """The level is another one from here on."""

    #: index of the first number of the new level
    at: int
    #: means up to the changes beside it
    before: float
    after: float
    #: how often numbers of no order show as much
    p: float


def changes(values: Sequence[float], *, level: float = LEVEL, seed: int = 0) -> tuple[Change, ...]:
    """The places where finite numbers change their level, in order; the same ones each time."""
    skipped = max(0, len(values) - MOST)
    series = np.asarray(values[skipped:], dtype=float)
    rng = np.random.default_rng(seed)
    found: dict[int, float] = {}
    waiting = [(0, len(series))]
    while waiting:
        low, high = waiting.pop()
        split = _split(series[low:high], level / 2.0 if found else level, rng)
        if split is not None:
            at, p = low + split[0], split[1]
            found[at] = p
            waiting += [(low, at), (at, high)]
    return tuple(_told(series, _settled(series, found), skipped))


def _split(part: Array, level: float, rng: np.random.Generator) -> tuple[int, float] | None:
    """The place at which a part changes most and how rare that is by chance; None where it is not rare."""
    if len(part) < _SHORTEST or np.ptp(part) <= 1e-12 * np.max(np.abs(part)):
        return None
    intervals = [*_intervals(len(part))]
    most, at = _contrast(part[None, :], intervals)
    # Orders are drawn until it is clear that too many show as much (Besag & Clifford 1991).
    allowed, as_much = int(level * (_ORDERS + 1)) - 1, 0
    for drawn in range(0, _ORDERS, _BATCH):
        orders = rng.permuted(np.tile(part, (min(_BATCH, _ORDERS - drawn), 1)), axis=1)
        as_much += int(np.count_nonzero(_contrast(orders, intervals)[0] >= most[0] * (1.0 - 1e-9)))
        if as_much > allowed:
            return None
    return int(at[0]), (1 + as_much) / (1 + _ORDERS)


def _intervals(n: int) -> Iterator[tuple[Array, int]]:
    """Starts of the seeded intervals of one length, layer by layer from the whole series on."""
    length, layer = float(n), 0
    while length >= _SHORTEST or layer == 0:
        size = min(n, ceil(length))
        count = 2 * ceil(n / length) - 1
        yield np.unique(np.linspace(0, n - size, count).round().astype(int)), size
        layer += 1
        length = n * _DECAY ** (layer / 2)


def _contrast(rows: Array, intervals: Sequence[tuple[Array, int]]) -> tuple[Array, Array]:
    """For each row the largest difference of means, in units of its noise, and where it is."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    sums = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(centred, axis=1)], axis=1)
    noise = np.sqrt(np.mean(np.diff(rows, axis=1) ** 2, axis=1) / 2.0)
    best, at = np.zeros(len(rows)), np.zeros(len(rows), dtype=int)
    for starts, size in intervals:
        left = np.arange(FEWEST, size - FEWEST + 1)
        weight = np.sqrt(size / (left * (size - left)))
        start = sums[:, starts, None]
        inside = sums[:, starts[:, None] + left] - start
        whole = sums[:, starts + size, None] - start
        contrast = np.abs(inside - whole * (left / size)) * weight
        flat = contrast.reshape(len(rows), -1)
        place = flat.argmax(axis=1)
        value = flat[np.arange(len(rows)), place] / noise
        better = value > best
        best = np.where(better, value, best)
        at = np.where(better, starts[place // len(left)] + left[place % len(left)], at)
    return best, at


def _settled(series: Array, found: dict[int, float]) -> dict[int, float]:
    """Each place moved to where its neighbours leave the largest contrast, once all of them are known."""
    places = sorted(found)
    moved: dict[int, float] = {}
    for index, place in enumerate(places):
        low = max(moved, default=0)
        high = places[index + 1] if index + 1 < len(places) else len(series)
        moved[_best(series[low:high]) + low if high - low >= _SHORTEST else place] = found[place]
    return moved


def _best(part: Array) -> int:
    n = len(part)
    left = np.arange(FEWEST, n - FEWEST + 1)
    sums = np.cumsum(part - part.mean())
    return int(left[np.argmax(np.abs(sums[left - 1]) * np.sqrt(n / (left * (n - left))))])


def _told(series: Array, places: dict[int, float], skipped: int) -> Iterator[Change]:
    edges = [0, *sorted(places), len(series)]
    for low, at, high in zip(edges, edges[1:], edges[2:], strict=False):
        yield Change(
            at=at + skipped,
            before=float(series[low:at].mean()),
            after=float(series[at:high].mean()),
            p=places[at],
        )
