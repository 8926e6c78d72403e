"""What the values of a sweep say."""

from __future__ import annotations

import pytest

from palmette.domain.graph import Field, ParameterType
from palmette.errors import ConfigError
from palmette.operations.points import Interval, Varied, grid, parts, varied, varies

FIELDS = (
    Field(name="C", type=ParameterType.DOUBLE, low=0.0, high=1000.0),
    Field(name="penalty", type=ParameterType.STRING, choices=("l1", "l2")),
    Field(name="depth", type=ParameterType.INTEGER),
    Field(name="layers", type=ParameterType.LIST, item=ParameterType.INTEGER),
    Field(name="label", type=ParameterType.STRING),
    Field(name="seed", type=ParameterType.INTEGER),
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("C=0.1..10log3", (0.1, 1.0, 10.0)),
        ("C=1e-4..1e-1log4", (0.0001, 0.001, 0.01, 0.1)),
        ("C=0..1lin5", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("C=.1..1by.3", (0.1, 0.4, 0.7, 1.0)),
        ("C=0.1,1..3lin3", (0.1, 1.0, 2.0, 3.0)),
        ("depth=1..5", (1, 2, 3, 4, 5)),
        ("depth=-3..3by3", (-3, 0, 3)),
        ("depth=1..100log3", (1, 10, 100)),
        ("depth=1..4log5", (1, 2, 3, 4)),
        ("penalty=l1,l2", ("l1", "l2")),
        ("penalty=l1, l2", ("l1", "l2")),
        ("layers=[1,2],[3]", ([1, 2], [3])),
        ("label='a,b',c", ("a,b", "c")),
        ("label=it's,that", ("it's", "that")),
    ],
)
def test_an_override_says_these_values(text: str, values: tuple[object, ...]) -> None:
    assert varies(text)
    assert varied(FIELDS, [text]) == ((Varied(name=text.partition("=")[0], values=values),), ())


@pytest.mark.parametrize(
    "text", ["C=0.1", "layers=[1,2]", "label='a,b'", 'label="1..5"', "label=../data", "C", "C=1e-3"]
)
def test_an_override_with_one_value_does_not_vary(text: str) -> None:
    assert not varies(text)
    assert varied(FIELDS, [text]) == ((), (text,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C=0.1..10", "does not say which numbers\n    Say 0.1..10lin5 or 0.1..10log5."),
        ("C=10..1lin3", "ends before it has begun"),
        ("C=0..1log5", "equal ratios begin above 0"),
        ("C=1..2foo3", "is no range"),
        ("C=0.1..10log1", "does not say which numbers"),
        ("C=0..2000lin2", "2000.0 is not a number from 0 to 1000"),
        ("C=1,,2", "there is nothing between two commas"),
        ("C=1,1.0", "1.0 stands in it twice"),
        ("penalty=l1,l3", "'l3' is not one of l1, l2"),
        ("depth=0..1e9", "it has 1,000,000,000 values"),
        ("deph=1,2", "there is no field 'deph'\n    Did you mean depth?"),
    ],
)
def test_what_is_wrong_is_said_with_the_override_that_it_stands_in(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        varied(FIELDS, [text])
    assert f"{text}: " in str(caught.value)
    assert message in str(caught.value)


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        varied(FIELDS, ["C=1,x", "depth=1..y", "depth=1,2", "seed=3,4"], seeds=2)
    assert [problem.where for problem in caught.value.problems] == ["C=1,x", "depth", "--seeds 2"]


def test_seeds_are_a_field_that_varies_fastest() -> None:
    several, single = varied(FIELDS, ["penalty=l1,l2", "C=3"], seeds=2)
    assert grid(several) == [("l1", 0), ("l1", 1), ("l2", 0), ("l2", 1)]
    assert single == ("C=3",)


def test_seeds_need_a_field_of_whole_numbers() -> None:
    with pytest.raises(ConfigError, match=r"there is no field 'dice'(?s:.*)depth, seed"):
        varied(FIELDS, [], seeds=2, seed_field="dice")
    with pytest.raises(ConfigError, match="C is no whole number"):
        varied(FIELDS, [], seeds=2, seed_field="C")


def test_a_search_draws_from_ranges_without_a_count() -> None:
    several, _ = varied(FIELDS, ["C=0.1..10log", "depth=1..9", "penalty=l1,l2", "seed=1..3log3"], search=True)
    assert [each.interval for each in several] == [
        Interval(low=0.1, high=10.0, logarithmic=True),
        Interval(low=1.0, high=9.0, whole=True),
        None,
        None,
    ]


def test_commas_count_outside_brackets_and_quotes() -> None:
    assert parts('[1,2],{"a": 1, "b": 2},\'x,y\',z') == ["[1,2]", '{"a": 1, "b": 2}', "'x,y'", "z"]


def test_more_points_than_anyone_wants_are_refused() -> None:
    fields = [Varied(name=name, values=tuple(range(100))) for name in "abc"]
    with pytest.raises(ConfigError, match="1,000,000 points"):
        grid(fields)
