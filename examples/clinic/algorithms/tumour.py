"""Benign or malignant: a linear classifier on the Wisconsin breast cancer data."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import Pipeline

from clinic import charts, quality
from clinic.imputation import Gaps
from clinic.scaling import scaled
from clinic.splitting import split
from palmette import HTML, Evaluation, Metric, Range, algorithm, step

TARGET = "benign"


@dataclass(frozen=True)
class Config:
    """How the tumour classifier is trained."""

    test_share: Annotated[float, Range(0.05, 0.5)] = 0.25  #: share of the rows held out
    penalty: Literal["l1", "l2"] = "l2"  #: kind of regularisation
    C: Annotated[float, Range(1e-6, 1e6)] = 1.0  #: inverse strength of the regularisation
    gaps: Gaps = Gaps.MEDIAN  #: how missing values are filled
    seed: int = 0  #: of the split and of the solver


@step(fresh="1d")
def fetch_dataset() -> pd.DataFrame:
    """569 biopsies, 30 measures each, and whether the tumour was benign (1) or malignant (0)."""
    table = load_breast_cancer(as_frame=True).frame.rename(columns={"target": TARGET})
    return quality.require(table, TARGET)


@step(timeout="10m", retries=1)
def build_and_fit(dataset: pd.DataFrame, C: float, penalty: str, gaps: Gaps, test_share: float, seed: int) -> Pipeline:
    """Fit on the training rows."""
    train, _ = split(dataset, TARGET, test_share, seed)
    ratio = {"l1": 1.0, "l2": 0.0}[penalty]
    model = LogisticRegression(C=C, l1_ratio=ratio, solver="saga", max_iter=5000, tol=1e-3, random_state=seed)
    return scaled(model, gaps).fit(train.drop(columns=TARGET), train[TARGET])


@step
def evaluate_model(model: Pipeline, dataset: pd.DataFrame, test_share: float, seed: int) -> Evaluation:
    """Score the rows that were held out."""
    train, test = split(dataset, TARGET, test_share, seed)
    measures = test.drop(columns=TARGET)
    scores = model.predict_proba(measures)[:, 1]
    predictions = model.predict(measures)
    return Evaluation(
        metrics={
            "auc": roc_auc_score(test[TARGET], scores),
            "accuracy": accuracy_score(test[TARGET], predictions),
        },
        keys=test.index,
        labels=test[TARGET],
        predictions=predictions,
        scores=scores,
        train_keys=train.index,
    )


@step
def report(evaluation: Evaluation) -> HTML:
    """A page with the figures and the confusion matrix."""
    table = charts.confusion([0, 1], list(evaluation.labels), list(evaluation.predictions))
    return HTML(charts.page("Tumour", charts.figures(evaluation.metrics), table))


@algorithm(
    config=Config,
    presets={"toy": Config(test_share=0.5, C=0.1)},
    metrics=[
        Metric("auc", of=roc_auc_score, goal="max", primary=True, tolerance=0.005),
        Metric("accuracy", of=accuracy_score, goal="max", tolerance=0.01),
    ],
)
def tumour(config: Config) -> None:
    """Benign or malignant, from 30 measures of a biopsy."""
    dataset = fetch_dataset()
    model = build_and_fit(dataset, config.C, config.penalty, config.gaps, config.test_share, config.seed)
    evaluation = evaluate_model(model, dataset, config.test_share, config.seed)
    report(evaluation)
