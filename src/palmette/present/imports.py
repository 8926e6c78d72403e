"""What a table of results was taken for."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain.values import Json
from palmette.operations.importing import Outcome
from palmette.operations.sheets import example
from palmette.present import words


def columns(outcome: Outcome) -> RenderableType:
    """Each column, what it means, and an example."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("column", no_wrap=True, overflow="ellipsis", max_width=32)
    table.add_column("means", no_wrap=True, overflow="ellipsis")
    table.add_column("for example", no_wrap=True, overflow="ellipsis", style="dim")
    for column, meaning in outcome.columns.items():
        # A list of what was left out would hide what was not.
        if meaning:
            table.add_row(column, meaning, _one_line(example(outcome.sheet, column)))
    return table


def left_out(outcome: Outcome) -> str:
    """The columns without a meaning; empty for none."""
    kept = {column.partition(".")[0] for column, meaning in outcome.columns.items() if meaning}
    parts = [column.partition(".")[0] for column, meaning in outcome.columns.items() if not meaning]
    names = [name for name in dict.fromkeys(parts) if name not in kept]
    some = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"left out: {some}" if names else ""


def summary(outcome: Outcome, *, dry: bool) -> str:
    """How many runs there are, in one sentence."""
    new, there = len(outcome.new), len(outcome.known)
    algorithms = sorted({entry.run.algorithm for entry in outcome.runs})
    done = "would be imported" if dry else "imported"
    text = f"{words.count(new, 'run')} of {', '.join(algorithms)} {done}"
    return f"{text}, {there:,} {'is' if there == 1 else 'are'} there already" if there else text


def plain(outcome: Outcome, *, dry: bool) -> dict[str, Json]:
    """The same for machines."""
    return {
        "file": outcome.sheet.name,
        "dry_run": dry,
        "lines": len(outcome.sheet.lines),
        "imported": [entry.run.id for entry in outcome.new],
        "known": sorted(outcome.known),
        "columns": [
            {"column": column, "meaning": meaning or None, "example": example(outcome.sheet, column)}
            for column, meaning in outcome.columns.items()
        ],
        "notes": list(outcome.notes),
    }


def _one_line(text: str) -> Text:
    return Text(" ".join(text.split())[:60])
