"""Does a step give the same bytes again? And if not, what changes them?"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from palmette.testing.steps import Made, carry_out

_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
_FEW: Final = {"PYTHONHASHSEED": "1", "PALMETTE_THREADS": "1", **dict.fromkeys(_THREADS, "1")}
_HASHES: Final = {**_FEW, "PYTHONHASHSEED": "2"}
_MANY: Final = {**_FEW, "PALMETTE_THREADS": "4", **dict.fromkeys(_THREADS, "4")}
#: what is changed alone, and what it means if that changes the outputs
_CAUSES: Final = (
    (_FEW, "even if nothing is changed: a random generator without a seed, the clock, or a race of threads"),
    (_HASHES, "with the hash seed: the order of a set, or of anything sorted by hash()"),
    (_MANY, "with the number of threads: sums in another order; fix the number, or round"),
)


def assert_deterministic(step: Callable[..., Any], /, **inputs: Any) -> None:
    """Run a step twice, in two fresh processes with another hash seed, number of threads and directory; its outputs
    must be equal byte for byte. The AssertionError names the outputs that differ, how, and what makes them differ.

    >>> assert_deterministic(double, number=21)
    """
    with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
        top = Path(directory)
        first = carry_out(step, inputs, top / "a", _FEW)
        second = carry_out(
            step, inputs, top / "second", {**_HASHES, **{name: "4" for name in ("PALMETTE_THREADS", *_THREADS)}}
        )
        differing = [name for name in first.signature.outputs if _digest(first, name) != _digest(second, name)]
        if not differing:
            return
        lines = [f"{getattr(step, 'name', step)} gives other outputs in another process:"]
        lines += [f"  {name}: {_difference(first, second, name)}" for name in differing]
        causes = [*_causes(step, inputs, top, first)] or ["with all of hash seed, threads and directory only"]
        raise AssertionError("\n".join([*lines, *(f"They differ {cause}." for cause in causes)]))


def _causes(step: Callable[..., Any], inputs: Mapping[str, Any], top: Path, first: Made) -> Iterator[str]:
    for number, (environ, cause) in enumerate(_CAUSES):
        again = carry_out(step, inputs, top / f"again-{number}", environ)
        if any(_digest(first, name) != _digest(again, name) for name in first.signature.outputs):
            yield cause
            if number == 0:  # whatever else is changed, it would differ too
                return


def _digest(made: Made, output: str) -> str:
    """Of an artifact's bytes, or of a directory's names and bytes; of a parameter's value."""
    found = hashlib.sha256()
    if made.signature.outputs[output].parameter is not None:
        found.update(json.dumps(made.parameters.get(output), sort_keys=True).encode())
        return found.hexdigest()
    address = made.address(output)
    if address is not None:
        # What lies elsewhere is not copied, and looked into only where that can be done.
        found.update(f"{address}\0".encode())
        if address.remote:
            return found.hexdigest()
    path = address.path if address is not None else made.path(output)
    for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
        found.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def _difference(first: Made, second: Made, output: str) -> str:
    """In words, as far as the values say it."""
    one, other = first.value(output), second.value(output)
    if first.signature.outputs[output].parameter is not None:
        return f"{one!r} and {other!r}"
    if hasattr(one, "columns") and hasattr(one, "shape"):
        if one.shape != other.shape:
            return f"tables of {one.shape} and {other.shape}"
        columns = [str(name) for name in one.columns if not one[name].equals(other[name])]
        return f"the columns {', '.join(columns[:8])} differ" if columns else "equal tables in other bytes"
    if hasattr(one, "dtype") and hasattr(one, "shape"):
        if one.shape != other.shape:
            return f"arrays of {one.shape} and {other.shape}"
        return f"{int((one != other).sum())} of {one.size} elements differ"
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = [str(name) for name in {**one, **other} if one.get(name) != other.get(name)]
        return f"{', '.join(names[:8])} differ"
    return f"other bytes ({type(one).__name__})"
