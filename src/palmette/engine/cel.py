"""The expressions of a pipeline document, evaluated by the CEL project's own runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from cel_expr_python import cel

from palmette.domain.values import Json
from palmette.engine.parameters import text
from palmette.engine.ports import Unusable
from palmette.ir.embedded import loads, require_usable

#: What the runtime puts around its messages, and says nothing to a person.
_NOISE: Final = re.compile(r"^(?:[A-Z_]+: )+|<input>:\d+:\d+: | expecting .*")


class Cel:
    """Satisfies `ports.Expressions`. Numbers are doubles, as on a cluster, where they pass through protocol buffers."""

    def holds(self, expression: str, parameters: Mapping[str, Json]) -> bool:
        """Whether a condition over ``inputs.parameter_values`` is true."""
        try:
            doubles = _doubles(parameters)
        except OverflowError:
            raise Unusable("a number that it is about is beyond all doubles") from None
        found = _evaluated(expression, {"inputs": {"parameter_values": doubles}})
        if not isinstance(found, bool):
            raise Unusable(f"it is {text(found)}, which is neither true nor false")
        return found

    def part(self, expression: str, value: Json) -> Json:
        """The part of a value that a selector over ``string_value`` names."""
        return _evaluated(expression, {"string_value": text(value)})


@cache
def _environment() -> Any:
    parse = cel.Overload("parse_json_string", cel.Type.DYN, [cel.Type.STRING], impl=_parsed)
    return cel.NewEnv(
        variables={"inputs": cel.Type.DYN, "string_value": cel.Type.STRING},
        functions=[cel.FunctionDecl("parseJson", [parse])],
    )


@cache
def _compiled(expression: str) -> Any:
    try:
        return _environment().compile(expression)
    except RuntimeError as error:
        raise Unusable(f"it is no CEL expression: {_first_line(str(error))}") from None


def _evaluated(expression: str, data: Mapping[str, Any]) -> Json:
    try:
        found = _compiled(expression).eval(data=data)
    except RuntimeError as error:
        raise Unusable(_first_line(str(error))) from None
    if found.type() == cel.Type.ERROR:
        raise Unusable(_first_line(str(found.value())))
    value: Json = found.plain_value()
    try:
        require_usable(value)
    except ValueError as error:
        raise Unusable(f"what it comes to cannot be used: {error}") from None
    return value


def _parsed(text: str) -> Json:
    value: Json = loads(text)
    return value


def _first_line(message: str) -> str:
    return _NOISE.sub("", message.strip().partition("\n")[0])


def _doubles(value: Json) -> Json:
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case Mapping():
            return {key: _doubles(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_doubles(entry) for entry in value]
        case _:
            return value
