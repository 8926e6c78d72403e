"""The algorithms that are measured beside the peers."""

import numpy as np
import steps
from sklearn.linear_model import LogisticRegression

from palmette import HTML, Metrics, algorithm, step


@step
def fetch() -> np.ndarray:
    return steps.fetch_dataset()


@step
def fit(data: np.ndarray) -> LogisticRegression:
    return steps.build_and_fit(data)


@step
def evaluate(model: LogisticRegression, data: np.ndarray) -> Metrics:
    return Metrics(**steps.evaluate_model(model, data))


@step
def report(metrics: Metrics) -> HTML:
    return HTML(steps.report(dict(metrics)))


@step
def first() -> int:
    return 0


@step
def link(number: int) -> int:
    return number + 1


def _chain(width: int) -> None:
    number = first()
    for _ in range(width - 1):
        number = link(number)


def _fan(width: int) -> None:
    for number in range(width):
        link(number)


@algorithm
def training():
    data = fetch()
    model = fit(data)
    report(evaluate(model, data))


@algorithm
def chain1():
    _chain(1)


@algorithm
def chain2():
    _chain(2)


@algorithm
def chain50():
    _chain(50)


@algorithm
def fan1():
    _fan(1)


@algorithm
def fan100():
    _fan(100)
