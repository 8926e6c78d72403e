"""The four steps of a training, the same in every tool."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def fetch_dataset() -> NDArray[np.float64]:
    """The breast-cancer data, the label in the last column."""
    found = load_breast_cancer()
    return np.column_stack([found.data, found.target])


def _parted(dataset: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    scaled = StandardScaler().fit_transform(dataset[:, :-1])
    parts: list[NDArray[np.float64]] = train_test_split(scaled, dataset[:, -1], test_size=0.25, random_state=0)
    return parts


def build_and_fit(dataset: NDArray[np.float64]) -> LogisticRegression:
    """Fit on three quarters of the rows."""
    rows, _, labels, _ = _parted(dataset)
    return LogisticRegression(max_iter=1000).fit(rows, labels)


def evaluate_model(model: LogisticRegression, dataset: NDArray[np.float64]) -> dict[str, float]:
    """Measure on the others."""
    _, rows, _, labels = _parted(dataset)
    return {
        "accuracy": float(accuracy_score(labels, model.predict(rows))),
        "auc": float(roc_auc_score(labels, model.predict_proba(rows)[:, 1])),
    }


def report(metrics: dict[str, float]) -> str:
    """Say it to a person."""
    return "".join(f"<p>{name}: {value:.3f}</p>" for name, value in metrics.items())
