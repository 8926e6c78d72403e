"""What a step's failure says on standard error."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import TracebackException
from typing import Final

_OWN: Final = str(Path(__file__).parents[1]) + os.sep


def complain(error: BaseException, environment: Mapping[str, str]) -> None:
    """Print the traceback without the frames of Palmette and of the import system; a hint where one helps."""
    told = TracebackException.from_exception(error)
    _clean(told)
    print("".join(told.format()), file=sys.stderr, end="")
    hints = (_left_behind(each, environment) for each in _chain(error) if isinstance(each, FileNotFoundError))
    if hint := next(filter(None, hints), ""):
        print(f"palmette: {hint}", file=sys.stderr)


def _clean(told: TracebackException) -> None:
    kept = [frame for frame in told.stack if not frame.filename.startswith((_OWN, "<frozen importlib"))]
    while kept and kept[0].filename == importlib.__file__:
        del kept[0]
    # An error of Palmette's own must still say where it is.
    told.stack[:] = kept or told.stack
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            _clean(other)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _left_behind(error: FileNotFoundError, environment: Mapping[str, str]) -> str:
    """Why a file of the project is not there, if it is one."""
    project, name = environment.get("PALMETTE_PROJECT"), error.filename
    if not project or not isinstance(name, (str, os.PathLike)):
        return ""
    path = Path(os.fspath(name))
    if path.is_absolute() or not (Path(project) / path).exists():
        return ""
    return (
        f"{path} is a file of the project, but a step runs in a directory of its own and sees only what was captured "
        "with it. Keep it beside the module that reads it and open it through importlib.resources or "
        "Path(__file__).parent, so that it is captured; or, if it is data, name it in a config field: "
        f'data: InputFile = InputFile("{path}").'
    )
