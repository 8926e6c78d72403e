"""Keys of many examples at once. Texts are told apart by a number for each, and what that finds is compared in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

#: longer texts are looked up one by one
_LONGEST: Final = 128
#: letters that are held at once as whole numbers
_CHUNK: Final = 1 << 20
_WEIGHTS: Final = np.random.default_rng(20_081_128).integers(1, 2**63, size=_LONGEST, dtype=np.uint64) * 2 + 1


def matched(head: Array, baseline: Array) -> Array | None:
    """Where the baseline has each of the head's keys, -1 where it has not; None where that is not told so quickly: for
    keys of other types, and where a key seems to be there twice."""
    ours, theirs = _numbers(head), _numbers(baseline)
    if ours is None or theirs is None or ours.dtype != theirs.dtype:
        return None
    for each in (sides := (_Sorted.of(ours), _Sorted.of(theirs))):
        if (each.values[1:] == each.values[:-1]).any():
            return None
    return _placed(head, baseline, *sides)


def known(some: Array, others: Array) -> Array | None:
    """Which of the keys are among the others; None where that is not told so quickly."""
    ours, theirs = _numbers(some), _numbers(others)
    if ours is None or theirs is None or ours.dtype != theirs.dtype:
        return None
    found = _placed(some, others, _Sorted.of(ours), _Sorted.of(theirs))
    return None if found is None else found >= 0


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Numbers in their order, and where each came from."""

    values: Array
    places: Array

    @classmethod
    def of(cls, numbers: Array) -> _Sorted:
        """Sort them."""
        places = np.argsort(numbers)
        return cls(numbers[places], places)


def _placed(some: Array, others: Array, ours: _Sorted, theirs: _Sorted) -> Array | None:
    """Where the others have each; None if two different keys have the same number."""
    found = np.full(len(some), -1)
    if len(others) == 0:
        return found
    places = np.minimum(np.searchsorted(theirs.values, ours.values), len(others) - 1)
    hits = np.flatnonzero(theirs.values[places] == ours.values)
    here, there = ours.places[hits], theirs.places[places[hits]]
    found[here] = there
    return found if np.array_equal(some[here], others[there]) else None


def _numbers(keys: Array) -> Array | None:
    """A number for each key: equal keys have equal ones, others hardly ever."""
    if keys.ndim != 1:
        return None
    if keys.dtype.kind == "i":
        return keys.astype(np.int64, copy=False)
    width = keys.dtype.itemsize // 4
    if keys.dtype.kind != "U" or not 0 < width <= _LONGEST:
        return None
    signs = np.ascontiguousarray(keys.astype(keys.dtype.newbyteorder("="), copy=False)).view(np.uint32)
    letters = signs.reshape(len(keys), width)
    at_once = _CHUNK // width
    parts = [
        letters[begun : begun + at_once].astype(np.uint64) @ _WEIGHTS[:width] for begun in range(0, len(keys), at_once)
    ]
    found = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
    # The lower bits of a sum of products are poorly mixed.
    return found ^ (found >> np.uint64(29))
