"""The functions whose values are known to be computed from examples, by their qualified names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isclose
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.comparison import areas
from palmette.comparison.averages import Average, AverageShape, Kind, rates
from palmette.comparison.evidence import BOOTSTRAP, DELONG, MCNEMAR, PAIRED, Evidence, Method, Refusal
from palmette.comparison.pairs import Pair
from palmette.comparison.proportions import Answers, mcnemar
from palmette.comparison.smooth import Sample, compared, mean_difference

Array: TypeAlias = npt.NDArray[Any]
#: the head's number and the baseline's, or why there are none
Values: TypeAlias = "tuple[float, float] | Refusal"


class Known(Protocol):
    """A metric that can be computed from the examples."""

    @property
    def method(self) -> Method:
        """By which it is judged."""
        ...

    @property
    def of(self) -> str:
        """What it is computed from beside the labels: "predictions" or "scores"."""
        ...

    def values(self, pair: Pair) -> Values:
        """Its value on each side."""
        ...

    def evidence(self, pair: Pair) -> Evidence | Refusal:
        """How sure its difference is; the two sides are not identical."""
        ...


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The share of right predictions."""

    method: Method = MCNEMAR
    of: str = "predictions"

    def values(self, pair: Pair) -> Values:
        """Its value on each side."""
        found = self._answers(pair)
        if isinstance(found, Refusal):
            return found
        return (found.both + found.head) / found.total, (found.both + found.baseline) / found.total

    def evidence(self, pair: Pair) -> Evidence | Refusal:
        """By the examples that only one side has right."""
        found = self._answers(pair)
        return found if isinstance(found, Refusal) else mcnemar(found)

    def _answers(self, pair: Pair) -> Answers | Refusal:
        given = _given(pair, MCNEMAR)
        if isinstance(given, Refusal):
            return given
        labels, *predictions = given
        head, baseline = (each == labels for each in predictions)
        both, alone = int(np.count_nonzero(head & baseline)), int(np.count_nonzero(head & ~baseline))
        other = int(np.count_nonzero(baseline & ~head))
        return Answers(both=both, head=alone, baseline=other, neither=len(labels) - both - alone - other)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """F1, precision, recall or balanced accuracy: a ratio in each class, averaged over the classes."""

    kind: Kind
    average: Average
    method: Method = BOOTSTRAP
    of: str = "predictions"

    def values(self, pair: Pair) -> Values:
        """Its value on each side."""
        found = self._sample(pair)
        if isinstance(found, Refusal):
            return found
        sample, shape = found
        head, baseline = shape.sides((sample.counts @ sample.features / sample.n)[None, :])
        return float(head[0]), float(baseline[0])

    def evidence(self, pair: Pair) -> Evidence | Refusal:
        """By resampling the examples."""
        found, values = self._sample(pair), self.values(pair)
        if isinstance(found, Refusal) or isinstance(values, Refusal):
            return found if isinstance(found, Refusal) else Refusal(method=self.method, reason="no value")
        return compared(*found, *values)

    def _sample(self, pair: Pair) -> tuple[Sample, AverageShape] | Refusal:
        given = _given(pair, self.method)
        if isinstance(given, Refusal):
            return given
        if pair.cells is None:
            return Refusal(method=self.method, reason="labels and predictions are not of a hundred classes at most")
        found = rates(pair.cells, self.kind, self.average)
        return found or Refusal(method=self.method, reason="the classes are not 0 and 1, so which is meant is unknown")


@dataclass(frozen=True, kw_only=True)
class Area:
    """The area under the ROC curve of two classes."""

    method: Method = DELONG
    of: str = "scores"

    def values(self, pair: Pair) -> Values:
        """Its value on each side."""
        found = self._scores(pair)
        if isinstance(found, Refusal):
            return found
        positive, head, baseline = found
        return areas.area(positive, head), areas.area(positive, baseline)

    def evidence(self, pair: Pair) -> Evidence | Refusal:
        """By the variance of the areas, over positive and negative examples."""
        found = self._scores(pair)
        return found if isinstance(found, Refusal) else areas.delong(*found)

    def _scores(self, pair: Pair) -> tuple[Array, Array, Array] | Refusal:
        if pair.labels is None or pair.scores is None:
            return Refusal(method=DELONG, reason="an evaluation has no scores")
        classes = np.unique(pair.labels)
        if len(classes) != 2:
            return Refusal(method=DELONG, reason=f"the labels are of {len(classes)} classes, not of two")
        columns = [_of_positive(each) for each in pair.scores]
        if columns[0] is None or columns[1] is None:
            return Refusal(method=DELONG, reason="the scores are not of two classes")
        if not (np.isfinite(columns[0]).all() and np.isfinite(columns[1]).all()):
            return Refusal(method=DELONG, reason="some scores are not finite")
        return pair.labels == classes[1], columns[0], columns[1]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The mean over the examples of what each costs, given its label and the answer of one side."""

    #: "predictions" or "scores"
    of: str
    #: label and answer of each example, and the classes if the evaluation names them → cost of each; None: impossible
    cost: Callable[[Array, Array, Array | None], Array | None]
    method: Method = PAIRED

    def values(self, pair: Pair) -> Values:
        """Its value on each side."""
        found = self._costs(pair)
        return found if isinstance(found, Refusal) else (float(found[0].mean()), float(found[1].mean()))

    def evidence(self, pair: Pair) -> Evidence | Refusal:
        """By the differences of the costs."""
        found = self._costs(pair)
        return found if isinstance(found, Refusal) else mean_difference(self.method, *found)

    def _costs(self, pair: Pair) -> tuple[Array, Array] | Refusal:
        answers = pair.predictions if self.of == "predictions" else pair.scores
        if pair.labels is None or answers is None:
            return Refusal(method=self.method, reason=f"an evaluation has no {self.of}")
        named = (pair.head.classes, pair.baseline.classes)
        costs = [
            self.cost(pair.labels, each, None if classes is None else np.asarray(classes))
            for each, classes in zip(answers, named, strict=True)
        ]
        if costs[0] is None or costs[1] is None:
            return Refusal(method=self.method, reason=f"the {self.of} do not fit the labels")
        return costs[0], costs[1]


class Fit(StrEnum):
    """What is made of squared errors."""

    RMSE = "root mean squared error"
    R2 = "coefficient of determination"


@dataclass(frozen=True, kw_only=True)
class Regression:
    """RMSE or R²."""

    fit: Fit
    method: Method = BOOTSTRAP
    of: str = "predictions"

    def values(self, pair: Pair) -> Values:
        """Its value on each side."""
        found = self._sample(pair)
        if isinstance(found, Refusal):
            return found
        head, baseline, level, square = (found.counts @ found.features / found.n).tolist()
        if self.fit is Fit.RMSE:
            return float(head**0.5), float(baseline**0.5)
        spread = square - level**2
        if spread <= 0.0:
            return Refusal(method=self.method, reason="all labels are equal")
        return 1.0 - head / spread, 1.0 - baseline / spread

    def evidence(self, pair: Pair) -> Evidence | Refusal:
        """By resampling the examples."""
        found, values = self._sample(pair), self.values(pair)
        if isinstance(found, Refusal) or isinstance(values, Refusal):
            return found if isinstance(found, Refusal) else Refusal(method=self.method, reason="all labels are equal")
        return compared(found, _Root() if self.fit is Fit.RMSE else _Determination(), *values)

    def _sample(self, pair: Pair) -> Sample | Refusal:
        given = _given(pair, self.method)
        if isinstance(given, Refusal):
            return given
        labels, *predictions = given
        if not all(_numeric(labels, each) for each in predictions):
            return Refusal(method=self.method, reason="labels and predictions are not numbers")
        errors = [(_numbers(labels) - _numbers(each)) ** 2 for each in predictions]
        centred = labels - labels.mean()
        features = np.column_stack([*errors, centred, centred**2])
        return Sample(features=features, counts=np.ones(len(labels), dtype=np.int64))


class _Root:
    """√a − √b of the first two means."""

    def value(self, means: Array) -> Array:
        """Head minus baseline."""
        roots: Array = np.sqrt(means[:, :2])
        return roots[:, 0] - roots[:, 1]

    def gradient(self, means: Array) -> Array:
        """By each of the means."""
        found = np.zeros_like(means)
        with np.errstate(divide="ignore"):
            found[:, :2] = np.array([0.5, -0.5]) / np.sqrt(means[:, :2])
        found[~np.isfinite(found)] = 0.0
        return found


class _Determination:
    """(b − a) / (variance of the labels), the variance being the last mean less the square of the one before."""

    def value(self, means: Array) -> Array:
        """Head minus baseline."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Array = (means[:, 1] - means[:, 0]) / (means[:, 3] - means[:, 2] ** 2)
        return found

    def gradient(self, means: Array) -> Array:
        """By each of the means."""
        with np.errstate(divide="ignore", invalid="ignore"):
            one = 1.0 / (means[:, 3] - means[:, 2] ** 2)
            whole = (means[:, 1] - means[:, 0]) * one * one
            found: Array = np.stack([-one, one, 2.0 * means[:, 2] * whole, -whole], axis=1)
        found[~np.isfinite(found)] = 0.0
        return found


def known(of: str) -> tuple[Known, ...]:
    """What "module:name" computes; several where its arguments decide, of which the logged value tells; none where it
    is not known."""
    module, _, name = of.partition(":")
    return _SCIKIT.get(name, ()) if module == "sklearn.metrics" or module.startswith("sklearn.metrics.") else ()


def agree(value: float, logged: float | None) -> bool:
    """Whether a computed number is the logged one, but for the order of its sums."""
    return logged is not None and isclose(value, logged, rel_tol=1e-6, abs_tol=1e-9)


def _given(pair: Pair, method: Method) -> tuple[Array, Array, Array] | Refusal:
    if pair.labels is None or pair.predictions is None:
        return Refusal(method=method, reason="an evaluation has no predictions")
    if pair.labels.ndim != 1 or any(each.ndim != 1 for each in pair.predictions):
        return Refusal(method=method, reason="an example has several labels or predictions")
    return pair.labels, *pair.predictions


def _of_positive(scores: Array) -> Array | None:
    if scores.dtype.kind not in "fiub":
        return None
    if scores.ndim == 2 and scores.shape[1] == 2:
        return scores[:, 1]
    return scores if scores.ndim == 1 else None


def _absolute(labels: Array, answers: Array, classes: Array | None) -> Array | None:
    found: Array | None = np.abs(_numbers(labels) - _numbers(answers)) if _numeric(labels, answers) else None
    return found


def _squared(labels: Array, answers: Array, classes: Array | None) -> Array | None:
    if not _numeric(labels, answers):
        return None
    found: Array = np.square(_numbers(labels) - _numbers(answers))
    return found


def _surprise(labels: Array, answers: Array, classes: Array | None) -> Array | None:
    """Minus the logarithm of the probability that was given to the label."""
    if answers.dtype.kind != "f" or labels.ndim != 1:
        return None
    order = np.unique(labels) if classes is None else classes
    if answers.ndim == 1 and len(order) == 2:
        answers, order = np.column_stack([1.0 - answers, answers]), np.sort(order)
    if answers.ndim != 2 or answers.shape[1] != len(order):
        return None
    columns = np.argsort(order, kind="stable")
    places = np.searchsorted(order[columns], labels)
    if (places >= len(order)).any() or (order[columns][places] != labels).any():
        return None
    smallest = np.finfo(answers.dtype).eps
    given = answers[np.arange(len(labels)), columns[places]].astype(float)
    costs: Array = -np.log(np.clip(given, smallest, 1.0 - smallest))
    return costs


def _numeric(labels: Array, answers: Array) -> bool:
    return labels.ndim == answers.ndim == 1 and all(each.dtype.kind in "fiub" for each in (labels, answers))


def _numbers(values: Array) -> Array:
    return values.astype(np.float64, copy=False)


def _averaged(kind: Kind) -> tuple[Known, ...]:
    return tuple(Rate(kind=kind, average=average) for average in (Average.BINARY, Average.MACRO, Average.WEIGHTED))


_SCIKIT: Final[Mapping[str, tuple[Known, ...]]] = {
    "accuracy_score": (Accuracy(),),
    "balanced_accuracy_score": (Rate(kind=Kind.RECALL, average=Average.LABELLED),),
    # Averaged over all examples ("micro") each of these is the accuracy.
    "f1_score": (*_averaged(Kind.F1), Accuracy()),
    "precision_score": (*_averaged(Kind.PRECISION), Accuracy()),
    "recall_score": (*_averaged(Kind.RECALL), Accuracy()),
    "roc_auc_score": (Area(),),
    "log_loss": (Loss(of="scores", cost=_surprise),),
    "mean_absolute_error": (Loss(of="predictions", cost=_absolute),),
    "mean_squared_error": (Loss(of="predictions", cost=_squared),),
    "root_mean_squared_error": (Regression(fit=Fit.RMSE),),
    "r2_score": (Regression(fit=Fit.R2),),
}
