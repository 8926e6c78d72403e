"""Keys of many examples at once. Texts are told apart by a number for each, and what that finds is compared in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from weakref import ref

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
    sides = _both(head, baseline)
    if sides is None or any((each.values[1:] == each.values[:-1]).any() for each in sides):
        return None
    return _placed(head, baseline, *sides)


def known(some: Array, others: Array) -> Array | None:
    """Which of the keys are among the others; None where that is not told so quickly."""
    sides = _both(some, others)
    found = None if sides is None else _placed(some, others, *sides)
    return None if found is None else found >= 0


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Numbers in their order, and where each came from."""

    values: Array
    places: Array


#: what was sorted, as long as the keys themselves are there: each side's are asked about several times
_KNOWN: Final[dict[int, tuple[ref[Array], _Sorted | None]]] = {}


def _sorted(keys: Array) -> _Sorted | None:
    known = _KNOWN.get(id(keys))
    if known is not None and known[0]() is keys:
        return known[1]
    numbers = _numbers(keys)
    places = None if numbers is None else np.argsort(numbers)
    found = None if numbers is None or places is None else _Sorted(numbers[places], places)
    place = id(keys)
    _KNOWN[place] = (ref(keys, lambda _: _KNOWN.pop(place, None)), found)
    return found


def _both(one: Array, other: Array) -> tuple[_Sorted, _Sorted] | None:
    ours, theirs = _sorted(one), _sorted(other)
    return (ours, theirs) if ours and theirs and ours.values.dtype == theirs.values.dtype else None


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
