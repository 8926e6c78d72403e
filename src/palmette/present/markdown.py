"""A comparison as Markdown for a note on GitLab or GitHub: one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from palmette.comparison.verdict import GateOutcome, Outcome
from palmette.domain.run import Run
from palmette.operations.comparing import Compared
from palmette.present import words
from palmette.present.account import MARKS, Account, account
from palmette.present.entries import Entry, Group, Measure
from palmette.present.quoting import code, fenced, opening, prose

#: outcome → a sign that is seen from afar; the word beside it says the same
_SIGNS: Final = {
    Outcome.BETTER: "🟢",
    Outcome.WORSE: "🔴",
    Outcome.EQUIVALENT: "🔵",
    Outcome.INCONCLUSIVE: "🟡",
    Outcome.NOT_COMPARABLE: "⚪",
}
#: metrics, lines of each kind of change, and lines of code, beyond which the rest is counted
_METRICS: Final = 8
_ENTRIES: Final = 6
_LINES: Final = 300
_CHARACTERS: Final = 30_000
#: settings beyond which none is told of outside what is folded
_SETTINGS: Final = 3


def whole(compared: Sequence[Compared], *, diff: bool = False, everything: bool = False) -> str:
    """A document of its own: one section for each comparison."""
    parts = (account(each) for each in compared)
    return "\n".join(f"{_heading(told)}\n\n{unheaded(told, diff=diff, everything=everything)}" for told in parts)


def unheaded(told: Account, *, diff: bool = False, everything: bool = False) -> str:
    """One algorithm's part, without a heading. Code and single examples only when asked for."""
    return "\n".join(_blocks(told, diff=diff, everything=everything)).rstrip("\n") + "\n"


def _heading(told: Account) -> str:
    sign = f"{_SIGNS[told.outcome]} " if told.outcome else ""
    return f"### {sign}{code(told.head.algorithm)}: {told.outcome.value if told.outcome else 'not judged'}"


def _blocks(told: Account, *, diff: bool, everything: bool) -> Iterator[str]:
    """Each a paragraph, a table or a list; an empty line between them keeps both platforms from joining them."""
    yield f"{_sentence(told.headline)}\n"
    if told.remarks:
        yield "\n".join(f"- {opening(remark)}" for remark in told.remarks) + "\n"
    if told.gates:
        yield _gates(told)
    shown = told.measures if everything else told.telling(_METRICS)
    if shown:
        yield _metrics(shown)
    yield from _unshown(told, shown)
    if told.summary:
        yield f"**What changed.** {_sentence(told.summary)}{_values(told.changes)}\n"
    changes = [group for group in told.changes if everything or not group.extra]
    if changes:
        yield _folded("Changes", [line for group in changes for line in _group(group, everything=everything)])
    numbers = [group for group in told.numbers if everything or not group.extra]
    if numbers:
        yield _folded(
            "Groups, confusion, flips", [line for each in numbers for line in _group(each, everything=everything)]
        )
    if diff and told.diff:
        yield from _diff(told.diff)
    yield f"{_provenance(told)}\n"
    if told.advice:
        yield f"{_sentence(told.advice)}\n"


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    shown = opening(text)
    shown = shown[:1].upper() + shown[1:]
    return shown if shown.endswith((".", "…")) else f"{shown}."


def _values(changes: Sequence[Group]) -> str:
    """The settings that differ where they are few: whoever decides in a minute unfolds nothing."""
    entries = next((group.entries for group in changes if group.title == "config"), ())
    told = [
        _entry(replace(entry, aside="")) for entry in entries if entry.before is not None or entry.after is not None
    ]
    return f" {', '.join(told)}." if told and len(entries) <= _SETTINGS else ""


def _gates(told: Account) -> str:
    rows = [
        f"| {MARKS[gate.outcome]} {_bold(gate.outcome)} | {prose(gate.demand)} | {prose(gate.told(told.headline))} |"
        for gate in told.gates
    ]
    return "\n".join(["| gate | asks that | found |", "| --- | --- | --- |", *rows]) + "\n"


def _bold(outcome: GateOutcome) -> str:
    return outcome.value if outcome is GateOutcome.PASSED else f"**{outcome.value}**"


def _metrics(shown: Sequence[Measure]) -> str:
    head = "| metric | baseline | this run | change | 95 % interval | verdict |"
    rows = [
        f"| {' '.join(part for part in (code(each.name, 60), each.arrow) if part)} | {each.before or '—'} "
        f"| {each.after or '—'} | {_change(each)} | {each.interval} | {each.outcome.value if each.outcome else ''} |"
        for each in shown
    ]
    return "\n".join([head, "| --- | ---: | ---: | ---: | --- | --- |", *rows]) + "\n"


def _change(each: Measure) -> str:
    return f"{each.change} ({each.relative})" if each.relative else each.change


def _unshown(told: Account, shown: Sequence[Measure]) -> Iterator[str]:
    """What the table leaves out, by number."""
    rest = len(told.moved) - len(shown) if len(shown) < len(told.moved) else 0
    same = len(told.measures) - len(shown) - rest
    parts = [f"{words.count(rest, 'metric')} more that {'differs' if rest == 1 else 'differ'}"] if rest else []
    parts += [f"{words.count(same, 'metric')} {'is' if same == 1 else 'are'} the same"] if same else []
    if parts:
        yield f"<sub>Not shown: {'; '.join(parts)}.</sub>\n"


def _group(group: Group, *, everything: bool) -> Iterator[str]:
    """A list below its title. A label of users is code, and so is each value."""
    aside = f" ({prose(group.aside)})" if group.aside else ""
    yield f"**{group.title}**{aside}\n"
    entries = group.entries if everything else group.shown()[0][:_ENTRIES]
    for entry in entries:
        yield f"- {_entry(entry)}"
    left = len(group.entries) - len(entries)
    if left:
        yield f"- … and {left:,} more"
    yield ""


def _entry(entry: Entry) -> str:
    parts = [code(entry.label.strip())]
    if entry.before is not None or entry.after is not None:
        parts.append(f"{code(entry.before or '', 60) or '—'} → {code(entry.after or '', 60) or '—'}")
    if entry.aside:
        parts.append((prose if parts[0] else opening)(entry.aside, 200))
    return " ".join(part for part in parts if part)


def _folded(title: str, lines: Sequence[str]) -> str:
    body = "\n".join(lines).rstrip("\n")
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>\n"


def _diff(diff: str) -> Iterator[str]:
    """The lines of code that differ, as far as a note has room."""
    lines = diff.rstrip("\n").split("\n")
    kept, size = [], 0
    for each in lines[:_LINES]:
        size += len(each) + 1
        if size > _CHARACTERS:
            break
        kept.append(each)
    cut = len(lines) - len(kept)
    body = [fenced("\n".join(kept), "diff")]
    if cut:
        body.append(f"\nCut short: {words.count(cut, 'line')} more.")
    yield _folded("Code", body)


def _provenance(told: Account) -> str:
    """Which two runs these are, and how the second was found."""
    head = f"Run {_run(told.head)}"
    if told.baseline is None:
        return f"<sub>{head}; nothing to compare with.</sub>"
    found = f": {prose(told.found)}" if told.found else ""
    passed = f"; {words.count(len(told.passed_over), 'run')} passed over" if told.passed_over else ""
    return f"<sub>{head}, compared with {_run(told.baseline)}{found}{passed}.</sub>"


def _run(run: Run) -> str:
    commit = words.commit(run.git.commit, dirty=run.git.dirty)
    where = " ".join(part for part in (code(run.git.branch, 60), code(commit)) if part)
    return f"{code(run.id)} ({where})" if where else code(run.id)
