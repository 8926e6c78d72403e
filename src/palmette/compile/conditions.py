"""Tests of conditions → CEL, as the stock compiler writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias, assert_never

from palmette.domain.graph import All, Any, Comparison, Constant, Not, ParameterType, Source, Test
from palmette.domain.values import Json

#: The name and type of the input that a source has become.
Operand: TypeAlias = Callable[[Source], tuple[str, ParameterType]]


def expression(test: Test, operand: Operand) -> str:
    """The test in CEL, over the inputs that `operand` names."""
    match test:
        case Comparison(left=left, operator=operator, right=right):
            whole = _whole(left, operand) and _whole(right, operand)
            return f"{_term(left, operand, whole=whole)} {operator} {_term(right, operand, whole=whole)}"
        case Not(test=inner):
            return f"!({expression(inner, operand)})"
        case All(tests=tests):
            return " && ".join(_part(each, operand) for each in tests)
        case Any(tests=tests):
            return " || ".join(_part(each, operand) for each in tests)
        case _:
            assert_never(test)


def _part(test: Test, operand: Operand) -> str:
    text = expression(test, operand)
    return f"({text})" if isinstance(test, (All, Any)) else text


def _whole(source: Source, operand: Operand) -> bool:
    if isinstance(source, Constant):
        return isinstance(source.value, int) and not isinstance(source.value, bool)
    return operand(source)[1] is ParameterType.INTEGER


def _term(source: Source, operand: Operand, *, whole: bool) -> str:
    """One side. Numbers travel as floating-point ones: only where both are whole are they compared as such."""
    if isinstance(source, Constant):
        return _literal(source.value, whole=whole)
    name, _ = operand(source)
    value = f"inputs.parameter_values['{name}']"
    return f"int({value})" if whole else value


def _literal(value: Json, *, whole: bool) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value) if whole else repr(float(value))
        case str():
            return "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
        case _:
            raise AssertionError(value)
