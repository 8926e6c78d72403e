"""What changed between two runs, in words, cause by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, assert_never

from palmette.comparison.changes import (
    PARAMETER,
    Cause,
    CodeChange,
    CommitChange,
    ConfigChange,
    ConfigEdit,
    DataChange,
    EnvironmentChange,
    FileChange,
    TaskChange,
)
from palmette.comparison.examples import Moved
from palmette.comparison.tables import ColumnChange
from palmette.domain.run import Setting
from palmette.domain.states import TaskState
from palmette.operations.comparing import Compared
from palmette.present import words
from palmette.present.entries import Entry, Group
from palmette.present.folding import together, without_items

#: what learning is from; every other artifact that no outside gave is a result
_TABLE: Final = "system.Dataset"
#: columns of a table that are named one by one
_MOST_COLUMNS: Final = 6
_CAUSES: Final[Mapping[str, str]] = {
    "code": "the code",
    "config": "the config",
    "data": "the data",
    "environment": "the environment",
}
_EDITS: Final[Mapping[ConfigEdit, str]] = {
    ConfigEdit.OVERRIDE: "override",
    ConfigEdit.DEFAULT: "the default changed",
    ConfigEdit.PRESET: "preset",
    ConfigEdit.ADDED: "a new field",
    ConfigEdit.REMOVED: "the field is gone",
}


def summary(compared: Compared) -> str:
    """What changed, in a sentence; a single thing is stated as such, and what did not change is named once."""
    comparison = compared.comparison
    causes = [cause for cause in _CAUSES if cause in comparison.causes]
    if comparison.unknown and not causes:
        return "Of the config nothing that both runs say differs."
    if not causes:
        return "Nothing that goes in differs: code, config, data and environment are the same."
    follows = ", and with that the data" if comparison.following else ""
    if comparison.only is not None:
        return f"Only {_named(comparison.only, compared)} changed{follows}."
    rest = [word for cause, word in _CAUSES.items() if cause in comparison.unchanged]
    same = f"; {listed(rest)} {'is' if len(rest) == 1 else 'are'} the same" if rest else ""
    return f"{listed([_CAUSES[cause] for cause in causes]).capitalize()} changed{follows}{same}."


def _named(cause: Cause, compared: Compared) -> str:
    """One thing that changed, by its name."""
    match cause:
        case ConfigChange() | EnvironmentChange():
            return cause.name
        case CodeChange():
            return cause.definition
        case FileChange():
            return cause.path
        case DataChange():
            return f"the data of {compared.name(cause.task)}"
        case _:
            assert_never(cause)


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def groups(compared: Compared) -> Iterator[Group]:
    """Everything that changed, cause first; what is the same has no group."""
    found = compared.comparison
    if found.commits:
        yield _commits(found.commits)
    if found.files:
        yield Group(title="files", entries=tuple(_file(each, compared) for each in found.files))
    if found.code:
        entries = tuple(_definition(each, compared) for each in found.code)
        yield Group(title="code", entries=entries, extra=bool(found.files))
    if found.config:
        yield Group(title="config", entries=tuple(map(_config, found.config)), most=15)
    if found.environment:
        facts = tuple(Entry(label=each.name, before=each.before, after=each.after) for each in found.environment)
        yield Group(title="environment", entries=facts)
    data = [change for change in found.data if change.source or change.type == _TABLE]
    if data:
        yield Group(title="data", entries=tuple(entry for each in data for entry in _data(each, compared)), most=15)
    if found.moved is not None and (moved := tuple(_moved(found.moved))):
        yield Group(title="examples", entries=moved)
    yield from _follows(compared, data)


def _follows(compared: Compared, data: Sequence[DataChange]) -> Iterator[Group]:
    """What the changes led to."""
    found = compared.comparison
    if found.reruns:
        entries = tuple(
            Entry(label=title, aside=", ".join(because) + ("; its outputs are the same" if same else ""))
            for title, because, same in _reruns(compared)
        )
        yield Group(title="steps that ran again", entries=entries, follows=True)
    follows = [f"{compared.name(each.task)}.{each.output}" for each in found.data if each not in data]
    if follows:
        entries = tuple(Entry(label=name) for name in together(follows))
        yield Group(title="outputs that follow", entries=entries, extra=bool(found.reruns), follows=True)
    if found.tasks:
        yield Group(title="steps", entries=tuple(_steps(found.tasks, compared)), follows=True)


def _reruns(compared: Compared) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Each step with its reasons; iterations with the same reasons are one line."""
    for (because, same), alike in groupby(compared.comparison.reruns, key=lambda each: (each.because, each.same)):
        for title in together(compared.name(each.task) for each in alike):
            yield title, because, same


def _commits(commits: Sequence[CommitChange]) -> Group:
    entries = tuple(
        Entry(label=each.sha[:8], aside=f"{each.subject}{' (only the baseline has it)' if each.behind else ''}")
        for each in commits
    )
    return Group(title="commits", entries=entries, most=8)


def _file(change: FileChange, compared: Compared) -> Entry:
    lines = " ".join(
        part for part in (change.added and f"+{change.added}", change.removed and f"−{change.removed}") if part
    )
    reached = (
        f"reached by {', '.join(together(map(compared.name, change.steps)))}" if change.steps else "reaches no step"
    )
    edit = "" if change.edit.value == "changed" else change.edit.value
    parts = (edit, lines, reached, change.unshown and f"{change.unshown}, not in the diff")
    return Entry(label=change.path, aside=", ".join(part for part in parts if part))


def _definition(change: CodeChange, compared: Compared) -> Entry:
    reached = ", ".join(together(map(compared.name, change.tasks)))
    return Entry(label=change.definition, aside=f"{change.edit.value}, reached by {reached}")


def _config(change: ConfigChange) -> Entry:
    def value(setting: Setting | None) -> str:
        return "" if setting is None else words.value(setting.value)

    return Entry(label=change.name, before=value(change.before), after=value(change.after), aside=_EDITS[change.edit])


def _data(change: DataChange, compared: Compared) -> Iterator[Entry]:
    """The artifact, then what differs of its columns."""
    label = f"{compared.name(change.task)}.{change.output}"
    if change.sensitive:
        yield Entry(label=label, aside="differs; sensitive, not summarised")
        return
    if change.type == PARAMETER:
        yield Entry(label=label, before=change.before, after=change.after)
        return
    table = change.table
    rows = (table.rows_before, table.rows_after) if table else (change.rows_before, change.rows_after)
    schema = []
    if table and table.added:
        schema.append(f"new: {_names(table.added)}")
    if table and table.removed:
        schema.append(f"gone: {_names(table.removed)}")
    if None not in rows and rows[0] != rows[1]:
        sizes = [f"{each:,}" for each in rows if each is not None]
        yield Entry(label=label, before=sizes[0], after=sizes[1], aside="; ".join([f"rows{_share(rows)}", *schema]))
    elif change.before and change.after:
        told = [f"same {rows[0]:,} rows, other content" if rows[0] is not None else "other content", *schema]
        yield Entry(label=label, aside="; ".join(told))
    else:
        yield Entry(label=label, before=_short(change.before), after=_short(change.after))
    if table:
        columns = table.drifted or [each for each in table.columns if each.type_before != each.type_after]
        yield from map(_column, columns[:_MOST_COLUMNS])
        rest = len(table.columns) - min(len(columns), _MOST_COLUMNS)
        if rest:
            more = " more" if columns else ""
            calm = "" if len(columns) > _MOST_COLUMNS else " without drift"
            differ = "differs" if rest == 1 else "differ"
            yield Entry(label="", aside=f"{words.count(rest, 'column')}{more} {differ}{calm}")
    else:
        yield from (Entry(label=f"  {name}", aside=what) for name, what in change.columns)


def _share(rows: tuple[int | None, int | None]) -> str:
    before, after = rows
    return f" ({(after - before) / before:+.1%})".replace("-", "−").replace("%", " %") if before and after else ""


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_COLUMNS])
    return shown if len(names) <= _MOST_COLUMNS else f"{shown} and {len(names) - _MOST_COLUMNS} more"


def _column(column: ColumnChange) -> Entry:
    told = []
    if column.type_before != column.type_after:
        told.append(f"{column.type_before} → {column.type_after}")
    if "mean" in column.statistics and (pair := _numbers(column.statistics["mean"])):
        told.append(f"mean {pair[0]:.4g} → {pair[1]:.4g}")
    elif "true" in column.statistics and (pair := _numbers(column.statistics["true"])):
        told.append(f"true {pair[0]:.1%} → {pair[1]:.1%}".replace("%", " %"))
    if column.missing:
        told.append(f"missing {column.missing[0]:.1%} → {column.missing[1]:.1%}".replace("%", " %"))
    if column.drifted:
        far = f" by {abs(column.shift):.2g} standard deviations" if column.shift else ""
        told.append(f"drifted{far}")
    return Entry(label=f"  {column.name}", aside=", ".join(told))


def _numbers(pair: tuple[object, object]) -> tuple[float, float] | None:
    known = [float(each) for each in pair if isinstance(each, (int, float))]
    return (known[0], known[1]) if len(known) == 2 else None


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:10]


def _moved(moved: Moved) -> Iterator[Entry]:
    """How examples moved between training and test; what is no number or none is left out."""
    told = (
        (moved.into_training, "tested by the baseline, trained on by this run"),
        (moved.into_test, "trained on by the baseline, tested by this run"),
        (moved.new_test, "tested by this run, new to the baseline"),
        (moved.gone_test, "tested by the baseline, gone now"),
        (moved.leaked_head, "both trained on and tested by this run"),
        (moved.leaked_baseline, "both trained on and tested by the baseline"),
    )
    return (Entry(label=words.count(count, "example"), aside=what) for count, what in told if count)


def _steps(changes: Iterable[TaskChange], compared: Compared) -> Iterator[Entry]:
    """How steps ended, in the words of the other screens; many iterations that ended alike are one line."""
    moves: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        moves.setdefault((change.before, change.after), []).append(compared.name(change.task))
    for (before, after), names in moves.items():
        counts = Counter(map(without_items, names))
        was, now = (words.TASK_WORDS[TaskState(each)] if each else "" for each in (before, after))
        for title in together(names):
            aside = f"{counts[title]} iterations" if "[…]" in title else ""
            yield Entry(label=title, before=was, after=now, aside=aside)
