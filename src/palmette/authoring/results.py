"""The types of what steps give: metrics, an evaluation, texts to be shown, images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

#: Anything with a length and items: a list, a NumPy array, a column of a table.
Array: TypeAlias = Any


class Metrics(dict[str, float]):
    """Names and their numbers: ``Metrics(auc=0.93)``. Each is a metric of the run."""

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **more: Any) -> None:
        super().__init__()
        for name, value in dict(values, **more).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str) or isinstance(value, (str, bytes)):
            raise TypeError(f"Metrics hold names and numbers, not {name!r}: {type(value).__name__}")
        super().__setitem__(name, float(value))


@dataclass(kw_only=True, eq=False)
class Evaluation:
    """How good a model is, in numbers and example by example. Whatever is known may be given; all of it is optional.

    Labels, predictions, keys, scores and slices have one entry for each example that was evaluated. Two evaluations
    can be compared example by example where both have keys.
    """

    metrics: Mapping[str, float] = field(default_factory=Metrics)
    labels: Array = None
    predictions: Array = None
    #: what identifies each example, in every run
    keys: Array = None
    #: one number for each example, or one for each example and class
    scores: Array = None
    #: the classes, in the order of the columns of `scores` and of `confusion`
    classes: Array = None
    #: keys of the examples that the model was trained on
    train_keys: Array = None
    #: name → (x, y)
    curves: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    #: (false positive rate, true positive rate), and the thresholds if there is a third
    roc: tuple[Array, ...] | None = None
    #: rows are labels, columns predictions
    confusion: Array = None
    #: name of a grouping → the group of each example
    slices: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.metrics)
        examples = {name: getattr(self, name) for name in ("labels", "predictions", "keys", "scores")} | self._slices()
        lengths = {name: len(array) for name, array in examples.items() if array is not None}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(f"an Evaluation has one entry for each example everywhere, but: {said}")

    def _slices(self) -> dict[str, Array]:
        return {f"slices[{name!r}]": groups for name, groups in self.slices.items()}


class Text(str):
    """Plain text, kept as a file rather than as a parameter."""

    __slots__ = ()


class HTML(str):
    """A page or a part of one. It is shown sandboxed."""

    __slots__ = ()


class Markdown(str):
    """A text in Markdown."""

    __slots__ = ()


@dataclass(frozen=True)
class Image:
    """An image as the bytes of its file."""

    data: bytes
    #: what the file's name ends in: "png", "jpeg", "svg"
    kind: str = "png"
