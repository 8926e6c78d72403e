"""Recurring runs: make them, change them, and make the runs that they ask for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from palmette.domain.hosting import Catchup, Cron, Edit, Periodic, Schedule, Trigger
from palmette.domain.listing import Page, Slice
from palmette.domain.run import Run
from palmette.errors import (
    CompileError,
    Conflict,
    CorruptBlob,
    NotFound,
    PalmetteError,
    Problem,
    SpecError,
    UsageError,
)
from palmette.operations import cron, documents, edits, experiments, submitting, titles
from palmette.operations.home import Home
from palmette.operations.submitting import Prepared, Submission
from palmette.store import edits as edit_rows
from palmette.store import schedules
from palmette.store.identity import derived_run_id, new_id

#: The variable that names the time zone of cron expressions, as a stock host knows it.
ZONE_VARIABLE: Final = "CRON_SCHEDULE_TIMEZONE"
#: The most runs of one recurring run at once.
MOST: Final = 10
_LONGEST_INTERVAL: Final = 366 * 9 * 86400
#: Seconds since the epoch that a calendar still knows.
_LAST: Final = 250_000_000_000.0
_FIVE: Final = (
    "its schedule {!r} has five fields, which are read as a cluster reads them: second, minute, hour, day, month"
)


def create(home: Home, schedule: Schedule, document: bytes | None = None) -> Schedule:
    """Make a recurring run: of a pipeline's version, of whichever is its newest at each tick, or of a document of its
    own. An empty id is given one, an empty experiment is the default one. All that is wrong is said at once."""
    _require(schedule)
    experiment = experiments.require_open(home, schedule.experiment)
    now = time.time()
    created = schedule.created or now
    made = replace(
        schedule,
        id=schedule.id or new_id(),
        experiment=experiment.id,
        spec=_kept(home, schedule, document),
        max_concurrency=_clamped(schedule.max_concurrency),
        created=created,
        updated=created,
        last=None,
        count=0,
        next=cron.first(schedule.trigger, created, zone(home)),
    )
    schedules.create(home.store, made)
    return made


def get(home: Home, id: str) -> Schedule:
    """The recurring run of this id; NotFound if there is none."""
    found = schedules.get(home.store, id)
    if found is None:
        raise NotFound(f"there is no recurring run {id!r}")
    return found


def page(home: Home, wanted: Slice) -> Page[Schedule]:
    """A part of the list of recurring runs."""
    return schedules.page(home.store, wanted)


def enable(home: Home, id: str) -> None:
    """Let a recurring run go on where it stopped: the ticks that it missed are caught up as its catch-up says. Conflict
    while its experiment is archived, or if that is gone."""
    found = get(home, id)
    try:
        experiments.require_open(home, found.experiment)
    except NotFound:
        raise Conflict(f"the experiment of {found.name!r} was deleted", "Make the recurring run anew.") from None
    schedules.switch(home.store, found.id, enabled=True, time=time.time())


def disable(home: Home, id: str) -> None:
    """Let a recurring run make no more runs. Those that it made go on."""
    schedules.switch(home.store, get(home, id).id, enabled=False, time=time.time())


def update(
    home: Home,
    schedule: Schedule,
    document: bytes | None = None,
    *,
    author: str = "",
    why: str = "",
    expected: str = "",
) -> Schedule:
    """Give a recurring run other values: those of `schedule`, and another document, if one is given. Its ticks and its
    runs stay; what changed, who did it and why is kept. With another trigger it goes on from now, and catches up
    nothing. Conflict if it changed meanwhile, or is not as `expected` (`edits.mark`) says."""
    before = get(home, schedule.id)
    if expected and edits.mark(before) != expected:
        raise _changed()
    _require(schedule)
    experiment = experiments.require_open(home, schedule.experiment)
    now = time.time()
    after = replace(
        schedule,
        experiment=experiment.id,
        spec=_kept(home, schedule, document),
        max_concurrency=_clamped(schedule.max_concurrency),
        created=before.created,
        updated=now,
        last=before.last,
        count=before.count,
        next=before.next if schedule.trigger == before.trigger else _anew(schedule.trigger, now, zone(home)),
    )
    edit = edits.between(before, after, author=author, why=why)
    if schedules.replace(home.store, before, after, edit):
        return after
    if edits.mark(get(home, schedule.id)) == edits.mark(before):
        # A tick came between, which is no change of what was read.
        return update(home, schedule, document, author=author, why=why, expected=expected)
    raise _changed()


def _changed() -> Conflict:
    return Conflict("the recurring run was changed by another just now", "Look at it, and try again.")


def history(home: Home, id: str) -> tuple[Edit, ...]:
    """How a recurring run was edited, the newest first."""
    return edit_rows.of(home.store, get(home, id).id)


def _anew(trigger: Trigger, now: float, zone: tzinfo) -> float | None:
    """The first tick after an edit."""
    coming = trigger if trigger.start is None or trigger.start > now else replace(trigger, start=None)
    return cron.first(coming, now, zone)


def delete(home: Home, id: str) -> None:
    """Forget a recurring run. The runs that it made stay."""
    schedules.remove(home.store, get(home, id).id)


def fire(home: Home, id: str) -> Run:
    """Accept a run of it now, besides its ticks, whether it is paused or not. What is wrong with it is said at once."""
    schedule, now = get(home, id), time.time()
    document = documents.load(home, schedule.spec) if schedule.spec else None
    asked = replace(_submission(schedule, now), id="", document=document, name=f"{schedule.name[:240]} by hand")
    return submitting.submit(home, asked)


# Time zones.


def settle_zone(home: Home, environ: Mapping[str, str]) -> tzinfo:
    """Take the time zone of cron expressions from the environment, UTC where it says nothing, for all servers of the
    store; where it is another one than before, the next ticks are found anew. UsageError for one that is not known."""
    name = environ.get(ZONE_VARIABLE, "").strip() or "UTC"
    if name != (schedules.zone(home.store) or "UTC"):
        found = _zone(name)
        schedules.set_zone(home.store, name)
        for schedule in _all(home):
            if isinstance(schedule.trigger, Cron) and schedule.next is not None:
                coming = cron.following(schedule.trigger, schedule.last, schedule.created, found)
                schedules.replace(home.store, schedule, replace(schedule, next=coming))
    return zone(home)


def zone(home: Home) -> tzinfo:
    """The time zone in which cron expressions are read."""
    name = schedules.zone(home.store)
    return _zone(name) if name else UTC


def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        hint = 'Name one like "Europe/Paris", or UTC. A system without a list of zones needs the package tzdata.'
        raise UsageError(f"{ZONE_VARIABLE} is {name!r}, which is no time zone", hint) from error


def _all(home: Home) -> Iterator[Schedule]:
    wanted = Slice(size=200)
    while True:
        found = schedules.page(home.store, wanted)
        yield from found.items
        if found.following is None:
            return
        wanted = replace(wanted, start=found.following)


# Ticks.


def tick(home: Home, now: float) -> int:
    """Make the runs that are due; how many. Each tick has one run, whoever calls this, when, and how often; one whose
    recurring run has as many runs as it may have waits."""
    here = zone(home)
    return sum(_caught_up(home, schedule, now, here) for schedule in schedules.due(home.store, now))


def _caught_up(home: Home, schedule: Schedule, now: float, zone: tzinfo) -> int:
    """Make the runs of a recurring run that are due and that it may have now; how many."""
    made = 0
    # Each makes a run, or moves on a tick, or ends this.
    while schedule.enabled and schedule.next is not None and schedule.next <= now:
        if schedules.active(home.store, schedule.id) >= schedule.max_concurrency:
            break
        moment = schedule.next
        if schedule.catchup is Catchup.LATEST:
            moment = cron.latest(schedule.trigger, moment, now, zone)
        following = cron.following(schedule.trigger, moment, schedule.created, zone)
        prepared = _prepared(home, schedule, moment)
        done = prepared is not None and schedules.fire(
            home.store, schedule, moment, following=following, run=prepared.run, records=prepared.tasks
        )
        made += done
        read = schedules.get(home.store, schedule.id)
        if read is None or (read == schedule and not done):
            break
        schedule = read
    return made


def _prepared(home: Home, schedule: Schedule, moment: float) -> Prepared | None:
    """The run of a tick; one that failed at once where it cannot begin. None while its experiment takes none."""
    submission = _submission(schedule, moment)
    try:
        if schedule.spec:
            submission = replace(submission, document=documents.load(home, schedule.spec))
        return submitting.prepare(home, submission)
    except (UsageError, SpecError, CompileError, Conflict, CorruptBlob) as error:
        return _refused(home, submission, error)


def _refused(home: Home, submission: Submission, error: PalmetteError) -> Prepared | None:
    try:
        return submitting.refused(home, submission, error)
    except (NotFound, Conflict):
        return None


def _submission(schedule: Schedule, moment: float) -> Submission:
    index = schedule.count + 1
    five = isinstance(schedule.trigger, Cron) and len(schedule.trigger.expression.split()) == 5
    return Submission(
        id=derived_run_id(f"{schedule.id}/{moment:.0f}"),
        name=f"{schedule.name[:240]}-{index}",
        description=schedule.description,
        pipeline=schedule.pipeline,
        version=schedule.version,
        parameters=schedule.parameters,
        experiment=schedule.experiment,
        root=schedule.root,
        service_account=schedule.service_account,
        trigger="schedule",
        project=schedule.project,
        schedule=schedule.id,
        scheduled=moment,
        index=index,
        notices=(_FIVE.format(schedule.trigger.expression),) if five and isinstance(schedule.trigger, Cron) else (),
    )


# What may be asked for.


def _require(schedule: Schedule) -> None:
    """UsageError with all that is wrong with a recurring run, before anything is looked up."""
    found = [*titles.problems("recurring run", schedule.name), *_of_trigger(schedule.trigger)]
    if schedule.version and not schedule.pipeline:
        found.append(Problem(where="version", what="a version is named, but not its pipeline", hint="Give both ids."))
    if found:
        raise UsageError("this recurring run cannot be made as it was asked for", problems=found)


def _of_trigger(trigger: Trigger) -> Iterator[Problem]:
    if isinstance(trigger, Periodic):
        if not 1 <= trigger.interval <= _LONGEST_INTERVAL:
            what = f"{trigger.interval} seconds cannot lie between two runs"
            yield Problem(where="interval", what=what, hint=f"Give 1 to {_LONGEST_INTERVAL}.")
    else:
        try:
            cron.parse(trigger.expression)
        except UsageError as error:
            yield from (replace(problem, where=f"cron, {problem.where}") for problem in error.problems)
    for where, moment in (("start", trigger.start), ("end", trigger.end)):
        if moment is not None and not 0 <= moment <= _LAST:
            yield Problem(where=where, what=f"{moment!r} is no time that a calendar knows")
    if trigger.start is not None and trigger.end is not None and trigger.end < trigger.start:
        yield Problem(where="end", what="it ends before it starts")


def _kept(home: Home, schedule: Schedule, document: bytes | None) -> str:
    """The digest of its own document, if it has one; the pipeline and the parameters are tried first."""
    if (document is not None or bool(schedule.spec)) == bool(schedule.pipeline):
        what = "a pipeline and a document are" if schedule.pipeline else "neither a pipeline nor a document is"
        raise UsageError(f"{what} given", "Give one of them.")
    own = documents.read(document) if document is not None else None
    if own is None and schedule.spec:
        own = documents.load(home, schedule.spec)
    wanted = Submission(
        document=own, pipeline=schedule.pipeline, version=schedule.version, parameters=schedule.parameters
    )
    submitting.require_startable(home, wanted)
    return documents.keep(home, own) if own is not None else ""


def _clamped(number: int) -> int:
    return max(1, min(MOST, number))
