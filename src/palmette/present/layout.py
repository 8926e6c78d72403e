"""Paragraphs whose further lines stand below the first one's text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def hanging(mark: Text | str, text: Text | str) -> RenderableType:
    """A paragraph after a mark; where it is broken, it goes on below its own beginning, not below the mark."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(*(Text(part) if isinstance(part, str) else part for part in (mark, text)))
    return table


def indented(what: RenderableType, *, indent: int = 2) -> RenderableType:
    """A paragraph, or more, whose lines all begin so far to the right."""
    return Padding(Text(what) if isinstance(what, str) else what, (0, 0, 0, indent), expand=False)
