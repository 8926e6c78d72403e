"""What is to be said of a commit: for each algorithm whether it still trains, and whether it is better."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from palmette.domain.branches import Check, Kind, Ticket
from palmette.domain.context import Context
from palmette.domain.fields import TOY
from palmette.domain.run import Run, Setting, Source
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.errors import AccessDenied, NotFound, PalmetteError
from palmette.operations import answering, branches, checks, extras, jobs, reading, searching
from palmette.operations.comparing import Compared
from palmette.operations.details import shown
from palmette.operations.extras import Extra
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.searching import Wanted
from palmette.operations.watching import Watch

#: runs of one commit that are looked at
_MOST: Final = 1_000
#: the entry of a check's verdict that tells what was said of the algorithm last
_MARK: Final = "section"
#: the kinds whose checks keep that entry, the one that counts last
_MARKED: Final = (Kind.VARIANT, Kind.TOY, Kind.FULL)
#: where values come from that are neither the algorithm's nor those of one of its presets
_OWN: Final = (Source.FILE, Source.OVERRIDE)
#: how a task is said to have failed, as far as it quotes nothing
_RAISED: Final = re.compile(
    r"exit code \d+: (?:\w+\.)*(\w*(?:Error|Exception|Interrupt|Exit|Warning))(?::|$)"
    r"|(out of memory|it ran out of time)",
    re.ASCII,
)
#: times that a check is read again because somebody else wrote to it
_TRIES: Final = 5
#: variants of an algorithm that are told of, the newest
_VARIANTS: Final = 5


class Stage(StrEnum):
    """How far a training is that tells something."""

    #: there is none
    NONE = "none"
    #: nothing that goes into it changed since an earlier one
    UNCHANGED = "unchanged"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A training of a commit, a toy one or a full one."""

    stage: Stage = Stage.NONE
    #: None where there is none, or it is not known here
    run: Run | None = None
    check: Check | None = None
    #: why it is as it is, as a sentence without a full stop; empty where nobody said
    reason: str = ""
    #: of one that failed: in which step, and by which exception if that is known, as in "fit (ValueError)"
    lost: str = ""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A training of the commit with values of its own, or of a toy. It says nothing of how good the commit is."""

    run: Run
    stage: Stage
    #: None where no job asked for it
    check: Check | None = None
    #: against its baseline, as far as that tells without executing anything; None before it succeeded
    compared: Compared | None = None

    @property
    def values(self) -> tuple[Setting, ...]:
        """Its own values."""
        return tuple(each for each in self.run.settings if each.source in _OWN)


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What is to be said of one algorithm."""

    algorithm: str
    #: whether it trains
    trains: Trial = Trial()
    #: the full training whose verdict counts
    quality: Trial = Trial()
    #: that training against its baseline; None before it succeeded, or while something is executed for it first
    compared: Compared | None = None
    #: why there is no comparison although there could be one, as a sentence without a full stop
    hurdle: str = ""
    #: something is executed first that the comparison asks for
    waiting: bool = False
    #: where there is no full training: one of another commit of the branch, made of the same, that was judged
    alike: Check | None = None
    #: the newest first
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is to be said of a commit."""

    project: str
    #: full SHA
    commit: str
    context: Context
    algorithms: tuple[Reported, ...] = ()
    #: the branch's tickets, as they are known
    tickets: tuple[Ticket, ...] = ()
    made: float = 0.0
    #: what could not be done, as sentences without a full stop
    remarks: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[Compared, ...]:
        """The comparisons that there are."""
        return tuple(each.compared for each in self.algorithms if each.compared is not None)


def report(
    place: Place,
    project: Project | None,
    environ: Mapping[str, str],
    context: Context,
    algorithms: Sequence[str] | None = None,
    *,
    watch: Watch = lambda _: None,
    names: Iterable[str] = (),
    accept: Callable[[Extra], object] | None = None,
    now: float | None = None,
) -> Report:
    """What is to be said of the job's commit: of these algorithms, else of all that have a check or a run of it and of
    those in `names`. What a comparison asks for is executed and waited for; only handed in where there is `accept`."""
    commit = jobs.commit_of(context)
    found = place(checks.of, commit) if place.there else ()
    runs = _runs(place, commit)
    known = {each.algorithm for each in found} | {each.algorithm for each in runs}
    wanted = sorted({*known, *names}) if algorithms is None else algorithms
    asking = _Asking(place=place, project=project, environ=environ, watch=watch, accept=accept)
    branch = place(branches.named, context.branch) if context.branch and place.there else None
    done = tuple(
        _reported(
            asking,
            name,
            [each for each in found if each.algorithm == name],
            [each for each in runs if each.algorithm == name],
        )
        for name in dict.fromkeys(wanted)
    )
    whose = project.name if project is not None else place.project
    whose = whose or next((each.project for each in found), "")
    return Report(
        project=whose,
        commit=commit,
        context=context,
        algorithms=_alike(place, context.branch, done),
        tickets=branch.tickets if branch is not None else (),
        made=now or time.time(),
    )


def keep(place: Place, found: Report) -> Report:
    """Keep with the checks what the comparisons came to, and what was said of each algorithm; a full training that was
    begun by hand gets a check. The report with the checks as they are then."""
    try:
        return replace(found, algorithms=tuple(_kept(place, found, each) for each in found.algorithms))
    except AccessDenied:
        remark = "what the comparisons came to is not kept, since this token may only read"
        return replace(found, remarks=(*found.remarks, remark))


def settle(place: Place, found: Report, now: float) -> None:
    """Keep that the ends of these trainings were reported."""
    for each in found.algorithms:
        those: tuple[Trial | Variant, ...] = (each.trains, each.quality, *each.variants)
        for trial in those:
            ended = trial.stage is not Stage.RUNNING and not (trial is each.quality and each.waiting)
            if trial.check is not None and trial.check.settled is None and ended:
                place(checks.settle, trial.check, settled=now)


def stamp(reported: Reported) -> str:
    """Changes whenever what is said of the algorithm does."""
    said = [
        (trial.stage.value, trial.run.id if trial.run else "", trial.reason)
        for trial in (reported.trains, reported.quality)
    ]
    verdict = reported.compared and outcome(reported.compared, 0.0)
    variants = [
        (each.run.id, each.stage.value, each.compared and outcome(each.compared, 0.0)) for each in reported.variants
    ]
    told = [said, verdict, reported.hurdle, reported.waiting, variants]
    if reported.alike is not None:
        told.append(reported.alike.run)
    body = json.dumps(told, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def stamps(place: Place, commit: str) -> Mapping[str, str]:
    """Algorithm → the stamp of what was said of it last at this commit, of those that were reported."""
    found = place(checks.of, commit) if place.there else ()
    ranked = sorted(found, key=lambda each: (_MARKED.index(each.kind), each.created))
    return {each.algorithm: str(mark) for each in ranked if (mark := each.verdict.get(_MARK))}


def _kept(place: Place, found: Report, each: Reported) -> Reported:
    quality, trains = each.quality, each.trains
    if quality.run is not None and (quality.check is None or quality.check.run != quality.run.id):
        begun = Check(
            project=found.project or quality.run.project,
            commit=found.commit,
            algorithm=each.algorithm,
            kind=Kind.FULL,
            run=quality.run.id,
            branch=found.context.branch or quality.run.git.branch,
            reason="begun by hand",
            context=found.context,
            created=found.made,
        )
        quality = replace(quality, check=place(checks.record, begun))
    mark: dict[str, Json] = {_MARK: stamp(each)}
    if quality.check is not None:
        mark |= outcome(each.compared, found.made) if each.compared is not None else {}
        quality = replace(quality, check=_written(place, quality.check, mark))
    elif trains.check is not None:
        trains = replace(trains, check=_written(place, trains.check, mark))
    marked = None if quality.check or trains.check else max((one.created for one in _checks(each)), default=None)
    variants = [
        _variant_kept(place, one, found.made, mark if one.check and one.check.created == marked else {})
        for one in each.variants
    ]
    return replace(each, trains=trains, quality=quality, variants=tuple(variants))


def _checks(each: Reported) -> list[Check]:
    return [one.check for one in each.variants if one.check is not None]


def _variant_kept(place: Place, variant: Variant, now: float, mark: Mapping[str, Json]) -> Variant:
    said = {**(outcome(variant.compared, now) if variant.compared is not None else {}), **mark}
    if variant.check is None or not said:
        return variant
    return replace(variant, check=_written(place, variant.check, said))


def _written(place: Place, check: Check, said: Mapping[str, Json]) -> Check:
    """The check with this verdict, whoever wrote to it meanwhile."""
    for _ in range(_TRIES):
        after = place(checks.settle, check, verdict={**check.verdict, **said})
        if after is not None:
            return after
        which = (check.algorithm, check.kind, check.variant)
        known = place(checks.of, check.commit)
        check = next((each for each in known if (each.algorithm, each.kind, each.variant) == which), check)
    return check


def outcome(compared: Compared, now: float) -> dict[str, Json]:
    """What a comparison came to, as it is kept with the check."""
    verdict, found = compared.verdict, compared.comparison
    primary: dict[str, Json] | None = None
    if verdict is not None and verdict.metrics:
        metric = verdict.deciding or verdict.metrics[0]
        head, baseline = metric.head, metric.baseline
        difference = None if head is None or baseline is None else head - baseline
        primary = {"metric": metric.name, "head": head, "baseline": baseline, "difference": difference}
    return {
        "outcome": verdict.outcome.value if verdict else "",
        "gate": verdict.gate.value if verdict else "",
        "primary": primary,
        "head": found.head.run.id,
        "baseline": found.baseline.run.id if found.baseline else "",
        "judged": now,
    }


def _runs(place: Place, commit: str) -> list[Run]:
    """The runs of exactly this commit, the newest first: no points of sweeps, nothing with uncommitted changes."""
    if not place.there:
        return []
    rows = place(searching.runs, Wanted(text=f"commit={commit}", limit=_MOST)).rows
    found = [row.run for row in rows if row.run.git.commit == commit]
    return [run for run in found if not (run.git.dirty or run.imported or run.sweep)]


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """Who asks, and how."""

    place: Place
    project: Project | None
    environ: Mapping[str, str]
    watch: Watch
    accept: Callable[[Extra], object] | None


def _reported(asking: _Asking, name: str, found: Sequence[Check], runs: Sequence[Run]) -> Reported:
    known = {each.kind: each for each in found if each.kind is not Kind.VARIANT}
    asked = {each.run: each for each in found if each.kind is Kind.VARIANT}
    usual = [each for each in runs if each.id not in asked and not _own(each)]
    full = _trial(asking.place, known.get(Kind.FULL), [each for each in usual if each.preset != TOY])
    toy = _trial(asking.place, known.get(Kind.TOY), [each for each in usual if each.preset == TOY])
    if toy.stage is Stage.NONE and full.stage is Stage.SUCCEEDED:
        toy = replace(full, check=toy.check, reason="the full training shows it")
    others = [each for each in runs if each.id in asked or (_own(each) and each.preset != TOY)]
    variants = tuple(_variant(asking, each, asked.get(each.id)) for each in others[:_VARIANTS])
    made = Reported(algorithm=name, trains=toy, quality=full, variants=variants)
    if full.stage is not Stage.SUCCEEDED or full.run is None:
        return made
    try:
        compared, waiting = _compared(asking, full.run)
    except NotFound as error:
        return replace(made, hurdle=error.message)
    return replace(made, compared=compared, waiting=waiting)


def _alike(place: Place, branch: str, found: tuple[Reported, ...]) -> tuple[Reported, ...]:
    """The same, with what was judged before of exactly this code, lock and settings: a commit that changes a text, or a
    branch that was rebased, has no full training and may need none."""
    lacking = {
        each.algorithm: each.trains.check.closure
        for each in found
        if each.quality.stage is Stage.NONE and each.trains.check is not None and each.trains.check.closure
    }
    if not (lacking and branch and place.there):
        return found
    past = [tried.check for tried in place(checks.on_branch, branch)]
    judged = [each for each in past if each.kind is Kind.FULL and each.verdict.get("outcome")]
    # The newest come first, and are to count.
    alike = {each.algorithm: each for each in reversed(judged) if each.closure == lacking.get(each.algorithm)}
    return tuple(replace(each, alike=alike.get(each.algorithm)) for each in found)


def _own(run: Run) -> bool:
    """Whether a run has values of its own, and so does not tell how good its commit is."""
    return any(each.source in _OWN for each in run.settings)


def _variant(asking: _Asking, run: Run, check: Check | None) -> Variant:
    stage = _stage(run)
    compared = None
    if stage is Stage.SUCCEEDED:
        with suppress(NotFound):
            compared, _ = answering.before(asking.place, asking.project, asking.environ, run)
    return Variant(run=run, stage=stage, check=check, compared=compared)


def _trial(place: Place, check: Check | None, runs: Sequence[Run]) -> Trial:
    """How the training stands: the check's own, unless somebody began a better one by hand since."""
    own = next((run for run in runs if check is not None and run.id == check.run), None)
    if own is None and check is not None and check.run:
        own = _run(place, check.run)
    reason = check.reason if check is not None else ""
    if check is not None and check.unchanged:
        return Trial(stage=Stage.UNCHANGED, run=own, check=check, reason=reason)
    candidates = sorted({run.id: run for run in (*runs, *([own] if own else []))}.values(), key=lambda run: run.created)
    if not candidates:
        return Trial(check=check, reason=reason)
    lost = (RunState.FAILED, RunState.CANCELED, RunState.CANCELING)
    standing = [run for run in candidates if run.state not in lost] or candidates
    run = standing[-1]
    where = _lost(place, run) if run.state is RunState.FAILED else ""
    return Trial(stage=_stage(run), run=run, check=check, reason=reason, lost=where)


def _lost(place: Place, run: Run) -> str:
    """Which step failed first, and by which exception. Its text stays out: it may quote what the step has read."""
    try:
        tasks = place(reading.show, run.id).tasks
    except NotFound:
        return ""
    failed = [task for task in tasks if task.state is TaskState.FAILED and not task.group]
    for task in sorted(failed, key=lambda task: task.ended or 0.0):
        found = _RAISED.match(task.message)
        return shown(task) + (f" ({found[1] or found[2]})" if found else "")
    return ""


def _run(place: Place, ref: str) -> Run | None:
    try:
        return place(reading.show, ref).run
    except NotFound:
        return None


def _stage(run: Run) -> Stage:
    match run.state:
        case RunState.SUCCEEDED:
            return Stage.SUCCEEDED
        case RunState.FAILED:
            return Stage.FAILED
        case RunState.CANCELED:
            return Stage.CANCELED
        case RunState.PENDING | RunState.RUNNING | RunState.CANCELING:
            return Stage.RUNNING


def _compared(asking: _Asking, run: Run) -> tuple[Compared | None, bool]:
    """The comparison, and whether something is executed for it first."""
    place, project, environ = asking.place, asking.project, asking.environ
    if asking.accept is None:
        return answering.compare(place, project, environ, run.id, watch=asking.watch), False
    return _handed(asking, run, asking.accept)


def _handed(asking: _Asking, run: Run, accept: Callable[[Extra], object]) -> tuple[Compared | None, bool]:
    """The same where nobody waits."""
    place = asking.place
    found, _ = answering.before(place, asking.project, asking.environ, run)
    if not found.wanting or found.comparison.baseline is None:
        return found, False
    todo = place(extras.needed, run.id, found.comparison.baseline.run.id)
    if not todo:
        return found, False
    try:
        accept(todo[0])
    except PalmetteError as error:
        return answering.remarked(found, f"{todo[0].title}: not done: {error.message}"), False
    return None, True
