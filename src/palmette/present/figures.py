"""The numbers of a comparison, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from palmette.comparison import wording
from palmette.comparison.changes import Comparison, MetricChange
from palmette.comparison.evidence import Evidence
from palmette.comparison.examples import Cell, Flips, SliceValue
from palmette.comparison.verdict import MetricVerdict, Outcome
from palmette.present import words
from palmette.present.entries import Entry, Group, Measure

_FAVOURABLE: Final = {Outcome.BETTER: True, Outcome.WORSE: False}
#: a share below which a difference is what adding numbers in another order makes
_ROUNDING: Final = 1e-12


def judged(metric: MetricVerdict, change: MetricChange | None) -> Measure:
    """A metric of which something is concluded: the numbers that were compared, and how sure that is."""
    found = metric.evidence
    before, after = (found.baseline, found.head) if found else (metric.baseline, metric.head)
    difference = found.difference if found else _less(after, before)
    spread = f"{_interval(found)}" if found else ""
    moved = _change(difference, found)
    return Measure(
        name=metric.name,
        goal=metric.goal,
        role=metric.role.value,
        before=words.number(before),
        after=words.number(after),
        change=moved,
        relative=_relative(difference, before),
        interval=spread,
        outcome=metric.outcome,
        favourable=_FAVOURABLE.get(metric.outcome),
        sentence=wording.sentence(metric),
        reason=metric.reason or _other(metric, change),
        difference=difference,
        span=found.wide if found else None,
        tolerance=metric.tolerance,
        share=_share(difference, before),
    )


def bare(change: MetricChange) -> Measure:
    """A metric that nothing was concluded of: two numbers."""
    return Measure(
        name=change.name,
        goal=change.goal,
        role="primary" if change.primary else "",
        before=words.number(change.before),
        after=words.number(change.after),
        change="0" if _rounded(change.difference, change.before) else _change(change.difference, None),
        relative=_relative(change.difference, change.before),
        interval="",
        outcome=None,
        favourable=change.favourable,
        difference=change.difference,
        tolerance=change.tolerance,
        share=change.relative,
    )


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _change(difference: float | None, found: Evidence | None) -> str:
    if difference is None:
        return ""
    if not difference:
        return "0"
    return wording.signed(difference, wording.decimals(found)) if found else words.signed(difference)


def _interval(found: Evidence) -> str:
    if found.identical:
        return ""
    places = wording.decimals(found)
    return f"{wording.signed(found.wide.low, places)} … {wording.signed(found.wide.high, places)}"


def _share(difference: float | None, before: float | None) -> float | None:
    return difference / abs(before) if before and difference is not None else None


def _rounded(difference: float | None, before: float | None) -> bool:
    share = _share(difference, before)
    return share is not None and abs(share) < _ROUNDING


def _relative(difference: float | None, before: float | None) -> str:
    share = _share(difference, before)
    if not share or abs(share) < _ROUNDING:
        return ""
    if abs(share) >= 10:
        return f"×{1 + share:.1f}"
    percent = abs(share) * 100
    return f"{'+' if share > 0 else '−'}{f'{percent:.1f}' if percent >= 0.1 else f'{percent:.1g}'} %"


def _other(metric: MetricVerdict, change: MetricChange | None) -> str:
    """What the run's own numbers are, where others were compared: means over seeds, what was rescored."""
    found = metric.evidence
    if found is None or change is None or change.before is None or change.after is None:
        return ""
    own = (words.number(change.before), words.number(change.after))
    if own == (words.number(found.baseline), words.number(found.head)):
        return ""
    return f"logged by the runs themselves: {own[0]} → {own[1]}"


def groups(comparison: Comparison) -> Iterator[Group]:
    """Slices, the confusion matrix, flips: what differs of them."""
    found = comparison.numbers
    slices = sorted(found.slices, key=lambda each: -abs(each.head - each.baseline))
    differing = tuple(_slice(each, comparison) for each in slices if each.head != each.baseline)
    if differing:
        same = len(slices) - len(differing)
        aside = f"not judged{f'; {same} more are the same' if same else ''}"
        yield Group(title="by group", entries=differing, most=8, aside=aside)
    if found.confusion:
        yield Group(title="confusion", entries=tuple(map(_cell, found.confusion)), most=6)
    if found.flips is not None and found.flips.total:
        yield Group(title="predictions that changed", entries=(flips(found.flips),))
    if found.flips is not None and found.flips.listed:
        listed = tuple(
            Entry(label=each.key, before=each.before, after=each.after, aside=f"is {each.label}")
            for each in found.flips.listed
        )
        yield Group(
            title="examples that flipped", entries=listed, most=20, extra=True, aside="their keys are shown hashed"
        )


def flips(found: Flips) -> Entry:
    """How many predictions changed, and to what effect."""
    parts = [
        f"{count:,} {what}"
        for count, what in (
            (found.mended, "right now"),
            (found.broken, "wrong now"),
            (found.other, "wrong both times"),
        )
        if count
    ]
    return Entry(label=words.count(found.total, "prediction"), aside=", ".join(parts))


def _slice(each: SliceValue, comparison: Comparison) -> Entry:
    goal = next((change.goal for change in comparison.metrics if change.name == each.metric), "")
    favourable = None if not goal else (each.head > each.baseline) == (goal == "max")
    return Entry(
        label=f"{each.grouping} {each.group}, {each.metric}",
        before=words.number(each.baseline),
        after=words.number(each.head),
        aside=f"{words.signed(each.head - each.baseline)}, {words.count(each.n, 'example')}",
        favourable=favourable,
    )


def _cell(cell: Cell) -> Entry:
    right = cell.label == cell.prediction
    label = f"{cell.label} taken for {cell.prediction}" if not right else f"{cell.label} recognised"
    return Entry(
        label=label,
        before=f"{cell.before:,}",
        after=f"{cell.after:,}",
        aside=f"{cell.after - cell.before:+,}".replace("-", "−"),
        favourable=(cell.after > cell.before) == right,
    )
