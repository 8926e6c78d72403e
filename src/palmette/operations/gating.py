"""Promote a run to an alias, if its gates let it through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from palmette.comparison.verdict import Gate, GateKind, GateOutcome
from palmette.domain.fields import TOY
from palmette.domain.lines import Line
from palmette.domain.run import Run
from palmette.domain.states import RunState, became
from palmette.errors import Conflict, GateFailed, GateInconclusive, Problem, UsageError
from palmette.operations import judging, promoting
from palmette.operations.comparing import Compared
from palmette.operations.home import Home
from palmette.store import promotions, retention, runs
from palmette.store.promotions import Promotion, Ruled, Ruling


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants to promote, and how far gates bind."""

    alias: str
    reason: str = ""
    #: whatever the gates say; needs a reason
    force: bool = False
    #: although it was made of uncommitted changes, too
    allow_dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A run that may be promoted, before its gates are asked."""

    run: str
    #: "tumour@production", where that is a run: what it is compared with; empty for the baseline by rule
    against: str = ""
    #: what the alias is now
    now: Promotion | None = None

    @property
    def already(self) -> bool:
        """The alias is this very run."""
        return self.now is not None and self.now.run == self.run


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What the alias is now, and what it was before."""

    promotion: Promotion
    before: Promotion | None = None

    @property
    def already(self) -> bool:
        """It was this very run before, and nothing was written."""
        return self.before is not None and self.before.serial == self.promotion.serial


def standing(home: Home, ref: str, wanted: Wanted) -> Standing:
    """Whether the run may be promoted at all; UsageError or Conflict with every reason against it. Asks no gates."""
    promoting.require(wanted.alias)
    if wanted.force and not wanted.reason.strip():
        raise UsageError("--force needs a reason, which is kept", "Say it: --force --reason TEXT.")
    run = runs.get(home.store, ref, project=home.project)
    home = replace(home, project=run.project)
    if problems := tuple(_problems(home, run, wanted)):
        raise Conflict(f"run {run.id} of {run.algorithm} cannot be promoted", problems=problems)
    now = promoting.current(home, run.algorithm, wanted.alias)
    return Standing(run=run.id, against=now.name if now else "", now=now)


def promote(
    home: Home, ref: str, wanted: Wanted, line: Line | None = None, *, author: str = "", caller: str = ""
) -> Promoted:
    """Let the run be the alias from now on: RUN is `ALGORITHM@ALIAS` wherever a run is named.

    It is compared with what the alias is now, else with its baseline by rule. GateFailed or GateInconclusive, and
    nothing is written, unless all its gates pass or it is forced. Whatever is said of it is kept for good.
    """
    while True:
        stands = standing(home, ref, wanted)
        if stands.already and stands.now is not None:
            return Promoted(promotion=stands.now, before=stands.now)
        run = runs.get(home.store, stands.run)
        within = replace(home, project=run.project)
        found = judging.judged(within, run.id, stands.against or None, line)
        ruling = _ruling(run, found, wanted)
        if not wanted.force:
            _hold(run, found, wanted.alias)
        made = Promotion(
            project=run.project,
            algorithm=run.algorithm,
            alias=wanted.alias,
            run=run.id,
            author=caller or author,
            reason=wanted.reason.strip(),
            ruling=ruling,
        )
        # Somebody else promoted since: then this one is to be compared with that.
        if done := promotions.add(home.store, made, after=stands.now.serial if stands.now else 0):
            return Promoted(promotion=done, before=stands.now)


def _problems(home: Home, run: Run, wanted: Wanted) -> Iterator[Problem]:
    if run.trigger == runs.EXTRA:
        yield Problem(where="", what="it is no training: it was executed for a comparison")
        return
    if run.state is not RunState.SUCCEEDED:
        became_what = became(run.state) if run.state.final else f"is {run.state.value.lower()}"
        yield Problem(where="", what=f"it {became_what}", hint="Promote one that succeeded.")
    if run.preset == TOY:
        hint = f"Train it whole: palmette run {run.algorithm}"
        yield Problem(where="", what="it is a toy run, which shows only that it trains", hint=hint)
    if run.imported or run.mirrored:
        how = "was imported" if run.imported else "was executed on another host"
        yield Problem(where="", what=f"it {how}: what it made is not here")
    elif retention.collection(home.store, run.id) is not None:
        hint = f"Make it again: palmette rerun {run.id}"
        yield Problem(where="", what="what it made was collected", hint=hint)
    if run.git.dirty and not wanted.allow_dirty:
        hint = "Commit and train again, or say --allow-dirty. A new file counts if a step takes it along."
        yield Problem(where="", what="it was made of uncommitted changes", hint=hint)


def _ruling(run: Run, found: Compared, wanted: Wanted) -> Ruling:
    verdict, choice = found.verdict, found.choice
    gates = verdict.gates if verdict else ()
    return Ruling(
        baseline=choice.run if choice else "",
        found=choice.sentence if choice and choice.run else "",
        verdict=verdict.outcome.value if verdict else "",
        gate=verdict.gate.value if verdict else GateOutcome.PASSED.value,
        gates=tuple(
            Ruled(
                metric=each.metric,
                gate=each.kind.value,
                outcome=each.outcome.value,
                limit=each.limit,
                value=each.value,
                reason=each.reason,
            )
            for each in gates
        ),
        forced=wanted.force and verdict is not None and verdict.gate is not GateOutcome.PASSED,
        dirty=run.git.dirty,
    )


def _hold(run: Run, found: Compared, alias: str) -> None:
    """GateFailed or GateInconclusive unless all gates pass."""
    if found.verdict is None or found.verdict.gate is GateOutcome.PASSED:
        return
    baseline = f" {found.choice.run}" if found.choice and found.choice.run else ""
    hint = f"See: palmette diff {run.id}{baseline}. To promote it all the same: --force --reason TEXT."
    problems = [_problem(each) for each in found.verdict.gates if each.outcome is not GateOutcome.PASSED]
    what = f"run {run.id} was not promoted to {run.algorithm}{promotions.SIGN}{alias}"
    if found.verdict.gate is GateOutcome.FAILED:
        raise GateFailed(f"{what}: its gates failed", hint, problems=problems)
    raise GateInconclusive(f"{what}: its gates are inconclusive", hint, problems=problems)


def _problem(gate: Gate) -> Problem:
    value = "" if gate.value is None else f" {gate.value:.4g}"
    limit = "" if gate.limit is None else f"{gate.limit:g}"
    match gate.kind:
        case GateKind.MINIMUM:
            what = f"{gate.outcome.value}: it is{value}, and the bound is {limit}" if value else gate.outcome.value
        case GateKind.MAX_DROP:
            what = f"{gate.outcome.value}: it drops by{value or ' an unknown amount'}, and {limit} is allowed"
        case GateKind.PRESENT:
            what = gate.outcome.value
        case _:
            assert_never(gate.kind)
    return Problem(where=gate.metric, what=f"{what} ({gate.reason})" if gate.reason else what)
