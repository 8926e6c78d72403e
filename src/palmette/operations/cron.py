"""Cron expressions as Kubeflow Pipelines reads them (robfig/cron, version 1), and the moments that they name.

Six fields: second, minute, hour, day of the month, month, day of the week. Of five fields it is the day of the week
that is left out, not the second: that is how a cluster reads them. A moment is one of the expression's when the clock
on the wall of the time zone shows such a time: one that a change of the clocks leaves out does not come, one that it
repeats comes twice. See `docs/decisions/0024-cron.md`.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from palmette.domain.hosting import Cron, Periodic, Trigger
from palmette.errors import Problem, UsageError

_NAMES: Final = ("second", "minute", "hour", "day of the month", "month", "day of the week")
_BOUNDS: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WORDS: Final[Mapping[int, Mapping[str, int]]] = {
    4: {name: number for number, name in enumerate(_MONTHS, 1)},
    5: {name: number for number, name in enumerate(_DAYS)},
}
_DESCRIPTORS: Final = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_EVERY: Final = "@every "
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LENGTH: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
#: Whatever has no moment within so many days has none: 29 February comes every eight years at least.
_HORIZON: Final = 366 * 9
#: Clocks are changed at full quarters of an hour of the universal time.
_QUARTER: Final = 900
#: A longer expression is nobody's.
_LONGEST: Final = 1024
_LAST_YEAR: Final = 9000


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times that the clock on the wall has to show: for each field its values."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    #: whether both kinds of day have to fit, as one of them was left open, or either
    both: bool

    def on(self, wall: datetime) -> bool:
        """Whether the day is one of them, its month aside."""
        fitting = (wall.day in self.days, wall.isoweekday() % 7 in self.weekdays)
        return all(fitting) if self.both else any(fitting)


def parse(expression: str) -> Times | int:
    """The times that an expression names, or the seconds between moments, for "@every 1h30m". UsageError with every
    field that is wrong."""
    text = expression.strip()
    if len(text) > _LONGEST:
        raise _refused(expression, [Problem(where="cron", what=f"it has more than {_LONGEST} characters")])
    if text.startswith("@"):
        return _described(text)
    fields = text.split()
    if len(fields) not in (5, 6):
        hint = (
            'Write second, minute, hour, day, month, day of the week: "0 30 2 * * *" is every night at half past two.'
        )
        problem = Problem(where="cron", what=f"five or six fields are expected, and there are {len(fields)}", hint=hint)
        raise _refused(expression, [problem])
    problems: list[Problem] = []
    values = [_field(place, field, problems) for place, field in enumerate([*fields, "*"][:6])]
    if problems:
        raise _refused(expression, problems)
    return Times(
        seconds=values[0],
        minutes=values[1],
        hours=values[2],
        days=values[3],
        months=values[4],
        weekdays=values[5],
        both=any(_open(field) for field in ([*fields, "*"][3], [*fields, "*"][5])),
    )


def _described(text: str) -> Times | int:
    if text.startswith(_EVERY):
        return _length(text, text.removeprefix(_EVERY).strip())
    if text not in _DESCRIPTORS:
        hint = f"There are: {', '.join(_DESCRIPTORS)}, @every 1h30m."
        raise _refused(text, [Problem(where="cron", what=f"{text!r} is not known", hint=hint)])
    return parse(_DESCRIPTORS[text])


def _length(text: str, length: str) -> int:
    """Seconds of a length of time as Go writes it, at least one."""
    parts = _LENGTH.findall(length)
    if not parts or "".join(number + unit for number, unit in parts) != length:
        problem = Problem(where="cron", what=f"{length!r} is no length of time", hint="Write it like 90s, 15m, 1h30m.")
        raise _refused(text, [problem])
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not math.isfinite(seconds) or seconds > _HORIZON * 86400:
        raise _refused(text, [Problem(where="cron", what=f"{length!r} is too long")])
    return max(1, int(seconds))


def _refused(expression: str, problems: list[Problem]) -> UsageError:
    return UsageError(f"{expression[:80]!r} is no cron expression", problems=problems)


def _open(field: str) -> bool:
    return any(part[:1] in ("*", "?") for part in field.split(","))


def _field(place: int, field: str, problems: list[Problem]) -> frozenset[int]:
    """The values that a field names."""
    found: set[int] = set()
    parts = [part for part in field.split(",") if part]
    try:
        for part in parts:
            found.update(_range(place, part.lower()))
        if not parts:
            raise ValueError("it is empty")
    except ValueError as error:
        problems.append(Problem(where=_NAMES[place], what=f"{field!r} cannot be read: {error}", hint=_hint(place)))
    return frozenset(found)


def _range(place: int, text: str) -> range:
    """The values of "*", "5", "1-5", "*/15", "3/15", "1-30/2"."""
    low, high = _BOUNDS[place]
    span, *steps = text.split("/")
    ends = span.split("-")
    if len(steps) > 1 or len(ends) > 2:
        raise ValueError("it has too many parts")
    if span in ("*", "?"):
        first, last = low, high
    else:
        first = _number(place, ends[0])
        last = _number(place, ends[1]) if len(ends) == 2 else (high if steps else first)
    step = _digits(steps[0]) if steps else 1
    if step == 0:
        raise ValueError("a step is at least 1")
    if first < low or last > high:
        raise ValueError(f"{low} to {high} are allowed")
    if first > last:
        raise ValueError(f"{first} comes after {last}")
    return range(first, last + 1, step)


def _number(place: int, text: str) -> int:
    words = _WORDS.get(place, {})
    return words[text] if text in words else _digits(text)


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _hint(place: int) -> str:
    low, high = _BOUNDS[place]
    named = {4: ", jan to dec", 5: " (0 is Sunday), sun to sat"}.get(place, "")
    return f"{low} to {high}{named}; with * ? , - and /."


# Moments. All are whole seconds since the epoch.


def after(times: Times, moment: int, zone: tzinfo) -> int | None:
    """The first moment after this one at which the wall clock of the zone shows one of the times; None if none does."""
    at = moment + 1
    limit = at + _HORIZON * 86400
    while at < limit:
        wall = datetime.fromtimestamp(at, zone)
        if wall.year > _LAST_YEAR:
            return None
        if wall.month not in times.months:
            at = _next_month(at, wall, zone)
        elif not times.on(wall):
            at = _next_day(at, wall, zone)
        elif wall.hour not in times.hours:
            at = _stepped(at, 3600 - wall.minute * 60 - wall.second, zone)
        elif wall.minute not in times.minutes:
            at = _stepped(at, 60 - wall.second, zone)
        elif wall.second not in times.seconds:
            later = [second for second in times.seconds if second > wall.second]
            at = _stepped(at, min(later, default=60) - wall.second, zone)
        else:
            return at
    return None


def _next_month(at: int, wall: datetime, zone: tzinfo) -> int:
    days = monthrange(wall.year, wall.month)[1] - wall.day
    there = at + (days + 1) * 86400 - wall.hour * 3600 - wall.minute * 60 - wall.second
    return there if _offset(at, zone) == _offset(there, zone) else _next_day(at, wall, zone)


def _next_day(at: int, wall: datetime, zone: tzinfo) -> int:
    return _stepped(at, 86400 - wall.hour * 3600 - wall.minute * 60 - wall.second, zone)


def _stepped(at: int, seconds: int, zone: tzinfo) -> int:
    """So much later, but not past a change of the clocks: then the next quarter of an hour."""
    there = at + seconds
    if _offset(at, zone) == _offset(there, zone):
        return there
    return min(there, (at // _QUARTER + 1) * _QUARTER)


def _offset(at: int, zone: tzinfo) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()


def first(trigger: Trigger, created: float, zone: tzinfo = UTC) -> float | None:
    """The first tick of a trigger whose recurring run was created then; None if there is none."""
    return following(trigger, None, created, zone)


def following(trigger: Trigger, last: float | None, created: float, zone: tzinfo = UTC) -> float | None:
    """The tick after `last`; after the start, or else the creation, where there was none. None after the end.

    The first tick of an interval is its start, if that is to come; otherwise the first is an interval later.
    """
    start = trigger.start
    since = last if last is not None else (created if start is None else start)
    interval = _interval(trigger)
    if interval is not None:
        ahead = last is None and start is not None and start >= created
        moment: float | None = math.floor(since) if ahead else math.floor(since) + interval
    else:
        # The start itself counts, where it is one of the moments.
        moment = after(_times(trigger), math.ceil(since) - (1 if last is None and start is not None else 0), zone)
    if moment is None or (trigger.end is not None and moment > trigger.end):
        return None
    return float(moment)


def latest(trigger: Trigger, tick: float, now: float, zone: tzinfo = UTC) -> float:
    """The last tick up to now, from one that has come on."""
    until = math.floor(now if trigger.end is None else min(now, trigger.end))
    interval = _interval(trigger)
    if interval is not None:
        return tick + max(0, (until - math.floor(tick)) // interval) * interval
    low, high = int(tick), until
    # `following` grows with the moment it is asked for: the last one after which a tick still comes in time.
    while low < high:
        middle = (low + high + 1) // 2
        found = after(_times(trigger), middle - 1, zone)
        if found is not None and found <= until:
            low = middle
        else:
            high = middle - 1
    return float(low)


def _interval(trigger: Trigger) -> int | None:
    """The seconds between ticks; None where an expression names the times."""
    if isinstance(trigger, Periodic):
        return trigger.interval
    found = parse(trigger.expression)
    return found if isinstance(found, int) else None


def _times(trigger: Trigger) -> Times:
    found = parse(trigger.expression) if isinstance(trigger, Cron) else None
    assert isinstance(found, Times)
    return found


def coming(trigger: Trigger, tick: float | None, created: float, count: int, zone: tzinfo = UTC) -> tuple[float, ...]:
    """So many ticks from one that is to come."""
    found: list[float] = []
    while tick is not None and len(found) < count:
        found.append(tick)
        tick = following(trigger, tick, created, zone)
    return tuple(found)
