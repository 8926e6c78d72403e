"""Where things stand in the project's source: for messages, and to find a definition again by name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import PurePath
from types import CodeType
from typing import Any

_HERE = PurePath(__file__).parent


def place(module: str, filename: str, line: int) -> str:
    """ "algorithms/tumour.py:41": the same wherever the module's root lies."""
    path = PurePath(filename)
    depth = module.count(".") + (2 if path.stem == "__init__" else 1)
    return f"{PurePath(*path.parts[-depth:])}:{line}"


def standing(function: Any) -> str:
    """Where a function is defined; empty for one without Python source."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    return place(str(function.__module__), code.co_filename, code.co_firstlineno)


def calling() -> str:
    """The nearest line of a caller that is not part of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and PurePath(frame.f_code.co_filename).parent == _HERE:
        frame = frame.f_back
    return place(frame.f_globals.get("__name__", ""), frame.f_code.co_filename, frame.f_lineno)


def reference(thing: Any) -> str:
    """ "package.module:qualname" under which the thing is found again; empty if it is not."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    text = f"{module}:{name}"
    return text if module and name and find(text) is thing else ""


def find(text: str) -> Any:
    """What "package.module:qualname" stands for among the loaded modules; None if there is nothing."""
    module, _, name = text.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def resolve(text: str) -> Any:
    """What "package.module:qualname" stands for, importing the module; AttributeError if it has no such name."""
    module, _, name = text.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
