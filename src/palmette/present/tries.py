"""What a commit is tried with, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STYLES: Final = {"succeeded": "green", "failed": "red", "canceled": "red", "not begun": "red", "unchanged": "dim"}

#: of a project that has nothing to try
NOTHING: Final = "The project has no algorithm yet."


@dataclass(frozen=True, kw_only=True)
class Line:
    """One algorithm."""

    algorithm: str
    #: "changed", "unchanged", "succeeded"
    word: str
    #: the run; empty for none
    run: str = ""
    reason: str = ""


def lines(found: Sequence[Line], end: str) -> RenderableType:
    """A line for each algorithm, and a sentence below."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for number in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis", style="bold" if number == 0 else "")
    table.add_column(overflow="fold", style="dim")
    for each in found:
        word = Text(each.word, style=_STYLES.get(each.word, ""))
        table.add_row(Text(each.algorithm), word, Text(each.run), Text(each.reason.removeprefix(f"{each.word} ")))
    return Group(table, Text(end)) if found else Text(end)


def counted(count: int, noun: str) -> str:
    """ "1 toy run", "3 toy runs", "0 toy runs"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
