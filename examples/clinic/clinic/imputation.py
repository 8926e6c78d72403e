"""Filling gaps."""

from enum import Enum

from sklearn.impute import SimpleImputer


class Gaps(Enum):
    """How a missing value is filled."""

    MEDIAN = "median"
    MEAN = "mean"


def imputer(gaps: Gaps) -> SimpleImputer:
    """Fill with the training data's own statistic; a column without any value is kept and filled with zero."""
    return SimpleImputer(strategy=gaps.value, keep_empty_features=True)
