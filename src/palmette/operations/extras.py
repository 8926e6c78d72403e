"""The extra tasks of a comparison: executed once for a pair of runs, remembered, and listed nowhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from math import isfinite
from typing import Final

from palmette.authoring.results import Evaluation
from palmette.comparison.judgement import Replicates
from palmette.domain.graph import MetricSpec
from palmette.domain.hosting import SERVED
from palmette.domain.run import Run, Setting, TaskRecord
from palmette.domain.states import AttemptState, RunState
from palmette.engine.attempt import remove
from palmette.engine.planning import plan as make_plan
from palmette.errors import Conflict, Interrupted, LeaseLost, NotFound
from palmette.ir import codec
from palmette.ir.spec import PipelineDocument
from palmette.operations import evaluations, originals, rerunning, resampling, rescoring, running
from palmette.operations.accepting import Accepted
from palmette.operations.evaluations import Kept, Matched
from palmette.operations.home import Home, open_home, undriven
from palmette.operations.project import Project
from palmette.operations.rescoring import Draft, Refusal
from palmette.operations.taking import Taken
from palmette.operations.watching import Watch
from palmette.store import extras as rows
from palmette.store import metrics, runs, tasks
from palmette.store.extras import Place
from palmette.store.identity import new_run_id

#: seconds between two looks at a run that another process drives
_PAUSE: Final = 0.5
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
        sensitive = every[-1].sensitive or any(each and each.sensitive for each in (self.matched.head,))
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
    def asked(self) -> Mapping[MetricSpec, tuple[float, float]]:
        """The metrics that only the project's own code can compute, with the numbers of both sides."""
        wanted = resampling.unknown(self.head.metrics)
        if not wanted or self.counterpart is None or self.matched.head is None:
            return {}
        ours = metrics.last(self.home.store, self.head.id)
        theirs = metrics.last(self.home.store, self.baseline.id)
        if self.rescored is not None and self.rescored.run is not None:
            theirs = metrics.last(self.home.store, self.rescored.run.id)
        both = {metric: (ours.get(metric.name), theirs.get(metric.name)) for metric in wanted}
        return {
            metric: (one, other)
            for metric, (one, other) in both.items()
            if one is not None and other is not None and isfinite(one) and isfinite(other)
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
            metrics={**evaluation.metrics, **self._logged(rescored.run)} if evaluation is not None else {},
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


# Executing


def execute(project: Project, environ: Mapping[str, str], extra: Extra, watch: Watch) -> None:
    """Execute it here, to its end, whatever that is; go on with what a dead process began, and wait for what a living
    one does. Interrupted if the user asks for the end."""
    home = open_home(project)
    known = rows.of(home.store, extra.head, extra.baseline).get(extra.purpose)
    while known is not None and not known.state.final:
        if undriven(known):
            try:
                with running.reopen(project, environ, known.id) as accepted:
                    _drive(accepted, watch)
                return
            except LeaseLost:
                pass
        time.sleep(_PAUSE)
        known = runs.get(home.store, known.id)
    if known is not None and known.state is RunState.SUCCEEDED:
        return
    planned = _planned(home, extra)
    directory = originals.code(planned.original)
    with rerunning.reached(project, environ, planned.original, directory) as standing:
        draft = replace(standing, document=_bound(standing, planned))
        run = _run(runs.get(home.store, extra.head), extra, planned)
        run = replace(run, notices=(*run.notices, *_elsewhere(standing)))

        def keep(run: Run, records: tuple[TaskRecord, ...]) -> None:
            if not _accepted(home, extra, run, records, known):
                raise Conflict("another process executes the same just now", "Compare again.")

        _drive(rerunning.accept(draft, run, origin=extra.head, keep=keep), watch)


def _accepted(home: Home, extra: Extra, run: Run, records: tuple[TaskRecord, ...], known: Run | None) -> bool:
    """Whether the run is the one that is executed for this. What was begun before goes, with all that it wrote."""
    place = Place(head=extra.head, baseline=extra.baseline, purpose=extra.purpose.value)
    done = rows.accept(home.store, place, run, records, instead=known.id if known else "")
    if done and known:
        remove(home.runs / known.id)
    return done


def _elsewhere(standing: rerunning.Standing) -> Iterator[str]:
    """That the environment is another one by now, and in what."""
    changes = originals.differences(standing.original.run.environment, standing.environment)
    if changes:
        shown = ", ".join(changes[:3]) + (f" and {len(changes) - 3} more" if len(changes) > 3 else "")
        yield f"the baseline was scored in another environment: {shown}"


def _bound(standing: rerunning.Standing, planned: Draft) -> PipelineDocument:
    """Its pipeline, for the environment that is found here."""
    before, after = planned.original.run.environment, standing.environment
    return originals.rebound(planned.document, before, after, digest=standing.code.name)


def _drive(accepted: Accepted, watch: Watch) -> None:
    detail = running.drive(accepted, watch)
    if detail.run.state is RunState.CANCELED:
        raise Interrupted("the comparison was interrupted", "Compare again: that begins where it is needed.")


def _planned(home: Home, extra: Extra) -> Draft:
    outlook = _Outlook(home=home, head=runs.get(home.store, extra.head), baseline=runs.get(home.store, extra.baseline))
    planned = outlook.draft(extra.purpose)
    if isinstance(planned, Refusal):
        raise NotFound(planned.reason)
    return planned


def _run(head: Run, extra: Extra, planned: Draft) -> Run:
    """What is asked for, as far as it does not depend on who executes it."""
    whose = planned.original.run
    name = f"{head.algorithm}: {'resampled' if extra.purpose is Purpose.RESAMPLED else 'rescored'}"
    return Run(
        id=new_run_id(),
        project=head.project,
        algorithm=name,
        name=name,
        note=f"executed to compare {head.id} with {extra.baseline}",
        preset=whose.preset,
        settings=tuple(Setting(name=slot, value=value) for slot, value in planned.given.parameters.items()),
        git=replace(whose.git, diff=""),
        bundle=whose.bundle,
        environment=whose.environment,
        environments=whose.environments,
        spec="",
        trigger=runs.EXTRA,
        origin=head.id,
        created=time.time(),
        ticket=whose.ticket,
        notices=planned.remarks,
    )


# On a server


def accept(home: Home, extra: Extra, environ: Mapping[str, str] = {}, caller: str = "") -> Taken:
    """Accept what is to be executed for the servers of the store; answer with what is there already, unless that
    failed of nothing that the code has done. NotFound where it cannot be executed."""
    head = runs.get(home.store, extra.head, project=home.project)
    baseline = runs.get(home.store, extra.baseline, project=home.project)
    extra = replace(extra, head=head.id, baseline=baseline.id)
    outlook = _Outlook(home=home, head=head, baseline=baseline)
    known = outlook.known.get(extra.purpose)
    if known is not None and (not known.state.final or known.state is RunState.SUCCEEDED):
        return Taken(run=known, tasks=tasks.of_run(home.store, known.id))
    planned = _planned(home, extra)
    run = replace(_run(head, extra, planned), queue=SERVED, owner=caller, experiment=head.experiment)
    run = replace(run, spec=home.blobs.put_bytes(codec.dumps(planned.document).encode()))
    records = make_plan(planned.document, run.config, images=bool(home.containers)).records()
    if _accepted(home, extra, run, records, known):
        return Taken(run=run, tasks=records)
    known = rows.of(home.store, head.id, baseline.id)[extra.purpose]
    return Taken(run=known, tasks=tasks.of_run(home.store, known.id))
