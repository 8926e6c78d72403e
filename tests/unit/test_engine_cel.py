"""Conditions are CEL over values, which never become a part of the expression."""

from __future__ import annotations

import pytest

from palmette.domain.values import Json
from palmette.engine.cel import Cel
from palmette.engine.ports import Unusable


def of(name: str) -> str:
    return f"inputs.parameter_values['{name}']"


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        (f"{of('a')} > 0.9", {"a": 1}, True),
        (f"int({of('a')}) == 1 && !({of('s')} == 'x')", {"a": 1, "s": "it's"}, True),
        (f"{of('s')} == 'x' || {of('b')} == true", {"s": "y", "b": False}, False),
        (f"{of('s')} == 'x'", {"s": "x' == 'x' || 'a' == 'a"}, False),
        (f"string({of('a')}) == '3'", {"a": 3}, True),
        (f"double({of('s')}) < 1.5", {"s": "1.25"}, True),
        (f"parseJson({of('s')})['k'][0] == 1", {"s": '{"k": [1]}'}, True),
        (f"size({of('l')}) == 2", {"l": [1, 2]}, True),
    ],
)
def test_a_condition_holds_or_does_not(expression: str, values: dict[str, Json], expected: bool) -> None:
    assert Cel().holds(expression, values) is expected


@pytest.mark.parametrize(
    ("expression", "values", "why"),
    [
        (f"{of('a')}", {"a": 1}, "it is 1, which is neither true nor false"),
        (f"{of('gone')} == 1", {}, 'Key not found in map : "gone"'),
        (f"{of('s')} > 1", {"s": "x"}, "No matching overloads found"),
        (f"int({of('s')}) == 1", {"s": "x"}, "cannot convert string to int"),
        ("1 ==", {}, "it is no CEL expression: Syntax error"),
        ("__import__('os')", {}, "it is no CEL expression"),
    ],
)
def test_what_makes_no_sense_says_why(expression: str, values: dict[str, Json], why: str) -> None:
    with pytest.raises(Unusable) as caught:
        Cel().holds(expression, values)
    assert why in str(caught.value)


def test_a_part_of_a_value_is_what_the_selector_names() -> None:
    cel = Cel()
    assert cel.part('parseJson(string_value)["a"]', {"a": {"b": [1, 2.5, None, "x"]}}) == {"b": [1, 2.5, None, "x"]}
    assert cel.part('parseJson(string_value)["a"]', '{"a": "text"}') == "text"
    with pytest.raises(Unusable):
        cel.part('parseJson(string_value)["z"]', {"a": 1})
