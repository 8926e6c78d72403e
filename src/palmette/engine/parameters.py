"""The parameters of a pipeline: what was given, checked against what is declared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import assert_never

from palmette.domain.graph import ParameterType
from palmette.domain.values import Json
from palmette.errors import ConfigError, Problem
from palmette.ir.spec import ParameterSpec, SystemParameter

#: Beyond it not every integer is a double, so a number cannot be told to be meant as one.
_EXACT = 2**53


def plain(value: Json) -> Json:
    """The value as JSON writers agree on it: numbers without a fraction are integers, everywhere in it."""
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) <= _EXACT and (value != 0 or math.copysign(1, value) > 0)
        return int(value) if whole else value
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def text(value: Json) -> str:
    """A value as it stands in a command line: strings as they are, all else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def fits(kind: ParameterType | SystemParameter, value: Json) -> bool:
    """Whether a value that is not None is of this type."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = whole or (isinstance(value, float) and math.isfinite(value))
    match kind:
        case ParameterType.BOOLEAN:
            return isinstance(value, bool)
        case ParameterType.INTEGER:
            return whole or (isinstance(value, float) and value.is_integer())
        case ParameterType.DOUBLE:
            return number
        case ParameterType.STRING:
            return isinstance(value, str)
        case ParameterType.LIST:
            return isinstance(value, (list, tuple))
        case ParameterType.STRUCT | SystemParameter.TASK_CONFIG | SystemParameter.TASK_FINAL_STATUS:
            return isinstance(value, Mapping)
        case _:
            assert_never(kind)


def settled(declared: Mapping[str, ParameterSpec], given: Mapping[str, Json]) -> dict[str, Json]:
    """The value of every declared parameter; ConfigError with all that is missing, unknown or not allowed.

    None counts as not given, as on a cluster.
    """
    problems = [
        Problem(where=name, what="is no parameter of this pipeline", hint=_known(declared))
        for name in given
        if name not in declared
    ]
    values: dict[str, Json] = {}
    for name, spec in declared.items():
        value = given.get(name)
        if value is None:
            value = spec.default_value
            if not spec.has_default and not spec.is_optional:
                problems.append(Problem(where=name, what="has no value and no default", hint=f"Give {name}=VALUE."))
        elif not fits(spec.parameter_type, value):
            problems.append(Problem(where=name, what=f"is {text(value)}, which is not a {spec.parameter_type}"))
        elif spec.literals and plain(value) not in [plain(literal) for literal in spec.literals]:
            allowed = ", ".join(text(literal) for literal in spec.literals)
            problems.append(Problem(where=name, what=f"is {text(value)}", hint=f"Allowed: {allowed}."))
        values[name] = plain(value)
    if problems:
        raise ConfigError("these parameters cannot be used", problems=problems)
    return values


def _known(declared: Mapping[str, ParameterSpec]) -> str:
    return f"Its parameters: {', '.join(sorted(declared))}." if declared else "It has no parameters."
