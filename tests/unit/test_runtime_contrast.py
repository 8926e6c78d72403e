"""What is said of two values that differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palmette.runtime.contrast import MOST, contrast


@dataclass
class Model:
    weights: Any
    inner: Any = None


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (1.0, 1.5, ["1.0 → 1.5, off by 0.5"]),
        (1, "1", ["int → str"]),
        ([1, 2, 3], [3, 2, 1], ["the same 3 items in another order"]),
        ([1, 2], [1], ["2 → 1 items"]),
        ([0.0] * 9, [1.0] * 9, ["9 of 9 items differ, by 1 at most"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["the keys come in another order"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["['a']['b']: 1 → 2"]),
        ({1, 2}, {2, 3}, ["2 members are in one of them only"]),
        (Model([1.0]), Model([2.0]), ["weights[0]: 1.0 → 2.0, off by 1"]),
        (Model(0, Model(1)), Model(0, Model(2)), ["inner.weights: 1 → 2"]),
        ("a" * 70 + "b", "a" * 70 + "c", ["texts of 71 and 71 characters differ from character 71 on"]),
        (np.zeros((2, 3)), np.array([[0, 0, 0.5], [0, 0, 0.25]]), ["2 of 2×3 values differ, by 0.5 at most"]),
        (np.zeros(2), np.zeros(3), ["float64 (2,) → float64 (3,)"]),
    ],
)
def test_what_differs_is_named(one: object, other: object, said: list[str]) -> None:
    assert contrast(one, other) == said


def test_equal_values_differ_in_nothing_nan_included() -> None:
    nan = float("nan")
    for value in (1, nan, [nan, "x"], {"a": {1, 2}}, Model(np.array([nan, 1.0])), None, b"x"):
        assert contrast(value, value) == []
    assert contrast([nan], [float("nan")]) == []


def test_a_value_that_holds_itself_ends() -> None:
    one, other = Model(1), Model(2)
    one.inner, other.inner = one, other
    assert contrast(one, other) == ["weights: 1 → 2"]


def test_there_are_only_a_few_sentences() -> None:
    one = {str(number): number for number in range(100)}
    assert len(contrast(one, {name: value + 1 for name, value in one.items()})) == MOST


def test_directories_differ_by_their_files(tmp_path: Path) -> None:
    for name, text in (("one", "x"), ("other", "y")):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "same.txt").write_text("same")
        (tmp_path / name / "deep" / "a.txt").write_text(text)
    (tmp_path / "one" / "more.txt").write_text("")
    said = contrast(tmp_path / "one", tmp_path / "other")
    assert said == ["more.txt is in one of them only", "deep/a.txt differs"]
