"""Tables as Parquet files, and what is worth knowing of their columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from palmette.domain.values import Json
from palmette.runtime.environment import library

#: Distinct values are counted up to here; a column that has more is as good as an identifier.
DISTINCT: Final = 10_000

#: Every option that decides bytes is fixed, so that equal tables are equal files.
_WRITING: Final = {
    "version": "2.6",
    "compression": "snappy",
    "use_dictionary": True,
    "row_group_size": 1 << 20,
    "data_page_version": "1.0",
    "write_statistics": True,
}


def write(table: Any, kind: str, path: Path, sensitive: bool) -> dict[str, Json]:
    """Write a table of pandas (index included), Polars or Arrow; its rows and columns."""
    pyarrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    match kind:
        case "pandas":
            arrow = pyarrow.Table.from_pandas(table)
        case "polars":
            arrow = table.to_arrow()
        case _:
            arrow = table
    parquet.write_table(arrow, path, **_WRITING)
    if sensitive:
        return {}
    names = [name for name in arrow.column_names if not re.fullmatch(r"__index_level_\d+__", name)]
    return {"rows": arrow.num_rows, "columns": [_column(name, arrow.column(name)) for name in names]}


def read(path: Path, kind: str) -> Any:
    """The table, as a table of the library that is asked for."""
    with library("pyarrow.parquet").ParquetFile(path) as file:
        arrow = file.read()
    match kind:
        case "pandas":
            return arrow.to_pandas()
        case "polars":
            return library("polars").from_arrow(arrow)
        case _:
            return arrow


def _column(name: str, column: Any) -> dict[str, Json]:
    pa, pc = library("pyarrow"), library("pyarrow.compute")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_floating(kind):
        # pandas has no other word for a missing number, so NaN counts as one everywhere.
        column = pc.if_else(pc.is_nan(column), None, column)
    found: dict[str, Any] = {"name": name, "type": str(kind).removeprefix("large_"), "nulls": column.null_count}
    if pa.types.is_boolean(kind):
        found["true"] = pc.mean(column).as_py()
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False)
        found |= _bounds(column, float if not pa.types.is_integer(kind) else int)
        found |= {"mean": pc.mean(numbers).as_py(), "std": pc.stddev(numbers, ddof=1).as_py()}
    elif pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        found |= _bounds(column, lambda moment: moment.isoformat())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        distinct = pc.count_distinct(column).as_py()
        found["distinct"] = distinct if distinct <= DISTINCT else None
    return {key: value for key, value in found.items() if _finite(value)}


def _bounds(column: Any, plain: Any) -> dict[str, Json]:
    bounds = library("pyarrow.compute").min_max(column).as_py()
    return {name: plain(value) for name, value in bounds.items() if value is not None and _finite(value)}


def _finite(value: Any) -> bool:
    """Whether JSON can say it, and there is something to say."""
    return value is not None and not (isinstance(value, float) and (value != value or value in (1e999, -1e999)))
