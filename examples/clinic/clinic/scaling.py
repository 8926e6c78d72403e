"""Models on a common scale."""

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from clinic.imputation import Gaps, imputer


def scaled(model: BaseEstimator, gaps: Gaps = Gaps.MEDIAN) -> Pipeline:
    """The model behind imputation and scaling, both learnt from the training rows alone."""
    return make_pipeline(imputer(gaps), StandardScaler(), model)
