"""A metric over commits: for a terminal, as JSON values, as rows of text, as a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from palmette.comparison.changepoints import METHOD, SOURCE
from palmette.comparison.trends import Entry, Shift
from palmette.domain.values import Json
from palmette.operations.histories import History
from palmette.present import words
from palmette.present.charts import Band, Chart, Kind, Mark, Series
from palmette.present.layout import giving, hanging
from palmette.present.plots import Plot, lines
from palmette.present.quoting import cell

#: lines of the terminal's chart
_HEIGHT: Final = 10
#: commits that are listed one by one
_LISTED: Final = 4
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def screen(found: History, *, width: int = 80) -> RenderableType:
    """The chart, and what was changed where."""
    return Group(*_screen(found, width))


def _screen(found: History, width: int) -> Iterator[RenderableType]:
    entries = found.entries
    yield giving(title(found), "bold")
    yield giving(summary(found), "dim")
    marks = {shift.at: _letter(index) for index, shift in enumerate(found.shifts)}
    if found.fork and found.fork not in marks:
        marks[found.fork] = "▲"
    plot = Plot(
        ys=[each.value for each in entries],
        bands=[each.band for each in entries],
        marks=marks,
        loud=frozenset(place for place, each in enumerate(entries) if each.outside),
        first=_name(entries[0]),
        last=_name(entries[-1]) if len(entries) > 1 else "",
    )
    yield from lines(plot, width=min(width, 120), height=_HEIGHT)
    for index, shift in enumerate(found.shifts):
        yield from _shift(found, shift, _letter(index))
    if found.fork:
        left = f"{found.branch} left {found.target} after {_name(entries[found.fork - 1])}; what follows is its own"
        yield hanging(Text("  ▲", style="yellow"), left)
    yield from _segments(found)
    outside = [each for each in entries if each.outside]
    if outside:
        names = _several([_name(each) for each in outside[-_LISTED:]], len(outside))
        yield hanging(Text("  ●", style="bold red"), f"outside the noise band: {names}")
    if band := entries[-1].band:
        ends = f"{words.number(band[0])} and {words.number(band[1])}"
        yield hanging(Text("  ░", style="dim"), f"at the last commit the noise band lies between {ends}")
    for remark in notes(found):
        yield hanging(Text("  ·", style="dim"), Text(remark, style="dim"))


def title(found: History) -> str:
    """What is shown: "auc of tumour on main, preset full"."""
    on = f" on {found.branch}" if found.branch else ""
    return printable(f"{found.metric} of {found.algorithm}{on}, preset {found.preset}")


def summary(found: History) -> str:
    """How many there are, what the last one is, and the best one."""
    last = found.entries[-1]
    said = f"{words.count(len(found.entries), 'commit')}, the last {words.number(last.value)}"
    if found.goal:
        best = (max if found.goal == "max" else min)(found.entries, key=lambda each: each.value)
        said += f", the best {words.number(best.value)} ({_name(best)})"
    return said


def notes(found: History) -> Iterator[str]:
    """What the reader should know."""
    if not found.shifts and len(found.entries) >= 2 * 2:
        yield "no change point: the numbers move no more than numbers without order do"
    if not any(each.band for each in found.entries):
        yield "no noise band yet: it needs four different trainings with the same config and data before a commit"
    yield from found.remarks


def aside(found: History) -> str:
    """What is not in the chart, for standard error; empty for nothing."""
    parts = [f"not counted: {words.tally(found.passed)}"] if found.passed else []
    parts += [f"{words.count(found.older, 'commit')} before these: --last, --since"] if found.older else []
    return "; ".join(parts)


def nothing(found: History) -> str:
    """What is said where no run counts, and why none does."""
    on = f" on {found.branch}" if found.branch else ""
    with_preset = "" if found.preset == "full" else f" --preset {found.preset}"
    if found.older:
        return f"No commit since then. {words.count(found.older, 'commit')} before it: leave --since out."
    why = f" Not counted: {words.tally(found.passed)}." if found.passed else ""
    first = f"No run of {found.algorithm}{on} yet, preset {found.preset}, that has {found.metric}."
    return f"{first}{why} Start one there: palmette run {found.algorithm}{with_preset}"


def _shift(found: History, shift: Shift, letter: str) -> Iterator[RenderableType]:
    entry = found.entries[shift.at]
    word, style = _judged(found, shift)
    chance = f"p {shift.p:.3f}"
    yield hanging(
        Text(f"  {letter}", style="yellow"),
        Text.assemble(
            (f"{words.number(shift.before)} → {words.number(shift.after)}", "bold"),
            (f"  {words.signed(shift.after - shift.before)}", style),
            (f"{word}  ", style),
            (f"since {_name(entry)}, {words.moment(entry.time)[:16]}  {chance}", "dim"),
        ),
    )
    if entry.subject:
        yield giving(f"    {printable(entry.subject)}{f' ({printable(entry.author)})' if entry.author else ''}")
    yield giving(f"    changed there: {causes(entry)}")
    if entry.skipped:
        which = "the commit" if entry.skipped == 1 else f"one of the {entry.skipped} commits"
        yield giving(f"    or in {which} before it, of which no run counts")


def causes(entry: Entry) -> str:
    """What differs between an entry and the one before it."""
    parts = [part for part in entry.changed if part != "config"]
    edits = [printable(edit) for edit in entry.edits] or (["config"] if "config" in entry.changed else [])
    return ", ".join([*edits, *parts]) or "nothing that the run depends on, so it is the training's own noise"


def _segments(found: History) -> Iterator[RenderableType]:
    begun = [each for each in found.entries if {"config", "data"} & {*each.changed}]
    if not begun:
        return
    names = [f"{_name(each)} ({', '.join([*map(printable, each.edits), *_data(each)])})" for each in begun[-_LISTED:]]
    yield hanging(
        Text("  ─", style="dim"), f"another config or data, and so a band anew, since {_several(names, len(begun))}"
    )


def _data(entry: Entry) -> list[str]:
    return ["data"] if "data" in entry.changed else []


def _several(names: Sequence[str], count: int) -> str:
    return ("… " if count > len(names) else "") + ", ".join(names)


def _judged(found: History, shift: Shift) -> tuple[str, str]:
    if not found.goal:
        return "", ""
    better = (shift.after > shift.before) == (found.goal == "max")
    return (" better", "green") if better else (" worse", "bold red")


def _letter(index: int) -> str:
    return _LETTERS[index % len(_LETTERS)]


def _name(entry: Entry) -> str:
    return words.commit(entry.commit) or entry.run


def printable(text: str) -> str:
    """A text on one line, without control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def plain(found: History) -> dict[str, Json]:
    """What `history --json` prints."""
    return {
        "algorithm": found.algorithm,
        "metric": found.metric,
        "goal": found.goal or None,
        "preset": found.preset,
        "branch": found.branch or None,
        "left": found.target or None,
        "commits": [_entry(each) for each in found.entries],
        "change_points": [
            {
                "commit": found.entries[each.at].commit or None,
                "run": found.entries[each.at].run,
                "index": each.at,
                "before": each.before,
                "after": each.after,
                "difference": each.after - each.before,
                "p": each.p,
                "changed": list(found.entries[each.at].changed),
                "edits": list(found.entries[each.at].edits),
                "commits_without_runs": found.entries[each.at].skipped,
            }
            for each in found.shifts
        ],
        "method": f"{METHOD} ({SOURCE})",
        "not_counted": dict(found.passed),
        "older": found.older,
        "remarks": list(found.remarks),
    }


def _entry(each: Entry) -> dict[str, Json]:
    return {
        "commit": each.commit or None,
        "run": each.run,
        "subject": each.subject,
        "author": each.author,
        "time": words.instant(each.time),
        "value": each.value,
        "band": None if each.band is None else list(each.band),
        "outside": each.outside,
        "changed": list(each.changed),
        "edits": list(each.edits),
        "same_training": each.again,
        "of_the_branch": each.own,
    }


def cells(found: History) -> list[list[str]]:
    """As rows of text, the first one the header."""
    header = ["commit", "time", "value", "band_low", "band_high", "change_point", "changed", "run", "author", "subject"]
    shifts = {shift.at for shift in found.shifts}
    rows = [
        [
            each.commit,
            words.instant(each.time) or "",
            repr(each.value),
            *(("", "") if each.band is None else map(repr, each.band)),
            "yes" if place in shifts else "",
            " ".join(each.changed),
            each.run,
            cell(each.author),
            cell(each.subject),
        ]
        for place, each in enumerate(found.entries)
    ]
    return [header, *rows]


def chart(found: History, *, width: int = 820, height: int = 340) -> Chart:
    """As a drawing."""
    xs = range(len(found.entries))
    first = found.fork if found.fork is not None else len(found.entries)
    notes = [f"{_name(each)} {words.number(each.value)} {each.subject}".strip() for each in found.entries]
    series = [
        Series(
            name=found.target or found.branch or found.metric,
            xs=xs[:first],
            ys=[each.value for each in found.entries[:first]],
            kind=Kind.BASELINE if found.target else Kind.HEAD,
            points=True,
            notes=notes[:first],
        )
    ]
    if found.fork is not None:
        own = [each.value for each in found.entries[first:]]
        series.append(
            Series(name=found.branch, xs=xs[first:], ys=own, kind=Kind.HEAD, points=True, notes=notes[first:])
        )
    lows, highs = ([each.band[side] if each.band else nan for each in found.entries] for side in (0, 1))
    marks = [Mark(x=shift.at - 0.5, label=_marked(found, shift)) for shift in found.shifts]
    if found.fork:
        marks.append(Mark(x=found.fork - 0.5, label=f"{found.branch} left {found.target}"))
    return Chart(
        title=title(found),
        x="commit",
        y=found.metric,
        series=series,
        bands=[Band(xs=xs, lows=lows, highs=highs, name="noise band")]
        if any(each.band for each in found.entries)
        else (),
        marks=marks,
        width=width,
        height=height,
        x_names={float(place): _name(each) for place, each in enumerate(found.entries)},
    )


def _marked(found: History, shift: Shift) -> str:
    entry = found.entries[shift.at]
    return f"{_name(entry)} {words.signed(shift.after - shift.before)} {entry.subject}".strip()
