"""How durations, sizes, ages, numbers and states are spelled, everywhere the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json, literal

#: state → (glyph, rich style); the word beside the glyph carries the meaning where there is no colour
TASK_MARKS: Final = {
    TaskState.PENDING: ("·", "dim"),
    TaskState.QUEUED: ("·", "dim"),
    TaskState.RUNNING: ("▸", "cyan"),
    TaskState.SUCCEEDED: ("✓", "green"),
    TaskState.CACHED: ("=", "blue"),
    TaskState.FAILED: ("✗", "bold red"),
    TaskState.SKIPPED: ("-", "yellow"),
    TaskState.CANCELED: ("-", "yellow"),
}

RUN_STYLES: Final = {
    RunState.PENDING: "dim",
    RunState.RUNNING: "cyan",
    RunState.CANCELING: "yellow",
    RunState.SUCCEEDED: "green",
    RunState.FAILED: "bold red",
    RunState.CANCELED: "yellow",
}

TASK_WORDS: Final = {
    TaskState.PENDING: "waits",
    TaskState.QUEUED: "queued",
    TaskState.RUNNING: "running",
    TaskState.SUCCEEDED: "done",
    TaskState.CACHED: "reused",
    TaskState.FAILED: "failed",
    TaskState.SKIPPED: "skipped",
    TaskState.CANCELED: "canceled",
}


def seconds(value: float) -> str:
    """A duration: "0.03 s", "1.2 s", "3 m 07 s", "2 h 05 m"."""
    if value < 0.1:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def age(value: float) -> str:
    """How long ago, coarsely: "now", "12 min", "3 h", "5 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{int(value // size)} {unit}"
    return "now"


def ago(value: float) -> str:
    """How long ago, as a phrase: "just now", "12 min ago"."""
    return "just now" if value < 60 else f"{age(value)} ago"


def size(value: float) -> str:
    """Bytes in powers of 1,024: "512 B", "1.5 KiB", "3.0 GiB"."""
    if value < 1024:
        return f"{value:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def value(given: Json) -> str:
    """A config value as it is typed in an override; a text with line breaks or control characters as JSON."""
    text = literal(given)
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)


def count(number: int, noun: str) -> str:
    """ "1 file", "2 files", "1,000 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tally(counts: Mapping[str, int]) -> str:
    """How often each thing was so: "2 failed, 1 was canceled"."""
    return ", ".join(f"{times} {what}" for what, times in counts.items())


def moment(value: float | None) -> str:
    """A point in time, UTC, to the second; empty for none."""
    return "" if value is None else datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def instant(value: float | None) -> str | None:
    """A point in time for machines: RFC 3339, UTC, to the millisecond."""
    if value is None:
        return None
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(value: float | None) -> str:
    """A metric: four significant digits at least, integers as they are, nothing for none."""
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 10_000 else f"{value:.4g}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "" if value is None else f"{'+' if value >= 0 else '−'}{number(abs(value))}"


def commit(sha: str, *, dirty: bool = False) -> str:
    """A commit's first eight characters, with a plus for uncommitted changes."""
    return f"{sha[:8]}{'+' if dirty else ''}" if sha else ("uncommitted" if dirty else "")
