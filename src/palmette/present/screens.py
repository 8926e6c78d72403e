"""Runs, their tasks and their artifacts for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from palmette.domain.artifact import Artifact
from palmette.domain.run import Environment, Run, Source, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.operations.details import Detail, Row, alike, shown
from palmette.present import words
from palmette.present.folding import MOST, Fold, folded
from palmette.present.layout import giving, hanging

#: metrics that a list of runs shows before it says how many more there are
MOST_METRICS = 2
#: columns of a number that is not cut
_NUMBER = 8
#: columns of a metric's name and its number that are not cut
_NAMED = 18
#: characters of what is said of a step beside it; more stands below the steps
_ASIDE = 32
#: values of a step in a loop that are shown before they are only counted
_VALUES = 3
#: columns that were asked for, from which on there is no room for what set a run apart
_CROWDED = 3


def runs(rows: Sequence[Row], now: float, asked: Mapping[str, Sequence[str]] | None = None) -> RenderableType:
    """A table of runs in their order; with columns that were asked for, heading → cells, in place of the metrics."""
    columns = {} if asked else _columns(rows)
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    # An id is of use only whole.
    table.add_column("run", no_wrap=True, min_width=max((len(row.run.id) for row in rows), default=0))
    table.add_column("algorithm")
    table.add_column("state", no_wrap=True)
    table.add_column("age", no_wrap=True, justify="right")
    if not asked:
        table.add_column("took", no_wrap=True, justify="right")
    for name, of in columns.items():
        told = max((len(_metric(row)) for row in rows), default=0) if of is None else 0
        table.add_column(giving(name), justify="right", min_width=max(_NUMBER, min(told, _NAMED)))
    for name, cells in (asked or {}).items():
        least = min(_NUMBER, max(map(len, cells), default=0))
        table.add_column(giving(name), min_width=least, max_width=24, justify="right" if _numbers(cells) else "left")
    if len(asked or {}) < _CROWDED:
        table.add_column("what")  # the first one that loses characters
    for place, row in enumerate(rows):
        run = row.run
        took = "" if run.started is None else words.seconds((run.ended or now) - run.started)
        table.add_row(
            run.id,
            giving(run.algorithm),
            _state(run, interrupted=row.interrupted),
            words.age(now - run.created),
            *([] if asked else ["" if row.interrupted else took]),
            *(
                giving(_metric(row) if name is None else words.number(row.metrics.get(name)))
                for name in columns.values()
            ),
            *(giving(cells[place]) for cells in (asked or {}).values()),
            *([giving(_what(run), "dim")] if len(asked or {}) < _CROWDED else []),
        )
    return table


def _numbers(cells: Sequence[str]) -> bool:
    return all(cell == "" or cell.lstrip("-−").replace(".", "", 1)[:1].isdigit() for cell in cells)


def _columns(rows: Sequence[Row]) -> dict[str, str | None]:
    """Heading → the metric in the column: the declared ones that the most runs have, primary ones first. Runs of
    several algorithms share one column, where each names its own unless all have the same: None."""
    if len({row.run.algorithm for row in rows}) > 1:
        told = {name for row in rows if (name := _headline(row))}
        return dict.fromkeys(told, next(iter(told))) if len(told) == 1 else {"metric": None} if told else {}
    votes: dict[str, tuple[int, int]] = {}
    for row in rows:
        for metric in row.run.metrics:
            if metric.name in row.metrics:
                primary, count = votes.get(metric.name, (0, 0))
                votes[metric.name] = (primary + metric.primary, count + 1)
    names = sorted(votes, key=lambda name: (-votes[name][0], -votes[name][1], name))[:MOST_METRICS]
    return {name: name for name in names}


def _headline(row: Row) -> str:
    """The run's primary metric, else the first one it declares; empty if it has none."""
    name = next((each.name for each in sorted(row.run.metrics, key=lambda each: not each.primary)), "")
    return name if name in row.metrics else ""


def _metric(row: Row) -> str:
    """The same with its value."""
    name = _headline(row)
    return f"{name} {words.number(row.metrics[name])}" if name else ""


def _state(run: Run, *, interrupted: bool) -> Text:
    if interrupted:
        return Text("interrupted", style="yellow")
    return Text(run.state.value.lower(), style=words.RUN_STYLES[run.state])


def _what(run: Run) -> str:
    """What set the run apart: preset, overrides, branch and commit, tags."""
    parts = [run.preset] if run.preset not in ("", "full") else []
    parts += overrides(run)
    place = " ".join(filter(None, [run.git.branch, words.commit(run.git.commit, dirty=run.git.dirty)]))
    return " · ".join(filter(None, [" ".join(parts), place, " ".join(f"#{tag}" for tag in run.tags)]))


def overrides(run: Run) -> list[str]:
    """The values that somebody gave, as they would be typed."""
    given = (Source.OVERRIDE, Source.FILE)
    return [f"{entry.name}={words.value(entry.value)}" for entry in run.settings if entry.source in given]


def show(detail: Detail, now: float) -> RenderableType:
    """Everything about one run on a screen or two."""
    return Group(*_sections(detail, now))


def _sections(detail: Detail, now: float) -> Iterable[RenderableType]:
    run = detail.run
    title = Text.assemble((run.algorithm, "bold"), "  ", run.id, "  ", _state(run, interrupted=detail.interrupted))
    yield title
    yield _facts(detail, now)
    if run.message:
        yield Text(f"\n{run.message}", style="bold red" if run.state is RunState.FAILED else "yellow")
    if detail.interrupted:
        yield Text(f"\nNobody drives this run any more. Continue it: palmette resume {run.id}", style="yellow")
    if run.settings:
        yield Text("\nconfig", style="dim")
        yield _settings(run)
    if not run.imported:
        yield Text("\nsteps", style="dim")
        yield tasks(detail.tasks, now)
    yield from _said(detail.tasks)
    if detail.metrics:
        yield Text("\nmetrics", style="dim")
        yield _metrics(detail)
    stored = [(task, name, entry) for task in detail.tasks for name, entry in task.outputs.artifacts.items()]
    if stored:
        yield Text("\nartifacts", style="dim")
        yield artifacts(stored)
    if run.notices:
        yield Text("\nnotices", style="dim")
        yield from (Padding(Text(notice), (0, 0, 0, 2)) for notice in run.notices)


def _facts(detail: Detail, now: float) -> Table:
    run = detail.run
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    took = "" if run.started is None else f", took {words.seconds((run.ended or now) - run.started)}"
    git = " ".join(filter(None, [run.git.branch, words.commit(run.git.commit, dirty=run.git.dirty), run.git.message]))
    environment = run.environment
    facts = {
        "started": f"{words.moment(run.started or run.created)}{'' if detail.interrupted else took}",
        "origin": run.description if run.imported else "",
        "alias": ", ".join(detail.aliases),
        "preset": run.preset,
        "code": git,
        "bundle": run.bundle[:12],
        "environment": f"Python {environment.python}, {_pinned(environment)}" if environment.python else "",
        **{f"  {name}": _pinned(each) for name, each in run.environments.items()},
        "host": run.host.name if run.host else "",
        "tags": " ".join(run.tags),
        "note": run.note,
    }
    for name, value in facts.items():
        if value:
            table.add_row(name, Text(value))
    return table


def _pinned(environment: Environment) -> str:
    count = "1 package" if len(environment.pins) == 1 else f"{len(environment.pins)} packages"
    return f"{count} from {environment.lock or 'what is installed'}"


def _settings(run: Run) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for entry in run.settings:
        source = "" if entry.source is Source.DEFAULT else " ".join(filter(None, [entry.source.value, entry.origin]))
        style = "" if entry.source is Source.DEFAULT else "bold"
        table.add_row(f"  {entry.name}", Text(words.value(entry.value), style=style), source)
    return table


def _said(records: Sequence[TaskRecord]) -> Iterable[RenderableType]:
    """Why steps failed, or were not executed, where that is too long for the line of the step."""
    failed = [task for task in records if task.state is TaskState.FAILED and task.message]
    for task in failed[:MOST]:
        yield hanging(f"    {shown(task)}:", Text(task.message, style="red"))
    for line in folded(records):
        if len(line.message) > _ASIDE and line.state is not TaskState.FAILED:
            title = line.title if isinstance(line, Fold) else shown(line)
            yield hanging(f"    {title}:", Text(line.message, style="dim"))


def tasks(records: Sequence[TaskRecord], now: float) -> Table:
    """One line a task: state, time, CPU, memory, what became of it. Many iterations of one step are one line."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right", style="dim")
    table.add_column(no_wrap=True, justify="right", style="dim")
    table.add_column(overflow="fold", style="dim")
    for task in folded(records):
        mark, style = words.TASK_MARKS[task.state]
        if isinstance(task, Fold):
            word = words.TASK_WORDS[task.state]
            said = task.message if 0 < len(task.message) <= _ASIDE else "" if task.message else task.tally
            table.add_row(Text(f"  {mark}", style=style), task.title, Text(word, style=style), "", "", said)
            continue
        wall = "" if task.started is None else words.seconds((task.ended or now) - task.started)
        last = task.attempts[-1] if task.attempts else None
        memory = words.size(last.peak_memory) if last and last.peak_memory else ""
        state = Text(words.TASK_WORDS[task.state], style=style)
        table.add_row(Text(f"  {mark}", style=style), shown(task), state, wall, memory, _remark(task))
    return table


def _remark(task: TaskRecord) -> str:
    # Why it failed, and whatever is long, stands below.
    short = 0 < len(task.message) <= _ASIDE and task.state is not TaskState.FAILED
    remarks = [task.message] if short else []
    if task.cached_from:
        remarks.append(f"from {task.cached_from.split('/')[0]}")
    if len(task.attempts) > 1:
        remarks.append(f"{len(task.attempts)} attempts")
    if task.attempts and task.attempts[-1].how == "process":
        remarks.append("fresh process")
    return ", ".join(remarks)


def _metrics(detail: Detail) -> Table:
    declared = {metric.name: metric for metric in detail.run.metrics}
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(style="dim", no_wrap=True)
    for name in [*(name for name in declared if name in detail.metrics), *sorted({*detail.metrics} - {*declared})]:
        metric = declared.get(name)
        goal = f"goal {metric.goal}{', primary' if metric.primary else ''}" if metric else ""
        curve = f"{len(detail.curves[name])} points" if name in detail.curves else ""
        table.add_row(f"  {name}", words.number(detail.metrics[name]), ", ".join(filter(None, [goal, curve])))
    for name in (name for name in declared if name not in detail.metrics):
        table.add_row(f"  {name}", "—", "declared, not logged")
    return table


def artifacts(
    stored: Sequence[tuple[TaskRecord, str, Artifact]], values: Sequence[tuple[TaskRecord, str, Json]] = ()
) -> Table:
    """One line an artifact, then one a value; one line for those of many iterations."""
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(style="dim")
    alikes: dict[tuple[str, str], list[Artifact]] = {}
    for task, name, entry in stored:
        alikes.setdefault((alike(task), name), []).append(entry)
    for task, name, entry in stored:
        each = alikes[alike(task), name]
        if len(each) > MOST:
            if entry is each[0]:
                title, kind = f"  {alike(task)}[…].{name}", entry.type.removeprefix("system.")
                table.add_row(title, kind, words.size(sum(one.size for one in each)), f"{len(each)} artifacts")
            continue
        rows = entry.metadata.get("rows")
        about = "sensitive" if entry.sensitive else (f"{rows:,} rows" if isinstance(rows, int) else "")
        about = "  ".join(filter(None, [about, f"by reference: {entry.uri}" if entry.uri else ""]))
        digest = entry.digest.rpartition(":")[2][:12]
        kind = entry.type.removeprefix("system.")
        table.add_row(f"  {shown(task)}.{name}", kind, words.size(entry.size), giving(f"{digest}  {about}"))
    given: dict[str, list[Json]] = {}
    for task, name, value in values:
        given.setdefault(f"{alike(task)}[…].{name}", []).append(value)
    for task, name, value in values:
        title = f"{alike(task)}[…].{name}"
        several = given.get(title, [])
        if 0 < len(several) <= MOST:
            table.add_row(f"  {shown(task)}.{name}", "parameter", "", giving(words.value(value)))
        elif several:
            del given[title]
            some = ", ".join(map(words.value, several[:_VALUES]))
            table.add_row(f"  {title}", "parameter", "", giving(f"{len(several)} values: {some}, …"))
    return table
