"""What answers look like to whoever is not the tool: as `--json` prints them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from palmette.domain import wire
from palmette.domain.run import Run
from palmette.domain.values import Json
from palmette.operations.reading import Given, Line, Stored
from palmette.operations.searching import Listing
from palmette.operations.sweeps import Member, Sweep
from palmette.present import (
    baselines,
    branches,
    compared,
    garbage,
    histories,
    leaderboards,
    plain,
    promotions,
    reasons,
    sweeps,
)
from palmette.present.words import instant


def _listing(found: Listing) -> Json:
    return {"runs": plain.rows(found.rows), "total": found.total, "more": found.more, "hints": list(found.hints)}


def _artifacts(found: Sequence[Stored]) -> Json:
    return [{"name": each.name, **plain.artifact(each.artifact)} for each in found]


def _values(found: Sequence[Given]) -> Json:
    return [{"name": each.name, "type": "parameter", "value": each.value} for each in found]


def _line(line: Line) -> Json:
    return {"step": line.step, "text": line.text}


def _canceled(run: Run) -> Json:
    return {"run_id": run.id, "state": run.state.value.lower()}


def _numbers(found: Any) -> Json:
    return {name: plain.finite(value) for name, value in found.items()}


def _curves(found: Any) -> Json:
    return {
        name: [{"step": each.step, "value": plain.finite(each.value), "time": instant(each.time)} for each in points]
        for name, points in found.items()
    }


def _views(found: Any) -> Json:
    return [{"name": each.name, "query": each.query, "saved_at": instant(each.created)} for each in found]


def _sweep(found: tuple[Sweep, Sequence[Member]]) -> Json:
    return sweeps.plain(*found)


#: operation → what is made of what it gives; the others are given field by field
_FORMS: Final[dict[str, Callable[[Any], Json]]] = {
    "searching.runs": _listing,
    "reading.show": plain.detail,
    "reading.last_metrics": _numbers,
    "reading.curves": _curves,
    "reading.artifacts": _artifacts,
    "reading.values": _values,
    "reading.named": lambda found: {"name": found.name, **plain.artifact(found.artifact)},
    "reading.logs": _line,
    "comparing.diff": compared.plain,
    "judging.judged": compared.plain,
    "reasons.why": lambda found: [reasons.plain(each) for each in found],
    "histories.history": histories.plain,
    "leaderboards.leaderboard": leaderboards.plain,
    "overviews.branches": branches.plain,
    "overviews.branch": branches.plain_page,
    "baselines.show": baselines.plain_shown,
    "pinning.listed": baselines.plain_listed,
    "pinning.pin": baselines.plain,
    "pinning.unpin": baselines.plain_listed,
    "canceling.cancel": _canceled,
    "searching.saved": _views,
    "sweeps.look": _sweep,
    "sweeps.known": lambda found: [_sweep(each) for each in found],
    "promoting.log": promotions.plain_log,
    "promoting.rollback": promotions.plain,
    "gating.promote": promotions.plain_promoted,
    "collecting.preview": lambda found: garbage.plain(found, None),
}


def form(operation: str, value: Any) -> Json:
    """What an operation gave, as JSON for anybody."""
    return _FORMS.get(operation, wire.dump)(value)
