"""From what is known of two runs to a verdict, by the best evidence at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.comparison.evidence import EXAMPLES, REPLICATES, REUSED, Evidence, Refusal, Scope, identical
from palmette.comparison.functions import Known, agree, known
from palmette.comparison.gates import gates, pending, presence
from palmette.comparison.pairs import Pair, Unpaired
from palmette.comparison.repeats import Earlier, noise_band, over_seeds
from palmette.comparison.smooth import replicated
from palmette.comparison.verdict import MetricVerdict, Outcome, Role, Verdict, decide, holm, why
from palmette.domain.graph import MetricSpec

Array: TypeAlias = npt.NDArray[Any]

TOY = "a toy run shows that it trains, not how well"


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicates:
    """What the project's own function gave for the predictions of both sides, and for resamples of them."""

    head: float
    baseline: float
    #: resamples × (head, baseline), each of the same examples on both sides
    resampled: Array


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is known of a declared metric. What is given of other runs must be of runs on the same data."""

    metric: MetricSpec
    #: the numbers of the two runs; of a baseline that was rescored, its new one
    head: float | None
    baseline: float | None
    #: seed → number, of runs that differ from the two in the seed alone; the two themselves included
    head_seeds: Mapping[str, float] = field(default_factory=dict)
    baseline_seeds: Mapping[str, float] = field(default_factory=dict)
    #: of the default branch, with the baseline's config, the newest first
    earlier: tuple[Earlier, ...] = ()
    replicates: Replicates | None = None
    #: why the project's own function gave none, as a fragment of a sentence; empty where it was not executed
    refused: str = ""
    #: one side did not make its number, but uses what the other made, or both use the same
    reused: bool = False


def judge(questions: Sequence[Question], pair: Pair | Unpaired | None, *, toy: bool = False) -> Verdict:
    """Conclude. Without examples on both sides `pair` is None; a toy run is judged for what it can show."""
    ordered = _ordered(questions)
    if toy:
        return Verdict(
            outcome=Outcome.NOT_COMPARABLE,
            reason=TOY,
            metrics=tuple(_apart(question, role, TOY) for question, role in ordered),
            gates=tuple(presence(question.metric, question.head) for question, _ in ordered),
        )
    metrics = _corrected([_judged(question, role, pair) for question, role in ordered])
    specs = [question.metric for question, _ in ordered]
    return replace(
        _concluded(metrics),
        metrics=tuple(metrics),
        gates=tuple(gate for spec, metric in zip(specs, metrics, strict=True) for gate in gates(spec, metric)),
        remarks=tuple(_remarks(pair)) if isinstance(pair, Pair) else (),
    )


def apart(questions: Sequence[Question], reason: str, *, alone: bool = False, over: bool = True) -> Verdict:
    """Say why nothing can be compared; the absolute bounds judge all the same. `alone`: there is no baseline, so
    nothing can have dropped. Of a run that is not `over`, a number may still come."""
    ordered = _ordered(questions)
    metrics = [_apart(question, role, reason) for question, role in ordered]
    held = [
        gate
        for (question, _), metric in zip(ordered, metrics, strict=True)
        for gate in gates(replace(question.metric, max_drop=None) if alone else question.metric, metric)
    ]
    return Verdict(
        outcome=Outcome.NOT_COMPARABLE,
        reason=reason,
        metrics=tuple(metrics),
        gates=tuple(held if over else map(pending, held)),
    )


def _ordered(questions: Sequence[Question]) -> list[tuple[Question, Role]]:
    """The primary metric first: the one that is named, or else the first."""
    primary = (
        next((question for question in questions if question.metric.primary), *questions[:1]) if questions else None
    )
    rest = [(question, Role.GUARD) for question in questions if question is not primary]
    return rest if primary is None else [(primary, Role.PRIMARY), *rest]


def _judged(question: Question, role: Role, pair: Pair | Unpaired | None) -> MetricVerdict:
    reason = _missing(question, pair)
    if reason:
        return _apart(question, role, reason)
    refused: list[Refusal] = []
    found: Evidence | None = None
    for given in _evidence(question, pair):
        if isinstance(given, Evidence):
            found = given
            break
        refused.append(given)
    if found is None and isinstance(pair, Unpaired) and pair.rescoring_helps:
        return _apart(question, role, pair.reason)
    band = _band(question, pair)
    if found is None and isinstance(band, Evidence):
        found = band
    elif found is None and isinstance(band, Refusal):
        refused.append(band)
    return _settled(question, role, found, tuple(refused), band if isinstance(band, Evidence) else None)


def _settled(
    question: Question, role: Role, found: Evidence | None, refused: tuple[Refusal, ...], band: Evidence | None
) -> MetricVerdict:
    metric = question.metric
    if found is None:
        because = "; ".join(f"{each.method.name}: {each.reason}" for each in refused)
        outcome, reason = Outcome.INCONCLUSIVE, "two single numbers tell nothing" + (f" ({because})" if because else "")
    else:
        outcome = decide(found, metric.goal, metric.tolerance)
        reason = why(outcome, metric.tolerance)
    return MetricVerdict(
        name=metric.name,
        goal=metric.goal,
        role=role,
        outcome=outcome,
        head=question.head,
        baseline=question.baseline,
        tolerance=metric.tolerance,
        evidence=found,
        reason=reason,
        refused=refused,
        band=None if band is found else band,
    )


def _apart(question: Question, role: Role, reason: str) -> MetricVerdict:
    metric = question.metric
    return MetricVerdict(
        name=metric.name,
        goal=metric.goal,
        role=role,
        outcome=Outcome.NOT_COMPARABLE,
        head=question.head,
        baseline=question.baseline,
        tolerance=metric.tolerance,
        reason=reason,
    )


def _missing(question: Question, pair: Pair | Unpaired | None) -> str:
    for side, value in (("this run", question.head), ("the baseline", question.baseline)):
        if value is None and side == "the baseline" and isinstance(pair, Pair) and pair.rescored:
            return f"the evaluation step gives no {question.metric.name} of the baseline's model"
        if value is None:
            return f"{side} has no {question.metric.name}"
        if not isfinite(value):
            return f"the {question.metric.name} of {side} is not a finite number"
    return ""


def _evidence(question: Question, pair: Pair | Unpaired | None) -> Iterator[Evidence | Refusal]:
    """All there is beside the noise band, best first."""
    seeds = over_seeds(question.head_seeds, question.baseline_seeds)
    if seeds is not None:
        yield seeds
    if question.reused and question.head is not None and question.head == question.baseline:
        yield identical(question.head, 1, REUSED)
    if pair is None:
        yield Refusal(method=EXAMPLES, reason="not both runs gave an evaluation")
    elif isinstance(pair, Unpaired):
        yield Refusal(method=EXAMPLES, reason=pair.reason)
    else:
        yield _by_examples(question, pair)


def _by_examples(question: Question, pair: Pair) -> Evidence | Refusal:
    metric, head, baseline = question.metric, question.head, question.baseline
    if pair.same_answers and head is not None and head == baseline:
        return identical(head, pair.n)
    functions = known(metric.of)
    if question.replicates is not None and not functions:
        return _by_task(question, question.replicates, pair)
    if question.refused and not functions:
        return Refusal(method=REPLICATES, reason=question.refused)
    if not functions:
        named = (
            f"what {metric.of.rpartition(':')[2]} computes is not known here" if metric.of else "no function is named"
        )
        return Refusal(method=EXAMPLES, reason=named)
    refused: Refusal | None = None
    for function in functions:
        values = function.values(pair.whole)
        if isinstance(values, Refusal):
            refused = refused or values
        elif agree(values[0], head) and agree(values[1], baseline):
            return _found(function, pair, values)
        else:
            refused = _disagreement(function, values, (head, baseline))
    return refused or Refusal(method=EXAMPLES, reason="no value")


def _found(function: Known, pair: Pair, whole: tuple[float, float]) -> Evidence | Refusal:
    answers = pair.predictions if function.of == "predictions" else pair.scores
    if answers is None or not np.array_equal(*answers):
        return function.evidence(pair)
    values = function.values(pair) if pair.left_out else whole
    return values if isinstance(values, Refusal) else identical(values[0], pair.n)


def _by_task(question: Question, given: Replicates, pair: Pair) -> Evidence | Refusal:
    values = (given.head, given.baseline)
    if not pair.left_out and not (agree(values[0], question.head) and agree(values[1], question.baseline)):
        return _disagreement(None, values, (question.head, question.baseline))
    return replicated(*values, given.resampled, pair.n)


def _disagreement(
    function: Known | None, found: tuple[float, float], logged: tuple[float | None, float | None]
) -> Refusal:
    """A number that the predictions do not give was made of something else, so they say nothing of it."""
    side, value, other = next(
        (side, value, other)
        for side, value, other in zip(("this run", "the baseline"), found, logged, strict=True)
        if not agree(value, other)
    )
    reason = f"recomputed from the predictions of {side} it is {value:.6g}, not the logged {other:.6g}"
    return Refusal(method=function.method if function else REPLICATES, reason=reason)


def rescored(metric: MetricSpec, head: float | None, pair: Pair) -> float | None:
    """The baseline's number on these examples, by the function that gives the head's; None where none is known."""
    every = (function.values(pair.whole) for function in known(metric.of))
    return next((each[1] for each in every if not isinstance(each, Refusal) and agree(each[0], head)), None)


def _band(question: Question, pair: Pair | Unpaired | None) -> Evidence | Refusal:
    # Missing numbers were sorted out before.
    return noise_band(question.head if question.head is not None else 0.0, question.earlier)


def _corrected(metrics: Sequence[MetricVerdict]) -> list[MetricVerdict]:
    """With each guard's p after Holm's correction."""
    guards = [metric for metric in metrics if metric.role is Role.GUARD and metric.evidence is not None]
    values = holm([metric.evidence.p for metric in guards if metric.evidence is not None])
    adjusted = {metric.name: value for metric, value in zip(guards, values, strict=True)}
    return [replace(metric, adjusted=adjusted.get(metric.name)) for metric in metrics]


def _concluded(metrics: Sequence[MetricVerdict]) -> Verdict:
    if not metrics:
        return Verdict(outcome=Outcome.NOT_COMPARABLE, reason="no metric is declared")
    primary, *guards = metrics
    harmed = [guard for guard in guards if guard.harmed]
    if primary.outcome is not Outcome.WORSE and harmed:
        worst = min(harmed, key=lambda guard: guard.adjusted or 0.0)
        return Verdict(outcome=Outcome.WORSE, by=worst.name, scope=_scope(worst), reason="a guard is worse")
    return Verdict(outcome=primary.outcome, by=primary.name, scope=_scope(primary), reason=primary.reason)


def _scope(metric: MetricVerdict) -> Scope | None:
    return metric.evidence.scope if metric.evidence else None


def _remarks(pair: Pair) -> Iterator[str]:
    left_out = f"{pair.left_out:,} left out" if pair.left_out else "none left out"
    if pair.rescored:
        yield f"baseline rescored, {left_out}"
    elif pair.left_out:
        yield f"{left_out}, since a model was trained on them"
    if not pair.training_known:
        yield "training keys unknown, leaks not excluded"
