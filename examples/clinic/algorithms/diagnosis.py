"""Short medical texts → chapter of the ICD-10: a linear model on character n-grams."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline

from clinic import charts, quality
from clinic.splitting import split
from clinic.terms import terms
from palmette import HTML, Evaluation, Metric, Metrics, Range, algorithm, log_metric, step

TARGET = "chapter"


@dataclass(frozen=True)
class Features:
    """What the model sees of a text."""

    ngrams: list[int] = field(default_factory=lambda: [2, 4])  #: shortest and longest character n-gram
    most: Annotated[int, Range(100, 1_000_000)] = 30_000  #: n-grams kept, the most frequent first


@dataclass(frozen=True)
class Config:
    """How the chapters are learnt."""

    features: Features = Features()
    rows: Annotated[int, Range(500, 100_000)] = 100_000  #: at most so many terms, spread evenly
    epochs: Annotated[int, Range(1, 100)] = 6  #: passes over the training texts
    alpha: Annotated[float, Range(1e-9, 1.0)] = 1e-6  #: strength of the regularisation
    test_share: Annotated[float, Range(0.05, 0.5)] = 0.25  #: share of the terms held out
    seed: int = 0  #: of the split and of the order of the texts


@step(fresh="30d")
def fetch_terms(rows: int) -> pd.DataFrame:
    """The terms of the classification with their chapters."""
    table = quality.require(terms(), TARGET)
    chosen = np.linspace(0, len(table) - 1, min(rows, len(table))).round().astype(int)
    return table.iloc[chosen].reset_index(drop=True)


@step(timeout="30m")
def build_and_fit(
    dataset: pd.DataFrame, ngrams: list[int], most: int, epochs: int, alpha: float, test_share: float, seed: int
) -> Pipeline:
    """Fit on the training terms, one epoch after the other, logging the training accuracy."""
    train, _ = split(dataset, TARGET, test_share, seed)
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=tuple(ngrams), max_features=most, sublinear_tf=True)
    texts = features.fit_transform(train["text"])
    model = SGDClassifier(loss="log_loss", alpha=alpha, random_state=seed)
    chapters, order = np.unique(train[TARGET]), np.random.default_rng(seed)
    for epoch in range(epochs):
        shuffled = order.permutation(len(train))
        model.partial_fit(texts[shuffled], train[TARGET].to_numpy()[shuffled], classes=chapters)
        log_metric("train_accuracy", float(model.score(texts, train[TARGET])), step=epoch + 1)
    return make_pipeline(features, model)


@step
def evaluate_model(model: Pipeline, dataset: pd.DataFrame, test_share: float, seed: int) -> Evaluation:
    """Score the terms that were held out, overall and chapter by chapter."""
    train, test = split(dataset, TARGET, test_share, seed)
    predictions = model.predict(test["text"])
    chapters = sorted(test[TARGET].unique())
    each = f1_score(test[TARGET], predictions, labels=chapters, average=None, zero_division=0.0)
    return Evaluation(
        metrics={
            "f1": f1_score(test[TARGET], predictions, labels=chapters, average="macro", zero_division=0.0),
            "accuracy": accuracy_score(test[TARGET], predictions),
            **{f"f1.{chapter}": value for chapter, value in zip(chapters, each, strict=True)},
        },
        keys=test["code"],
        labels=test[TARGET],
        predictions=predictions,
        train_keys=train["code"],
    )


@step
def count(dataset: pd.DataFrame) -> Metrics:
    """How much there is to learn from."""
    return Metrics(terms=len(dataset), chapters=dataset[TARGET].nunique())


@step
def report(evaluation: Evaluation) -> HTML:
    """A page with the figures and a bar for each chapter."""
    overall = {name: value for name, value in evaluation.metrics.items() if "." not in name}
    each = {name.removeprefix("f1."): value for name, value in evaluation.metrics.items() if "." in name}
    return HTML(charts.page("Diagnosis", charts.figures(overall), charts.bars(each)))


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """The mean of the chapters' F1."""
    return float(f1_score(labels, predictions, average="macro", zero_division=0.0))


@algorithm(
    config=Config,
    presets={"toy": Config(features=Features(most=2_000), rows=2_000, epochs=2)},
    metrics=[
        Metric("f1", of=macro_f1, goal="max", primary=True, tolerance=0.01),
        Metric("accuracy", of=accuracy_score, goal="max", tolerance=0.01),
    ],
)
def diagnosis(config: Config) -> None:
    """Which chapter of the ICD-10 a short medical text belongs to."""
    dataset = fetch_terms(config.rows)
    count(dataset)
    model = build_and_fit(
        dataset,
        config.features.ngrams,
        config.features.most,
        config.epochs,
        config.alpha,
        config.test_share,
        config.seed,
    )
    evaluation = evaluate_model(model, dataset, config.test_share, config.seed)
    report(evaluation)
