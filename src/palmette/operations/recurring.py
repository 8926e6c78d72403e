"""What a host is asked about recurring runs, in parts that travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from palmette.domain.hosting import Catchup, Cron, Edit, Periodic, Schedule
from palmette.domain.listing import Page, Slice
from palmette.domain.values import Json
from palmette.errors import NotFound, UsageError
from palmette.operations import cron, hosting, schedules
from palmette.operations.home import Home
from palmette.operations.hosts import HostedRun

#: as many ticks are told at the most
_TICKS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a recurring run is to be."""

    name: str
    description: str = ""
    #: identifiers; no version: the newest at each tick
    experiment: str = ""
    pipeline: str = ""
    version: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    root: str = ""
    service_account: str = ""
    #: one of the two: KFP's form, seconds first; or seconds
    cron: str = ""
    every: int = 0
    start: float | None = None
    end: float | None = None
    max_concurrency: int = 1
    catchup: Catchup = Catchup.EACH
    enabled: bool = True

    @classmethod
    def of(cls, schedule: Schedule) -> Wanted:
        """What a schedule asks for."""
        trigger = schedule.trigger
        return cls(
            name=schedule.name,
            description=schedule.description,
            experiment=schedule.experiment,
            pipeline=schedule.pipeline,
            version=schedule.version,
            parameters=schedule.parameters,
            root=schedule.root,
            service_account=schedule.service_account,
            cron=trigger.expression if isinstance(trigger, Cron) else "",
            every=trigger.interval if isinstance(trigger, Periodic) else 0,
            start=trigger.start,
            end=trigger.end,
            max_concurrency=schedule.max_concurrency,
            catchup=schedule.catchup,
            enabled=schedule.enabled,
        )

    def applied(self, schedule: Schedule) -> Schedule:
        """The schedule with these values."""
        if bool(self.cron) == bool(self.every):
            raise UsageError("exactly one of cron and every says when it runs", "Give one of them.")
        trigger = (
            Cron(expression=self.cron, start=self.start, end=self.end)
            if self.cron
            else Periodic(interval=self.every, start=self.start, end=self.end)
        )
        return replace(
            schedule,
            name=self.name,
            description=self.description,
            experiment=self.experiment,
            pipeline=self.pipeline,
            version=self.version,
            spec="" if self.pipeline else schedule.spec,
            parameters=self.parameters,
            root=self.root,
            service_account=self.service_account,
            trigger=trigger,
            max_concurrency=self.max_concurrency,
            catchup=self.catchup,
            enabled=self.enabled,
        )


@dataclass(frozen=True, kw_only=True)
class SchedulesPart:
    """Some recurring runs, and where the next ones begin; empty after the last."""

    items: tuple[Schedule, ...] = ()
    following: str = ""


def list_schedules(home: Home, start: str = "") -> SchedulesPart:
    """Recurring runs in the order in which they were made, of all projects."""

    def page(wanted: Slice) -> Page[Schedule]:
        return schedules.page(home, wanted)

    found, following = hosting.part(page, start)
    return SchedulesPart(items=found.items, following=following)


def create(home: Home, wanted: Wanted) -> Schedule:
    """Make a recurring run. All that is wrong is said at once."""
    blank = Schedule(id="", name=wanted.name, project=hosting.owner(home, wanted.description))
    return schedules.create(home, wanted.applied(blank))


def edit(
    home: Home,
    schedule: str,
    wanted: Wanted,
    *,
    expected: str,
    author: str = "",
    why: str = "",
    caller: str = "",
) -> Schedule:
    """Give a recurring run other values, and keep what changed, who did it and why. Conflict if it is not as
    `expected` says (`edits.mark`): somebody edited it meanwhile."""
    after = wanted.applied(schedules.get(home, schedule))
    return schedules.update(home, after, author=caller or author, why=why, expected=expected)


def history(home: Home, schedule: str) -> tuple[Edit, ...]:
    """How a recurring run was edited, the newest first."""
    return schedules.history(home, schedule)


def ticks(home: Home, schedule: str, count: int = 5) -> tuple[float, ...]:
    """When a recurring run is due next, in seconds since the epoch; while it is paused, when it would be."""
    found = schedules.get(home, schedule)
    return cron.coming(found.trigger, found.next, found.created, min(count, _TICKS), schedules.zone(home))


def switch(home: Home, schedule: str, enabled: bool) -> None:
    """Let a recurring run start runs, or no more. Those that it started go on."""
    if enabled:
        schedules.enable(home, schedule)
    else:
        schedules.disable(home, schedule)


def fire(home: Home, schedule: str) -> HostedRun:
    """Accept a run of it now, besides its ticks."""
    return hosting.told(schedules.fire(home, schedule))


def delete(home: Home, schedule: str) -> None:
    """Forget a recurring run. The runs that it made stay. One that is gone already is no error."""
    try:
        schedules.delete(home, schedule)
    except NotFound:
        return
