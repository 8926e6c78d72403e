"""Times and durations as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from palmette.domain.query import Span

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PIECE: Final = r"(?:\d+\.?\d*|\.\d+)(?:ms|min|s|m|h|d|w)"
_DURATION: Final = re.compile(rf"(?:{_PIECE})+", re.ASCII)
_PIECES: Final = re.compile(r"([\d.]+)([a-z]+)")
_DAY: Final = 86400.0
#: days before today
_DAYS: Final = {"today": 0, "yesterday": 1}
#: digits after which a time is known to the year, month, day, minute, second
_PRECISION: Final = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?", re.ASCII)

#: what a duration and a time may look like, for messages
DURATION_SHAPES: Final = "seconds, or 90s, 5m, 1h30m, 2d"
MOMENT_SHAPES: Final = "-7d, -3h, today, yesterday, now, 2026-05-31, 2026-05-31T14:00"


def duration(text: str) -> float | None:
    """Seconds: "90", "1h30m", "2.5h", "3d"; None for anything else."""
    if re.fullmatch(r"\d+\.?\d*|\.\d+", text, re.ASCII):
        return float(text)
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PIECES.findall(text))


def moment(text: str, now: float) -> Span | None:
    """The time that is meant, UTC unless it says otherwise: "-7d" is seven days ago, "2026-05-31" a whole day. None
    for anything else."""
    word = text.lower()
    if word == "now":
        return Span(now, now)
    if word in _DAYS:
        begin = now - now % _DAY - _DAYS[word] * _DAY
        return Span(begin, begin + _DAY)
    if word.startswith("-") and (before := duration(word[1:])) is not None and not word[1:].isdigit():
        return Span(now - before, now - before)
    return _dated(text)


def _dated(text: str) -> Span | None:
    shape = _PRECISION.fullmatch(text)
    if shape is None:
        return None
    day, time, second, fraction, _zone = shape.groups()
    try:
        given = datetime.fromisoformat(text if day else f"{text}-01")
        begin = given if given.tzinfo else given.replace(tzinfo=UTC)
        if not day:
            end = (begin + timedelta(days=31)).replace(day=1)
        else:
            end = begin + (
                timedelta(days=1) if not time else timedelta(minutes=1) if not second else timedelta(seconds=1)
            )
        return Span(begin.timestamp(), begin.timestamp() if fraction else end.timestamp())
    except (ValueError, OverflowError):
        return None
