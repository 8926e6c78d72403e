"""How a run ended: the last lines that `palmette run` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from palmette.domain.states import RunState, TaskState
from palmette.operations.details import Detail, shown
from palmette.present import words
from palmette.present.layout import hanging

#: failed steps of which the log is quoted
_MOST: Final = 4


def outcome(detail: Detail, tails: Mapping[str, Sequence[str]], on: str = "") -> RenderableType:
    """The end of a run: numbers and what to do next, or which step failed, with the last lines of its log. `on` is the
    server that was named for it."""
    return Group(*_lines(detail, tails, f"{detail.run.id} --on {on}" if on else detail.run.id))


def _lines(detail: Detail, tails: Mapping[str, Sequence[str]], name: str) -> Iterable[RenderableType]:
    run = detail.run
    took = words.seconds((run.ended or run.created) - (run.started or run.created))
    reused = sum(task.state is TaskState.CACHED for task in detail.tasks)
    steps = sum(not task.group for task in detail.tasks)
    aside = f", {reused} of {steps} steps reused" if reused else ""
    state = Text(run.state.value.lower(), style=words.RUN_STYLES[run.state])
    yield Text.assemble("run ", (run.id, "bold"), " ", state, f" in {took}{aside}")
    failed = [task for task in detail.tasks if task.state is TaskState.FAILED]
    for task in failed[:_MOST]:
        yield Text(f"\n{shown(task)}: {task.message}", style="red")
        yield from (hanging("  │", line) for line in tails.get(task.name, ()))
    if len(failed) > _MOST:
        yield Text(f"\n{len(failed) - _MOST} more steps failed: palmette show {name}", style="red")
    numbers = _numbers(detail)
    if numbers:
        yield Text(f"  {numbers}")
    missing = [metric.name for metric in run.metrics if metric.name not in detail.metrics]
    if missing and run.state is RunState.SUCCEEDED:
        yield Text(f"  declared, but logged by no step: {', '.join(missing)}", style="yellow")
    if run.state is RunState.SUCCEEDED:
        yield Text(f"  palmette show {name} · palmette diff {name}", style="dim")
    elif run.state is RunState.FAILED:
        yield Text(f"  palmette logs {name} · palmette show {name}", style="dim")


def _numbers(detail: Detail) -> str:
    """The declared metrics; without any, the first few."""
    names = [metric.name for metric in detail.run.metrics if metric.name in detail.metrics] or sorted(detail.metrics)[
        :4
    ]
    return "  ".join(f"{name} {words.number(detail.metrics[name])}" for name in names)
