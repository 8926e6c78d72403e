"""Why a step was run again, or was not: for a terminal and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from palmette.domain.states import TaskState
from palmette.domain.values import Json
from palmette.operations.details import alike, shown
from palmette.operations.reasons import Reason
from palmette.present import words
from palmette.present.folding import MOST
from palmette.present.layout import hanging, indented

#: definitions or packages listed before the rest is only counted
_MOST = 8
#: characters of a value
_LONG = 60


def why(reasons: Sequence[Reason], now: float) -> RenderableType:
    """One paragraph a step; one for many iterations of it of which the same is to be said."""
    alikes: dict[tuple[str, str, tuple[str, ...]], list[Reason]] = {}
    for reason in reasons:
        alikes.setdefault((alike(reason.task), headline(reason, now), tuple(details(reason))), []).append(reason)
    lines: list[RenderableType] = []
    for (name, head, _), found in alikes.items():
        if len(found) > MOST:
            lines += _lines(found[0], f"{name}[…]", f"{len(found)} iterations {head}")
        else:
            lines += [line for each in found for line in _lines(each, shown(each.task), head)]
    return Group(*lines)


def _lines(reason: Reason, name: str, head: str) -> Iterable[RenderableType]:
    mark, style = words.TASK_MARKS[reason.task.state]
    yield hanging(Text(mark, style=style), Text.assemble((name, "bold"), f"  {head}"))
    for line in _limited(details(reason)):
        yield indented(line, indent=4)


def headline(reason: Reason, now: float) -> str:
    """The answer in one line."""
    task = reason.task
    match task.state:
        case TaskState.CACHED:
            made = words.ago(now - (task.cached_made or now))
            why = reason.remark or "nothing that it depends on differs"
            return f"reused from {task.cached_from.partition('/')[0]}, made {made}: {why}"
        case TaskState.SKIPPED | TaskState.CANCELED | TaskState.PENDING | TaskState.QUEUED:
            return task.message or f"was not executed: {words.TASK_WORDS[task.state]}"
        case _:
            if reason.earlier is None:
                return "ran: no earlier run of this step is known"
            if reason.remark:
                return f"ran: {reason.remark}"
            return f"ran: compared with {reason.earlier_run}, {_kinds(reason.changed)} changed"


def _kinds(changed: Sequence[str]) -> str:
    names = {
        "what": "the step itself",
        "image": "the image",
        "closure": "the code",
        "environment": "the environment",
        "parameters": "a parameter",
        "inputs": "its input",
        "outputs": "the declared outputs",
        "env": "an environment variable",
        "secrets": "a secret",
        "gpu": "the GPU",
        "token": "the answer of its fresh function",
        "schema": "Palmette's own format",
    }
    kinds = list(dict.fromkeys(names.get(change.partition(".")[0], change) for change in changed))
    return f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else "".join(kinds)


def details(reason: Reason) -> list[str]:
    """What exactly differs, a line each."""
    lines = [f"{name}  {edit}" for name, edit in reason.definitions]
    lines += [f"{name}  {_short(before)} → {_short(after)}" for name, before, after in reason.values]
    return lines


def _short(value: str) -> str:
    return f"{value[:_LONG]}…" if len(value) > _LONG else value or "—"


def _limited(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST else [*lines[:_MOST], f"… and {len(lines) - _MOST} more (--json has them all)"]


def plain(reason: Reason) -> dict[str, Json]:
    """One step's answer as JSON values."""
    return {
        "step": shown(reason.task),
        "state": reason.task.state.value.lower(),
        "cached_from": reason.task.cached_from or None,
        "compared_with": reason.earlier_run or None,
        "changed": list(reason.changed),
        "definitions": dict(reason.definitions),
        "values": [{"name": name, "before": before, "after": after} for name, before, after in reason.values],
        "remark": reason.remark or None,
    }
