"""The points of a sweep: what `C=0.1..10log5 penalty=l1,l2` says.

A comma outside brackets and quotes parts values. NUMBER..NUMBER is a range:

    1..5          every whole number from 1 to 5
    10..50by10    10, 20, 30, 40, 50
    0..1lin5      5 numbers at equal distances: 0, 0.25, 0.5, 0.75, 1
    0.1..10log5   5 numbers at equal ratios: 0.1, 0.316…, 1, 3.16…, 10

A search draws its own numbers, so that a range needs no count there: 0.1..10, 0.1..10log.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Final

from palmette.domain.fields import Refused, close, read
from palmette.domain.graph import Field, ParameterType
from palmette.domain.values import Json
from palmette.errors import ConfigError, Problem

#: more points than these are more likely a slip than a wish
MOST: Final = 10_000
GRAMMAR: Final = "A range is 1..5, 10..50by10, 0..1lin5 or 0.1..10log5; a comma parts values."
_NUMBER: Final = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE: Final = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})\s*(?:(lin|log|by)\s*({_NUMBER})?)?\s*")
#: What has two dots between numbers and is no range is a slip.
_ALMOST: Final = re.compile(r"\s*[-+]?[\d_]*\.?\d[^,]*\.\.[-+]?\.?\d.*")
_NUMBERS: Final = (ParameterType.INTEGER, ParameterType.DOUBLE)
_OPENING: Final = {"[": "]", "{": "}", "(": ")"}


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range without a count: a search draws from it."""

    low: float
    high: float
    whole: bool = False
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True)
class Varied:
    """A config field, and what it is to be."""

    name: str
    values: tuple[Json, ...] = ()
    #: in place of values, of a search
    interval: Interval | None = None


def varies(text: str) -> bool:
    """Whether an override, "C=1,2", has more than one value. Only its spelling is looked at."""
    _, sign, said = text.partition("=")
    return bool(sign) and (len(parts(said)) > 1 or _ALMOST.fullmatch(said) is not None)


def parts(text: str) -> list[str]:
    """The text cut at commas outside brackets and quotes."""
    found, closing, quote = [""], "", ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and (closing or not found[-1].strip()):
            quote = sign  # an apostrophe within a word is no quote
        elif closing and sign == closing[-1]:
            closing = closing[:-1]
        elif sign in _OPENING:
            closing += _OPENING[sign]
        elif sign == "," and not closing:
            found.append("")
            continue
        found[-1] += sign
    return found


def varied(
    fields: Sequence[Field], overrides: Sequence[str], *, seeds: int = 0, seed_field: str = "seed", search: bool = False
) -> tuple[tuple[Varied, ...], tuple[str, ...]]:
    """The fields that vary, in the order given and the seed last; and the overrides that do not. ConfigError with
    every problem at once."""
    known = {field.name: field for field in fields}
    problems: list[Problem] = []
    several: list[Varied] = []
    single: list[str] = []
    for text in overrides:
        name, _, said = text.partition("=")
        field = known.get(name.strip())
        if not varies(text):
            single.append(text)
        elif field is None:
            hint = close(name, known) or f"There are: {', '.join(known) or 'none'}."
            problems.append(Problem(where=text, what=f"there is no field {name.strip()!r}", hint=hint))
        else:
            try:
                several.append(_varied(field, said, search=search))
            except Refused as refusal:
                problems.append(Problem(where=text, what=str(refusal), hint=refusal.hint))
    named = [each.name for each in several] + [text.partition("=")[0].strip() for text in single]
    problems += [
        Problem(where=name, what="it is given twice") for name in dict.fromkeys(named) if named.count(name) > 1
    ]
    if seeds:
        several += _seeds(known, named, seeds, seed_field, problems)
    if problems:
        raise ConfigError("the sweep cannot be run", problems=problems)
    return tuple(several), tuple(single)


def _seeds(
    known: Mapping[str, Field], named: Sequence[str], seeds: int, name: str, problems: list[Problem]
) -> Iterator[Varied]:
    field = known.get(name)
    if field is None or field.type is not ParameterType.INTEGER:
        what = f"there is no field {name!r}" if field is None else f"{name} is no whole number"
        whole = [each.name for each in known.values() if each.type is ParameterType.INTEGER]
        hint = f"Name it with --seed-field: {', '.join(whole)}." if whole else "The config has no whole number."
        problems.append(Problem(where=f"--seeds {seeds}", what=what, hint=hint))
    elif name in named:
        problems.append(Problem(where=f"--seeds {seeds}", what=f"{name} is given too", hint="Give one of the two."))
    else:
        yield Varied(name=name, values=tuple(range(seeds)))


def _varied(field: Field, said: str, *, search: bool) -> Varied:
    if search and (found := _interval(field, said)):
        return Varied(name=field.name, interval=found)
    values: list[Json] = []
    for part in parts(said):
        fresh = _one(field, part)
        if again := [value for value in fresh if value in values]:
            raise Refused(f"{again[0]} stands in it twice")
        values += fresh
    return Varied(name=field.name, values=tuple(values))


def _one(field: Field, part: str) -> list[Json]:
    """The values of one part: a range's, or the one that it says."""
    if field.type in _NUMBERS and _ALMOST.fullmatch(part):
        return [read(field, text) for text in _range(field, part)]
    if not part.strip():
        raise Refused("there is nothing between two commas", GRAMMAR)
    return [read(field, part if field.type is not ParameterType.STRING else part.strip())]


def _parsed(part: str) -> tuple[Decimal, Decimal, str, str]:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise Refused(f"{part.strip()!r} is no range", GRAMMAR)
    low, high, how, count = found.groups()
    if Decimal(low) >= Decimal(high):
        raise Refused(f"{part.strip()!r} ends before it has begun", "The smaller number comes first.")
    return Decimal(low), Decimal(high), how or "", count or ""


def _interval(field: Field, said: str) -> Interval | None:
    """The range, if it is one without a count."""
    if field.type not in _NUMBERS or not _RANGE.fullmatch(said):
        return None
    low, high, how, count = _parsed(said)
    if count:
        return None
    whole = field.type is ParameterType.INTEGER
    if how == "log" and low <= 0:
        raise Refused("equal ratios begin above 0", "Take a smallest number such as 1e-6.")
    for text in (low, high):
        read(field, _spelled(field, text))
    return Interval(low=float(low), high=float(high), whole=whole, logarithmic=how == "log")


def _range(field: Field, part: str) -> list[str]:
    low, high, how, count = _parsed(part)
    whole = field.type is ParameterType.INTEGER
    match how, count:
        case "", "" if whole and low == int(low) and high == int(high):
            return [str(number) for number in range(int(low), _few(int(high) - int(low)) + int(low) + 1)]
        case "by", step if step and Decimal(step) > 0:
            steps = _few(int((high - low) / Decimal(step)))
            return [_spelled(field, low + number * Decimal(step)) for number in range(steps + 1)]
        case "lin" | "log", number if number.isdigit() and int(number) >= 2:
            _few(int(number))
            between = _equal_ratios if how == "log" else _equal_distances
            return list(dict.fromkeys(_spelled(field, each) for each in between(low, high, int(number))))
        case _:
            example = f"{low}..{high}"
            raise Refused(f"{part.strip()!r} does not say which numbers", f"Say {example}lin5 or {example}log5.")


def _few(number: int) -> int:
    if number > MOST:
        raise Refused(f"it has {number:,} values", f"At most {MOST:,} are possible.")
    return number


def _equal_distances(low: Decimal, high: Decimal, count: int) -> list[Decimal]:
    return [low + (high - low) * number / (count - 1) for number in range(count)]


def _equal_ratios(low: Decimal, high: Decimal, count: int) -> list[Decimal]:
    if low <= 0:
        raise Refused("equal ratios begin above 0", "Take a smallest number such as 1e-6.")
    first, last = math.log(low), math.log(high)
    inner = [Decimal(math.exp(first + (last - first) * number / (count - 1))) for number in range(1, count - 1)]
    return [low, *inner, high]


def _spelled(field: Field, number: Decimal) -> str:
    """The number as an override: whole for a field of whole numbers, to twelve digits otherwise."""
    return str(round(number)) if field.type is ParameterType.INTEGER else f"{float(f'{number:.12g}')!r}"


def grid(several: Sequence[Varied]) -> list[tuple[Json, ...]]:
    """Every combination, the last field varying fastest; ConfigError for more than anyone wants."""
    count = math.prod(len(each.values) for each in several)
    if count > MOST:
        raise ConfigError(f"the sweep has {count:,} points", f"At most {MOST:,} are possible: give fewer values.")
    return list(product(*(each.values for each in several)))
