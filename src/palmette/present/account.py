"""One comparison, put into words once: the lines that the terminal, Markdown and HTML lay out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from palmette.comparison import wording
from palmette.comparison.baseline import Rule
from palmette.comparison.verdict import Gate, GateKind, GateOutcome, Outcome, Verdict
from palmette.domain.run import Run
from palmette.operations.comparing import Compared
from palmette.present import causes, figures, words
from palmette.present.entries import Group, Measure

#: what is said where two runs were only laid side by side
UNJUDGED: Final = "not judged"
MARKS: Final = {GateOutcome.PASSED: "✓", GateOutcome.FAILED: "✗", GateOutcome.INCONCLUSIVE: "?"}


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A gate: what it asks for, and how that went."""

    #: "auc is at least 0.95"; the same in every comparison
    demand: str
    outcome: GateOutcome
    #: "0.9929", "dropped by 0.002"
    found: str
    #: why that does not let it pass; empty where the numbers say it
    reason: str = ""

    def told(self, headline: str = "") -> str:
        """What was found, and why that tells nothing unless the headline has said so."""
        reason = "" if self.reason and self.reason in headline else self.reason
        return ": ".join(part for part in (self.found, reason) if part)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Everything that is said of a comparison. All texts may hold what users wrote, as they wrote it."""

    head: Run
    baseline: Run | None
    #: None where the two were only laid side by side
    verdict: Verdict | None
    #: the verdict in a sentence
    headline: str
    #: what the reader must know, as sentences without a full stop
    remarks: tuple[str, ...]
    gates: tuple[Bound, ...]
    #: how the baseline was found; empty where that was not asked
    found: str
    passed_over: tuple[str, ...]
    #: how to get a baseline; empty where there is one
    advice: str
    #: what changed, in a sentence
    summary: str
    changes: tuple[Group, ...]
    measures: tuple[Measure, ...]
    numbers: tuple[Group, ...]
    diff: str

    @property
    def outcome(self) -> Outcome | None:
        """The verdict's word."""
        return self.verdict.outcome if self.verdict else None

    @property
    def moved(self) -> tuple[Measure, ...]:
        """The metrics that differ, or that something was concluded of."""
        return tuple(each for each in self.measures if each.differs or each.outcome not in (None, Outcome.EQUIVALENT))

    def telling(self, most: int) -> tuple[Measure, ...]:
        """So many of these, in order: the declared ones, then those that changed most for what they were."""
        found = self.moved
        if len(found) <= most:
            return found
        ranked = sorted(found, key=lambda each: (not each.goal, -abs(each.share or 0.0)))
        kept = {each.name for each in ranked[:most]}
        return tuple(each for each in found if each.name in kept)


def account(compared: Compared) -> Account:
    """Put a comparison into words."""
    found, choice, verdict = compared.comparison, compared.choice, compared.verdict
    run = found.head.run
    passed = choice.passed_over if choice else ()
    return Account(
        head=run,
        baseline=found.baseline.run if found.baseline else None,
        verdict=verdict,
        headline=_headline(compared),
        remarks=tuple(dict.fromkeys(_remarks(compared))),
        gates=tuple(bound(gate, _goal(run, gate.metric)) for gate in verdict.gates) if verdict else (),
        found=choice.sentence if choice and found.baseline else "",
        passed_over=tuple(
            f"{each.run} ({each.commit[:8]}): {each.reason}" if each.commit else f"{each.run}: {each.reason}"
            for each in passed
        ),
        advice=_advice(compared),
        summary=causes.summary(compared) if found.baseline else "",
        changes=tuple(causes.groups(compared)),
        measures=tuple(_measures(compared)),
        numbers=tuple(figures.groups(found)),
        diff=found.diff,
    )


def bound(gate: Gate, goal: str) -> Bound:
    """Put a gate into words, for a metric with this goal."""
    limit = "" if gate.limit is None else f"{gate.limit:g}"
    value = words.number(gate.value)
    match gate.kind:
        case GateKind.MINIMUM:
            demand = f"{gate.metric} is at {'most' if goal == 'min' else 'least'} {limit}"
        case GateKind.MAX_DROP:
            demand = f"{gate.metric} {'rises' if goal == 'min' else 'drops'} by at most {limit}"
            value = _drop(gate.value, goal)
        case GateKind.PRESENT:
            demand = f"{gate.metric} is there"
        case _:
            assert_never(gate.kind)
    reason = "" if gate.outcome is GateOutcome.PASSED else gate.reason
    return Bound(demand=demand, outcome=gate.outcome, found=value, reason=reason)


def _drop(value: float | None, goal: str) -> str:
    if value is None:
        return ""
    if not value:
        return "unchanged"
    harmful, harmless = ("rose", "dropped") if goal == "min" else ("dropped", "rose")
    return f"{harmful if value > 0 else harmless} by {words.number(abs(value))}"


def _headline(compared: Compared) -> str:
    if compared.verdict is not None:
        return wording.headline(compared.verdict)
    if compared.comparison.baseline is None:
        return f"{Outcome.NOT_COMPARABLE.value}: {_nothing(compared)}"
    return f"{UNJUDGED}: the two runs are laid side by side"


def _nothing(compared: Compared) -> str:
    return compared.choice.sentence if compared.choice else "there is no run to compare with"


def _remarks(compared: Compared) -> Iterator[str]:
    """Of the examples first, since they bear on the verdict."""
    if compared.verdict is not None:
        yield from compared.verdict.remarks
        if compared.verdict.hint:
            yield f"for both on the same data: {compared.verdict.hint}"
    yield from compared.comparison.remarks
    if compared.choice is not None:
        yield from compared.choice.remarks
        if compared.choice.same_data is False and compared.comparison.baseline is not None:
            yield "the baseline was trained on other data"
    for dirty, side in zip(compared.comparison.dirty, ("this run", "the baseline"), strict=True):
        if dirty:
            yield f"{side} was made with uncommitted changes"


def _advice(compared: Compared) -> str:
    if compared.comparison.baseline is not None:
        return ""
    run, choice = compared.comparison.head.run, compared.choice
    target = choice.line.target if choice and choice.rule is Rule.NONE else ""
    algorithm = (choice.alias.partition("@")[0] if choice else "") or run.algorithm
    what = f"{algorithm} with preset {run.preset}" if run.preset not in ("", "full") else algorithm
    where = f" on {target}" if target and (run.git.branch != target or algorithm != run.algorithm) else " once more"
    return f"Run {what}{where}, name a run (palmette diff {run.id} RUN), or pin one (palmette baseline pin RUN)."


def _goal(run: Run, name: str) -> str:
    return next((metric.goal for metric in run.metrics if metric.name == name), "max")


def _measures(compared: Compared) -> Iterator[Measure]:
    """The judged metrics first, the deciding one before all others. With nothing to compare none is."""
    verdict = compared.verdict
    judged = {metric.name: metric for metric in verdict.metrics} if verdict else {}
    changes = {change.name: change for change in compared.comparison.metrics}
    alone = compared.comparison.baseline is None
    for name, metric in judged.items():
        if not (alone and name in changes):
            yield figures.judged(metric, changes.get(name))
    for name, change in changes.items():
        if alone or name not in judged:
            yield figures.bare(change)
