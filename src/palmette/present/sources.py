"""What is captured, and what a check found: for a terminal and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palmette.domain.values import Json
from palmette.operations.checking import Captured, Checked
from palmette.operations.compiling import Written
from palmette.present import words
from palmette.present.layout import hanging, indented


def check(found: Checked) -> RenderableType:
    """One line an algorithm, then every problem."""
    return Group(*_check(found))


def _check(found: Checked) -> Iterable[RenderableType]:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for entry in found.algorithms:
        mark = Text(" ✓", style="green") if entry.good else Text(" ✗", style="bold red")
        counts = ((entry.tasks, "step"), (entry.fields, "config field"), (entry.files, "file"))
        about = ", ".join(words.count(*each) for each in counts if each[0])
        table.add_row(mark, entry.name, Text(about, style="dim"))
    yield table
    for problem in found.problems:
        yield Text(f"\n{problem}", style="red")
    for note in found.notes:
        yield Text(f"note: {note}", style="dim")
    if found.problems:
        count = len(found.problems)
        yield Text(f"\n{count} {'problem' if count == 1 else 'problems'}", style="bold red")


def plain_check(found: Checked) -> dict[str, Json]:
    """The same as JSON values."""
    return {
        "algorithms": [
            {
                "name": entry.name,
                "good": entry.good,
                "tasks": entry.tasks,
                "fields": entry.fields,
                "files": entry.files,
            }
            for entry in found.algorithms
        ],
        "problems": [{"where": each.where, "what": each.what, "hint": each.hint} for each in found.problems],
        "notes": list(found.notes),
    }


def plain_compiled(algorithm: str, written: Written, output: Path | None) -> dict[str, Json]:
    """What was compiled, as JSON values; the pipeline itself where no file took it."""
    return {
        "algorithm": algorithm,
        "bundle": written.bundle,
        "bytes": len(written.text.encode()),
        "path": None if output is None else str(output),
        "pipeline": written.text if output is None else None,
        "warnings": list(written.warnings),
    }


def capture(taken: Captured, *, everything: bool) -> RenderableType:
    """The files that are taken along; with `everything` why, what each step reaches, and what was left."""
    return Group(*_capture(taken, everything=everything))


def _capture(taken: Captured, *, everything: bool) -> Iterable[RenderableType]:
    explained = taken.explained
    yield Text.assemble((taken.algorithm, "bold"), f"  bundle {taken.bundle.digest[:12]}")
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for file in explained.files:
        why = file.why if file.why == "asked for" else f"imported by {file.why}"
        table.add_row(f"  {file.path}", words.size(file.size), why if everything else "")
    yield table
    total = f"{words.size(explained.raw)}, {words.size(explained.packed)} packed"
    runtime = words.size(explained.archive)
    yield Text(f"  {len(explained.files)} files: {total}; {runtime} with Palmette's runtime", style="dim")
    if not everything:
        yield Text(f"  palmette capture {taken.algorithm} --explain says why", style="dim")
        return
    yield Text("\nthird-party modules", style="dim")
    yield indented(", ".join(explained.third_party) or "none")
    for step in explained.steps:
        yield Text.assemble(("\nreached by ", "dim"), (step.name, "bold"), (f"  {step.digest[:12]}", "dim"))
        for module, names in by_module(step.definitions).items():
            yield indented(hanging(f"{module}:", ", ".join(names)))
        for module, reason in step.whole.items():
            yield indented(Text(f"{module}: counts whole, because {reason}", style="yellow"))
    if explained.left:
        yield Text("\nleft", style="dim")
        for left in explained.left:
            yield indented(hanging(f"{left.path}:", left.why))
    for warning in explained.warnings:
        yield Text(f"warning: {warning}", style="yellow")


def plain_capture(taken: Captured) -> dict[str, Json]:
    """The same as JSON values."""
    explained = taken.explained
    return {
        "algorithm": taken.algorithm,
        "bundle": taken.bundle.digest,
        "bytes": explained.raw,
        "packed_bytes": explained.packed,
        "archive_bytes": explained.archive,
        "files": [{"path": file.path, "size": file.size, "why": str(file.why)} for file in explained.files],
        "third_party": list(explained.third_party),
        "steps": [
            {
                "name": step.name,
                "digest": step.digest,
                "definitions": list(step.definitions),
                "whole_modules": dict(step.whole),
            }
            for step in explained.steps
        ],
        "left": [{"path": left.path, "why": left.why} for left in explained.left],
        "warnings": [str(warning) for warning in explained.warnings],
    }


def by_module(definitions: Iterable[str]) -> dict[str, list[str]]:
    """ "module:name" → names by module, in the order in which the modules come."""
    found: dict[str, list[str]] = {}
    for definition in definitions:
        module, _, name = definition.partition(":")
        found.setdefault(module, []).append(name)
    return found
