"""How far diabetes has progressed after a year: an elastic net on ten measures, cross-validated in a loop."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from clinic import charts, quality
from clinic.imputation import Gaps
from clinic.scaling import scaled
from palmette import HTML, Evaluation, FinalStatus, Metric, Range, algorithm, collect, each, on_exit, step, when

TARGET = "progression"


@dataclass(frozen=True)
class Config:
    """How the progression is learnt."""

    alpha: Annotated[float, Range(1e-4, 1e2)] = 0.1  #: strength of the regularisation
    mix: Annotated[float, Range(0.0, 1.0)] = 0.5  #: share of the absolute penalty in it; the rest is squared
    folds: Annotated[int, Range(2, 20)] = 5  #: parts of the data, each held out once
    good_enough: float = 0.4  #: R² from which on a model of all the data is worth fitting
    seed: int = 0  #: of the parts


class Verdict(NamedTuple):
    """What all folds say together."""

    evaluation: Evaluation
    r2: float


@step(fresh="30d")
def fetch_dataset() -> pd.DataFrame:
    """442 patients, ten measures each, and how far the disease had progressed a year later (25 to 346)."""
    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": TARGET})
    return quality.require(table, TARGET)


@step
def list_folds(folds: int) -> list[int]:
    """The numbers of the parts."""
    return list(range(folds))


@step
def fit_fold(dataset: pd.DataFrame, fold: int, folds: int, alpha: float, mix: float, seed: int) -> Pipeline:
    """Fit on all parts but one."""
    train, _ = part(dataset, fold, folds, seed)
    return fitted(train, alpha, mix, seed)


@step
def evaluate_fold(model: Pipeline, dataset: pd.DataFrame, fold: int, folds: int, seed: int) -> Evaluation:
    """Predict the part that was held out."""
    train, test = part(dataset, fold, folds, seed)
    predictions = model.predict(test.drop(columns=TARGET))
    return Evaluation(
        metrics={"mae": mean_absolute_error(test[TARGET], predictions)},
        keys=test.index,
        labels=test[TARGET],
        predictions=predictions,
        train_keys=train.index,
    )


@step
def evaluate_model(folds: list[Evaluation]) -> Verdict:
    """Every patient was held out once: the errors over all of them, and how much they vary between the parts."""
    labels = np.concatenate([fold.labels for fold in folds])
    predictions = np.concatenate([fold.predictions for fold in folds])
    r2 = float(r2_score(labels, predictions))
    spread = float(np.std([fold.metrics["mae"] for fold in folds], ddof=1))
    return Verdict(
        evaluation=Evaluation(
            metrics={"r2": r2, "mae": mean_absolute_error(labels, predictions), "mae_sd": spread},
            keys=np.concatenate([fold.keys for fold in folds]),
            labels=labels,
            predictions=predictions,
        ),
        r2=r2,
    )


@step
def fit_on_all(dataset: pd.DataFrame, alpha: float, mix: float, seed: int) -> Pipeline:
    """The model to use, of all the data."""
    return fitted(dataset, alpha, mix, seed)


@step
def report(evaluation: Evaluation) -> HTML:
    """A page with the figures."""
    return HTML(charts.page("Progression", charts.figures(evaluation.metrics)))


@step
def say_how_it_ended(status: FinalStatus) -> str:
    """A place to tell the team; here it is only told."""
    return f"the training of progression {status.state.lower()} {status.error_message}".strip()


def part(dataset: pd.DataFrame, fold: int, folds: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train on and those that are held out. The same arguments give the same rows."""
    parts = list(KFold(folds, shuffle=True, random_state=seed).split(dataset))
    train, test = parts[fold]
    return dataset.iloc[train], dataset.iloc[test]


def fitted(train: pd.DataFrame, alpha: float, mix: float, seed: int) -> Pipeline:
    """A fitted model."""
    model = ElasticNet(alpha=alpha, l1_ratio=mix, random_state=seed)
    return scaled(model, Gaps.MEDIAN).fit(train.drop(columns=TARGET), train[TARGET])


@algorithm(
    config=Config,
    presets={"toy": Config(folds=2)},
    metrics=[
        Metric("r2", of=r2_score, goal="max", primary=True, tolerance=0.01),
        Metric("mae", of=mean_absolute_error, goal="min", tolerance=1.0),
    ],
)
def progression(config: Config) -> None:
    """How far diabetes has progressed after a year, from ten measures."""
    with on_exit(say_how_it_ended()):
        dataset = fetch_dataset()
        for fold in each(list_folds(config.folds)):
            model = fit_fold(dataset, fold, config.folds, config.alpha, config.mix, config.seed)
            held_out = evaluate_fold(model, dataset, fold, config.folds, config.seed)
        verdict = evaluate_model(collect(held_out))
        report(verdict.evaluation)
        with when(verdict.r2 >= config.good_enough):
            fit_on_all(dataset, config.alpha, config.mix, config.seed)
