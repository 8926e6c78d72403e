"""The extra tasks of a comparison, what is still to be executed and what was found: each is executed once for a pair of
runs, remembered, and listed nowhere. `performing` executes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from math import isfinite
from typing import Final

from palmette.authoring.results import Evaluation
from palmette.comparison.judgement import Replicates
from palmette.domain.graph import MetricSpec
from palmette.domain.run import Run
from palmette.domain.states import AttemptState, RunState
from palmette.errors import NotFound
from palmette.operations import evaluations, resampling, rescoring
from palmette.operations.evaluations import Kept, Matched
from palmette.operations.home import Home
from palmette.operations.rescoring import Draft, Refusal
from palmette.store import extras as rows
from palmette.store import metrics, runs, tasks

#: an exit code from here on says that something from outside ended the process
_SIGNAL: Final = 128


class Purpose(StrEnum):
    """What an extra task is for."""

    RESCORED = "rescored"
    OWN = "rescored by its own step"
    RESAMPLED = "resampled"


@dataclass(frozen=True, kw_only=True)
class Extra:
    """Something that is still to be executed for a comparison."""

    #: ids of runs
    head: str
    baseline: str
    purpose: Purpose

    @property
    def title(self) -> str:
        """What is done, for whoever waits: without a full stop."""
        match self.purpose:
            case Purpose.RESCORED | Purpose.OWN:
                return "scoring the baseline's model on this run's test data"
            case Purpose.RESAMPLED:
                return "resampling the project's own metrics"


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What extra tasks gave for a comparison, and what there is to know of them."""

    #: what the baseline's model answers to the head's examples, with the keys that its own run trained it on
    evaluation: Evaluation | None = None
    #: the numbers of that evaluation
    metrics: Mapping[str, float] = field(default_factory=dict)
    #: whose evaluation step gave it: "head" or "baseline"; empty where there is none
    by: str = ""
    #: the run in which it was made
    run: str = ""
    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    #: metric → why the project's own function gave nothing for it, as a fragment of a sentence
    refused: Mapping[str, str] = field(default_factory=dict)
    #: sentences without a full stop
    remarks: tuple[str, ...] = ()


# What is to be executed


def needed(
    home: Home, head: str, baseline: str, *, again: bool = False, tried: tuple[Purpose, ...] = ()
) -> tuple[Extra, ...]:
    """What has still to be executed for this comparison: one thing at a time, since what comes next depends on it.
    `again`: what failed before is tried once more, unless that was `tried` just now."""
    after, before = (runs.get(home.store, ref, project=home.project) for ref in (head, baseline))
    anew = frozenset(Purpose) - frozenset(tried) if again else frozenset[Purpose]()
    purpose = _Outlook(home=home, head=after, baseline=before, again=anew).next
    return () if purpose is None else (Extra(head=after.id, baseline=before.id, purpose=purpose),)


def found(home: Home, head: Run, baseline: Run) -> Found:
    """What was executed for this comparison; with why not, where something cannot be or failed."""
    return _Outlook(home=home, head=head, baseline=baseline).found


def planned(home: Home, extra: Extra) -> Draft:
    """What is executed for this; NotFound where that cannot be."""
    outlook = _Outlook(home=home, head=runs.get(home.store, extra.head), baseline=runs.get(home.store, extra.baseline))
    draft = outlook.draft(extra.purpose)
    if isinstance(draft, Refusal):
        raise NotFound(draft.reason)
    return draft


@dataclass(frozen=True, kw_only=True)
class _Rescored:
    """How far the rescoring of the baseline is."""

    #: what has still to be executed
    next: Purpose | None = None
    run: Run | None = None
    kept: Kept | None = None
    by: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Outlook:
    """A pair of runs, and what was executed for it."""

    home: Home
    head: Run
    baseline: Run
    #: what is executed once more if it failed
    again: frozenset[Purpose] = frozenset()

    @cached_property
    def matched(self) -> Matched:
        """The evaluations of both, as they are compared."""
        if self.head.id == self.baseline.id or not (self.head.state.final and self.baseline.state.final):
            return Matched(head=None, baseline=None)
        return evaluations.matched(*(tasks.of_run(self.home.store, run.id) for run in (self.head, self.baseline)))

    @cached_property
    def known(self) -> Mapping[str, Run]:
        """What was begun for this pair, by purpose."""
        return rows.of(self.home.store, self.head.id, self.baseline.id)

    @cached_property
    def rescored(self) -> _Rescored | None:
        """How far the rescoring is; None where it is not needed."""
        head, baseline = self.matched.head, self.matched.baseline
        if head is None or baseline is None or not rescoring.differ(self.home, head, baseline):
            return None
        remarks: list[str] = []
        for purpose in (Purpose.RESCORED, Purpose.OWN):
            run = self.known.get(purpose)
            if run is None or self._anew(purpose, run):
                planned = self.draft(purpose)
                if isinstance(planned, Refusal):
                    remarks.append(planned.reason)
                    if planned.own:
                        continue
                    return _Rescored(remarks=tuple(remarks))
                return _Rescored(next=purpose, remarks=tuple(remarks))
            if run.state is RunState.SUCCEEDED:
                return self._good(purpose, run, remarks)
            whose = "this run" if purpose is Purpose.RESCORED else "the baseline"
            remarks.append(f"the evaluation step of {whose} cannot score the baseline's model (palmette logs {run.id})")
        return _Rescored(remarks=tuple(remarks))

    def _good(self, purpose: Purpose, run: Run, remarks: list[str]) -> _Rescored:
        every = evaluations.kept(tasks.of_run(self.home.store, run.id))
        by = "head" if purpose is Purpose.RESCORED else "baseline"
        if not every or not self.home.blobs.exists(every[-1].artifact.digest):
            return _Rescored(remarks=(*remarks, f"what run {run.id} gave for the baseline's model is gone"))
        if altered := self._altered(every[-1]):
            what = f"the baseline is not rescored: what lies elsewhere is not what it was ({', '.join(altered)})"
            return _Rescored(remarks=(*remarks, what))
        # What the head's evaluation was made from, this one was made from too.
        sensitive = every[-1].sensitive or bool(self.matched.head and self.matched.head.sensitive)
        kept = replace(every[-1], sensitive=sensitive)
        said = (*remarks, *run.notices) if purpose is Purpose.RESCORED else (*remarks, *_BY_OWN, *run.notices)
        return _Rescored(run=run, kept=kept, by=by, remarks=said)

    def _altered(self, made: Kept) -> list[str]:
        """The inputs of an evaluation that neither run had: they lie outside, and were changed there."""
        sides = [each.task.parts for each in (self.matched.head, self.matched.baseline) if each]
        known = {text for parts in sides if parts for texts in parts.inputs.values() for text in texts}
        given = made.task.parts.inputs if made.task.parts else {}
        return [slot for slot, texts in given.items() if any(":" in text and text not in known for text in texts)]

    @cached_property
    def next(self) -> Purpose | None:
        """What is to be executed next."""
        if self.rescored is not None and (self.rescored.next or self.rescored.kept is None):
            return self.rescored.next
        if not self.asked or self.hurdle:
            return None
        run = self.known.get(Purpose.RESAMPLED)
        if run is not None and not self._anew(Purpose.RESAMPLED, run):
            return None
        return None if isinstance(self.draft(Purpose.RESAMPLED), Refusal) else Purpose.RESAMPLED

    def _anew(self, purpose: Purpose, run: Run) -> bool:
        """Whether that is to be executed once more, or gone on with."""
        if not run.state.final or run.state is RunState.CANCELED:
            return True
        return run.state is RunState.FAILED and (purpose in self.again or _from_outside(self.home, run))

    @cached_property
    def counterpart(self) -> Kept | None:
        """What the head's examples are compared with."""
        return self.matched.baseline if self.rescored is None else self.rescored.kept

    @cached_property
    def asked(self) -> Mapping[MetricSpec, tuple[float, float | None]]:
        """The metrics that only the project's own code can compute, with the numbers of both sides; without one where
        scoring the baseline again gave none, since another step logs it."""
        wanted = resampling.unknown(self.head.metrics)
        if not wanted or self.counterpart is None or self.matched.head is None:
            return {}
        again = self.rescored.run if self.rescored is not None else None
        ours = metrics.last(self.home.store, self.head.id)
        theirs = metrics.last(self.home.store, again.id if again is not None else self.baseline.id)
        both = {metric: (ours.get(metric.name), theirs.get(metric.name)) for metric in wanted}
        return {
            metric: (one, other)
            for metric, (one, other) in both.items()
            if one is not None and isfinite(one) and (again is not None if other is None else isfinite(other))
        }

    @cached_property
    def hurdle(self) -> str:
        """Why the project's own functions cannot be resampled."""
        head, other = self.matched.head, self.counterpart
        if head is None or other is None:
            return "not both runs gave an evaluation"
        return resampling.impossible(head, other, rescoring.count(self.home, head))

    def draft(self, purpose: Purpose) -> Draft | Refusal:
        """What would be executed for this; why not, where that cannot be."""
        head, baseline = self.matched.head, self.matched.baseline
        if head is None or baseline is None:
            return Refusal(reason="not both runs gave an evaluation")
        if purpose is not Purpose.RESAMPLED:
            sides = (self.head.id, head), (self.baseline.id, baseline)
            return rescoring.draft(self.home, *sides, own=purpose is Purpose.OWN)
        other = self.counterpart
        if other is None or not self.asked or self.hurdle:
            return Refusal(reason=self.hurdle or "there is nothing to resample")
        return resampling.draft(self.home, (self.head.id, head), other, baseline, self.asked)

    # What came of it

    @cached_property
    def found(self) -> Found:
        """All of it."""
        rescored = self.rescored or _Rescored()
        evaluation, remarks = None, list(rescored.remarks)
        if rescored.kept is not None:
            loaded = evaluations.load(self.home, rescored.kept)
            evaluation = self._trained(loaded.evaluation) if loaded.evaluation else None
            if evaluation is None:
                remarks.append(f"run {rescored.run.id if rescored.run else ''} {loaded.reason}")
        done = resampling.Resampled()
        if self.rescored is None or evaluation is not None:
            done = self._resampled()
        return Found(
            evaluation=evaluation,
            metrics={**done.numbers, **evaluation.metrics, **self._logged(rescored.run)} if evaluation else {},
            by=rescored.by if evaluation is not None else "",
            run=rescored.run.id if rescored.run and evaluation is not None else "",
            replicates=done.replicates,
            refused=done.refused,
            remarks=tuple(dict.fromkeys(remarks)),
        )

    def _logged(self, run: Run | None) -> Mapping[str, float]:
        return {} if run is None else metrics.last(self.home.store, run.id)

    def _trained(self, evaluation: Evaluation) -> Evaluation:
        """With the keys that the baseline's own run recorded: those of the head's step are of the head's split."""
        own = evaluations.load(self.home, self.matched.baseline).evaluation
        return replace(evaluation, train_keys=own.train_keys if own is not None else None)

    def _resampled(self) -> resampling.Resampled:
        if not self.asked:
            return resampling.Resampled()
        if self.hurdle:
            return resampling.Resampled(refused={metric.name: self.hurdle for metric in self.asked})
        run = self.known.get(Purpose.RESAMPLED)
        if run is None or not run.state.final or run.state is RunState.CANCELED:
            return resampling.Resampled()
        done = None
        if run.state is RunState.SUCCEEDED:
            done = resampling.read(self.home, tasks.of_run(self.home.store, run.id))
        why = f"it could not be resampled (palmette logs {run.id})"
        return done or resampling.Resampled(refused={metric.name: why for metric in self.asked})


_BY_OWN: Final = ("the baseline was rescored by its own evaluation step",)


def _from_outside(home: Home, run: Run) -> bool:
    """Whether a failure says nothing of the code: the process was killed, or its machinery died."""
    attempts = [attempt for task in tasks.of_run(home.store, run.id) for attempt in task.attempts[-1:]]
    return any(
        attempt.state is AttemptState.LOST or (attempt.exit_code is not None and attempt.exit_code >= _SIGNAL)
        for attempt in attempts
    )
