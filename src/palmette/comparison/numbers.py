"""The numbers beyond the metrics: by slice, curve by curve, example by example."""

from __future__ import annotations

from dataclasses import dataclass

from palmette.comparison.examples import Cell, Flips, SliceValue


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve of one run, thinned for drawing."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The same curve of the two runs."""

    name: str
    #: what the axes are: "step", "false positive rate"
    x: str
    y: str
    #: None where a side has none
    head: Curve | None
    baseline: Curve | None


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What two runs' examples and curves came to, as far as it differs."""

    #: metrics by group of the examples
    slices: tuple[SliceValue, ...] = ()
    #: what was logged step by step, and the evaluation's own curves
    curves: tuple[Curves, ...] = ()
    #: of two classes; None without scores
    roc: Curves | None = None
    precision_recall: Curves | None = None
    #: cells of the confusion matrix that hold another number now
    confusion: tuple[Cell, ...] = ()
    #: None without predictions of classes, and where they are sensitive
    flips: Flips | None = None
    #: what is not shown and why, as sentences without a full stop; among the comparison's remarks, too
    remarks: tuple[str, ...] = ()
