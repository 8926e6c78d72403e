"""Macros in the parameters of runs, as Kubeflow Pipelines expands them: [[CurrentTime]] and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from palmette.domain.values import Json

_MACRO: Final = re.compile(r"\[\[([A-Za-z]+)(?:\.(.*?))?\]\]", re.DOTALL)
_USUAL: Final = "20060102150405"
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

#: The parts of a layout of Go's, each spelled as it stands in Go's reference time; the longest spelling counts.
_PARTS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "January": lambda at: _MONTHS[at.month - 1],
    "Jan": lambda at: _MONTHS[at.month - 1][:3],
    "Monday": lambda at: _DAYS[at.weekday()],
    "Mon": lambda at: _DAYS[at.weekday()][:3],
    "MST": lambda _: "UTC",
    "2006": lambda at: f"{at.year:04}",
    "-07:00:00": lambda _: "+00:00:00",
    "-07:00": lambda _: "+00:00",
    "-070000": lambda _: "+000000",
    "-0700": lambda _: "+0000",
    "-07": lambda _: "+00",
    "Z07:00:00": lambda _: "Z",
    "Z07:00": lambda _: "Z",
    "Z070000": lambda _: "Z",
    "Z0700": lambda _: "Z",
    "Z07": lambda _: "Z",
    "002": lambda at: f"{at.timetuple().tm_yday:03}",
    "01": lambda at: f"{at.month:02}",
    "02": lambda at: f"{at.day:02}",
    "03": lambda at: f"{at.hour % 12 or 12:02}",
    "04": lambda at: f"{at.minute:02}",
    "05": lambda at: f"{at.second:02}",
    "06": lambda at: f"{at.year % 100:02}",
    "15": lambda at: f"{at.hour:02}",
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
    "__2": lambda at: f"{at.timetuple().tm_yday:3}",
    "_2": lambda at: f"{at.day:2}",
    "1": lambda at: str(at.month),
    "2": lambda at: str(at.day),
    "3": lambda at: str(at.hour % 12 or 12),
    "4": lambda at: str(at.minute),
    "5": lambda at: str(at.second),
}
_LAYOUT: Final = re.compile("|".join(re.escape(part) for part in sorted(_PARTS, key=len, reverse=True)))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What macros stand for in one run."""

    run: str
    #: seconds since the epoch
    now: float
    #: of a run that a tick made: when that was due, and the how-manieth it is; None for another run
    scheduled: float | None = None
    index: int | None = None


def expand(value: Json, moment: Moment) -> Json:
    """The value with the macros in all its texts expanded. What is no macro, or says nothing of this run, stays."""
    if isinstance(value, str):
        return _MACRO.sub(lambda found: _one(found, moment), value)
    if isinstance(value, Mapping):
        return {key: expand(entry, moment) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [expand(entry, moment) for entry in value]
    return value


def _one(found: re.Match[str], moment: Moment) -> str:
    name, layout = found.group(1), found.group(2)
    if name == "RunUUID" and layout is None:
        return moment.run
    if name == "Index" and layout is None and moment.index is not None:
        return str(moment.index)
    times = {"CurrentTime": moment.now, "ScheduledTime": moment.scheduled}
    time = times.get(name)
    return found.group() if time is None else formatted(time, _USUAL if layout is None else layout)


def formatted(time: float, layout: str) -> str:
    """A time, in UTC, in a layout of Go's: "2006-01-02"."""
    at = datetime.fromtimestamp(int(time), UTC)
    return _LAYOUT.sub(lambda found: _PARTS[found.group()](at), layout)
