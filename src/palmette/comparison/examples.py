"""What happened to single examples: which moved between training and test, which are answered otherwise, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.authoring.results import Evaluation
from palmette.comparison.evidence import Refusal
from palmette.comparison.functions import Known, agree, known
from palmette.comparison.pairs import Pair, Unpaired, among, encoded
from palmette.domain.graph import MetricSpec

Array: TypeAlias = npt.NDArray[Any]

#: examples that are listed, and groups of a slicing
MOST_FLIPPED: Final = 20
MOST_GROUPS: Final = 20
#: a group with fewer examples than this says too little to be shown
FEWEST: Final = 5


@dataclass(frozen=True, kw_only=True)
class Moved:
    """How many examples changed sides between the two runs; None where a run does not name those it was trained on."""

    #: tested by the baseline, trained on by the head: the head may know their answers
    into_training: int | None
    #: trained on by the baseline, tested by the head
    into_test: int | None
    #: tested by the head, known to the baseline not at all; and the other way round
    new_test: int | None
    gone_test: int | None
    #: trained on and tested by one and the same side
    leaked_head: int | None = None
    leaked_baseline: int | None = None


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An example that the two answer differently. Its key is hashed."""

    key: str
    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Flips:
    """The examples whose prediction changed."""

    #: wrong before, right now
    mended: int
    #: right before, wrong now
    broken: int
    #: wrong both times, otherwise
    other: int
    #: the first of those that were broken, then mended, then others
    listed: tuple[Flip, ...] = ()

    @property
    def total(self) -> int:
        """All of them."""
        return self.mended + self.broken + self.other


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the confusion matrix that holds another number now."""

    label: str
    prediction: str
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class SliceValue:
    """A metric over one group of the examples. It is shown and not judged."""

    grouping: str
    group: str
    metric: str
    n: int
    head: float
    baseline: float


def moved(head: Evaluation, baseline: Evaluation, both: Pair | Unpaired | None = None) -> Moved | None:
    """Follow the examples by their keys; None where a side has no keys. `both` is their pair, if that is known: nothing
    moved between runs that were tested on the same examples and trained on none of them."""
    if head.keys is None or baseline.keys is None:
        return None
    if isinstance(both, Pair) and (both.head, both.baseline, both.left_out) == (head, baseline, 0):
        after, known = (None if side.train_keys is None else 0 for side in (head, baseline))
        return Moved(
            into_training=after,
            into_test=known,
            new_test=known,
            gone_test=after,
            leaked_head=after,
            leaked_baseline=known,
        )
    keys, old = np.asarray(head.keys), np.asarray(baseline.keys)
    trained = None if head.train_keys is None else np.asarray(head.train_keys)
    before = None if baseline.train_keys is None else np.asarray(baseline.train_keys)

    def count(some: Array | None, others: Array | None) -> int | None:
        return None if some is None or others is None else int(np.count_nonzero(among(some, others)))

    fresh, gone = ~among(keys, old), ~among(old, keys)
    return Moved(
        into_training=count(old, trained),
        into_test=count(keys, before),
        new_test=None if before is None else int(np.count_nonzero(fresh & ~among(keys, before))),
        gone_test=None if trained is None else int(np.count_nonzero(gone & ~among(old, trained))),
        leaked_head=count(keys, trained),
        leaked_baseline=count(old, before),
    )


def of_classes(pair: Pair) -> bool:
    """Whether labels and predictions are one class each: numbers with a fraction are measures, however few they are."""
    if pair.labels is None or pair.predictions is None:
        return False
    columns = (pair.labels, *pair.predictions)
    return all(
        each.ndim == 1 and (each.dtype.kind != "f" or np.array_equal(each, np.rint(each))) for each in columns
    ) and (pair.cells is not None)


def flipped(pair: Pair, salt: str, most: int = MOST_FLIPPED) -> Flips | None:
    """The examples whose prediction changed; None without predictions of classes."""
    if pair.labels is None or pair.predictions is None or not of_classes(pair):
        return None
    labels, (head, baseline) = pair.labels, pair.predictions
    differ, now, then = head != baseline, head == labels, baseline == labels
    kinds = [np.flatnonzero(differ & kind) for kind in (then & ~now, now & ~then, ~now & ~then)]
    keys = np.asarray(pair.head.keys)[pair.kept]
    listed = tuple(
        Flip(
            key=hashed(keys[place], salt),
            label=str(labels[place]),
            before=str(baseline[place]),
            after=str(head[place]),
        )
        for place in np.concatenate(kinds)[:most].tolist()
    )
    broken, mended, other = (len(kind) for kind in kinds)
    return Flips(mended=mended, broken=broken, other=other, listed=listed)


def hashed(key: Any, salt: str) -> str:
    """A name for an example that does not tell its key. Without a secret salt short keys could be guessed."""
    return sha256(f"{salt}\0{key}".encode()).hexdigest()[:12]


def counts_moved(pair: Pair) -> tuple[Cell, ...] | None:
    """The cells of the confusion matrix that changed, those that changed most first; None without classes."""
    if not of_classes(pair) or pair.cells is None:
        return None
    cells, names = pair.cells, [str(each) for each in pair.cells.classes]
    before, after = (
        np.bincount(cells.labels * len(names) + answers, weights=cells.counts, minlength=len(names) ** 2).astype(int)
        for answers in (cells.baseline, cells.head)
    )
    changed = np.flatnonzero(before != after)
    ordered = changed[np.argsort(-np.abs(after - before)[changed], kind="stable")].tolist()
    return tuple(
        Cell(
            label=names[place // len(names)],
            prediction=names[place % len(names)],
            before=int(before[place]),
            after=int(after[place]),
        )
        for place in ordered
    )


def sliced(
    pair: Pair, metrics: Sequence[MetricSpec], logged: Mapping[str, float] | None = None
) -> tuple[SliceValue, ...]:
    """The metrics that are known here, group by group: the largest groups of each grouping. What a metric is, where its
    function can be read in several ways, is told by the head's logged value."""
    if not pair.slices:
        return ()
    read = [(metric.name, function) for metric in metrics if (function := _reading(metric, pair, logged)) is not None]
    found: list[SliceValue] = []
    for grouping, groups in pair.slices.items():
        for group, part in _parts(pair, groups) if read else ():
            # Metrics of one function have one value.
            values = {function: function.values(part) for function in {function for _, function in read}}
            found += [
                SliceValue(grouping=grouping, group=group, metric=name, n=part.n, head=value[0], baseline=value[1])
                for name, function in read
                if not isinstance(value := values[function], Refusal)
            ]
    return tuple(found)


def _reading(metric: MetricSpec, pair: Pair, logged: Mapping[str, float] | None) -> Known | None:
    """How the metric is computed: so that the whole has the logged value, or at all where that is not told."""
    for function in known(metric.of):
        values = function.values(pair.whole)
        if isinstance(values, Refusal):
            continue
        if logged is None or agree(values[0], logged.get(metric.name)):
            return function
    return None


def _parts(pair: Pair, groups: Array) -> Iterator[tuple[str, Pair]]:
    """The largest groups, each with its examples; each example is copied once, however many groups there are."""
    (codes,), names = encoded(groups)
    sizes = np.bincount(codes, minlength=len(names))
    # Small numbers are sorted without being compared.
    order = np.argsort(codes.astype(np.uint16) if len(names) < 1 << 16 else codes, kind="stable")
    ends = np.cumsum(sizes)
    largest = [group for group in np.argsort(-sizes, kind="stable").tolist() if sizes[group] >= FEWEST]
    for group in largest[:MOST_GROUPS]:
        places = order[ends[group] - sizes[group] : ends[group]]
        sides = [_answers(pair, side, places) for side in (0, 1)]
        yield (
            str(names[group]),
            replace(
                pair,
                head=sides[0],
                baseline=sides[1],
                order=np.arange(len(places)),
                kept=np.ones(len(places), dtype=bool),
            ),
        )


def _answers(pair: Pair, side: int, places: Array) -> Evaluation:
    def some(both: tuple[Array, Array] | None) -> Array | None:
        return None if both is None else both[side][places]

    return Evaluation(
        labels=None if pair.labels is None else pair.labels[places],
        predictions=some(pair.predictions),
        scores=some(pair.scores),
        classes=(pair.head, pair.baseline)[side].classes,
    )
