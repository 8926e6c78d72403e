"""Leaderboards: for a terminal, as JSON values, as rows of text."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, isfinite, log10
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.comparison import wording
from palmette.domain.values import Json
from palmette.operations.leaderboards import Board, Placed, Ranking
from palmette.present import words
from palmette.present.histories import printable
from palmette.present.layout import giving, hanging
from palmette.present.quoting import cell

#: overrides that are shown of a run
_OVERRIDES: Final = 4


def screen(board: Board, now: float) -> RenderableType:
    """The runs, best first; what is said of ties stands below."""
    return Group(*_screen(board, now))


def _screen(board: Board, now: float) -> Iterator[RenderableType]:
    wanted = {"max": "the largest first", "min": "the smallest first"}.get(board.goal, "")
    yield giving(printable(f"{board.algorithm} by {board.metric}, {wanted}, preset {board.preset}"), "bold")
    for place, ranking in enumerate(board.rankings):
        if len(board.rankings) > 1:
            yield giving(_heading(ranking, place), "dim")
        yield _table(board, ranking, now)
        yield from (hanging(Text("  ·", style="dim"), Text(said, style="dim")) for said in ties(ranking))
    if len(board.rankings) > 1:
        apart = "numbers on different test data are not ranked together"
        yield hanging(Text("  ·", style="dim"), Text(apart, style="dim"))
    if any(each.again for ranking in board.rankings for each in ranking.placed):
        yield hanging(Text("  ·", style="dim"), Text("(+1): so many more runs reused that number", style="dim"))
    for remark in board.remarks:
        yield hanging(Text("  ·", style="dim"), Text(remark, style="dim"))


def _heading(ranking: Ranking, place: int) -> str:
    if ranking.examples is None:
        return "test data not known: numbers that may not answer the same question"
    which = "on the newest test data" if place == 0 else "on other test data"
    return f"{which}, {words.count(ranking.examples, 'example')}"


def _table(board: Board, ranking: Ranking, now: float) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column(_cut(board.metric), justify="right", no_wrap=True)
    intervals = any(each.low is not None for each in ranking.placed)
    if intervals:
        table.add_column("to the best, 95 %", no_wrap=True)
    table.add_column("commit", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("of", overflow="fold", ratio=1)
    for place, each in enumerate(ranking.placed, 1):
        cells = [Text(str(place)), Text(each.run), Text(words.number(each.value), style="bold" if place == 1 else "")]
        cells += [_interval(each)] if intervals else []
        cells += [Text(words.commit(each.commit, dirty=each.dirty)), Text(words.age(now - each.created)), _of(each)]
        table.add_row(*cells)
    return table


def _interval(each: Placed) -> Text:
    if each.low is None or each.high is None:
        return Text("")
    return Text(interval(each.low, each.high), style="red" if each.behind else "green")


def interval(low: float, high: float) -> str:
    """Both ends, with two digits of how far they are apart; none is shown as a zero that excludes zero."""
    apart = high - low
    places = min(max(1 - floor(log10(apart)), 0), 12) if isfinite(apart) and apart > 0 else 4
    while places < 12 and low * high > 0 and any(round(end, places) == 0 for end in (low, high)):
        places += 1
    return f"{wording.signed(low, places)} … {wording.signed(high, places)}"


def _of(each: Placed) -> Text:
    """Where it comes from: aliases, branch, overrides."""
    said = Text().append(" ".join(f"@{alias}" for alias in each.aliases), style="bold yellow")
    parts = [each.branch] if each.branch else []
    shown = [*each.overrides.items()][:_OVERRIDES]
    parts += [f"{name}={words.value(_plain(value))}" for name, value in shown]
    parts += ["…"] if len(each.overrides) > _OVERRIDES else []
    parts += [f"(+{each.again})"] if each.again else []
    return said.append((" " if each.aliases and parts else "") + printable(" ".join(parts)))


def _plain(value: str) -> str:
    return value.removeprefix('"').removesuffix('"')


def _cut(text: str) -> str:
    text = printable(text)
    return text if len(text) <= 16 else f"{text[:15]}…"


def ties(ranking: Ranking) -> Iterator[str]:
    """What the reader should know of the order."""
    if ranking.tied > 1:
        yield f"the first {ranking.tied} are not told apart: their order is chance"
    unknown = [each for each in ranking.placed[1:] if not each.outcome]
    reasons = sorted({each.reason for each in unknown if each.reason})
    if unknown and reasons:
        several = f" (and {words.count(len(reasons) - 1, 'other reason')})" if len(reasons) > 1 else ""
        count = words.count(len(unknown), "run")
        yield f"whether it is chance that {count} stand behind the best is not known: {reasons[0]}{several}"


def aside(board: Board) -> str:
    """What is not in the list, for standard error; empty for nothing."""
    parts = [f"not counted: {words.tally(board.passed)}"] if board.passed else []
    parts += [f"{board.shown} of {board.total:,}; --all shows more"] if board.shown < board.total else []
    return "; ".join(parts)


def nothing(board: Board) -> str:
    """What is said where no run counts, and why none does."""
    why = f" Not counted: {words.tally(board.passed)}." if board.passed else ""
    preset = "" if board.preset == "full" else f" --preset {board.preset}"
    first = f"No run of {board.algorithm} yet, preset {board.preset}, that has {board.metric}."
    return f"{first}{why} Start one: palmette run {board.algorithm}{preset}"


def plain(board: Board) -> dict[str, Json]:
    """What `leaderboard --json` prints."""
    return {
        "algorithm": board.algorithm,
        "metric": board.metric,
        "goal": board.goal or None,
        "preset": board.preset,
        "total": board.total,
        "rankings": [
            {
                "examples": each.examples,
                "not_told_apart": each.tied,
                "runs": [_placed(one, place) for place, one in enumerate(each.placed, 1)],
            }
            for each in board.rankings
        ],
        "not_counted": dict(board.passed),
        "remarks": list(board.remarks),
    }


def _placed(each: Placed, place: int) -> dict[str, Json]:
    interval: Json = None if each.low is None or each.high is None else [each.low, each.high]
    return {
        "place": place,
        "run": each.run,
        "value": each.value,
        "to_the_best": None
        if not each.outcome
        else {"verdict": each.outcome, "interval": interval, "method": each.method},
        "reason": each.reason or None,
        "branch": each.branch or None,
        "commit": each.commit or None,
        "dirty": each.dirty,
        "created_at": words.instant(each.created),
        "overrides": {name: _plain(value) for name, value in each.overrides.items()},
        "sweep": each.sweep or None,
        "aliases": list(each.aliases),
        "reused_by": each.again,
    }


def cells(board: Board) -> list[list[str]]:
    """As rows of text, the first one the header."""
    header = ["test_data", "place", "run", "value", "low", "high", "verdict", "branch", "commit", "created_at"]
    header += ["aliases", "overrides"]
    rows = [header]
    for number, ranking in enumerate(board.rankings, 1):
        for place, each in enumerate(ranking.placed, 1):
            ends = ["" if end is None else repr(end) for end in (each.low, each.high)]
            edits = " ".join(f"{name}={_plain(value)}" for name, value in each.overrides.items())
            row = [str(number), str(place), each.run, repr(each.value), *ends, each.outcome, cell(each.branch)]
            told = [words.instant(each.created) or "", cell(" ".join(each.aliases)), cell(edits)]
            rows.append([*row, each.commit, *told])
    return rows
