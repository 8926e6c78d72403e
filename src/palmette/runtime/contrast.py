"""How two stored values differ, in words: which column, how many rows, by how much at most.

Run as a program in the project's interpreter with one argument, JSON: the bundle's directory, and for each pair a name,
two paths and two metadata. Prints {name: [sentence, …]}; no sentence for values that are equal though their bytes are
not.
"""

import sys

if __name__ == "__main__":
    # The kit in place of this file's directory, whose modules must not stand in for the standard library's.
    sys.path[0] = __file__.rpartition("/palmette/")[0]

import filecmp
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from palmette.runtime import finder, formats

#: sentences about one value
MOST = 6
_DEEPEST = 12
_NOTHING = object()


def contrast(one: Any, other: Any) -> list[str]:
    """What differs between two values, at most a few sentences; none if they are equal."""
    return list(islice(_contrast(one, other, "", ()), MOST))


def _contrast(one: Any, other: Any, where: str, above: tuple[int, ...]) -> Iterator[str]:
    """`above` are the values that are being compared already: one may hold itself."""
    at = f"{where}: " if where else ""
    if id(one) in above or len(above) > _DEEPEST:
        return
    above = (*above, id(one))
    if type(one) is not type(other):
        yield f"{at}{type(one).__name__} → {type(other).__name__}"
    elif isinstance(one, (bool, int, float, complex, str, bytes, type(None))):
        if one != other and not (one != one and other != other):
            yield f"{at}{_scalar(one, other)}"
    elif isinstance(one, Path):
        yield from _files(one, other, at)
    elif isinstance(one, (Mapping, Set, Sequence)):
        yield from _collections(one, other, where, above)
    else:
        yield from _libraries(one, other, where, above)


def _collections(one: Any, other: Any, where: str, above: tuple[int, ...]) -> Iterator[str]:
    at = f"{where}: " if where else ""
    if isinstance(one, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _contrast(one.get(key, _NOTHING), other.get(key, _NOTHING), f"{where}[{key!r}]", above)
        if list(one) != list(other) and set(one) == set(other):
            yield f"{at}the keys come in another order"
    elif isinstance(one, Set):
        if one != other:
            yield f"{at}{len(one ^ other)} members are in one of them only"
    else:
        yield from _sequences(one, other, where, above)


def _libraries(one: Any, other: Any, where: str, above: tuple[int, ...]) -> Iterator[str]:
    """Tables and arrays, known by their looks, so that nothing is imported here; else whatever object it is."""
    at = f"{where}: " if where else ""
    if hasattr(one, "columns") and hasattr(one, "dtypes"):
        yield from _tables(one, other, at)
    elif hasattr(one, "to_pandas"):
        yield from _libraries(one.to_pandas(), other.to_pandas(), where, above)
    elif hasattr(one, "dtype") and hasattr(one, "shape"):
        yield from _arrays(one, other, at)
    else:
        yield from _objects(one, other, where, above)


def _scalar(one: Any, other: Any) -> str:
    if isinstance(one, float) and math.isfinite(one) and math.isfinite(other):
        return f"{one!r} → {other!r}, off by {abs(one - other):.3g}"
    if isinstance(one, (str, bytes)) and max(len(one), len(other)) > 60:
        place = next(at for at, (a, b) in enumerate(zip_longest(one, other)) if a != b)
        return f"texts of {len(one):,} and {len(other):,} characters differ from character {place + 1:,} on"
    return f"{one!r} → {other!r}"


def _sequences(one: Sequence[Any], other: Sequence[Any], where: str, above: tuple[int, ...]) -> Iterator[str]:
    at = f"{where}: " if where else ""
    if len(one) != len(other):
        yield f"{at}{len(one):,} → {len(other):,} items"
        return
    wrong = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if any(_contrast(a, b, "", above))]
    if len(wrong) > 1 and _sorted(one) == _sorted(other):
        yield f"{at}the same {len(one):,} items in another order"
    elif len(wrong) > 3:
        yield f"{at}{len(wrong):,} of {len(one):,} items differ{_largest(one, other)}"
    else:
        for place in wrong:
            yield from _contrast(one[place], other[place], f"{where}[{place}]", above)


def _sorted(values: Sequence[Any]) -> list[str]:
    return sorted(map(repr, values))


def _largest(one: Sequence[Any], other: Sequence[Any]) -> str:
    if not all(isinstance(value, (int, float)) for value in (*one, *other)):
        return ""
    return f", by {max(abs(a - b) for a, b in zip(one, other, strict=True)):.3g} at most"


def _objects(one: Any, other: Any, where: str, above: tuple[int, ...]) -> Iterator[str]:
    """An estimator for one: what its attributes hold."""
    slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
    states = [{**{name: getattr(each, name, None) for name in slots}, **getattr(each, "__dict__", {})}
              for each in (one, other)]  # fmt: skip
    for name in dict.fromkeys([*states[0], *states[1]]):
        inner = f"{where}.{name}" if where else name
        yield from _contrast(states[0].get(name, _NOTHING), states[1].get(name, _NOTHING), inner, above)
    if not any(states) and repr(one) != repr(other) and " at 0x" not in repr(one):
        yield f"{where + ': ' if where else ''}{one!r:.60} → {other!r:.60}"


def _tables(one: Any, other: Any, at: str) -> Iterator[str]:
    names = [list(map(str, each.columns)) for each in (one, other)]
    if names[0] != names[1]:
        same = sorted(names[0]) == sorted(names[1])
        yield f"{at}the columns {'come in another order' if same else f'are {names[0]} → {names[1]}'}"
        return
    if len(one) != len(other):
        yield f"{at}{len(one):,} → {len(other):,} rows"
        return
    if _rows(one) == _rows(other):
        yield f"{at}the same {len(one):,} rows in another order"
        return
    for name in one.columns:
        yield from _columns(list(one[name]), list(other[name]), f"{at}column {name}: ")
    if hasattr(one, "index") and list(one.index) != list(other.index):
        yield f"{at}the index differs"


def _rows(table: Any) -> list[str]:
    rows = table.itertuples(index=False) if hasattr(table, "itertuples") else table.iter_rows()
    found = list(map(repr, rows))
    return sorted(found)


def _columns(one: list[Any], other: list[Any], at: str) -> Iterator[str]:
    wrong = [(a, b) for a, b in zip(one, other, strict=True) if a is not b and repr(a) != repr(b)]
    if wrong:
        much = ""
        if all(isinstance(value, (int, float)) for pair in wrong for value in pair):
            much = f", by {max(abs(a - b) for a, b in wrong):.3g} at most"
        yield f"{at}{len(wrong):,} of {len(one):,} rows differ{much}"


def _arrays(one: Any, other: Any, at: str) -> Iterator[str]:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        yield f"{at}{one.dtype} {one.shape} → {other.dtype} {other.shape}"
        return
    if hasattr(one, "tocoo"):
        one, other = one.toarray(), other.toarray()
    values = [each.ravel().tolist() if hasattr(each, "ravel") else list(each) for each in (one, other)]
    wrong = [(a, b) for a, b in zip(*values, strict=True) if repr(a) != repr(b)]
    if wrong:
        shape = "×".join(map(str, one.shape)) or "1"
        much = ""
        if all(isinstance(value, (int, float)) for pair in wrong for value in pair):
            much = f", by {max(abs(a - b) for a, b in wrong):.3g} at most"
        yield f"{at}{len(wrong):,} of {shape} values differ{much}"


def _files(one: Path, other: Path, at: str) -> Iterator[str]:
    if one.is_file() and other.is_file():
        contents = [path.read_bytes() for path in (one, other)]
        if contents[0] != contents[1]:
            place = next(at for at, (a, b) in enumerate(zip_longest(*contents)) if a != b)
            yield f"{at}files of {len(contents[0]):,} and {len(contents[1]):,} bytes differ from byte {place + 1:,} on"
        return
    names = [{path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()} for top in (one, other)]
    for name in sorted(names[0] ^ names[1]):
        yield f"{at}{name} is in one of them only"
    for name in sorted(names[0] & names[1]):
        if not filecmp.cmp(one / name, other / name, shallow=False):
            yield f"{at}{name} differs"


def main(argument: str) -> None:
    """Print what differs in each pair."""
    asked = json.loads(argument)
    if asked["bundle"]:
        finder.install(Path(asked["bundle"]), os.environ)
    found = {}
    for name, pair in asked["pairs"].items():
        try:
            values = [formats.read(Path(each["path"]), each["metadata"], None) for each in pair]
            found[name] = contrast(*values)
        except Exception as error:  # noqa: BLE001 - whatever a format or a class of the project's raises
            found[name] = [f"cannot be read again: {type(error).__name__}: {error}"]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
