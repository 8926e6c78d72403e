"""The examples that two evaluations share, side by side."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.authoring.results import Evaluation
from palmette.comparison import keys

Array: TypeAlias = npt.NDArray[Any]

#: labels and predictions with more different values are numbers to us, not classes
MOST_CLASSES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Unpaired:
    """Why two evaluations cannot be compared example by example. A fragment of a sentence, without a full stop."""

    reason: str
    #: whether scoring the baseline's model on the head's examples would help: both know their examples, which differ
    rescoring_helps: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Examples by their label and both predictions, as numbers of classes."""

    classes: tuple[Any, ...]
    labels: Array
    head: Array
    baseline: Array
    counts: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two evaluations of the same examples, in the same order."""

    #: as they were evaluated, each in its own order
    head: Evaluation
    baseline: Evaluation
    #: the baseline's order: its example `order[n]` is the head's n-th
    order: Array
    #: the head's examples that are compared; the others were in either model's training data
    kept: Array
    #: whether it is known of both models what they were trained on
    training_known: bool
    #: the baseline's answers are its model's to the head's examples, not those of its run
    rescored: bool = False

    @property
    def n(self) -> int:
        """How many examples are compared."""
        return int(np.count_nonzero(self.kept))

    @property
    def left_out(self) -> int:
        """How many are not, since a model was trained on them."""
        return len(self.kept) - self.n

    @cached_property
    def labels(self) -> Array | None:
        """Of what is compared; so are all that follow."""
        return self._head(self.head.labels)

    @cached_property
    def predictions(self) -> tuple[Array, Array] | None:
        """The head's and the baseline's."""
        return self._both("predictions")

    @cached_property
    def scores(self) -> tuple[Array, Array] | None:
        """The head's and the baseline's."""
        return self._both("scores")

    @cached_property
    def same_predictions(self) -> bool:
        """Whether both predict the same of every example; False where neither predicts anything."""
        return self.predictions is not None and equal(*self.predictions)

    @cached_property
    def same_answers(self) -> bool:
        """Whether the two say the same of every example, in predictions and in scores."""
        given = [both for both in (self.predictions, self.scores) if both is not None]
        lone = any((getattr(self.head, name) is None) != (getattr(self.baseline, name) is None)
                   for name in ("predictions", "scores"))  # fmt: skip
        return bool(given) and not lone and all(equal(*both) for both in given)

    @cached_property
    def cells(self) -> Cells | None:
        """Which labels got which predictions, counted; None without predictions or with too many classes."""
        if self.labels is None or self.predictions is None or self.labels.ndim != 1:
            return None
        return counted(self.labels, *self.predictions)

    @cached_property
    def whole(self) -> Pair:
        """The same with nothing left out, as each side computed its own metrics."""
        return replace(self, kept=np.ones_like(self.kept)) if self.left_out else self

    def part(self, mask: Array) -> Pair:
        """Some of what is compared."""
        kept = np.zeros_like(self.kept)
        kept[np.flatnonzero(self.kept)[mask]] = True
        return replace(self, kept=kept)

    @cached_property
    def slices(self) -> dict[str, Array]:
        """The head's groupings of what is compared."""
        return {name: np.asarray(groups)[self.kept] for name, groups in self.head.slices.items()}

    def _head(self, values: Any) -> Array | None:
        return None if values is None else np.asarray(values)[self.kept]

    def _both(self, name: str) -> tuple[Array, Array] | None:
        head, baseline = self._head(getattr(self.head, name)), getattr(self.baseline, name)
        return None if head is None or baseline is None else (head, np.asarray(baseline)[self.order][self.kept])


def pair(head: Evaluation, baseline: Evaluation, *, rescored: bool = False) -> Pair | Unpaired:
    """Lay two evaluations side by side, if keys and labels are equal; leave out what either model was trained on."""
    for name, side in (("this run", head), ("the baseline", baseline)):
        if side.keys is None:
            return Unpaired(reason=f"the evaluation of {name} has no keys of its examples")
        if side.labels is None:
            return Unpaired(reason=f"the evaluation of {name} has no labels")
    found = aligned(np.asarray(head.keys), np.asarray(baseline.keys))
    if isinstance(found, Unpaired):
        return found
    differing = _differing(np.asarray(head.labels), np.asarray(baseline.labels)[found])
    if differing:
        reason = f"the labels of {differing:,} of {len(found):,} test examples differ"
        return Unpaired(reason=reason, rescoring_helps=True)
    asked = np.asarray(head.keys)
    given = [np.asarray(side.train_keys) for side in (head, baseline) if side.train_keys is not None]
    # Numbers say nothing of examples that have names, nor the other way round.
    trained = [each for each in given if len(each) == 0 or _kind(each) == _kind(asked)]
    kept = np.ones(len(found), dtype=bool)
    for each in trained:
        kept &= ~among(asked, each)
    if not kept.any():
        return Unpaired(reason="either model was trained on all of these test examples")
    return Pair(
        head=head, baseline=baseline, order=found, kept=kept, training_known=len(trained) == 2, rescored=rescored
    )


def relabelled(head: Evaluation, baseline: Evaluation) -> tuple[int, int]:
    """How many examples that both have stand with other labels in one than in the other, and how many both have."""
    if head.keys is None or baseline.keys is None or head.labels is None or baseline.labels is None:
        return 0, 0
    ours, theirs = np.asarray(head.keys), np.asarray(baseline.keys)
    quick = keys.matched(ours, theirs)
    places = {key: place for place, key in enumerate(theirs.tolist())} if quick is None else {}
    found = np.array([places.get(key, -1) for key in ours.tolist()], dtype=np.intp) if quick is None else quick
    common = found >= 0
    return _differing(np.asarray(head.labels)[common], np.asarray(baseline.labels)[found[common]]), int(common.sum())


def aligned(head: Array, baseline: Array) -> Array | Unpaired:
    """Where the baseline has each of the head's keys, if both have the same keys, each once."""
    if len(head) == 0:
        return Unpaired(reason="there are no test examples")
    quick = keys.matched(head, baseline)
    if quick is None:
        return _looked_up(head, baseline)
    return quick if len(head) == len(baseline) and (quick >= 0).all() else _other(head, baseline, quick)


def _looked_up(head: Array, baseline: Array) -> Array | Unpaired:
    places = {key: place for place, key in enumerate(baseline.tolist())}
    if len(places) < len(baseline) or len(set(head.tolist())) < len(head):
        return Unpaired(reason="several test examples have the same key")
    found = np.array([places.get(key, -1) for key in head.tolist()])
    return found if len(head) == len(baseline) and (found >= 0).all() else _other(head, baseline, found)


def _other(head: Array, baseline: Array, found: Array) -> Unpaired:
    common = np.count_nonzero(found >= 0)
    sizes = f"{len(baseline):,} and {len(head):,} test examples, of which {common:,} are the same"
    return Unpaired(reason=f"the test data differ: {sizes}", rescoring_helps=True)


def _kind(keys: Array) -> str:
    return keys.dtype.kind if keys.dtype.kind in "US" else "number"


def among(some: Array, others: Array) -> Array:
    """Which of the keys are among the others; a number is never a text."""
    if some.dtype.kind in "iu" and others.dtype.kind in "iu":
        return np.isin(some, others)
    if (some.dtype.kind in "US") != (others.dtype.kind in "US"):
        return np.zeros(len(some), dtype=bool)
    quick = keys.known(some, others)
    if quick is not None:
        return quick
    known, asked = set(others.tolist()), some.tolist()
    return np.fromiter(map(known.__contains__, asked), dtype=bool, count=len(asked))


def counted(labels: Array, head: Array, baseline: Array) -> Cells | None:
    """The examples that are alike, counted; None beyond `MOST_CLASSES`, where they are no classes."""
    codes, classes = encoded(labels, head, baseline)
    size = len(classes)
    if size > MOST_CLASSES:
        return None
    counts = np.bincount((codes[0] * size + codes[1]) * size + codes[2], minlength=size**3)
    found = np.flatnonzero(counts)
    rest, last = np.divmod(found, size)
    first, middle = np.divmod(rest, size)
    return Cells(classes=tuple(classes), labels=first, head=middle, baseline=last, counts=counts[found])


def equal(one: Array, other: Array) -> bool:
    """Whether two arrays hold the same, missing numbers included."""
    if one.shape != other.shape:
        return False
    floats = one.dtype.kind == "f" and other.dtype.kind == "f"
    return bool(np.array_equal(one, other, equal_nan=floats))


def encoded(*columns: Array) -> tuple[tuple[Array, ...], Sequence[Any]]:
    """Columns of classes as numbers from 0, and the classes in their sorted order."""
    if all(column.dtype.kind in "iubf" for column in columns):
        whole = np.concatenate(columns)
        classes, codes = np.unique(whole, return_inverse=True)
        return tuple(np.split(codes, len(columns))), classes.tolist()
    values = [column.tolist() for column in columns]
    distinct = _sorted({value for column in values for value in column})
    numbers = {value: number for number, value in enumerate(distinct)}
    return tuple(
        np.fromiter((numbers[value] for value in column), dtype=np.intp, count=len(column)) for column in values
    ), distinct


def _sorted(values: set[Hashable]) -> Sequence[Any]:
    """Numbers first, then what is none, kind by kind."""
    return sorted(values, key=lambda value: ("" if isinstance(value, (int, float)) else type(value).__name__, value))


def _differing(head: Array, baseline: Array) -> int:
    if head.shape != baseline.shape:
        return len(head)
    different = head != baseline
    if head.dtype.kind == "f" and baseline.dtype.kind == "f":
        different &= ~(np.isnan(head) & np.isnan(baseline))
    return int(np.count_nonzero(different if different.ndim == 1 else different.any(axis=-1)))
