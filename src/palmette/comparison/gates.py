"""Bounds that a run must keep: absolute ones, and the largest loss against the baseline."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from palmette.comparison.verdict import Gate, GateKind, GateOutcome, MetricVerdict
from palmette.domain.graph import MetricSpec


def gates(metric: MetricSpec, verdict: MetricVerdict) -> tuple[Gate, ...]:
    """The gates that a metric declares. A drop passes when its 90 % interval ends below the bound (a one-sided test at
    5 %), fails when it begins above, and is inconclusive in between or without evidence."""
    found: list[Gate] = []
    if metric.minimum is not None:
        found.append(_bound(metric, metric.minimum, verdict.head))
    if metric.max_drop is not None:
        found.append(_drop(metric, metric.max_drop, verdict))
    return tuple(found)


def presence(metric: MetricSpec, head: float | None) -> Gate:
    """All that a toy run can show of a metric: that there is a number."""
    there = head is not None and isfinite(head)
    return Gate(
        metric=metric.name,
        kind=GateKind.PRESENT,
        outcome=GateOutcome.PASSED if there else GateOutcome.FAILED,
        value=head if there else None,
        reason="" if there else "not logged" if head is None else "not a finite number",
    )


def pending(gate: Gate) -> Gate:
    """The gate as long as the run is not over: a number that is not there yet may come, and one that is may change."""
    return replace(gate, outcome=GateOutcome.INCONCLUSIVE, reason="the run is not over")


def _bound(metric: MetricSpec, limit: float, head: float | None) -> Gate:
    if head is None or not isfinite(head):
        reason = "not logged" if head is None else "not a finite number"
        return Gate(metric=metric.name, kind=GateKind.MINIMUM, outcome=GateOutcome.FAILED, limit=limit, reason=reason)
    kept = head >= limit if metric.goal == "max" else head <= limit
    return Gate(
        metric=metric.name,
        kind=GateKind.MINIMUM,
        outcome=GateOutcome.PASSED if kept else GateOutcome.FAILED,
        limit=limit,
        value=head,
    )


def _drop(metric: MetricSpec, limit: float, verdict: MetricVerdict) -> Gate:
    evidence = verdict.evidence
    if evidence is None:
        drop = _loss(metric, verdict.head, verdict.baseline)
        return Gate(
            metric=metric.name,
            kind=GateKind.MAX_DROP,
            outcome=GateOutcome.INCONCLUSIVE,
            limit=limit,
            value=drop,
            reason=verdict.reason,
        )
    narrow, sign = evidence.narrow, -1.0 if metric.goal == "max" else 1.0
    least, most = sorted((sign * narrow.low, sign * narrow.high))
    reason, outcome = "", GateOutcome.PASSED if most <= limit else GateOutcome.FAILED
    if least <= limit < most:
        outcome, reason = GateOutcome.INCONCLUSIVE, f"the drop may be more than {limit:g}, or less"
    return Gate(
        metric=metric.name,
        kind=GateKind.MAX_DROP,
        outcome=outcome,
        limit=limit,
        value=sign * evidence.difference,
        reason=reason,
    )


def _loss(metric: MetricSpec, head: float | None, baseline: float | None) -> float | None:
    if head is None or baseline is None or not (isfinite(head) and isfinite(baseline)):
        return None
    return baseline - head if metric.goal == "max" else head - baseline
