"""`palmette.testing`, called as a project's tests call it."""

from __future__ import annotations

import doctest
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import pytest

from palmette import Evaluation, Metrics, Range, Reference, Text, command, step
from palmette.errors import DefinitionError
from palmette.testing import Column, assert_deterministic, assert_schema, determinism, learning, run_step, steps

if TYPE_CHECKING:
    from conftest import Project


@dataclass(frozen=True)
class Options:
    depth: int = 3
    name: str = "a"


@dataclass(frozen=True)
class Both:
    text: Text
    size: int


class Pair(NamedTuple):
    first: int
    second: Text


@step
def double(number: int) -> int:
    return 2 * number


@step
def whole(options: Options, factor: float = 1.0) -> float:
    return options.depth * factor


@step
def both(text: Text, where: Path) -> Both:
    return Both(Text(text + where.read_text()), len(text))


@step
def referring(where: str) -> Reference:
    return Reference(where)


counted = command(
    "python scripts/count.py {table} {number}", inputs={"table": Path}, outputs={"number": int}, name="counted"
)


@step
def pair(number: int) -> Pair:
    return Pair(os.getpid(), Text("x" * number))


@step
def two(number: int) -> tuple[int, Metrics]:
    return number, Metrics(value=number)


@step
def broken(number: int) -> int:
    print("about to break")
    raise ValueError(f"{number} is too much")


@step
def hashed(words: list[str]) -> Text:
    return Text(" ".join(set(words)))


@step
def unseeded() -> Metrics:
    return Metrics(fixed=1.0, drawn=random.random())


@step
def clock() -> float:
    return time.time()


@step
def threads() -> int:
    return int(os.environ["OMP_NUM_THREADS"])


def test_a_step_runs_in_a_process_of_its_own_and_its_values_travel_by_file(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("def")
    assert run_step(double, number=21) == 42
    assert run_step(whole, options=Options(depth=4), factor=0.5) == 2.0
    assert run_step(whole, options=Options()) == 3.0
    assert run_step(both, text=Text("abc"), where=tmp_path / "more.txt") == Both(Text("abcdef"), 3)
    made = run_step(pair, number=3)
    assert made.second == "xxx"
    assert made.first != os.getpid()
    assert run_step(two, number=2) == (2, {"value": 2.0})


def test_a_step_that_fails_is_an_assertion_error_with_what_it_printed() -> None:
    with pytest.raises(AssertionError) as caught:
        run_step(broken, number=7)
    assert str(caught.value).startswith("step broken failed with exit code 1; it printed:\n  | about to break\n")
    assert "  | ValueError: 7 is too much" in str(caught.value)


def test_inputs_are_checked_before_anything_is_started() -> None:
    with pytest.raises(TypeError, match=r"step double: it takes no nummer; it takes number"):
        run_step(double, nummer=1)
    with pytest.raises(TypeError, match=r"step double: it needs number"):
        run_step(double)
    with pytest.raises(ValueError, match="a whole number"):
        run_step(double, number="x")


def test_a_step_within_a_function_is_no_step_of_a_process() -> None:
    @step
    def inner() -> int:
        return 1

    with pytest.raises(DefinitionError, match="cannot be found by its name"):
        run_step(inner)


def test_a_step_that_gives_the_same_bytes_passes() -> None:
    assert_deterministic(double, number=3)
    assert_deterministic(two, number=3)


@pytest.mark.parametrize(
    ("faulty", "inputs", "cause", "difference"),
    [
        (hashed, {"words": list("abcdefghij")}, "with the hash seed", "output: "),
        (unseeded, {}, "even if nothing is changed", "output: drawn differ"),
        (clock, {}, "even if nothing is changed", "output: "),
        (threads, {}, "with the number of threads", "output: 1 and 4"),
    ],
)
def test_what_makes_a_step_give_other_bytes_is_named(
    faulty: object, inputs: dict[str, object], cause: str, difference: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_deterministic(faulty, **inputs)  # type: ignore[arg-type]
    text = str(caught.value)
    assert f"They differ {cause}" in text
    assert text.count("They differ") == 1
    assert difference in text


class Series:
    """As much of a column as a schema looks at."""

    def __init__(self, dtype: str, values: list[object]) -> None:
        self.dtype, self._values = dtype, values

    def to_list(self) -> list[object]:
        return self._values

    def __len__(self) -> int:
        return len(self._values)


class Table(dict[str, Series]):
    """As much of a table as a schema looks at."""

    @property
    def columns(self) -> list[str]:
        return [*self]

    def __len__(self) -> int:
        return max((len(series) for series in self.values()), default=0)


PEOPLE = Table(
    age=Series("float64", [20.0, 130.0, float("nan")]),
    sex=Series("object", ["m", "x", "f"]),
    key=Series("int64", [1, 1, 2]),
)


def test_a_table_that_is_as_it_should_be_passes() -> None:
    schema = {"age": Column(dtype=float, high=130, nulls=True), "sex": "text", "key": int}
    assert_schema(PEOPLE, schema)
    assert_schema(PEOPLE, {"key": "int64"}, extra=True, rows=3)


def test_every_violation_of_a_schema_is_reported_at_once() -> None:
    @dataclass
    class Person:
        age: Annotated[float, Range(0, 120)]
        sex: Literal["m", "f"]
        weight: float | None

    with pytest.raises(AssertionError) as caught:
        assert_schema(PEOPLE, Person, rows=4)
    assert str(caught.value).splitlines()[1:] == [
        "  the column weight is missing",
        "  the column key is not in the schema",
        "  it has 3 rows, and should have at least 4",
        "  age: 1 of 3 values are missing",
        "  age: 1 of 3 values are above 120: 130.0",
        "  sex: 1 of 3 values are not one of m, f: x",
    ]


def test_types_and_repetitions_are_violations_too() -> None:
    with pytest.raises(AssertionError, match="age: it is float64, and should be int"):
        assert_schema(PEOPLE, {"age": int}, extra=True)
    with pytest.raises(AssertionError, match="key: 1 values stand in it more than once"):
        assert_schema(PEOPLE, {"key": Column(unique=True)}, extra=True)
    with pytest.raises(TypeError, match="says nothing of a column"):
        assert_schema(PEOPLE, {"key": Evaluation}, extra=True)


TESTS = """
    import pytest
    from palmette import testing
    from palmette.testing import assert_learns, run_toy

    def test_the_toy_run_is_a_run() -> None:
        run = run_toy("example")
        assert run.config["held_out"] == 8
        assert run["build_and_fit"].output.keys() == {"slope", "intercept"}

    def test_it_learns() -> None:
        run = assert_learns("example", metric="mae", better_than=5)
        assert run.metrics["mae"] < 5
        with pytest.raises(AssertionError) as caught:
            assert_learns("example", metric="mae", better_than=0.001)
        assert "mae is" in str(caught.value)
        assert "should be below 0.001" in str(caught.value)

    def test_a_handicap_is_a_bound() -> None:
        with pytest.raises(AssertionError, match="which it reaches with held_out=3"):
            assert_learns("example", metric="mae", better_than={"held_out": 3}, overrides={"held_out": 3})

    def test_a_metric_that_is_not_there_is_named() -> None:
        with pytest.raises(AssertionError, match="example has no metric 'auc'; it has mae"):
            testing.assert_learns("example", metric="auc", better_than=0.5)
"""


def test_an_algorithm_is_trained_in_a_store_that_is_thrown_away(tiny: Project) -> None:
    tiny.write("tests/test_example.py", TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests/test_example.py"]
    done = subprocess.run(command, cwd=tiny.directory, env=tiny.environ, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert not tiny.exists(".palmette")


def test_the_examples_in_the_docstrings_hold(tiny: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.directory)
    for name, value in tiny.environ.items():
        monkeypatch.setenv(name, value)
    frame = Table(age=Series("float64", [1.0]), sex=Series("object", ["m"]))
    names = {"double": double, "frame": frame}
    for module in (steps, determinism, learning, sys.modules["palmette.testing.schemas"]):
        done = doctest.testmod(module, extraglobs=names)
        assert done.attempted > 0, module
        assert done.failed == 0, module


def test_a_step_gives_what_it_refers_to(tmp_path: Path) -> None:
    (tmp_path / "scan.txt").write_text("1")
    made = run_step(referring, where=str(tmp_path))
    assert (type(made), made.path) == (Reference, tmp_path)
    assert_deterministic(referring, where=str(tmp_path))


def test_a_command_finds_the_files_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "length.py").write_text("def length(text): return len(text)")
    (tmp_path / "scripts" / "count.py").write_text(
        "import sys\nfrom pathlib import Path\nfrom length import length\n"
        "Path(sys.argv[2]).write_text(str(length(Path(sys.argv[1]).read_text())))"
    )
    (tmp_path / "table.txt").write_text("abc")
    monkeypatch.chdir(tmp_path)
    assert run_step(counted, table=tmp_path / "table.txt").number == 3
