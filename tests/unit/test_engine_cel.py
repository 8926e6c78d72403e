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


L = f"[{','.join('1' * 300)}]"


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 2000 + "true" + ")" * 2000,
        "!" * 200_000 + "true",
        f"{L}.all(a, {L}.all(b, {L}.all(c, {L}.all(d, a == b))))",
        "'a'.matches('(((a{100}){100}){100}){100}')",
        f"{of('n')} == 1",
    ],
)
def test_no_condition_takes_for_ever(expression: str) -> None:
    with pytest.raises(Unusable):
        Cel().holds(expression, {"n": 10**310})


def test_a_pattern_that_others_try_in_every_way_is_tried_in_one() -> None:
    assert not Cel().holds(f"{of('s')}.matches('(a+)+$')", {"s": "a" * 10_000 + "b"})


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ("parseJson(string_value)", "[1e999]"),
        ("parseJson(string_value)", "NaN"),
        ("parseJson(string_value)", "[" * 500 + "]" * 500),
        ("parseJson(string_value)", '"\\ud800"'),
        ("timestamp(string_value)", "2026-01-01T00:00:00Z"),
        ("bytes(string_value)", "a"),
        ("{1: string_value}", "a"),
        ("0.0 / 0.0", ""),
    ],
)
def test_a_part_that_no_json_can_say_is_no_value(selector: str, value: str) -> None:
    with pytest.raises(Unusable):
        Cel().part(selector, value)
