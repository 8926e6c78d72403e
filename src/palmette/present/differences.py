"""A comparison for a terminal of 80 columns: only what differs, cause first, numbers last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.comparison.changes import CodeChange, Comparison, ConfigChange, DataChange, MetricChange, TaskChange
from palmette.domain.run import Run, Setting, Source
from palmette.domain.states import TaskState
from palmette.domain.values import Json
from palmette.present import words
from palmette.present.folding import together, without_items
from palmette.present.layout import giving, indented
from palmette.present.plain import finite


def diff(comparison: Comparison, now: float, name: Callable[[str], str] = str) -> RenderableType:
    """The comparison; `name` turns a task's key into the name people know."""
    return Group(*_sections(comparison, now, name))


def _sections(comparison: Comparison, now: float, name: Callable[[str], str]) -> Iterable[RenderableType]:
    baseline, head = (comparison.baseline or comparison.head).run, comparison.head.run
    yield Text.assemble((head.algorithm, "bold"), f"  {baseline.id} → {head.id}")
    yield _sides(baseline, head, now)
    for remark in comparison.remarks:
        yield Text(f"  {remark}", style="yellow")
    yield Text(f"\n{_summary(comparison)}")
    if comparison.config:
        yield _section("config", map(_config, comparison.config))
    if comparison.code:
        yield _section("code", (_code(change, name) for change in comparison.code[:_MOST]))
        if len(comparison.code) > _MOST:
            yield Text(f"  … and {len(comparison.code) - _MOST} more (--json has them all)", style="dim")
    if comparison.environment:
        facts = ((Text(f"  {each.name}"), _arrow(each.before, each.after)) for each in comparison.environment)
        yield _section("environment", facts)
    data = [change for change in comparison.data if change.source or change.type == _TABLE]
    if data:
        yield _section("data", (_data(change, name) for change in data))
    follows = [f"{name(each.task)}.{each.output}" for each in comparison.data if each not in data]
    if follows:
        yield Text("\noutputs that follow", style="dim")
        yield indented(", ".join(together(follows)))
    if comparison.tasks:
        yield _section("steps", _steps(comparison.tasks, name))
    if comparison.metrics:
        yield Text("\nmetrics", style="dim")
        yield _metrics(comparison.metrics)


def _sides(baseline: Run, head: Run, now: float) -> Table:
    table = Table.grid(padding=(0, 2))
    for fixed in (True, True, True, True, False, True):
        table.add_column(no_wrap=fixed)
    for word, run in (("baseline", baseline), ("head", head)):
        commit = words.commit(run.git.commit, dirty=run.git.dirty)
        state, made = run.state.value.lower(), words.ago(now - run.created)
        table.add_row(f"  {word}", run.id, state, made, giving(run.git.branch), commit)
    return table


#: definitions that are listed before the rest is counted
_MOST: Final = 15
#: what learning is from; every other artifact that no outside gave is a result
_TABLE: Final = "system.Dataset"
_CAUSES: Final[Mapping[str, str]] = {
    "config": "the config",
    "code": "the code",
    "data": "the data",
    "environment": "the environment",
}


def _summary(comparison: Comparison) -> str:
    """What changed, in a sentence; a single thing is stated as such."""
    causes = comparison.causes
    if comparison.unknown and not causes:
        return "Of the config nothing that both runs say differs."
    if not causes:
        return "Nothing that goes in differs: config, code, data and environment are the same."
    if causes == ("config",) and len(comparison.config) == 1 and not comparison.unknown:
        return f"Only {comparison.config[0].name} changed."
    if causes == ("code",) and len(comparison.code) == 1:
        return f"Only {comparison.code[0].definition} changed."
    rest = [word for word in _CAUSES if word not in causes and word not in comparison.unknown]
    same = f"; {_listed(rest)} {'is' if len(rest) == 1 else 'are'} the same" if rest else ""
    return f"{_listed(_CAUSES[cause] for cause in causes).capitalize()} changed{same}."


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _section(title: str, rows: Iterable[tuple[Text, Text]]) -> Group:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for left, right in rows:
        table.add_row(left, right)
    return Group(Text(f"\n{title}", style="dim"), table)


def _arrow(before: str, after: str) -> Text:
    return Text.assemble((before or "—", "red"), " → ", (after or "—", "green"))


def _steps(changes: Iterable[TaskChange], name: Callable[[str], str]) -> Iterable[tuple[Text, Text]]:
    """How steps ended, in the words of the other screens; many iterations that ended alike are one line."""
    moves: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        moves.setdefault((change.before, change.after), []).append(name(change.task))
    for (before, after), names in moves.items():
        counts = Counter(map(without_items, names))
        for title in together(names):
            several = counts[title]
            line = _arrow(*(words.TASK_WORDS[TaskState(each)] if each else "" for each in (before, after)))
            yield Text(f"  {title}"), line.append(f"  {several} iterations", style="dim") if "[…]" in title else line


def _config(change: ConfigChange) -> tuple[Text, Text]:
    def value(setting: Setting | None) -> str:
        return "" if setting is None else words.value(setting.value)

    aside = ""
    if change.after is not None and change.before is not None:
        sources = (change.before.source, change.after.source)
        aside = "  the default changed" if sources == (Source.DEFAULT, Source.DEFAULT) else f"  {sources[1].value}"
    line = _arrow(value(change.before), value(change.after))
    return Text(f"  {change.name}"), line.append(aside, style="dim")


def _code(change: CodeChange, name: Callable[[str], str]) -> tuple[Text, Text]:
    reached = ", ".join(together(map(name, change.tasks)))
    return Text(f"  {change.definition}"), Text.assemble(change.edit.value, (f"  reached by {reached}", "dim"))


def _data(change: DataChange, name: Callable[[str], str]) -> tuple[Text, Text]:
    def short(digest: str) -> str:
        return digest.rpartition(":")[2][:10]

    line = _arrow(short(change.before), short(change.after))
    if change.rows_before is not None and change.rows_after is not None and change.rows_before != change.rows_after:
        line.append(f"  {change.rows_before:,} → {change.rows_after:,} rows")
    if change.sensitive:
        line.append("  sensitive, not summarised", style="dim")
    for column, what in change.columns:
        line.append(f"\n{column}: {what}", style="dim")
    return Text(f"  {name(change.task)}.{change.output}"), line


def _metrics(changes: Iterable[MetricChange]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=justify == "right", overflow="fold")
    same = 0
    for change in changes:
        if change.before == change.after:
            same += 1
            continue
        style = {True: "green", False: "red", None: ""}[change.favourable]
        aside = f"goal {change.goal}{', primary' if change.primary else ''}" if change.goal else ""
        if change.difference is not None and change.tolerance is not None and abs(change.difference) < change.tolerance:
            aside += f", within ±{change.tolerance:g}"
        table.add_row(
            f"  {change.name}",
            words.number(change.before) or "—",
            words.number(change.after) or "—",
            Text(words.signed(change.difference), style=style),
            Text(aside, style="dim"),
        )
    if not same:
        return table
    more = " more" if table.row_count else ""
    return Group(table, Text(f"  {same}{more} {'is' if same == 1 else 'are'} the same", style="dim"))


def plain(comparison: Comparison) -> dict[str, Json]:
    """The comparison as JSON values: only what differs, and every metric."""
    return {
        "head": comparison.head.run.id,
        "baseline": comparison.baseline.run.id if comparison.baseline else None,
        "config": [_plain_config(change) for change in comparison.config],
        "code": [
            {"definition": each.definition, "edit": each.edit.value, "tasks": list(each.tasks)}
            for each in comparison.code
        ],
        "environment": [
            {"name": each.name, "before": each.before, "after": each.after} for each in comparison.environment
        ],
        "data": [_plain_data(change) for change in comparison.data],
        "metrics": [_plain_metric(change) for change in comparison.metrics],
        "tasks": [
            {"task": each.task, "before": each.before.lower() or None, "after": each.after.lower() or None}
            for each in comparison.tasks
        ],
        "remarks": list(comparison.remarks),
    }


def _plain_config(change: ConfigChange) -> dict[str, Json]:
    return {
        "name": change.name,
        "before": change.before.value if change.before else None,
        "after": change.after.value if change.after else None,
        "source_before": change.before.source.value if change.before else None,
        "source_after": change.after.source.value if change.after else None,
    }


def _plain_data(change: DataChange) -> dict[str, Json]:
    return {
        "task": change.task,
        "output": change.output,
        "type": change.type,
        "before": change.before or None,
        "after": change.after or None,
        "rows_before": change.rows_before,
        "rows_after": change.rows_after,
        "columns": dict(change.columns),
        "source": change.source,
    }


def _plain_metric(change: MetricChange) -> dict[str, Json]:
    return {
        "name": change.name,
        "before": finite(change.before),
        "after": finite(change.after),
        "difference": finite(change.difference),
        "goal": change.goal or None,
        "primary": change.primary,
    }
