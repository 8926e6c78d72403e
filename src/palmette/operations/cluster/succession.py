"""Recurring runs of a Kubeflow, which has no call that changes one: each edit makes a successor.

The successor is made disabled, the one before is disabled, the successor enabled, the one before deleted. At every
moment there is one that stands, and never are two enabled. All of a line carry its `origin` in the footer, and their
`serial`: whoever looks next finishes what was cut short.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from palmette.domain import wire
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Catchup, Cron, Edit, Periodic, Schedule, Trigger
from palmette.domain.values import Json, canonical
from palmette.errors import AccessDenied, Conflict, NotFound, UsageError
from palmette.operations import cron, edits, macros
from palmette.operations.cluster.official import Line
from palmette.operations.hosts import HostedRun, Order

#: edits that are kept in a footer, and how long all of them may be
_EDITS, _LONGEST = 10, 6000
_MANY: Final = 100
#: what of a footer is the line's, and not the user's
_OWN: Final = ("origin", "serial", "wanted", "edits", "made")


@dataclass(frozen=True)
class KubeflowSchedules:
    """`hosts.Schedules` of a Kubeflow."""

    line: Line
    begin: Callable[[Order], HostedRun]

    def listed(self) -> Iterator[Schedule]:
        """The one of each line that stands, in the order in which they were made."""
        return iter(self._standing())

    def _standing(self) -> list[Schedule]:
        lines: dict[str, list[Schedule]] = {}
        for each in self._all():
            lines.setdefault(_origin(each), []).append(each)
        return [self._settled(members) for members in lines.values()]

    def _all(self) -> Iterator[Schedule]:
        return map(_schedule, self._raw())

    def _raw(self) -> Iterator[Any]:
        token, scope = "", {"namespace": self.line.namespace} if self.line.namespace else {}
        while True:
            said: dict[str, Any] = {**scope, "page_size": _MANY, "page_token": token}
            name = "recurring_run_service_list_recurring_runs"
            answer = self.line.ask("recurring_runs", name, **said)
            yield from answer.recurring_runs or ()
            token = answer.next_page_token or ""
            if not token:
                return

    def _settled(self, members: Sequence[Schedule]) -> Schedule:
        """The one that stands; those before it go, and it is enabled if it is meant to be."""
        last = _newest(members)
        before = [each for each in members if each.id != last.id]
        if not before:
            return last
        # Whoever may only look is shown what stands; so is everybody while its experiment is archived, or somebody else
        # is about to finish it.
        with suppress(AccessDenied, Conflict, NotFound, UsageError):
            return self._taken_over(before, last)
        # As it is meant to be: who edits what is cut short does not mean to pause it.
        return replace(last, enabled=_wanted(last))

    def _taken_over(self, before: Sequence[Schedule], after: Schedule) -> Schedule:
        wanted = _wanted(after)
        for each in before:
            self._quietly("disable", each.id)
        if wanted:
            self.switch(after.id, enabled=True)
        self._require_newest(after)
        for each in before:
            self._quietly("delete", each.id)
        return replace(after, enabled=wanted)

    def _require_newest(self, after: Schedule) -> None:
        """Conflict where another one stands by now. One that has a successor already does not stay enabled by this."""
        line = self._line_of(after)
        newest = _newest(line) if line else after
        if newest.id != after.id:
            self._quietly("disable", after.id)
            if _serial(newest) == _serial(after):
                raise Conflict("the recurring run was changed by another just now", "Look at it, and try again.")

    def _line_of(self, member: Schedule) -> list[Schedule]:
        return [each for each in self._all() if _origin(each) == _origin(member)]

    def _quietly(self, what: str, id: str) -> None:
        """Somebody else may have finished it meanwhile."""
        with suppress(NotFound):
            self._call(what, id)

    def _call(self, what: str, id: str) -> Any:
        name = f"recurring_run_service_{what}_recurring_run"
        return self.line.ask("recurring_runs", name, id)

    def create(self, wanted: Schedule) -> Schedule:
        """Made once: where no answer comes, it is looked for by its origin."""
        text, facts = split(wanted.description)
        facts = {key: value for key, value in facts.items() if key not in _OWN} | {"origin": str(uuid.uuid4())}
        return self._made(replace(wanted, description=signed(text, facts)))

    def _made(self, wanted: Schedule, spec: Any = None) -> Schedule:
        found: Schedule = self.line.describe(
            wanted.description, lambda description: self._once(replace(wanted, description=description), spec)
        )
        return found

    def _once(self, wanted: Schedule, spec: Any) -> Schedule:
        message = self._message(wanted, spec)
        name = "recurring_run_service_create_recurring_run"

        def there() -> Any:
            # Its description is its own.
            return next((each for each in self._raw() if each.description == wanted.description), None)

        return _schedule(self.line.make(there, "recurring_runs", name, message))

    def replace(self, before: Schedule, after: Schedule, *, author: str = "", why: str = "") -> Schedule:
        """Made anew, and the one before goes; what it was stands in the footer of the new one."""
        now = [each for each in self._standing() if _origin(each) == _origin(before)]
        if not now or now[0].id != before.id or edits.mark(now[0]) != edits.mark(before):
            raise Conflict("the recurring run was changed by another just now", "Look at it, and try again.")
        edit = edits.between(before, after, author=author, why=why, now=time.time())
        old = self._call("get", before.id)
        successor = self._made(
            replace(after, description=_signed(before, after, edit), enabled=False),
            None if after.pipeline else old.pipeline_spec,
        )
        rivals = self._line_of(before)
        if rivals and _newest(rivals).id != successor.id:
            self._quietly("delete", successor.id)
            raise Conflict("the recurring run was changed by another just now", "Look at it, and try again.")
        try:
            return self._taken_over([each for each in rivals if each.id != successor.id], successor)
        except NotFound:
            raise Conflict("the recurring run was changed by another just now", "Look at it, and try again.") from None

    def history(self, schedule: Schedule) -> tuple[Edit, ...]:
        """As the footer has it: the last edits."""
        kept = _facts(schedule).get("edits")
        found = kept if isinstance(kept, list) else []
        return tuple(wire.load(Edit, each) for each in found if isinstance(each, Mapping))

    def ticks(self, schedule: Schedule, count: int) -> tuple[float, ...]:
        """As its trigger has it, in UTC: a cluster does not tell, and may be set to another time zone."""
        now = time.time()
        with suppress(UsageError):
            first = cron.first(schedule.trigger, schedule.created)
            if first is not None and first <= now:
                latest = cron.latest(schedule.trigger, first, now)
                first = cron.following(schedule.trigger, latest, schedule.created)
            return cron.coming(schedule.trigger, first, schedule.created, count)
        return ()

    def switch(self, id: str, *, enabled: bool) -> None:
        """Enabled or disabled."""
        self._call("enable" if enabled else "disable", id)

    def fire(self, schedule: Schedule) -> HostedRun:
        """A run of its own, since no call makes a tick."""
        now = time.time()
        # What a run's own id stands for is the cluster's to say.
        at = macros.Moment(run="[[RunUUID]]", now=now, scheduled=now, index=1)
        text, facts = split(schedule.description)
        kept = {key: value for key, value in facts.items() if key not in _OWN} | {"schedule": schedule.id}
        order = Order(
            name=f"{schedule.name[:240]} by hand",
            description=signed(text, kept),
            experiment=schedule.experiment,
            pipeline=schedule.pipeline,
            version=schedule.version,
            parameters={name: macros.expand(value, at) for name, value in schedule.parameters.items()},
            root=schedule.root,
            service_account=schedule.service_account,
        )
        return self.begin(order)

    def remove(self, id: str) -> None:
        """Deleted; its runs stay."""
        self._quietly("delete", id)

    def _message(self, wanted: Schedule, spec: Any) -> Any:
        models, target, trigger = self.line.models, self.line.target, wanted.trigger
        bounds = {"start_time": _time(trigger.start), "end_time": _time(trigger.end)}
        if isinstance(trigger, Cron):
            due = models.V2beta1Trigger(cron_schedule=models.V2beta1CronSchedule(cron=trigger.expression, **bounds))
        else:
            every = models.V2beta1PeriodicSchedule(interval_second=str(trigger.interval), **bounds)
            due = models.V2beta1Trigger(periodic_schedule=every)
        reference = models.V2beta1PipelineVersionReference(
            pipeline_id=wanted.pipeline, pipeline_version_id=wanted.version or None
        )
        return models.V2beta1RecurringRun(
            display_name=wanted.name,
            description=wanted.description,
            experiment_id=wanted.experiment or None,
            pipeline_version_reference=reference if wanted.pipeline else None,
            pipeline_spec=None if wanted.pipeline else spec,
            runtime_config=models.V2beta1RuntimeConfig(
                parameters=dict(wanted.parameters), pipeline_root=wanted.root or target.pipeline_root or None
            ),
            service_account=wanted.service_account or target.service_account or None,
            max_concurrency=str(wanted.max_concurrency),
            trigger=due,
            mode="ENABLE" if wanted.enabled else "DISABLE",
            no_catchup=wanted.catchup is Catchup.LATEST,
        )


def _facts(schedule: Schedule) -> dict[str, Json]:
    return split(schedule.description)[1]


def _origin(schedule: Schedule) -> str:
    return str(_facts(schedule).get("origin", "")) or schedule.id


def _serial(schedule: Schedule) -> int:
    found = _facts(schedule).get("serial", 0)
    return found if isinstance(found, int) else 0


def _wanted(schedule: Schedule) -> bool:
    """Whether it is meant to be enabled once it stands."""
    return _facts(schedule).get("wanted") is not False


def _newest(line: Sequence[Schedule]) -> Schedule:
    """The one that stands; of two that succeed the same one, the earlier. Nothing else may decide: where that changed
    with time, two could each give way to the other, and none would be left."""
    highest = max(map(_serial, line))
    return min((each for each in line if _serial(each) == highest), key=_age)


def _age(schedule: Schedule) -> tuple[float, str]:
    return schedule.created, schedule.id


def _signed(before: Schedule, after: Schedule, edit: Edit) -> str:
    """The description of a successor: its text, its facts, and what it was before, as far as that fits."""
    text, facts = split(after.description)
    was = _facts(before).get("edits")
    kept: list[Json] = [wire.dump(edit), *(was if isinstance(was, list) else [])][:_EDITS]
    while len(kept) > 1 and len(canonical(kept)) > _LONGEST:
        kept.pop()
    line: dict[str, Json] = {
        "origin": _origin(before),
        "serial": _serial(before) + 1,
        "wanted": after.enabled,
        "edits": kept,
    }
    line["made"] = str(uuid.uuid4())
    return signed(text, {**facts, **line})


def _time(given: float | None) -> datetime | None:
    return None if given is None else datetime.fromtimestamp(given, UTC)


def _moment(given: datetime | None) -> float | None:
    return given.timestamp() if given is not None and given.timestamp() > 0 else None


def _schedule(found: Any) -> Schedule:
    reference, config = found.pipeline_version_reference, found.runtime_config
    return Schedule(
        id=found.recurring_run_id,
        name=found.display_name or "",
        description=found.description or "",
        experiment=found.experiment_id or "",
        pipeline=getattr(reference, "pipeline_id", "") or "",
        version=getattr(reference, "pipeline_version_id", "") or "",
        parameters=dict(getattr(config, "parameters", None) or {}),
        root=getattr(config, "pipeline_root", "") or "",
        service_account=found.service_account or "",
        trigger=_trigger(found.trigger),
        max_concurrency=int(found.max_concurrency or 1),
        catchup=Catchup.LATEST if found.no_catchup else Catchup.EACH,
        enabled=found.status == "ENABLED" or (not found.status and found.mode == "ENABLE"),
        created=_moment(found.created_at) or 0.0,
        updated=_moment(found.updated_at) or 0.0,
    )


def _trigger(found: Any) -> Trigger:
    cron, periodic = getattr(found, "cron_schedule", None), getattr(found, "periodic_schedule", None)
    if cron is not None:
        return Cron(expression=cron.cron or "", start=_moment(cron.start_time), end=_moment(cron.end_time))
    interval = int(getattr(periodic, "interval_second", 0) or 0)
    start, end = getattr(periodic, "start_time", None), getattr(periodic, "end_time", None)
    return Periodic(interval=interval, start=_moment(start), end=_moment(end))
