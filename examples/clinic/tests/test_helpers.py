"""The helpers that several steps share."""

import numpy as np
import pandas as pd
import pytest

from clinic import charts, quality
from clinic.imputation import Gaps, imputer
from clinic.splitting import split


def test_duplicates_and_gaps_are_found() -> None:
    table = pd.DataFrame({"a": [1.0, 1.0, None], "b": [2, 2, 2], "y": [0, 0, 1]})
    assert quality.inspect(table).findings == ["a: 33.3% missing", "b never varies", "1 duplicated rows"]


def test_a_target_with_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be learnt"):
        quality.require(pd.DataFrame({"y": [0, None, 1]}), "y")


def test_gaps_are_filled_with_the_median() -> None:
    filled = imputer(Gaps.MEDIAN).fit_transform(np.array([[1.0], [np.nan], [5.0], [6.0]]))
    assert filled[1, 0] == 5.0


def test_a_split_is_stratified_and_repeatable() -> None:
    table = pd.DataFrame({"x": range(100), "y": [0] * 80 + [1] * 20})
    train, test = split(table, "y", 0.25, seed=3)
    assert test["y"].mean() == pytest.approx(0.2)
    assert split(table, "y", 0.25, seed=3)[0].equals(train)


def test_names_are_escaped_in_charts() -> None:
    assert "<script>" not in charts.bars({"<script>": 0.5})
