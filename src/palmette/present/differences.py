"""A comparison for a terminal of 80 columns: the verdict first, then what changed, then the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group as Block
from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.comparison.verdict import GateOutcome, Outcome
from palmette.operations.comparing import Compared
from palmette.present import words
from palmette.present.account import MARKS, Account, account
from palmette.present.entries import Entry, Group, Measure
from palmette.present.layout import giving, hanging, indented
from palmette.present.quoting import line, unbroken

OUTCOMES: Final = {
    Outcome.BETTER: "bold green",
    Outcome.WORSE: "bold red",
    Outcome.EQUIVALENT: "bold blue",
    Outcome.INCONCLUSIVE: "bold yellow",
    Outcome.NOT_COMPARABLE: "bold yellow",
}
_GATES: Final = {GateOutcome.PASSED: "green", GateOutcome.FAILED: "bold red", GateOutcome.INCONCLUSIVE: "yellow"}
#: the columns of numbers; the last is the interval
_NUMBERS: Final[tuple[JustifyMethod, ...]] = ("right", "right", "right", "right", "left")
_FAVOURABLE: Final = {True: "green", False: "red", None: ""}
#: columns that a label may take before what is said of it stands below
_LABEL: Final = 34
#: characters of a sentence that may hold users' texts
_SENTENCE: Final = 1_000
#: characters of what is said beside a label, such as the first line of a commit
_ASIDE: Final = 200
#: metrics that are shown before the rest is counted
_MOST: Final = 30


def diff(compared: Compared, now: float, *, everything: bool = False, code: bool = False) -> RenderableType:
    """The comparison: what differs, or everything; with the code's own diff where that is asked for."""
    return Block(*_sections(account(compared), now, everything=everything, code=code))


def _sections(told: Account, now: float, *, everything: bool, code: bool) -> Iterator[RenderableType]:
    yield _headline(told)
    for remark in told.remarks:
        yield hanging("  ·", Text(line(remark, _SENTENCE), style="yellow"))
    if told.gates:
        yield Text("\ngates", style="dim")
        yield from _gates(told)
    yield Text("\nruns", style="dim")
    yield _sides(told, now)
    if told.found:
        yield indented(Text(f"baseline: {line(told.found, _SENTENCE)}", style="dim"))
    for passed in told.passed_over if everything else ():
        yield indented(Text(f"passed over {line(passed, _SENTENCE)}", style="dim"))
    if told.passed_over and not everything:
        count = words.count(len(told.passed_over), "run")
        yield indented(Text(f"{count} passed over (--all says why)", style="dim"))
    if told.advice:
        yield Text("")
        yield Text(line(told.advice, _SENTENCE))
    if told.summary:
        yield Text(f"\n{line(told.summary, _SENTENCE)}")
    for group in told.changes:
        yield from _group(group, everything=everything)
    if told.measures:
        yield from _metrics(told, everything=everything)
    for group in told.numbers:
        yield from _group(group, everything=everything)
    if code and told.baseline is not None:
        yield from _code(told.diff)


def _headline(told: Account) -> RenderableType:
    """Whose verdict, and the verdict in a sentence: its first word in colour."""
    outcome = told.outcome.value if told.outcome else ""
    sentence = Text(line(told.headline, _SENTENCE))
    if told.outcome and told.headline.startswith(outcome):
        sentence.stylize(OUTCOMES[told.outcome], 0, len(outcome))
    return hanging(Text(line(told.head.algorithm), style="bold"), sentence)


def _gates(told: Account) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for gate in told.gates:
        mark = Text(f"  {MARKS[gate.outcome]} {line(gate.demand, _SENTENCE)}")
        said = Text(line(gate.told(told.headline), _SENTENCE), style="dim")
        table.add_row(mark, Text(gate.outcome.value, style=_GATES[gate.outcome]), said)
    yield table


def _sides(told: Account, now: float) -> Table:
    table = Table.grid(padding=(0, 2))
    for fixed in (True, True, True, True, False, True):
        table.add_column(no_wrap=fixed)
    for word, run in (("baseline", told.baseline), ("head", told.head)):
        if run is None:
            continue
        commit = words.commit(run.git.commit, dirty=run.git.dirty)
        state, made = run.state.value.lower(), words.ago(now - run.created)
        table.add_row(f"  {word}", run.id, state, made, giving(line(run.git.branch)), commit)
    return table


def _group(group: Group, *, everything: bool) -> Iterator[RenderableType]:
    if group.extra and not everything:
        return
    entries, left = group.shown(everything=everything)
    title = Text(f"\n{group.title}", style="dim")
    yield title.append(f"  ({group.aside})") if group.aside else title
    if group.follows and not any(entry.aside or entry.before is not None for entry in entries):
        yield indented(", ".join(line(entry.label) for entry in entries))
    else:
        yield from _entries(entries)
    if left:
        yield Text(f"  … and {left:,} more (--all shows them)", style="dim")


def _entries(entries: Iterable[Entry]) -> Iterator[RenderableType]:
    """Two columns; what is said of a long label stands below it."""
    table, pending = Table.grid(padding=(0, 2)), False
    for entry in entries:
        said, label = _said(entry), _label(entry)
        if len(label) <= _LABEL:
            if not pending:
                table = Table.grid(padding=(0, 2))
                table.add_column(overflow="fold", no_wrap=True)
                table.add_column(overflow="fold")
            table.add_row(Text(f"  {label}"), said)
            pending = True
            continue
        if pending:
            yield table
            pending = False
        yield indented(Text(label, overflow="fold"))
        if said.plain:
            yield indented(said, indent=6)
    if pending:
        yield table


def _label(entry: Entry) -> str:
    """As one line, as far to the right as it is meant to stand."""
    begin = len(entry.label) - len(entry.label.lstrip(" "))
    return " " * min(begin, 4) + line(entry.label)


def _said(entry: Entry) -> Text:
    if entry.before is None and entry.after is None:
        return Text(line(entry.aside, _ASIDE))
    styles = {True: ("", "green"), False: ("", "red"), None: ("red", "green")}[entry.favourable]
    sides = [line(side or "—", _SENTENCE) for side in (entry.before, entry.after)]
    said = Text.assemble((sides[0], styles[0]), " → ", (sides[1], styles[1]))
    return said.append(f"  {line(entry.aside, _ASIDE)}", style="dim") if entry.aside else said


def _metrics(told: Account, *, everything: bool) -> Iterator[RenderableType]:
    shown = told.measures if everything else told.telling(_MOST)
    left = 0 if everything else len(told.moved) - len(shown)
    same = len(told.measures) - len(shown) - left
    yield Text("\nmetrics", style="dim")
    if told.baseline is None:
        yield _single(shown)
    elif shown:
        yield _table(shown)
    if left:
        yield Text(f"  … and {left:,} more that differ (--all shows them)", style="dim")
    if same:
        yield Text(f"  {same:,}{' more' if shown else ''} {'is' if same == 1 else 'are'} the same", style="dim")
    for each in shown:
        if everything and each.sentence:
            yield indented(Text(line(each.sentence, _SENTENCE), style="dim"), indent=4)
        elif each.reason and told.verdict and each.name != told.verdict.by and each.reason != told.verdict.reason:
            yield indented(Text(line(f"{each.name}: {each.reason}", _SENTENCE), style="dim"), indent=4)
    if any(each.arrow for each in shown):
        ways = {"↑": "↑ higher is better", "↓": "↓ lower is better"}
        yield indented(
            Text(", ".join(text for way, text in ways.items() if way in {m.arrow for m in shown}), style="dim")
        )


def _named(each: Measure) -> Text:
    return Text(f"  {line(each.name, _LABEL)} {each.arrow}".rstrip())


def _single(shown: Iterable[Measure]) -> Table:
    """The numbers of a run that stands alone."""
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for each in shown:
        table.add_row(_named(each), Text(each.after or "—"))
    return table


def _table(shown: Iterable[Measure]) -> Table:
    """A line a metric; interval and verdict only where one has one."""
    rows = list(shown)
    spread, concluded = any(each.interval for each in rows), any(each.outcome for each in rows)
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    for justify in _NUMBERS if spread else _NUMBERS[:-1]:
        table.add_column(justify=justify, no_wrap=True)
    header = ["", "baseline", "head", "change", "", *(["95 % interval"] if spread else [])]
    if concluded:
        table.add_column(overflow="fold")
        header.append("")
    table.add_row(*(Text(each, style="dim") for each in header))
    for each in rows:
        style = _FAVOURABLE[each.favourable]
        cells = [_named(each), Text(each.before or "—"), Text(each.after or "—")]
        cells += [Text(each.change, style=style), Text(each.relative, style="dim")]
        cells += [Text(each.interval, style="dim")] if spread else []
        cells += [_concluded(each)] if concluded else []
        table.add_row(*cells)
    return table


def _concluded(each: Measure) -> Text:
    if each.outcome is None:
        return Text("")
    style = OUTCOMES[each.outcome].removeprefix("bold ")
    return Text(each.outcome.value, style=style)


def _code(diff: str) -> Iterator[RenderableType]:
    yield Text("\ndiff", style="dim")
    if not diff:
        yield Text("  no line of code differs, or it is not known here", style="dim")
        return
    for row in diff.rstrip("\n").split("\n"):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(row[:1], "")
        yield Text(f"  {unbroken(row)}", style=style, overflow="fold")
