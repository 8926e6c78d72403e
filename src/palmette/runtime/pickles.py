"""A pickle holds no code: it names definitions, and whoever reads it runs them as they are by then.

So the bytes of a fitted transformer of the project's own do not change with its `transform`, though what it does does.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


def names_project(value: Any) -> bool:
    """Whether a pickle of the value names definitions that are neither Python's nor an installed package's."""
    looking = _Looking(_Nowhere(), protocol=4)
    try:
        looking.dump(value)
    except (pickle.PicklingError, RecursionError, TypeError, ValueError, AttributeError):
        return True  # what was written by other means is not understood here
    return any(map(_own, looking.modules))


def code_digest(inputs: Iterable[Mapping[str, Any]], environ: Mapping[str, str]) -> str:
    """What stands for the code that an output of this step names: that of the step, and that of what it was given."""
    codes = sorted({str(metadata["code"]) for metadata in inputs if "code" in metadata})
    return hashlib.sha256("\n".join([environ.get("PALMETTE_CLOSURE", ""), *codes]).encode()).hexdigest()


class _Looking(pickle.Pickler):
    """Notes the modules of all that is pickled."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.modules: set[str] = set()

    def persistent_id(self, obj: Any) -> str | None:
        named = obj if isinstance(obj, (type, FunctionType, BuiltinFunctionType)) else type(obj)
        self.modules.add(str(getattr(named, "__module__", None) or "builtins"))
        numpy = sys.modules.get("numpy")
        plain = numpy is not None and isinstance(obj, numpy.ndarray) and not obj.dtype.hasobject
        return "array" if plain else None  # numbers name nothing, and may be many


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


def _own(module: str) -> bool:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and module != "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or getattr(sys.modules.get(top), "__file__", None)
    # Where it is not known, it counts: too much is run again then, and nothing too little.
    return top != "palmette" and (file is None or not _INSTALLED.intersection(PurePath(file).parts))
