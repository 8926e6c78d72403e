"""A run as it happens: one line a step, live in a terminal, one line a change elsewhere."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from palmette.domain.run import (
    AttemptEnded,
    AttemptStarted,
    PointsLogged,
    RunChanged,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.domain.states import AttemptState, TaskState
from palmette.operations.details import alike, shown
from palmette.operations.watching import Far, Seen
from palmette.present import words
from palmette.present.folding import MOST, foremost, tally

#: columns that the live display leaves empty, and those that it takes in any case
_MARGIN: Final = 3
_LEAST: Final = 40
#: elsewhere: columns of a line, and those that names are filled up to
_SCREEN: Final = 78
_NAME: Final = 28
#: characters of what is said of a step that always stand beside it
_NOTE: Final = 40


@dataclass
class _Line:
    """What the display knows of one task. It changes as notices arrive; nothing else refers to it."""

    name: str
    state: TaskState = TaskState.PENDING
    started: float | None = None
    ended: float | None = None
    note: str = ""
    far: Far | None = None
    latest: str = ""
    #: the name that it shares with the other iterations of its step
    alike: str = ""
    #: it is a group of tasks; shown only while nothing is known of what is in it
    group: bool = False
    filled: bool = False


class RunProgress:
    """Shows what it is told through `see`. In a terminal it redraws one line a step; elsewhere it prints a line for
    each state that a person would want to read later."""

    def __init__(
        self,
        console: Console,
        title: str,
        tasks: Sequence[TaskRecord],
        *,
        declared: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._console = console
        self._title = title
        self._declared = tuple(declared)
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._width = 0
        self._take_in(tasks)
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._draw, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(self._title, highlight=False, markup=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def aside(self, lent: bool) -> None:
        """Leave the terminal to a step that is debugged, or take it back."""
        if self._console.is_terminal and lent:
            self._live.stop()
        elif self._console.is_terminal:
            self._live.start()

    def see(self, seen: Seen) -> None:
        """Take in one notice; quick."""
        match seen:
            case TaskChanged():
                self._task(seen)
            case AttemptStarted(task=task, attempt=attempt):
                line = self._lines[task]
                line.started = line.started or attempt.started
            case AttemptEnded(task=task, attempt=attempt):
                if attempt.state in (AttemptState.FAILED, AttemptState.LOST):
                    what = f"attempt {attempt.serial} {attempt.state.value.lower()}: {attempt.message}"
                    self._say(f"  {self._lines[task].name}: {what}")
            case PointsLogged(task=task, points=points):
                # The metrics that the algorithm declares say more than whichever came last.
                known = {point.name: point for point in points}
                last = next((known[name] for name in self._declared if name in known), points[-1])
                at = "" if last.step is None else f" at {last.step}"
                self._lines[task].latest = f"{last.name} {words.number(last.value)}{at}"
            case Far(task=task):
                self._lines[task].far = seen
            case TasksPlanned(tasks=tasks):
                self._take_in(tasks)
            case RunChanged():
                pass

    def _take_in(self, tasks: Sequence[TaskRecord]) -> None:
        """Add lines; those of a loop's iterations behind the loop's."""
        new = {task.name: _line(task) for task in tasks}
        around = tasks[0].name.rpartition(".")[0] if tasks else ""
        if around in self._lines:
            lines = {}
            for name, line in self._lines.items():
                lines[name] = line
                if name == around:
                    lines |= new
            self._lines = lines
        else:
            self._lines |= new
        for name in new:
            group = self._lines.get(name.rpartition(".")[0])
            if group is not None:
                group.filled = True
        self._width = max((self._width, *(len(line.name) for line in self._shown())))

    def _shown(self) -> list[_Line]:
        return [line for line in self._lines.values() if not (line.group and line.filled)]

    def _task(self, change: TaskChanged) -> None:
        line = self._lines[change.task]
        line.state = change.state
        line.note = change.message or line.note
        match change.state:
            case TaskState.RUNNING:
                line.started = line.started or change.time
            case state if state.final:
                line.ended = change.time
                if change.reused is not None:
                    line.note = f"from {change.reused.run}, made {words.ago(change.time - change.reused.made)}"
                if line.group and line.filled and not self._alone(change.task, state):
                    return
                mark, word = words.TASK_MARKS[state][0], words.TASK_WORDS[state]
                name, took = line.name.ljust(min(self._width, _NAME)), self._elapsed(line).rjust(8)
                self._say(_wrapped(f"  {mark} {name}  {word:<9}  {took}", line.note))
            case _:
                pass

    def _alone(self, group: str, state: TaskState) -> bool:
        """Whether a group failed without any of its members having failed."""
        within = (line for name, line in self._lines.items() if name.startswith(f"{group}."))
        return state is TaskState.FAILED and all(line.state is not TaskState.FAILED for line in within)

    def _say(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _elapsed(self, line: _Line) -> str:
        if line.started is None:
            return ""
        return words.seconds(max(0.0, (line.ended or self._clock()) - line.started))

    def _draw(self) -> Group:
        # Some columns stay empty, so that the terminal's own ^C does not begin a line of its own.
        whole = max(_LEAST, self._console.width - _MARGIN)
        many: dict[str, list[_Line]] = {}
        for line in self._shown():
            many.setdefault(line.alike, []).append(line)
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = whole
        table.add_column(width=2, no_wrap=True)
        table.add_column(width=min(self._width, whole // 2), overflow="ellipsis", no_wrap=True)
        table.add_column(width=8, no_wrap=True)
        table.add_column(width=8, justify="right", no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
        for line in self._shown():
            if len(many.get(line.alike, ())) > MOST:
                if line is many[line.alike][0]:
                    table.add_row(*self._together(many[line.alike]))
                continue
            mark, style = words.TASK_MARKS[line.state]
            table.add_row(
                Text(f" {mark}", style=style),
                Text(line.name),
                Text(words.TASK_WORDS[line.state], style=style),
                Text(self._elapsed(line), style="dim"),
                self._aside(line),
            )
        return Group(Text.from_markup(f"[bold]{escape(self._title)}[/]"), table)

    def _together(self, lines: Sequence[_Line]) -> tuple[RenderableType, ...]:
        """One row for many iterations of a step."""
        over = sum(line.state.final for line in lines)
        state = TaskState.RUNNING if 0 < over < len(lines) else foremost(line.state for line in lines)
        mark, style = words.TASK_MARKS[state]
        bar = Table.grid(padding=(0, 1))
        said = Text(tally(line.state for line in lines), style="dim")
        bar.add_row(
            *([said] if over == len(lines) else [ProgressBar(total=len(lines), completed=over, width=12), said])
        )
        title, word = Text(f"{lines[0].alike}[…]"), Text(words.TASK_WORDS[state], style=style)
        return Text(f" {mark}", style=style), title, word, "", bar

    def _aside(self, line: _Line) -> ProgressBar | Table | Text:
        if line.state is TaskState.RUNNING and line.far is not None and line.far.total:
            bar = Table.grid(padding=(0, 1))
            share = f"{line.far.done:g}/{line.far.total:g} {line.far.text}"
            bar.add_row(ProgressBar(total=line.far.total, completed=line.far.done, width=20), Text(share, style="dim"))
            return bar
        if line.state is TaskState.RUNNING and line.far is not None:
            return Text(f"{line.far.done:g} {line.far.text}", style="dim")
        return Text(line.note or line.latest, style="dim")


def _wrapped(line: str, note: str) -> str:
    """A line and what is said of it; below it where both do not fit a screen."""
    if len(note) <= _NOTE or len(line) + len(note) <= _SCREEN:
        return f"{line}  {note}".rstrip()
    said = textwrap.wrap(note, _SCREEN - 6, break_long_words=False, break_on_hyphens=False)
    return "\n".join([line.rstrip(), *(f"      {part}" for part in said)])


def _kept(task: TaskRecord) -> str:
    return "kept from before" if task.state.final else ""


def _line(task: TaskRecord) -> _Line:
    return _Line(shown(task), task.state, task.started, task.ended, _kept(task), alike=alike(task), group=task.group)
