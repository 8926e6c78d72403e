"""Paragraphs whose further lines stand below the first one's text."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: columns of a mark beside which there is still room for a paragraph
_ROOM: Final = 30


def giving(text: str, style: str = "") -> Text:
    """A text that gives way where there is no room: it is cut. Its column must be one that may be broken."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def hanging(mark: Text | str, text: Text | str) -> RenderableType:
    """A paragraph after a mark; where it is broken, it goes on below its own beginning, not below the mark. Below a
    long mark it stands on lines of its own."""
    if Text(str(mark)).cell_len > _ROOM:
        above = Text(mark, overflow="fold") if isinstance(mark, str) else mark
        return Group(above, indented(text, indent=6))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(*(Text(part) if isinstance(part, str) else part for part in (mark, text)))
    return table


def indented(what: RenderableType, *, indent: int = 2) -> RenderableType:
    """A paragraph, or more, whose lines all begin so far to the right."""
    return Padding(Text(what) if isinstance(what, str) else what, (0, 0, 0, indent), expand=False)
