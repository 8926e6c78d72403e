"""Sweeps for a terminal of 80 columns: what they come to, how far they are, which point did best."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from palmette.domain.run import TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.errors import PalmetteError
from palmette.operations.details import Detail
from palmette.operations.standings import Standing, columns, standings
from palmette.operations.sweeping import Begun
from palmette.operations.sweeps import Drafted, Member, Sweep, short
from palmette.operations.watching import Seen
from palmette.present import words
from palmette.present.plain import finite

#: rows of a table before it says how many more there are
_ROWS: Final = 15
_MARKS: Final = {
    RunState.PENDING: ("·", "dim"),
    RunState.RUNNING: ("▸", "cyan"),
    RunState.CANCELING: ("▸", "yellow"),
    RunState.SUCCEEDED: ("✓", "green"),
    RunState.FAILED: ("✗", "bold red"),
    RunState.CANCELED: ("-", "yellow"),
}


def outline(drafted: Drafted, jobs: int) -> str:
    """What a sweep comes to, in one line: "20 runs of tumour: 80 steps, of which 61 differ; 2 at once"."""
    sweep = drafted.sweep
    if sweep.wish.trials:
        return f"{words.count(sweep.size, 'run')} of {sweep.algorithm}, searched; {jobs} at once"
    same = drafted.steps - drafted.different
    shared = f", {same:,} of them shared with another run" if same else ""
    return f"{words.count(sweep.size, 'run')} of {sweep.algorithm}: {drafted.steps:,} steps{shared}; {jobs} at once"


def points(sweep: Sweep) -> RenderableType:
    """The points that would be run, one a line."""
    if sweep.wish.trials:
        return Group(*(Text(line) for line in _distributions(sweep)))
    table = _table([*sweep.names])
    for values in sweep.points:
        table.add_row(*map(short, values))
    return table


def _distributions(sweep: Sweep) -> Iterable[str]:
    for each in sweep.varied:
        if each.interval is None:
            yield f"{each.name}: one of {', '.join(map(short, each.values))}"
        else:
            how = ", by its logarithm" if each.interval.logarithmic else ""
            whole = "a whole number" if each.interval.whole else "a number"
            yield f"{each.name}: {whole} from {each.interval.low:g} to {each.interval.high:g}{how}"


def _table(names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, overflow="ellipsis", no_wrap=True, justify="left")
    return table


@dataclass
class _Point:
    """What the display knows of one point."""

    title: str
    run: str = ""
    state: RunState = RunState.PENDING
    done: int = 0
    steps: int = 0
    started: float = 0.0
    ended: float | None = None
    note: str = ""


class SweepProgress:
    """Shows a sweep as it happens: in a terminal one line a point that is going on or was over last, elsewhere a line
    for each point that is over. Implements `operations.sweeping.Display`."""

    def __init__(self, console: Console, sweep: Sweep, over: int = 0) -> None:
        self._console, self._sweep, self._over = console, sweep, over
        self._points: dict[tuple[Json, ...], _Point] = {}
        self._lock = threading.Lock()
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._draw, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def began(self, values: tuple[Json, ...], accepted: Begun) -> None:
        """See the port."""
        title, tasks = self._sweep.title(values), accepted.tasks
        with self._lock:
            self._points[values] = _Point(
                title=title,
                run=accepted.run.id,
                state=RunState.RUNNING,
                done=sum(task.state.final for task in tasks),
                steps=len(tasks),
                started=time.time(),
            )

    def seen(self, values: tuple[Json, ...], seen: Seen) -> None:
        """See the port."""
        if isinstance(seen, TaskChanged) and seen.state.final and values in self._points:
            self._points[values].done += 1

    def ended(self, values: tuple[Json, ...], detail: Detail) -> None:
        """See the port."""
        reused = sum(task.state is TaskState.CACHED for task in detail.tasks)
        failed = [task for task in detail.tasks if task.state is TaskState.FAILED]
        score = detail.metrics.get(self._sweep.metric)
        parts = [f"{self._sweep.metric} {words.number(score)}"] if score is not None else []
        parts += [f"{reused} of {len(detail.tasks)} reused"] if reused and not failed else []
        parts += [f"{failed[0].component or failed[0].name}: {failed[0].message}"] if failed else []
        self._over_now(values, detail.run.state, ", ".join(parts), detail.run.id)

    def crashed(self, values: tuple[Json, ...], error: PalmetteError) -> None:
        """See the port."""
        self._over_now(values, RunState.FAILED, error.message)

    def _over_now(self, values: tuple[Json, ...], state: RunState, note: str, run: str = "") -> None:
        with self._lock:
            point = self._points.setdefault(values, _Point(title=self._sweep.title(values), started=time.time()))
            point.state, point.note, point.run = state, note, run or point.run
            point.ended, self._over = time.time(), self._over + 1
        if not self._console.is_terminal:
            mark, took = _MARKS[state][0], words.seconds(point.ended - point.started)
            count = f"{self._over}/{self._sweep.size}".rjust(2 * len(str(self._sweep.size)) + 1)
            text = f"  {mark} {count}  {point.run}  {took.rjust(7)}  {point.title}  {note}"
            self._console.print(text.rstrip(), highlight=False, markup=False, soft_wrap=True)

    def _draw(self) -> RenderableType:
        with self._lock:
            known = list(self._points.values())
        going = [point for point in known if point.ended is None]
        latest = sorted((point for point in known if point.ended), key=lambda point: point.ended or 0.0)
        room = max(1, min(_ROWS, self._console.height - 4) - len(going))
        table = Table.grid(padding=(0, 1))
        for _ in range(2):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(20, self._console.width // 2))
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis")
        for point in [*latest[-room:], *going]:
            mark, style = _MARKS[point.state]
            took = words.seconds((point.ended or time.time()) - point.started)
            aside = point.note if point.ended else f"{point.done} of {point.steps} steps"
            run, title = Text(point.run, style="dim"), Text(point.title)
            table.add_row(Text(f" {mark}", style=style), run, title, Text(took, style="dim"), Text(aside, style="dim"))
        counts = Counter(point.state for point in known)
        failed = f", {counts[RunState.FAILED]} failed" if counts[RunState.FAILED] else ""
        head = f"{self._sweep.algorithm} · sweep {self._sweep.id} · {self._over} of {self._sweep.size} done{failed}"
        return Group(Text(head, style="bold"), table)


def outcome(sweep: Sweep, members: Sequence[Member], *, every: bool = False, on: str = "") -> RenderableType:
    """The best points, and what is missing or failed."""
    return Group(*_outcome(sweep, members, every=every, on=f" --on {on}" if on else ""))


def _outcome(sweep: Sweep, members: Sequence[Member], *, every: bool, on: str) -> Iterable[RenderableType]:
    states = Counter("interrupted" if each.interrupted else each.run.state.value.lower() for each in members)
    over = {member.values for member in members if member.over}
    parts = [f"{count} {state}" for state, count in states.items()]
    missing = sweep.size - (sum(member.over for member in members) if sweep.wish.trials else len(over))
    parts += [f"{missing} left"] if missing > 0 else []
    yield Text.assemble("sweep ", (sweep.id, "bold"), f" of {sweep.algorithm}: {', '.join(parts) or 'no run yet'}")
    for member in [each for each in members if each.run.state is RunState.FAILED][:3]:
        yield Text(f"  {member.run.id}  {sweep.title(member.values)}  {member.run.message}".rstrip(), style="red")
    known = standings(sweep, members)
    if sweep.metric and any(each.scores for each in known):
        yield _standings(sweep, known if every else known[:_ROWS])
        if len(known) > _ROWS and not every:
            yield Text(f"  … {len(known) - _ROWS} more: palmette sweep {sweep.id} --all{on}", style="dim")
        yield Text(best(sweep, known[0]), style="bold")
    if missing > 0:
        yield Text(f"  palmette resume {sweep.id}{on}", style="dim")
    elif members:
        yield Text(f"  palmette sweep {sweep.id}{on}", style="dim")


def best(sweep: Sweep, first: Standing) -> str:
    """ "best: C=1 penalty=l2  auc 0.9950 ± 0.0010 (5 seeds)" """
    point = " ".join(f"{name}={short(value)}" for name, value in zip(columns(sweep), first.values, strict=True))
    seeds = f" ({len(first.scores)} seeds)" if len(first.scores) > 1 else ""
    return f"best: {point}  {sweep.metric} {_score(first)}{seeds}".replace(":   ", ": ")


def _score(standing: Standing) -> str:
    if standing.mean is None:
        return "none"
    mean = words.number(standing.mean)
    if standing.deviation is None:
        return mean
    digits = len(mean.partition(".")[2])
    spread = words.number(standing.deviation) if "e" in mean or not digits else f"{standing.deviation:.{digits}f}"
    return f"{mean} ± {spread}"


def _standings(sweep: Sweep, known: Sequence[Standing]) -> Table:
    several = any(len(each.scores) > 1 or each.without for each in known)
    # A point with several seeds has no run of its own to name.
    named = any(len(each.runs) == 1 for each in known)
    table = _table([*columns(sweep), sweep.metric, *(["runs"] if several else []), *(["run"] if named else [])])
    for each in known:
        failed = f", {each.without} without" if each.without else ""
        count = [f"{len(each.scores)}{failed}"] if several else []
        run = ([each.runs[0]] if len(each.runs) == 1 else [""]) if named else []
        table.add_row(*map(short, each.values), _score(each), *count, *run)
    return table


def listing(known: Sequence[tuple[Sweep, Sequence[Member]]], now: float) -> RenderableType:
    """The sweeps, newest first, with the best point of each."""
    table = _table(["sweep", "algorithm", "age", "done", "best"])
    for sweep, members in known:
        found = standings(sweep, members)
        top = best(sweep, found[0]).removeprefix("best: ") if found and found[0].scores else ""
        done = f"{sum(member.over for member in members)}/{sweep.size}"
        table.add_row(sweep.id, sweep.algorithm, words.age(now - sweep.created), done, top)
    return table


def plain(sweep: Sweep, members: Sequence[Member]) -> dict[str, Json]:
    """A sweep as JSON values."""
    return {
        "sweep_id": sweep.id,
        "algorithm": sweep.algorithm,
        "created_at": words.instant(sweep.created or None),
        "note": sweep.note or None,
        "fields": list(sweep.names),
        "size": sweep.size,
        "metric": sweep.metric or None,
        "goal": sweep.goal if sweep.metric else None,
        "runs": [
            {
                "run_id": member.run.id,
                "state": member.run.state.value.lower(),
                "interrupted": member.interrupted,
                "point": dict(zip(sweep.names, member.values, strict=True)),
                "metrics": {name: finite(value) for name, value in member.metrics.items()},
                "cached_count": member.tasks.get(TaskState.CACHED, 0),
                "task_count": sum(member.tasks.values()),
            }
            for member in members
        ],
        "standings": [
            {
                "point": dict(zip(columns(sweep), each.values, strict=True)),
                "mean": finite(each.mean),
                "deviation": finite(each.deviation),
                "scores": [finite(score) for score in each.scores],
                "runs": list(each.runs),
                "without": each.without,
            }
            for each in standings(sweep, members)
        ],
    }


def plain_draft(drafted: Drafted) -> dict[str, Json]:
    """What a sweep would come to, as JSON values."""
    sweep = drafted.sweep
    return {
        "algorithm": sweep.algorithm,
        "fields": list(sweep.names),
        "size": sweep.size,
        "steps": drafted.steps,
        "different_steps": drafted.different,
        "points": [dict(zip(sweep.names, values, strict=True)) for values in sweep.points],
    }
