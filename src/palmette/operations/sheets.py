"""Tables of results that other tools wrote: CSV, or a JSON list of objects."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.domain.values import Json
from palmette.errors import Problem, UsageError

_SEPARATORS: Final = ",;\t"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One result."""

    #: "line 3" of a CSV file, "entry 3" of a list
    where: str
    #: column → value; text where it comes from CSV; without those that are empty
    values: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A file of results."""

    name: str
    #: in the order of the file; nested objects give "config.depth"
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    #: values are texts whose types have to be guessed
    texts: bool


def read(path: Path) -> Sheet:
    """Read a file of results; UsageError with every problem at once."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}", "Save it as UTF-8.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    sheet = _objects(path, text) if text.lstrip()[:1] in ("[", "{") else _csv(path, text)
    if not sheet.lines:
        raise UsageError(f"{path} holds no results", "It needs a header line and one line for each run.")
    return sheet


def _csv(path: Path, text: str) -> Sheet:
    head = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    problems: list[Problem] = []
    lines: list[Line] = []
    columns: tuple[str, ...] = ()
    try:
        columns = tuple(cell.strip() for cell in next(rows, []))
        for row in rows:
            if len(row) == len(columns):
                values = {name: cell for name, cell in zip(columns, row, strict=True) if cell.strip()}
                lines.append(Line(where=f"line {rows.line_num}", values=values))
            elif row:
                what = f"it has {len(row)} cells, and the header has {len(columns)}"
                problems.append(Problem(where=f"line {rows.line_num}", what=what))
    except csv.Error as error:
        problems.append(Problem(where=f"line {rows.line_num}", what=str(error)))
    double = sorted({name for name in columns if columns.count(name) > 1})
    problems += [Problem(where=f"column {name!r}", what="it is there twice") for name in double]
    problems += [Problem(where="header", what="a column has no name")] if "" in columns else []
    if problems:
        raise UsageError(f"{path} cannot be read", problems=problems)
    return Sheet(name=path.name, columns=columns, lines=tuple(lines), texts=True)


def _objects(path: Path, text: str) -> Sheet:
    try:
        found = json.loads(text, parse_constant=float)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    if isinstance(found, dict):
        found = found["runs"] if isinstance(found.get("runs"), list) else [found]
    wrong = [number for number, entry in enumerate(found, 1) if not isinstance(entry, dict)]
    if wrong:
        problems = [Problem(where=f"entry {number}", what="it is no object") for number in wrong]
        raise UsageError(f"{path} is not a list of objects", problems=problems)
    lines = [
        Line(where=f"entry {number}", values={name: value for name, value in _flat(entry) if value not in (None, "")})
        for number, entry in enumerate(found, 1)
    ]
    columns = dict.fromkeys(name for line in lines for name in line.values)
    return Sheet(name=path.name, columns=tuple(columns), lines=tuple(lines), texts=False)


def _flat(entry: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def example(sheet: Sheet, column: str) -> str:
    """The first value of a column."""
    found: Sequence[Json] = [line.values[column] for line in sheet.lines if column in line.values][:1]
    return str(found[0]) if found else ""
