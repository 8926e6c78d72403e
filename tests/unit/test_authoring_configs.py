"""A config dataclass becomes typed leaves, and comes back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Optional

import pytest

from palmette.authoring.annotations import Range
from palmette.authoring.configs import build, differences, leaves
from palmette.domain.graph import Field, ParameterType, Reading


class Gaps(Enum):
    MEAN = 1
    MEDIAN = 2


@dataclass(frozen=True)
class Model:
    depth: int = 3  #: of each tree
    hidden: tuple[int, ...] = (8, 4)


@dataclass(frozen=True)
class Config:
    """Everything a field can be."""

    #: share of the rows
    #: held out
    share: Annotated[float, Range(0.05, 0.5)] = 1 / 4
    penalty: Literal["l1", "l2"] = "l2"  #: kind of "#: regularisation"
    gaps: Gaps = Gaps.MEDIAN
    limit: Optional[int] = None  # noqa: UP045  (both spellings count)
    since: date = date(2024, 1, 1)
    at: datetime = datetime(2024, 1, 1, 10, 30)  # noqa: DTZ001  (a wall clock's)
    data: Path = Path("data/raw.csv")
    names: list[str] = field(default_factory=lambda: ["a", "b"])
    weights: dict[str, float] = field(default_factory=dict)
    ngrams: tuple[int, int] = (1, 2)
    model: Model = Model(depth=5)
    rows: int | None = None
    TARGET: ClassVar[str] = "benign"
    columns: int = field(init=False, default=3)


@dataclass
class Mutable:
    url: str
    model: Model
    rows: int = 3


def fields(config: type) -> dict[str, Field]:
    found, problems = leaves(config)
    assert problems == ()
    return {leaf.field.name: leaf.field for leaf in found}


def wrong(config: Any) -> dict[str, str]:
    _, problems = leaves(config)
    return {problem.where.rpartition(".")[2]: problem.what for problem in problems}


def test_each_leaf_is_a_parameter_with_its_type_default_and_description() -> None:
    found = fields(Config)
    assert {name: (entry.type, entry.default) for name, entry in found.items()} == {
        "share": (ParameterType.DOUBLE, 0.25),
        "penalty": (ParameterType.STRING, "l2"),
        "gaps": (ParameterType.STRING, "MEDIAN"),
        "limit": (ParameterType.INTEGER, None),
        "since": (ParameterType.STRING, "2024-01-01"),
        "at": (ParameterType.STRING, "2024-01-01T10:30:00"),
        "data": (ParameterType.STRING, "data/raw.csv"),
        "names": (ParameterType.LIST, ["a", "b"]),
        "weights": (ParameterType.STRUCT, {}),
        "ngrams": (ParameterType.LIST, [1, 2]),
        "model.depth": (ParameterType.INTEGER, 5),
        "model.hidden": (ParameterType.LIST, [8, 4]),
        "rows": (ParameterType.INTEGER, None),
    }
    assert found["share"].description == "share of the rows held out"
    assert found["penalty"].description == 'kind of "#: regularisation"'
    assert found["model.depth"].description == "of each tree"
    assert found["gaps"].description == ""
    assert (found["share"].low, found["share"].high) == (0.05, 0.5)
    assert found["penalty"].choices == ("l1", "l2")
    assert (found["gaps"].reading, found["gaps"].choices) == (Reading.ENUM, ("MEAN", "MEDIAN"))
    assert found["limit"].optional
    assert found["ngrams"].length == 2


def test_a_field_knows_its_line() -> None:
    location = fields(Config)["gaps"].location
    name, _, line = location.partition(":")
    assert name.endswith("test_authoring_configs.py")
    assert "gaps: Gaps" in Path(__file__).read_text().splitlines()[int(line) - 1]


def test_values_come_back_as_the_config_they_were() -> None:
    config = Config(share=0.5, gaps=Gaps.MEAN, since=date(2020, 2, 3), model=Model(hidden=(1,)), rows=3)
    values = differences(leaves(Config)[0], config)
    assert values == {
        "share": 0.5,
        "gaps": "MEAN",
        "since": "2020-02-03",
        "model.depth": 3,
        "model.hidden": [1],
        "rows": 3,
    }
    assert build(Config, values) == config
    assert build(Config, {}) == Config()


def test_a_field_without_a_default_is_required_and_a_group_takes_its_own_defaults() -> None:
    found = fields(Mutable)
    assert (found["url"].required, found["model.depth"].required) == (True, False)
    assert build(Mutable, {"url": "x", "model.depth": 4}) == Mutable("x", Model(depth=4))


@dataclass
class Wrong:
    big: int = 2**53 + 1
    varying: float = field(default_factory=random.random)
    today: date = field(default_factory=date.today)
    infinite: float = float("inf")
    outside: Annotated[float, Range(0, 1)] = 3.0
    other: Literal["a", "b"] = "c"  # type: ignore[assignment]
    mistyped: int = "3"  # type: ignore[assignment]
    unknown: complex = 1j
    union: int | str = 3
    mixed: Literal["a", 1] = 1
    missing: Nowhere = 3  # type: ignore[name-defined]  # noqa: F821
    empty: Annotated[int, Range(3, 1)] = 2
    text: Annotated[str, Range(1, 2)] = ""
    keys: dict[int, int] = field(default_factory=dict)
    absent: int | None = 5
    failing: list[int] = field(default_factory=lambda: [1 // 0])
    model_depth: int = 1
    model: Model = Model()


def test_every_mistake_of_a_definition_is_found_at_once() -> None:
    *of_fields, (_, twins) = wrong(Wrong).items()
    assert dict(of_fields) == {
        "big": f"{2**53 + 1} is not a whole number",
        "varying": "its default varies",
        "today": "its default varies",
        "infinite": "inf is not a number",
        "outside": "3.0 is not a number from 0 to 1",
        "other": "'c' is not one of a, b",
        "mistyped": "'3' is not a whole number",
        "unknown": "complex is no type of a config field",
        "union": "int | str is no type of a config field",
        "mixed": "Literal['a', 1] mixes types, and a parameter has one",
        "missing": "its annotation 'Nowhere' cannot be read: name 'Nowhere' is not defined",
        "empty": "Annotated[int, Range(low=3, high=1)]: no number is in that Range",
        "text": "Annotated[str, Range(low=1, high=2)]: only numbers have a Range",
        "keys": "dict[int, int] has keys that are no texts",
        "absent": "an absent value means None, but its default is 5",
        "failing": "its default cannot be made: ZeroDivisionError: integer division or modulo by zero",
    }
    assert twins == "the fields model_depth and model.depth have one name in a pipeline"


@dataclass
class Node:
    inner: Node


@dataclass(frozen=True)
class Checked:
    low: int = 5
    high: int = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@dataclass
class Changed:
    rows: int = 5

    def __post_init__(self) -> None:
        self.rows += 1


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (Node, "Node holds itself"),
        (Checked, "with its defaults it cannot be made: ValueError: low is above high"),
        (Changed, "__post_init__ changes rows, which no override would see"),
        (int, "a config is a dataclass"),
    ],
)
def test_a_config_that_cannot_be_one_says_why(config: type, what: str) -> None:
    assert list(wrong(config).values()) == [what]
