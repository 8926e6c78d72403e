"""Which run a run is compared with: a rule over facts that others have gathered from the repository and the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from palmette.domain.lines import Line, Start
from palmette.domain.values import Json


class Rule(StrEnum):
    """Why a run is the baseline."""

    PINNED = "pinned"
    #: it is of the nearest commit that has one
    NEAREST = "nearest commit"
    #: none of the commits has one, so it is the newest of the target branch
    NEWEST = "newest"
    #: whoever asked named it
    NAMED = "named"
    #: an alias says which run it is: "tumour@production"
    ALIAS = "alias"
    #: there is no repository, so it is the run before it
    PREVIOUS = "previous"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run that might be the baseline."""

    run: str
    algorithm: str
    preset: str
    #: full SHA; empty where it is not known
    commit: str
    branch: str
    #: seconds since the epoch
    created: float
    succeeded: bool
    #: names of the config fields that were overridden
    overrides: tuple[str, ...] = ()
    #: it was made of uncommitted changes as well
    dirty: bool = False
    #: digest over the outputs of its source steps; empty where it is not known
    data: str = ""


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A run that was nearer, or newer, and why it is not the baseline."""

    run: str
    commit: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The baseline, if there is one, and how it was found."""

    #: empty for none
    run: str
    rule: Rule
    line: Line
    #: commits between the start of the line and the baseline's; 0 is the start itself; None off the line
    distance: int | None = None
    #: whether it was trained on the head's data; None where that is not known
    same_data: bool | None = None
    passed_over: tuple[PassedOver, ...] = ()
    #: what the reader should know, as sentences without a full stop
    remarks: tuple[str, ...] = ()
    #: "tumour@production" where that says which run it is; "tumour" where the runs of that algorithm were looked at
    #: instead of the head's own
    alias: str = ""

    @property
    def sentence(self) -> str:
        """How it was found, without a full stop."""
        target, kind = self.line.target, f"{self.alias} run" if self.alias else "run"
        match self.rule:
            case Rule.PINNED:
                return "the run that was pinned"
            case Rule.NEAREST:
                return f"nearest {kind} on {target}, {_before(self.line.start, self.distance or 0)}"
            case Rule.NEWEST:
                return f"newest {kind} on {target}, as {_instead(self.line)}"
            case Rule.NAMED:
                return "the run that was named"
            case Rule.ALIAS:
                return f"the run that {self.alias} is"
            case Rule.PREVIOUS:
                return f"the {kind} before it, as there is no repository"
            case Rule.NONE:
                if not target:
                    return f"no {kind} before it to compare with"
                other = "other " if self.line.start.on_target and not self.alias else ""
                return f"no {other}{kind} on {target} to compare with"
            case _:
                assert_never(self.rule)

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        return {
            "run": self.run or None,
            "rule": self.rule.value,
            "target": self.line.target,
            "start": self.line.start.value,
            "distance": self.distance,
            "alias": self.alias or None,
            "sentence": self.sentence,
            "same_data": self.same_data,
            "shallow": self.line.shallow,
            "passed_over": [
                {"run": each.run, "commit": each.commit, "reason": each.reason} for each in self.passed_over
            ],
            "remarks": list(self.remarks),
        }


def choose(
    head: Candidate,
    line: Line,
    candidates: Sequence[Candidate],
    pinned: Candidate | None = None,
    *,
    remarks: tuple[str, ...] = (),
    alias: str = "",
) -> Choice:
    """Choose the baseline of a run: the pinned one; else of the nearest commit of the line that has a fitting run, on
    the head's data if one is, else the newest; else the newest fitting run of the target branch. With an `alias`, the
    runs are that algorithm's."""
    if pinned is not None and pinned.run != head.run:
        return given(head, line, pinned, Rule.PINNED)
    if pinned is not None:
        remarks = ("the pinned baseline is this very run", *remarks)
    remarks = (*remarks, *_remarks(line))
    wanted = replace(head, algorithm=alias or head.algorithm)
    found = _chosen(wanted, line, [each for each in candidates if each.run != head.run], remarks)
    return replace(found, alias=alias)


def given(
    head: Candidate,
    line: Line,
    baseline: Candidate,
    rule: Rule,
    *,
    remarks: tuple[str, ...] = (),
    alias: str = "",
    passed_over: tuple[PassedOver, ...] = (),
) -> Choice:
    """The choice of a run that no walk has found: what is unusual about it is said."""
    of = replace(head, algorithm=baseline.algorithm)
    reason = _unfit(of, baseline)
    if rule is Rule.PREVIOUS and baseline.overrides:
        reason = ""
    odd = (f"the baseline is no usual one: {reason}",) if reason else ()
    itself = ("it is compared with itself",) if baseline.run == head.run else ()
    return Choice(
        run=baseline.run,
        rule=rule,
        line=line,
        distance=_place(line, baseline),
        same_data=_same(head, baseline),
        passed_over=passed_over,
        remarks=(*remarks, *itself, *odd),
        alias=alias,
    )


def previous(head: Candidate, line: Line, candidates: Sequence[Candidate], *, remarks: tuple[str, ...] = ()) -> Choice:
    """The choice where there is no repository: the newest earlier run that succeeded, with whatever settings."""
    earlier = [each for each in candidates if each.created <= head.created and each.run != head.run]
    best = max((each for each in earlier if each.succeeded), key=lambda each: (each.created, each.run), default=None)
    since = [each for each in earlier if best is None or each.created > best.created]
    passed = tuple(_passed(head, since))
    if best is None:
        return Choice(run="", rule=Rule.NONE, line=line, passed_over=passed, remarks=remarks)
    return given(head, line, best, Rule.PREVIOUS, passed_over=passed, remarks=remarks)


def _chosen(head: Candidate, line: Line, others: Sequence[Candidate], remarks: tuple[str, ...]) -> Choice:
    passed: list[PassedOver] = []
    for distance, commit in enumerate(line.commits):
        there = [each for each in others if each.commit == commit]
        fitting = [each for each in there if not _unfit(head, each)]
        passed += _passed(head, there)
        if fitting:
            best = max(fitting, key=lambda each: (_same(head, each) is True, each.created, each.run))
            return Choice(
                run=best.run,
                rule=Rule.NEAREST,
                line=line,
                distance=distance,
                same_data=_same(head, best),
                passed_over=tuple(passed),
                remarks=remarks,
            )
    return _newest(head, line, others, passed, remarks)


def _newest(
    head: Candidate, line: Line, others: Sequence[Candidate], passed: list[PassedOver], remarks: tuple[str, ...]
) -> Choice:
    seen = {each.run for each in passed}
    there = [each for each in others if each.branch == line.target and each.run not in seen]
    fitting = [each for each in there if not _unfit(head, each)]
    best = max(fitting, key=lambda each: (each.created, each.run), default=None)
    newer = [each for each in there if best is None or each.created > best.created]
    passed_over = (*passed, *_passed(head, newer))
    if best is None:
        return Choice(run="", rule=Rule.NONE, line=line, passed_over=passed_over, remarks=remarks)
    which = f"{best.commit[:8]} is not among those of {line.target} that this run is known to come from"
    gone = f"the baseline's commit {which if best.commit else 'is not known'}"
    itself = line.start.on_target and best.commit == head.commit != ""
    return Choice(
        run=best.run,
        rule=Rule.NEWEST,
        line=line,
        same_data=_same(head, best),
        passed_over=passed_over,
        remarks=(*remarks, *([] if itself else [gone])),
    )


def _unfit(head: Candidate, other: Candidate) -> str:
    """Why it cannot be the baseline; empty if it can."""
    if other.algorithm != head.algorithm:
        return f"another algorithm ({other.algorithm})"
    if other.preset != head.preset:
        return f"another preset ({other.preset})"
    if not other.succeeded:
        return "it did not succeed"
    if other.overrides:
        return f"overrides ({', '.join(other.overrides)})"
    return "uncommitted changes" if other.dirty else ""


def _passed(head: Candidate, found: Sequence[Candidate]) -> Iterator[PassedOver]:
    """The unfit ones, newest first; runs of other algorithms are no near misses."""
    for each in sorted(found, key=lambda each: (-each.created, each.run)):
        reason = _unfit(head, each)
        if reason and each.algorithm == head.algorithm:
            yield PassedOver(run=each.run, commit=each.commit, reason=reason)


def _same(head: Candidate, other: Candidate) -> bool | None:
    return head.data == other.data if head.data and other.data else None


def _place(line: Line, candidate: Candidate) -> int | None:
    return line.commits.index(candidate.commit) if candidate.commit in line.commits else None


def _instead(line: Line) -> str:
    """Why no commit of the line decides."""
    if line.commits:
        return "no commit before it has one"
    return "no commit before it is known" if line.start.on_target else "it is not known where this one left it"


def _before(start: Start, distance: int) -> str:
    """How far from the head's place a commit is, in words."""
    plural = "" if distance == 1 else "s"
    match start:
        case Start.FIRST_PARENT:
            return "1 commit before this one" if not distance else f"{distance + 1} commits before this one"
        case Start.COMMIT:
            return f"{distance} commit{plural} before this one's" if distance else "of the same commit"
        case _:
            return f"{distance} commit{plural} before the {start.value}" if distance else f"at the {start.value}"


def _remarks(line: Line) -> Iterator[str]:
    if line.start is Start.NONE:
        yield f"no commit is known at which this branch left {line.target}"
    yield from line.remarks
    if line.shallow:
        known = f"only {len(line.commits)} commits of {line.target} are" if len(line.commits) > 1 else "only one commit"
        known = known if len(line.commits) > 1 else f"{known} of {line.target} is" if line.commits else "no commit is"
        yield f"this clone is shallow: {known} known"
