"""Which branch needs somebody, and why. Pure: it reads what is known, and touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never

from palmette.comparison.verdict import Outcome
from palmette.domain.branches import Kind
from palmette.domain.states import RunState
from palmette.domain.values import Json


class Need(StrEnum):
    """What a branch needs, the most urgent first."""

    #: something does not train at its head
    FAILED = "failed"
    #: something is worse than its baseline
    WORSE = "worse"
    #: whether it is better is not known, though it was tried
    UNCLEAR = "unclear"
    #: what was tried is an older commit
    STALE = "stale"
    RUNNING = "running"
    #: it trains, and nothing is worse
    READY = "ready"
    QUIET = "quiet"
    #: the repository does not have it any more
    GONE = "gone"

    @property
    def urgency(self) -> int:
        """Its place in the list."""
        return _ORDER.index(self)


_ORDER: Final = tuple(Need)
_OUTCOMES: Final = {each.value: each for each in Outcome}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a comparison came to, in short."""

    outcome: Outcome
    #: the primary metric, and what it was
    metric: str = ""
    head: float | None = None
    baseline: float | None = None
    difference: float | None = None
    #: the run that it was compared with
    against: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of an algorithm that was tried at a commit."""

    algorithm: str
    kind: Kind
    commit: str = ""
    run: str = ""
    #: None where its run is not here, or there is none
    state: RunState | None = None
    #: the run is an earlier commit's, since nothing that goes into it changed
    unchanged: bool = False
    created: float = 0.0
    #: why it was run, or was not
    reason: str = ""
    verdict: Verdict | None = None

    @property
    def trains(self) -> bool:
        """Whether its run, or the earlier one that speaks for it, succeeded."""
        return self.state is RunState.SUCCEEDED or (self.unchanged and self.state is None)


def verdict(said: Mapping[str, Json]) -> Verdict | None:
    """The verdict that a check keeps; None where there is none that is understood."""
    outcome, primary = said.get("outcome"), said.get("primary")
    if not isinstance(outcome, str) or outcome not in _OUTCOMES:
        return None
    known = primary if isinstance(primary, Mapping) else {}
    metric, against = known.get("metric"), said.get("baseline")
    return Verdict(
        outcome=_OUTCOMES[outcome],
        metric=metric if isinstance(metric, str) else "",
        head=_number(known.get("head")),
        baseline=_number(known.get("baseline")),
        difference=_number(known.get("difference")),
        against=against if isinstance(against, str) else "",
    )


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that is asked about a branch to say what it needs."""

    gone: bool = False
    #: others are compared with it
    trunk: bool = False
    #: full SHA; empty where no CI told of it
    head: str = ""
    #: at the head
    tried: Sequence[Finding] = ()
    #: the commit of the newest thing that was tried before the head; empty for none
    before: str = ""
    #: a CI told of it; else its head is the newest run's commit
    updated: bool = True
    #: the newest run: its state, algorithm and commit
    newest: RunState | None = None
    algorithm: str = ""
    commit: str = ""
    #: it is a full training of the head that succeeded
    trained: bool = False


def need(known: Known) -> tuple[Need, str]:
    """What a branch needs, and why: a sentence without a full stop."""
    if known.gone:
        return Need.GONE, "the repository does not have it any more"
    # What was tried with values of its own says nothing of the branch.
    known = replace(known, tried=[each for each in known.tried if each.kind is not Kind.VARIANT])
    found = list(_of_checks(known.tried))
    if known.tried and not known.updated and known.newest is not None:
        # Nobody but its runs tells of it: what was tried does not speak for one that was begun since.
        own = _of_newest(known.newest, known.algorithm)
        found += [own] if own[0] not in {Need.QUIET, *(what for what, _ in found)} else []
    if found:
        first = min((what for what, _ in found), key=lambda what: what.urgency)
        return first, _several([why for what, why in found if what is first])
    if known.tried:
        return _calm(known)
    if known.newest is not None and (not known.head or known.commit == known.head):
        return _of_newest(known.newest, known.algorithm)
    if known.head and (known.before or known.newest is not None):
        return Need.STALE, f"nothing was tried at {known.head[:8]} yet{_last(known)}"
    return Need.QUIET, "nothing was tried yet"


def _last(known: Known) -> str:
    before = known.before or known.commit
    return f", the last at {before[:8]}" if before else ""


def _of_checks(tried: Sequence[Finding]) -> Iterator[tuple[Need, str]]:
    """What each thing that was tried asks for; nothing of those that are well."""
    for each in tried:
        match each.state:
            case RunState.FAILED:
                yield Need.FAILED, f"{each.algorithm} ({each.kind}) failed"
            case RunState.CANCELED:
                yield Need.UNCLEAR, f"{each.algorithm} ({each.kind}) was canceled"
            case RunState.PENDING | RunState.RUNNING | RunState.CANCELING:
                yield Need.RUNNING, f"{each.algorithm} ({each.kind}) is not over"
            case RunState.SUCCEEDED | None:
                yield from _of_verdict(each)
            case _:
                assert_never(each.state)


def _of_verdict(each: Finding) -> Iterator[tuple[Need, str]]:
    found = each.verdict
    if found is None or each.kind is Kind.TOY:
        return
    match found.outcome:
        case Outcome.WORSE:
            yield Need.WORSE, f"{each.algorithm} is worse"
        case Outcome.INCONCLUSIVE:
            yield Need.UNCLEAR, f"{each.algorithm} is inconclusive"
        case Outcome.NOT_COMPARABLE if not found.against:
            # The first training of all has nothing to be compared with, and nobody can mend that.
            return
        case Outcome.NOT_COMPARABLE:
            yield Need.UNCLEAR, f"{each.algorithm} is not comparable"
        case Outcome.BETTER | Outcome.EQUIVALENT:
            return
        case _:
            assert_never(found.outcome)


def _calm(known: Known) -> tuple[Need, str]:
    """Of a branch at which nothing is wrong: whether it can be merged, else what is not known yet."""
    full = [each for each in known.tried if each.kind is Kind.FULL]
    judged = [each for each in full if each.verdict and each.verdict.outcome is not Outcome.NOT_COMPARABLE]
    toys = [each for each in known.tried if each.kind is Kind.TOY]
    trains = all(each.trains for each in toys)
    if known.trunk:
        return Need.QUIET, "trains" if toys and trains else "nothing is wrong"
    if judged and trains:
        better = [each.algorithm for each in judged if each.verdict and each.verdict.outcome is Outcome.BETTER]
        if better:
            return Need.READY, _several([f"{each} is better" for each in better])
        return Need.READY, _several([f"{each.algorithm} is equivalent" for each in judged])
    if not judged and any(each.verdict for each in full):
        return Need.QUIET, "trained in full; there is nothing to compare it with yet"
    if known.trained or any(each.state is RunState.SUCCEEDED for each in full):
        return Need.QUIET, "its full training is not compared yet"
    return Need.QUIET, "trains; no full training of its head yet" if toys and trains else "no run of its head is here"


def _of_newest(state: RunState, algorithm: str) -> tuple[Need, str]:
    """Of a branch that no CI told of: how its newest run stands."""
    match state:
        case RunState.FAILED:
            return Need.FAILED, f"its newest run ({algorithm}) failed"
        case RunState.PENDING | RunState.RUNNING | RunState.CANCELING:
            return Need.RUNNING, f"its newest run ({algorithm}) is not over"
        case RunState.CANCELED:
            return Need.QUIET, f"its newest run ({algorithm}) was canceled"
        case RunState.SUCCEEDED:
            return Need.QUIET, f"its newest run ({algorithm}) succeeded"
        case _:
            assert_never(state)


def _several(sentences: Sequence[str]) -> str:
    shown = list(dict.fromkeys(sentences))
    return f"{', '.join(shown[:2])} and {len(shown) - 2} more" if len(shown) > 3 else ", ".join(shown)
