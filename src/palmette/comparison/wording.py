"""A verdict in one sentence."""

from __future__ import annotations

from math import floor, log10

from palmette.comparison.evidence import REUSED, Evidence, Interval, Scope
from palmette.comparison.verdict import MetricVerdict, Outcome, Verdict

UNKNOWN = "how much retraining alone would move it is unknown"


def sentence(verdict: MetricVerdict) -> str:
    """What is concluded of a metric, how sure it is, by what, and about what."""
    evidence = verdict.evidence
    if evidence is None:
        numbers = _bare(verdict)
        return f"{verdict.outcome.value}: {verdict.name}{numbers}: {verdict.reason}"
    parts = [f"{verdict.outcome.value}: {verdict.name} {_difference(verdict, evidence)}", _basis(evidence)]
    text = ", ".join(parts)
    if verdict.reason:
        text += f": {verdict.reason}"
    if verdict.outcome is Outcome.WORSE and not verdict.harmed:
        text += "; not worse after Holm's correction over the guards"
    return f"{text}; {_about(verdict, evidence)}"


def headline(verdict: Verdict) -> str:
    """What is concluded of the run: the sentence of the metric that decided, or the reason why none did."""
    deciding = verdict.deciding
    return sentence(deciding) if deciding else f"{verdict.outcome.value}: {verdict.reason}"


def signed(value: float, decimals: int) -> str:
    """A number with its sign, which zero has not."""
    text = f"{abs(value):.{decimals}f}"
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"


def decimals(evidence: Evidence) -> int:
    """As many as the interval makes sense of: its first digit, and no end that is shown as a zero that it is not."""
    half = (evidence.wide.high - evidence.wide.low) / 2.0
    if evidence.identical or not half:
        return 3
    least = min(max(-floor(log10(half)), 0), 12)
    ends = (evidence.wide.low, evidence.wide.high) if evidence.wide.excludes_zero else ()
    while least < 12 and any(round(abs(end), least) == 0.0 for end in ends):
        least += 1
    shown = [round(value, least) for value in (evidence.head, evidence.baseline, evidence.difference)]
    # Rounded numbers should still add up, as far as one digit more helps.
    return least + (abs(shown[0] - shown[1] - shown[2]) > 0.5 * 10.0**-least)


def _difference(verdict: MetricVerdict, evidence: Evidence) -> str:
    places = decimals(evidence)
    if evidence.identical:
        return f"{evidence.head:.{places}f}, the same"
    numbers = f"{evidence.baseline:.{places}f} → {evidence.head:.{places}f}, {signed(evidence.difference, places)}"
    if verdict.outcome is Outcome.EQUIVALENT:
        return f"{numbers} (90 % {_interval(evidence.narrow, places)}, within ±{verdict.tolerance:g})"
    return f"{numbers} (95 % {_interval(evidence.wide, places)})"


def _interval(interval: Interval, places: int) -> str:
    return f"{signed(interval.low, places)} … {signed(interval.high, places)}"


def _basis(evidence: Evidence) -> str:
    if evidence.method == REUSED:
        return evidence.method.name
    several = evidence.n_baseline is not None and evidence.n_baseline != evidence.n
    count = f"{evidence.n:,} and {evidence.n_baseline:,}" if several else f"{evidence.n:,}"
    return f"{evidence.method.name} on {count} {evidence.method.unit}"


def _about(verdict: MetricVerdict, evidence: Evidence) -> str:
    if evidence.scope is Scope.CHANGE:
        return "about this change"
    if evidence.identical:
        return "about this model"
    if verdict.band is None:
        return f"about this model: {UNKNOWN}"
    reach = (verdict.band.wide.high - verdict.band.wide.low) / 2.0
    return f"about this model: {verdict.band.n} earlier trainings let a new one move by ±{reach:.2g}"


def _bare(verdict: MetricVerdict) -> str:
    if verdict.head is None or verdict.baseline is None:
        return ""
    return f" {verdict.baseline:.4g} → {verdict.head:.4g}"
