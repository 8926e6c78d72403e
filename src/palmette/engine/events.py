"""What a running step tells about itself: new lines of its event file, read as they come."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from palmette.domain.metric import MetricPoint
from palmette.engine.ports import Progress
from palmette.engine.remains import opened

#: Bytes read at once; a longer line is no event.
_BATCH: Final = 1 << 20
#: So many points of an attempt are kept; more are a mistake, and writing them would hold up its run.
MOST: Final = 500_000
#: Signs of a metric's name.
_NAME: Final = 500


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What was new in an event file."""

    points: tuple[MetricPoint, ...] = ()
    #: the newest only
    progress: Progress | None = None
    #: whether there may be more
    more: bool = False


@dataclass
class Tail:
    """The end of an attempt's event file. A line counts once it is whole."""

    path: Path
    task: str
    #: offset up to which lines were read
    position: int = 0
    #: lines that were no events
    ignored: int = 0
    #: points so far
    points: int = 0
    _skipping: bool = field(default=False, repr=False)

    def read(self) -> Batch:
        """The events since the last call, up to a mebibyte of them."""
        if self.full:
            return Batch()
        try:
            if self.path.stat().st_size <= self.position:
                return Batch()
            with opened(self.path) as file:
                file.seek(self.position)
                block = file.read(_BATCH)
        except FileNotFoundError:
            return Batch()
        end = block.rfind(b"\n") + 1
        if not end:
            if len(block) == _BATCH:
                # A line that is too long is passed over piece by piece, and counted once.
                self.ignored += not self._skipping
                self._skipping, self.position = True, self.position + len(block)
                return Batch(more=True)
            return Batch()
        lines = block[:end].splitlines()
        if self._skipping:
            lines, self._skipping = lines[1:], False
        self.position += end
        return self._batch(lines, more=len(block) == _BATCH)

    @property
    def full(self) -> bool:
        """Whether it told of so many points that no more are taken."""
        return self.points > MOST

    def rest(self) -> Iterator[Batch]:
        """All that is left, once nobody writes any more, part by part."""
        batch = self.read()
        yield batch
        while batch.more and not self.full:
            batch = self.read()
            yield batch

    def _batch(self, lines: list[bytes], *, more: bool) -> Batch:
        points: list[MetricPoint] = []
        progress: Progress | None = None
        for line in lines:
            event = _parsed(line, self.task)
            match event:
                case MetricPoint():
                    self.points += 1
                    if not self.full:
                        points.append(event)
                case Progress():
                    progress = event
                case None:
                    self.ignored += 1
        return Batch(points=tuple(points), progress=progress, more=more)


def _parsed(line: bytes, task: str) -> MetricPoint | Progress | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    if isinstance(event.get("metric"), str) and "value" in event:
        return _point(event)
    done = _number(event.get("progress"))
    if done is None:
        return None
    return Progress(task=task, done=done, total=_number(event.get("total")), text=str(event.get("text") or ""))


def _point(event: dict[str, Any]) -> MetricPoint | None:
    # A value that is null was not finite: the point of the curve is missing, and that is known.
    value = math.nan if event["value"] is None else _number(event["value"])
    step, time = event.get("step"), _number(event.get("time"))
    whole = step is None or (isinstance(step, int) and not isinstance(step, bool) and abs(step) < 2**63)
    if value is None or not whole or not 0 < len(event["metric"]) <= _NAME:
        return None
    return MetricPoint(name=event["metric"], value=value, step=step, time=time if time and math.isfinite(time) else 0.0)


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    return None
