"""Settling a config: which value wins, how texts are read, what is refused."""

from __future__ import annotations

from datetime import date

import pytest

from palmette.domain.config import check_values, matching_preset, settle
from palmette.domain.fields import Refused, accept, allowed, read
from palmette.domain.graph import Field, ParameterType, Reading
from palmette.domain.run import Setting, Source
from palmette.errors import ConfigError

SHARE = Field(name="test_share", type=ParameterType.DOUBLE, default=0.25, low=0.05, high=0.5)
PENALTY = Field(name="penalty", type=ParameterType.STRING, default="l2", choices=("l1", "l2"))
ROWS = Field(name="rows", type=ParameterType.INTEGER, default=100)
DEPTH = Field(name="model.depth", type=ParameterType.INTEGER, optional=True)
HIDDEN = Field(name="model.hidden", type=ParameterType.LIST, item=ParameterType.INTEGER, default=[8], low=1)
TITLE = Field(name="title", type=ParameterType.STRING, default="")
FAST = Field(name="fast", type=ParameterType.BOOLEAN, default=False)
SINCE = Field(name="since", type=ParameterType.STRING, reading=Reading.DATE, default="2024-01-01")
WEIGHTS = Field(name="weights", type=ParameterType.STRUCT, item=ParameterType.DOUBLE, default={})
FIELDS = (SHARE, PENALTY, ROWS, DEPTH, HIDDEN, TITLE, FAST, SINCE, WEIGHTS)
PRESETS = {"full": {}, "toy": {"rows": 10, "test_share": 0.5}}


def settled(**given: object) -> dict[str, Setting]:
    return {setting.name: setting for setting in settle(FIELDS, PRESETS, **given)}  # type: ignore[arg-type]


def problems(**given: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settled(**given)
    return [str(problem) for problem in caught.value.problems]


def test_a_default_gives_way_to_the_preset_the_preset_to_the_file_and_the_file_to_an_override() -> None:
    file = {"rows": 20, "test_share": 0.3, "model": {"depth": 3}, "model.hidden": [1, 2]}
    found = settled(preset="toy", file=file, file_name="small.toml", overrides=["test_share=0.1"])
    assert found["penalty"] == Setting(name="penalty", value="l2")
    assert found["rows"] == Setting(name="rows", value=20, source=Source.FILE, origin="small.toml")
    assert found["model.depth"].value == 3
    assert found["model.hidden"].value == [1, 2]
    assert found["test_share"] == Setting(name="test_share", value=0.1, source=Source.OVERRIDE)
    assert settled(preset="toy")["rows"] == Setting(name="rows", value=10, source=Source.PRESET, origin="toy")


def test_an_override_that_says_the_default_is_an_override_all_the_same() -> None:
    assert settled(overrides=["rows=100"])["rows"].source is Source.OVERRIDE


def test_every_problem_is_reported_at_once() -> None:
    found = problems(
        preset="toi",
        file={"rws": 3, "penalty": "l3", "model": 4},
        file_name="small.toml",
        overrides=["test_share=0.7", "depht=3", "rows", "fast=perhaps", "title=a", "title=b"],
    )
    assert found == [
        "preset: no preset is named 'toi'\n    Did you mean toy?",
        "rows: this is no override\n    Write NAME=VALUE.",
        "title=b: title is given twice",
        "small.toml: rws: there is no field 'rws'\n    Did you mean rows?",
        "small.toml: penalty: 'l3' is not one of l1, l2",
        "small.toml: model: model is a group of fields\n    Set one of them: model.depth, model.hidden.",
        "test_share=0.7: 0.7 is not a number from 0.05 to 0.5",
        "depht=3: there is no field 'depht'\n    Did you mean model.depth?",
        "fast=perhaps: 'perhaps' is not true or false",
    ]


def test_a_field_without_a_default_must_be_given() -> None:
    field = Field(name="url", type=ParameterType.STRING, required=True)
    with pytest.raises(ConfigError) as caught:
        settle([field], {})
    assert str(caught.value.problems[0]) == "url: it has no default\n    Give it: url=VALUE."
    assert settle([field], {}, overrides=["url=https://a/?b=c"])[0].value == "https://a/?b=c"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (ROWS, "1_000", 1000),
        (ROWS, " 5 ", 5),
        (SHARE, "1e-1", 0.1),
        (FAST, "Yes", True),
        (FAST, "0", False),
        (TITLE, "a b ", "a b "),
        (TITLE, "../data..old", "../data..old"),
        (TITLE, '"a,b"', "a,b"),
        (TITLE, "'none'", "none"),
        (TITLE, "x[1,2]", "x[1,2]"),
        (DEPTH, "none", None),
        (DEPTH, "", None),
        (DEPTH, "NULL", None),
        (DEPTH, "7", 7),
        (HIDDEN, "[1, 2]", [1, 2]),
        (WEIGHTS, '{"a": 1}', {"a": 1.0}),
        (SINCE, "2024-02-29", "2024-02-29"),
    ],
)
def test_a_text_is_read_by_its_field(field: Field, text: str, value: object) -> None:
    found = read(field, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "text", "what"),
    [
        (ROWS, "1.5", "'1.5' is not a whole number"),
        (ROWS, "none", "'none' is not a whole number"),
        (ROWS, str(2**53 + 1), f"{2**53 + 1} is not a whole number"),
        (SHARE, "nan", "nan is not a number from 0.05 to 0.5"),
        (SHARE, "0.1,0.2", "'0.1,0.2' holds a bare comma, which is kept for sweeps"),
        (TITLE, "it's, well", '"it\'s, well" holds a bare comma, which is kept for sweeps'),
        (SHARE, "0.1..10", "'0.1..10' is a range, which is kept for sweeps"),
        (HIDDEN, "1,2", "'1,2' holds a bare comma, which is kept for sweeps"),
        (HIDDEN, "[1, 0]", "0 in [1, 0] is not a whole number of at least 1"),
        (HIDDEN, '{"a": 1}', "'{\"a\": 1}' is not a list in brackets, each a whole number of at least 1"),
        (WEIGHTS, '{"a": "b"}', "'b' in {'a': 'b'} is not a number"),
        (HIDDEN, "[a]", "'[a]' is not JSON"),
        (SINCE, "2024-02-30", "'2024-02-30' is not a date such as 2024-05-31"),
        (PENALTY, "L1", "'L1' is not one of l1, l2"),
        (DEPTH, "x", "'x' is not a whole number, or none"),
    ],
)
def test_a_text_that_says_nothing_allowed_is_refused_with_what_is(field: Field, text: str, what: str) -> None:
    with pytest.raises(Refused) as caught:
        read(field, text)
    assert str(caught.value) == what


def test_values_of_a_file_are_typed_and_take_their_one_spelling() -> None:
    assert accept(SINCE, date(2024, 5, 31)) == "2024-05-31"
    assert repr(accept(Field(name="x", type=ParameterType.DOUBLE), 1)) == "1.0"
    assert repr(accept(ROWS, 3.0)) == "3"
    for field, value in [(ROWS, "3"), (ROWS, True), (FAST, 1), (TITLE, 3), (SHARE, None), (HIDDEN, "1")]:
        with pytest.raises(Refused):
            accept(field, value)


def test_a_list_of_known_length_says_so() -> None:
    field = Field(name="ngrams", type=ParameterType.LIST, item=ParameterType.INTEGER, length=2)
    assert allowed(field) == "a list of 2 in brackets, each a whole number"
    with pytest.raises(Refused):
        accept(field, [1])


def test_the_preset_is_known_by_its_values() -> None:
    defaults = {field.name: field.default for field in FIELDS}
    assert matching_preset(FIELDS, PRESETS, {}) == "full"
    assert matching_preset(FIELDS, PRESETS, defaults) == "full"
    assert matching_preset(FIELDS, PRESETS, {"rows": 10, "test_share": 0.5}) == "toy"
    assert matching_preset(FIELDS, PRESETS, {"rows": 11}) == ""


def test_values_from_outside_are_checked_against_ranges_and_choices() -> None:
    found = check_values(FIELDS, {"test_share": 0.9, "penalty": "l1", "rows": 3.5, "other": 1})
    assert [problem.where for problem in found] == ["test_share", "rows"]
    assert check_values(FIELDS, {"rows": 3.0, "model.depth": None}) == ()
