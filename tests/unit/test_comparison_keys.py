"""Keys of many examples at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.comparison import keys
from palmette.comparison.pairs import Unpaired, aligned, among

Array = npt.NDArray[Any]
TEXTS = st.lists(st.text(max_size=3), max_size=12)
NUMBERS = st.lists(st.integers(-5, 5), max_size=12)


@given(st.one_of(st.tuples(TEXTS, TEXTS), st.tuples(NUMBERS, NUMBERS)))
def test_keys_are_found_as_one_by_one(both: tuple[list[Any], list[Any]]) -> None:
    some, others = map(array, both)
    expected = [key in others.tolist() for key in some.tolist()]
    assert among(some, others).tolist() == expected
    found = keys.known(some, others)
    assert found is None or found.tolist() == expected


@given(
    st.one_of(st.lists(st.text(max_size=3), min_size=1, unique=True), st.lists(st.integers(), min_size=1, unique=True))
)
def test_the_same_keys_in_another_order_are_laid_side_by_side(values: list[Any]) -> None:
    head = array(values)
    if len({*head.tolist()}) < len(values):
        return  # NumPy does not keep a NUL at the end of a text
    order = np.random.default_rng(len(values)).permutation(len(values))
    baseline = head[order]
    found = aligned(head, baseline)
    assert not isinstance(found, Unpaired)
    assert (baseline[found] == head).all()


def test_two_keys_with_the_same_number_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_WEIGHTS", np.zeros(128, dtype=np.uint64))
    head, baseline = np.array(["a", "b", "c"]), np.array(["c", "a", "b"])
    assert keys.matched(head, baseline) is None
    assert keys.known(head, np.array(["b"])) is None
    assert aligned(head, baseline).tolist() == [1, 2, 0]  # type: ignore[union-attr]
    assert among(head, np.array(["b", "z"])).tolist() == [False, True, False]


def test_texts_of_another_width_are_the_same_texts() -> None:
    assert among(np.array(["a", "bb"]), np.array(["a", "long enough"])).tolist() == [True, False]
    assert among(np.array(["1", "2"]), np.array([1, 2])).tolist() == [False, False]


def array(values: list[Any]) -> Array:
    return np.array(values) if values else np.array(values, dtype="U1")
