"""A comparison as one HTML page that needs nothing else: no script, no other file, no other host."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from typing import Final

from palmette.comparison.numbers import Curve, Curves
from palmette.comparison.verdict import GateOutcome, Outcome
from palmette.domain.run import Run
from palmette.operations.comparing import Compared
from palmette.present import charts, words
from palmette.present.account import MARKS, Account, account
from palmette.present.charts import Chart, Kind, Series
from palmette.present.entries import Entry, Group, Measure
from palmette.present.intervals import bar
from palmette.present.style import ARTICLES, SHEET

_TONES: Final = {
    Outcome.BETTER: "good",
    Outcome.WORSE: "bad",
    Outcome.EQUIVALENT: "same",
    Outcome.INCONCLUSIVE: "doubt",
    Outcome.NOT_COMPARABLE: "doubt",
}
_GATES: Final = {GateOutcome.PASSED: "good", GateOutcome.FAILED: "bad", GateOutcome.INCONCLUSIVE: "doubt"}
_FAVOURABLE: Final = {True: "good", False: "bad", None: ""}
#: what a browser may take for something else than the character that was written
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
#: metrics that are shown before the rest is folded
_MOST: Final = 40
#: characters of the code's diff beyond which the rest is counted
_MOST_CODE: Final = 400_000
_FOOTER: Final = "<footer>Made by Palmette. Times are UTC.</footer>\n"


def page(compared: Compared) -> str:
    """The whole document."""
    told = account(compared)
    title = f"{told.head.algorithm}: {told.outcome.value if told.outcome else 'compared'}"
    return _document(title, SHEET, [_drawn(compared, 1)])


def several(title: str, subject: str, lines: Iterable[str], compared: Iterable[Compared]) -> str:
    """One document of several comparisons, each an article, below what they are about and these lines of text."""
    head = f'<h1>{text(title)}</h1>\n<p class="quiet">{text(subject)}</p>\n'
    intro = f"<header>\n{head}<ul>{''.join(f'<li>{text(line)}</li>' for line in lines)}</ul>\n</header>\n"
    drawn = [(f"<article>\n{body}</article>\n", curves) for body, curves in (_drawn(each, 2) for each in compared)]
    return _document(title, SHEET + ARTICLES, [(intro, ""), *drawn])


def _drawn(compared: Compared, level: int) -> tuple[str, str]:
    """A comparison below a heading of that level, and its curves alone."""
    curves = "".join(_curves(compared))
    return "".join(_body(account(compared), curves, level)), curves


def _document(title: str, sheet: str, drawn: Sequence[tuple[str, str]]) -> str:
    body, curves = ("".join(each) for each in zip(*drawn, strict=True))
    styles = f"<style>{sheet}</style>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(styles + curves)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n{styles}\n</head>\n<body>\n<main>\n{body}{_FOOTER}</main>\n</body>\n</html>\n"
    )


def text(given: str) -> str:
    """A user's text, between tags and in attributes."""
    shown = _INVISIBLE.sub("", given)
    return escape("".join(char if char.isprintable() or char in "\t\n" else "\ufffd" for char in shown))


def _policy(drawn: str) -> str:
    """Nothing is fetched and nothing runs; of styles those that stand here, by their digests."""
    own = [*re.findall(r"<style>(.*?)</style>", drawn, re.DOTALL), *re.findall(r' style="([^"]*)"', drawn)]
    digests = [b64encode(sha256(each.encode()).digest()).decode() for each in dict.fromkeys(own)]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src 'unsafe-hashes' {allowed}; base-uri 'none'; form-action 'none'"


def _body(told: Account, curves: str, level: int) -> Iterator[str]:
    yield from _header(told, level)
    for title, inner in _sections(told, curves, level + 2):
        yield f"<section>\n<h{level + 1}>{title}</h{level + 1}>\n{inner}</section>\n"


def _sections(told: Account, curves: str, level: int) -> Iterator[tuple[str, str]]:
    """What there is to say, with headings of that level."""
    if told.gates:
        yield "Gates", _gates(told)
    if told.measures:
        yield "Metrics", _metrics(told)
    if told.baseline is not None:
        yield "What changed", "".join(_changes(told, level))
    if curves:
        yield "Curves", f'<div class="charts">{curves}</div>\n'
    if told.numbers:
        yield "Examples", "".join(_group(each, level) for each in told.numbers)
    yield "Runs", "".join(_runs(told))


def _header(told: Account, level: int) -> Iterator[str]:
    word = told.outcome.value if told.outcome else "not judged"
    tone = _TONES[told.outcome] if told.outcome else "doubt"
    yield f'<header>\n<h{level}>{text(told.head.algorithm)} <span class="outcome {tone}">{word}</span></h{level}>\n'
    sentence = told.headline.removeprefix(f"{word}: ")
    yield f'<p class="sentence">{text(sentence)}.</p>\n'
    if told.remarks:
        yield f"<ul>{''.join(f'<li>{text(remark)}</li>' for remark in told.remarks)}</ul>\n"
    if told.advice:
        yield f"<p>{text(told.advice)}</p>\n"
    yield "</header>\n"


def _table(header: Sequence[str], rows: Iterable[str], label: str) -> str:
    """A table that scrolls in itself, by keyboard as well."""
    cells = "".join(f'<th scope="col"{_numeric(each)}>{each.removeprefix(">")}</th>' for each in header)
    return (
        f'<div class="scroll" role="region" aria-label="{text(label)}" tabindex="0"><table>\n'
        f"<thead><tr>{cells}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n"
    )


def _numeric(title: str) -> str:
    return ' class="number"' if title.startswith(">") else ""


def _gates(told: Account) -> str:
    rows = [
        f'<tr><td class="fixed {_GATES[gate.outcome]}">{MARKS[gate.outcome]} {gate.outcome.value}</td>'
        f'<th scope="row">{text(gate.demand)}</th><td>{text(gate.told(told.headline))}</td></tr>\n'
        for gate in told.gates
    ]
    return _table(["gate", "asks that", "found"], rows, "Gates")


def _metrics(told: Account) -> str:
    """The metrics that differ; those that do not are folded."""
    moved = told.telling(_MOST)
    names = {each.name for each in moved}
    more = [each for each in told.moved if each.name not in names]
    differing = names | {each.name for each in more}
    same = [each for each in told.measures if each.name not in differing]
    parts = [_measures(moved, "Metrics")] if moved else []
    if more:
        title = f"{words.count(len(more), 'metric')} more that {'differs' if len(more) == 1 else 'differ'}"
        parts.append(f"<details><summary>{title}</summary>\n{_measures(more, title)}</details>\n")
    if same:
        title = f"{words.count(len(same), 'metric')} {'is' if len(same) == 1 else 'are'} the same"
        parts.append(f"<details><summary>{title}</summary>\n{_measures(same, title)}</details>\n")
    ways = {each.arrow for each in told.measures}
    legend = [way for arrow, way in (("↑", "↑ higher is better"), ("↓", "↓ lower is better")) if arrow in ways]
    if any(each.span for each in moved):
        legend.append("a bar is the 95 % interval of the change, the dot the change, the shade the tolerance")
    return "".join(parts) + (f'<p class="quiet">{"; ".join(legend)}.</p>\n' if legend else "")


def _measures(shown: Sequence[Measure], label: str) -> str:
    header = ["metric", "verdict", ">baseline", ">this run", ">change", ">relative", "95 % interval", "drawn"]
    return _table(header, map(_measure, shown), label)


def _measure(each: Measure) -> str:
    word = each.outcome.value if each.outcome else ""
    tone = _TONES[each.outcome] if each.outcome else ""
    role = f' <span class="quiet">{each.role}</span>' if each.role else ""
    reason = f'<br><span class="quiet">{text(each.reason)}</span>' if each.reason else ""
    numbers = (each.before or "—", each.after or "—")
    return (
        f'<tr><th scope="row">{text(each.name)} {each.arrow}{role}</th>'
        f'<td class="verdict"><span class="{tone}">{word}</span>{reason}</td>'
        f'<td class="number">{numbers[0]}</td><td class="number">{numbers[1]}</td>'
        f'<td class="number {_FAVOURABLE[each.favourable]}">{each.change}</td>'
        f'<td class="number">{each.relative}</td><td class="fixed">{each.interval}</td><td>{bar(each)}</td></tr>\n'
    )


def _changes(told: Account, level: int) -> Iterator[str]:
    if told.summary:
        yield f"<p>{text(told.summary)}</p>\n"
    yield from (_group(each, level) for each in told.changes)
    if told.diff:
        yield _code(told.diff)


def _group(group: Group, level: int) -> str:
    """A table of what differs; what is only for those who ask is folded."""
    aside = f' <span class="quiet">({text(group.aside)})</span>' if group.aside else ""
    shown, left = group.shown()
    table = _entries(shown, group.title)
    if left:
        rest = group.entries[len(shown) :]
        table += f"<details><summary>{left:,} more</summary>\n{_entries(rest, group.title)}</details>\n"
    if group.extra:
        return f"<details><summary>{text(group.title)}{aside}</summary>\n{table}</details>\n"
    return f"<h{level}>{text(group.title)}{aside}</h{level}>\n{table}"


def _entries(entries: Sequence[Entry], label: str) -> str:
    if not any(entry.before is not None or entry.after is not None or entry.aside for entry in entries):
        return f"<p>{', '.join(text(entry.label) for entry in entries)}</p>\n"
    rows = (
        f'<tr><th scope="row">{text(entry.label.strip())}</th><td>{_pair(entry)}{text(entry.aside)}</td></tr>\n'
        for entry in entries
    )
    # A table of two columns whose titles say nothing needs none.
    return (
        f'<div class="scroll" role="region" aria-label="{text(label)}" tabindex="0"><table><tbody>\n'
        f"{''.join(rows)}</tbody></table></div>\n"
    )


def _pair(entry: Entry) -> str:
    if entry.before is None and entry.after is None:
        return ""
    tone = _FAVOURABLE[entry.favourable]
    return (
        f'<span class="was">{text(entry.before or "—")}</span> → '
        f'<span class="{tone}">{text(entry.after or "—")}</span> &nbsp;'
    )


def _code(diff: str) -> str:
    """The lines of code that differ, folded; cut where no browser would show them in reasonable time."""
    kept = diff[:_MOST_CODE]
    lines = [f"<span{_line_class(line)}>{text(line)}</span>" for line in kept.rstrip("\n").split("\n")]
    cut = diff.count("\n") - kept.count("\n")
    more = f'<p class="quiet">Cut short: {cut:,} more lines.</p>\n' if cut else ""
    block = f'<pre tabindex="0">{"".join(lines)}</pre>\n{more}'
    return f"<details><summary>The lines of code that differ</summary>\n{block}</details>\n"


def _line_class(line: str) -> str:
    if line.startswith(("+++", "---", "@@", "diff ")):
        return ' class="place"'
    return {"+": ' class="plus"', "-": ' class="minus"'}.get(line[:1], "")


def _curves(compared: Compared) -> Iterator[str]:
    """ROC and precision-recall first, then what was logged step by step; the baseline's beside each."""
    found = compared.comparison.numbers
    for each in (found.roc, found.precision_recall):
        if each is not None:
            yield f"<div>{charts.lines(_chart(each, (0.0, 1.0)))}</div>\n"
    for each in found.curves:
        yield f"<div>{charts.lines(_chart(each, None))}</div>\n"


def _chart(curves: Curves, unit: tuple[float, float] | None) -> Chart:
    sides: tuple[tuple[str, Kind, Curve | None], ...] = (
        ("baseline", Kind.BASELINE, curves.baseline),
        ("this run", Kind.HEAD, curves.head),
    )
    series = [Series(name=name, xs=side.xs, ys=side.ys, kind=kind) for name, kind, side in sides if side]
    return Chart(
        title=curves.name, x=curves.x, y=curves.y, series=series, width=520, height=320, x_range=unit, y_range=unit
    )


def _runs(told: Account) -> Iterator[str]:
    sides: tuple[tuple[str, Run | None], ...] = (("baseline", told.baseline), ("this run", told.head))
    rows = [
        f'<tr><th scope="row">{word}</th><td class="fixed"><code>{text(run.id)}</code></td>'
        f"<td>{run.state.value.lower()}</td>"
        f'<td class="fixed">{words.moment(run.created)}</td><td>{text(run.git.branch)}</td>'
        f"<td><code>{text(words.commit(run.git.commit, dirty=run.git.dirty))}</code></td></tr>\n"
        for word, run in sides
        if run is not None
    ]
    yield _table(["side", "run", "state", "started", "branch", "commit"], rows, "Runs")
    if told.found:
        yield f"<p>How the baseline was found: {text(told.found)}.</p>\n"
    if told.passed_over:
        items = "".join(f"<li>{text(line)}</li>" for line in told.passed_over)
        title = f"{words.count(len(told.passed_over), 'run')} passed over"
        yield f"<details><summary>{title}</summary><ul>{items}</ul></details>\n"
