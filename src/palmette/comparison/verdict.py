"""What a comparison concludes, for each declared metric and for the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from palmette.comparison.evidence import LEVEL, Evidence, Interval, Refusal, Scope
from palmette.domain.values import Json


class Outcome(StrEnum):
    """Is the head better than the baseline?"""

    BETTER = "better"
    WORSE = "worse"
    #: the difference is shown to be smaller than what matters
    EQUIVALENT = "equivalent"
    #: neither a difference nor its absence is shown
    INCONCLUSIVE = "inconclusive"
    #: the numbers do not answer the same question
    NOT_COMPARABLE = "not comparable"


class Role(StrEnum):
    """What a metric is for."""

    #: it decides
    PRIMARY = "primary"
    #: it may not become worse
    GUARD = "guard"


class GateKind(StrEnum):
    """What a gate asks for."""

    #: the absolute bound of a metric
    MINIMUM = "minimum"
    #: the largest loss against the baseline
    MAX_DROP = "max_drop"
    #: that the metric is there at all, which is what a toy run can show
    PRESENT = "present"


class GateOutcome(StrEnum):
    """Whether a gate lets the run through."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bound that was declared, and whether the run keeps it."""

    metric: str
    kind: GateKind
    outcome: GateOutcome
    #: the bound; None for `PRESENT`
    limit: float | None = None
    #: what is held against it: the head's number, or the drop; None where it is unknown
    value: float | None = None
    #: why, as a fragment of a sentence
    reason: str = ""

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        return {
            "metric": self.metric,
            "gate": self.kind.value,
            "outcome": self.outcome.value,
            "limit": self.limit,
            "value": self.value,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class MetricVerdict:
    """What is concluded of one declared metric."""

    name: str
    #: "max" or "min"
    goal: str
    role: Role
    outcome: Outcome
    #: the numbers of the two runs; None where there is none
    head: float | None
    baseline: float | None
    tolerance: float | None = None
    #: what decided; None where there was nothing to decide by
    evidence: Evidence | None = None
    #: why it is inconclusive or not comparable, as a fragment of a sentence
    reason: str = ""
    #: a guard's p after Holm's correction
    adjusted: float | None = None
    #: better evidence that could not be used, best first
    refused: tuple[Refusal, ...] = ()
    #: what earlier runs say, where something better decided: shown, and changes nothing
    band: Evidence | None = None

    @property
    def harmed(self) -> bool:
        """Whether it is worse, as a guard also after Holm's correction."""
        return self.outcome is Outcome.WORSE and (self.adjusted is None or self.adjusted <= LEVEL)

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        return {
            "metric": self.name,
            "goal": self.goal,
            "role": self.role.value,
            "verdict": self.outcome.value,
            "scope": self.evidence.scope.value if self.evidence else None,
            "head": self.head,
            "baseline": self.baseline,
            "tolerance": self.tolerance,
            "reason": self.reason,
            "p_holm": self.adjusted,
            "evidence": _evidence(self.evidence),
            "noise_band": _evidence(self.band),
            "not_used": [{"method": each.method.name, "reason": each.reason} for each in self.refused],
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is concluded of a run."""

    outcome: Outcome
    #: None where no metric decided
    scope: Scope | None = None
    #: the metric that decided; empty where none did
    by: str = ""
    #: why, where the metric does not say it
    reason: str = ""
    #: the primary metric first
    metrics: tuple[MetricVerdict, ...] = ()
    gates: tuple[Gate, ...] = ()
    #: what the reader must know of the examples, as fragments: "baseline rescored, 12 left out"
    remarks: tuple[str, ...] = ()
    #: what would make the two comparable, as a command; empty where nothing is known to
    hint: str = ""

    @property
    def gate(self) -> GateOutcome:
        """Of all gates together: one that failed decides, then one that is inconclusive."""
        found = {gate.outcome for gate in self.gates}
        ordered = (GateOutcome.FAILED, GateOutcome.INCONCLUSIVE)
        return next((outcome for outcome in ordered if outcome in found), GateOutcome.PASSED)

    @property
    def deciding(self) -> MetricVerdict | None:
        """The verdict of the metric that decided."""
        return next((metric for metric in self.metrics if metric.name == self.by), None)

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        return {
            "verdict": self.outcome.value,
            "scope": self.scope.value if self.scope else None,
            "decided_by": self.by or None,
            "reason": self.reason,
            "gate": self.gate.value,
            "metrics": [metric.as_json() for metric in self.metrics],
            "gates": [gate.as_json() for gate in self.gates],
            "remarks": list(self.remarks),
            "hint": self.hint,
        }


def decide(evidence: Evidence, goal: str, tolerance: float | None) -> Outcome:
    """Equivalence first, by two one-sided tests; then whether there is a difference at all."""
    if evidence.identical or (tolerance and evidence.narrow.within(tolerance)):
        return Outcome.EQUIVALENT
    if evidence.wide.excludes_zero:
        return Outcome.BETTER if (evidence.difference > 0.0) == (goal == "max") else Outcome.WORSE
    return Outcome.INCONCLUSIVE


def holm(values: Sequence[float]) -> list[float]:
    """Each p, corrected for having asked several times (Holm 1979); compare with the same level as one alone."""
    adjusted, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = least
    return adjusted


def why(outcome: Outcome, tolerance: float | None) -> str:
    """The reason that lies in the interval itself, as a fragment of a sentence; empty where the interval is one."""
    match outcome:
        case Outcome.BETTER | Outcome.WORSE | Outcome.EQUIVALENT | Outcome.NOT_COMPARABLE:
            return ""
        case Outcome.INCONCLUSIVE if tolerance:
            return f"the interval holds zero and reaches beyond ±{tolerance:g}"
        case Outcome.INCONCLUSIVE:
            return "the interval holds zero, and no tolerance is declared within which it would be equivalent"
        case _:
            assert_never(outcome)


def _evidence(found: Evidence | None) -> dict[str, Json] | None:
    if found is None:
        return None
    return {
        "method": found.method.name,
        "source": found.method.source,
        "head": found.head,
        "baseline": found.baseline,
        "difference": found.difference,
        "interval_90": _interval(found.narrow),
        "interval_95": _interval(found.wide),
        "p": found.p,
        "n": found.n,
        "n_baseline": found.n_baseline,
        "unit": found.method.unit,
        "scope": found.scope.value,
        "identical": found.identical,
    }


def _interval(found: Interval) -> list[Json]:
    return [found.low, found.high]
