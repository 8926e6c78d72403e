"""Ratios in each class, averaged over the classes: F1, precision, recall."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.comparison.pairs import Cells
from palmette.comparison.smooth import Sample

Array: TypeAlias = npt.NDArray[Any]


class Kind(StrEnum):
    """Right predictions of a class against what."""

    #: both of the following
    F1 = "f1"
    #: all its predictions
    PRECISION = "precision"
    #: all its examples
    RECALL = "recall"


class Average(StrEnum):
    """How classes count."""

    #: the class 1 alone
    BINARY = "binary"
    #: alike, all that occur in labels or predictions
    MACRO = "macro"
    #: alike, all that occur in labels
    LABELLED = "labelled"
    #: by their number of examples
    WEIGHTED = "weighted"


@dataclass(frozen=True, kw_only=True)
class AverageShape:
    """How the average follows from five means for each class: right and all predictions of the head, the same of the
    baseline, and labels."""

    kind: Kind
    average: Average
    #: which class is meant, where only one is
    positive: int = 0

    def value(self, means: Array) -> Array:
        """Head minus baseline."""
        head, baseline = self.sides(means)
        return head - baseline

    def sides(self, means: Array) -> tuple[Array, Array]:
        """The average of each side."""
        head, given, baseline, other, labels = _parts(means)
        return self._average(head, given, labels), self._average(baseline, other, labels)

    def gradient(self, means: Array) -> Array:
        """By each of the means."""
        head, given, baseline, other, labels = _parts(means)
        first, second = self._slopes(head, given, labels), self._slopes(baseline, other, labels)
        return np.concatenate([first[0], first[1], -second[0], -second[1], first[2] - second[2]], axis=1)

    def _average(self, right: Array, given: Array, labels: Array) -> Array:
        weights, whole = self._weights(given, labels), self._whole(given, labels)
        ratios = np.divide(self._times * right, whole, out=np.zeros_like(right), where=whole > 0.0)
        found: Array = (weights * ratios).sum(axis=1)
        return found

    def _slopes(self, right: Array, given: Array, labels: Array) -> tuple[Array, Array, Array]:
        weights, whole = self._weights(given, labels), self._whole(given, labels)
        one = np.divide(1.0, whole, out=np.zeros_like(right), where=whole > 0.0)
        slope = weights * self._times * one
        loss = -slope * right * one
        by_given = loss if self.kind is not Kind.RECALL else np.zeros_like(loss)
        by_label = loss if self.kind is not Kind.PRECISION else np.zeros_like(loss)
        if self.average is Average.WEIGHTED:
            by_label = by_label + self._times * right * one
        return slope, by_given, by_label

    @property
    def _times(self) -> float:
        return 2.0 if self.kind is Kind.F1 else 1.0

    def _whole(self, given: Array, labels: Array) -> Array:
        match self.kind:
            case Kind.F1:
                return given + labels
            case Kind.PRECISION:
                return given
            case Kind.RECALL:
                return labels

    def _weights(self, given: Array, labels: Array) -> Array:
        match self.average:
            case Average.BINARY:
                weights = np.zeros_like(labels)
                weights[:, self.positive] = 1.0
                return weights
            case Average.WEIGHTED:
                return labels
            case Average.MACRO | Average.LABELLED:
                present = labels > 0.0 if self.average is Average.LABELLED else (labels + given) > 0.0
                weights = present.astype(float)
                weights /= np.maximum(1.0, weights.sum(axis=1, keepdims=True))
                return weights


def rates(cells: Cells, kind: Kind, average: Average) -> tuple[Sample, AverageShape] | None:
    """What such an average is computed from; None where the class that is meant is not known."""
    positive = 0
    if average is Average.BINARY:
        if not set(cells.classes) <= {0, 1} or 1 not in cells.classes:
            return None
        positive = cells.classes.index(1)
    each = np.arange(len(cells.classes))
    labels, head, baseline = (
        (codes[:, None] == each).astype(float) for codes in (cells.labels, cells.head, cells.baseline)
    )
    features = np.concatenate([labels * head, head, labels * baseline, baseline, labels], axis=1)
    shape = AverageShape(kind=kind, average=average, positive=positive)
    return Sample(features=features, counts=cells.counts), shape


def _parts(means: Array) -> list[Array]:
    return np.split(means, 5, axis=1)
