"""What is printed where people read does nothing but be read."""

from __future__ import annotations

import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

from palmette.cli.console import show


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_no_name_clears_a_screen_sets_a_title_or_turns_the_writing(
    stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", stream())
    table = Table.grid()
    table.add_row(Text("a\x1b[2Jb\x1b]0;title\x07c\u202ed\x9b31m"))
    show(table)
    show(Text("end"))
    assert isinstance(sys.stdout, stream)
    printed = sys.stdout.getvalue()
    assert printed.replace("\n", "").isprintable()
    assert [line.rstrip()[-3:] for line in printed.splitlines()] == ["31m", "end"]
