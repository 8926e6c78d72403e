"""What an edit of a recurring run changed."""

from __future__ import annotations

from typing import Any, Final

from palmette.domain import wire
from palmette.domain.footer import split
from palmette.domain.hosting import Edit, Schedule
from palmette.domain.values import Json, digest

#: what a recurring run is asked to be; the rest comes of time, and of where it is
ASKED: Final = (
    *("name", "description", "experiment", "pipeline", "version", "spec", "parameters", "root", "service_account"),
    *("trigger", "max_concurrency", "catchup", "enabled"),
)


def asked(schedule: Schedule) -> dict[str, Json]:
    """What it is asked to be, as plain values."""
    return {name: wire.dump(getattr(schedule, name)) for name in ASKED}


def mark(schedule: Schedule) -> str:
    """A digest of what it is asked to be: another one as soon as somebody edits it, the same whatever its ticks do."""
    return digest(asked(schedule))


def between(before: Schedule, after: Schedule, *, author: str = "", why: str = "", now: float = 0.0) -> Edit:
    """What changed, by field; of parameters those that did, of a description its text."""
    was, became = _told(before), _told(after)
    changed = [name for name in dict.fromkeys([*was, *became]) if was.get(name) != became.get(name)]
    return Edit(
        author=author,
        why=why,
        before={name: was[name] for name in changed if name in was},
        after={name: became[name] for name in changed if name in became},
        created=now,
    )


def _told(schedule: Schedule) -> dict[str, Json]:
    told: dict[str, Any] = asked(schedule)
    parameters = told.pop("parameters")
    told["description"] = split(schedule.description)[0]
    return told | {f"parameters.{name}": value for name, value in parameters.items()}
