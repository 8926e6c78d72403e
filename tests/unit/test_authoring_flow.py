"""Conditions, loops, nested algorithms and exit tasks: what they become, and every way in which they can be wrong."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

import palmette
from palmette.authoring.algorithms import defined_in
from palmette.authoring.record import record, record_all
from palmette.domain import wire
from palmette.domain.graph import (
    Algorithm,
    All,
    Comparator,
    Comparison,
    Constant,
    Each,
    FromCollected,
    FromItem,
    FromOneOf,
    FromParameter,
    FromTask,
    Nested,
    Node,
    Not,
    OnExit,
    ParameterType,
    Task,
    When,
)
from palmette.errors import DefinitionError

Write = Callable[[str], ModuleType]

HEADER = """
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional
from palmette import Metrics, FinalStatus, algorithm, step
from palmette import collect, each, elsewhen, on_exit, one_of, otherwise, when

@dataclass(frozen=True)
class Model:
    depth: int = 3
    rate: float = 0.1

@dataclass(frozen=True)
class Config:
    folds: list[int] = field(default_factory=lambda: [0, 1])
    name: str = "team"
    limit: float = 0.9
    deep: bool = True
    maybe: Optional[int] = None
    model: Model = Model()

@step
def fetch(rows: int = 3) -> bytes: return b"x" * rows
@step
def fit(dataset: bytes, fold: int, depth: int = 3) -> Path: ...
@step
def score(model: Path, fold: int = 0) -> float: return 0.5
@step
def mean(scores: list[float]) -> float: return sum(scores) / len(scores)
@step
def every(scores: list[list[float]]) -> float: return 0.0
@step
def best(models: list[Path], scores: list[float]) -> Path: return models[scores.index(max(scores))]
@step
def say(text: str) -> str: return text
@step
def pairs() -> list[dict[str, int]]: return []
@step
def notify(name: str, status: FinalStatus) -> str: return f"{name}: {status.state}"
"""
LINES = HEADER.count("\n")
_numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module under the header, and import it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def write(text: str) -> ModuleType:
        names.append(f"flowing{next(_numbers)}")
        (tmp_path / f"{names[-1]}.py").write_text(HEADER + dedent(text).lstrip("\n"))
        return importlib.import_module(names[-1])

    yield write
    for name in names:
        sys.modules.pop(name, None)


def graph(module: ModuleType, name: str = "main") -> Algorithm:
    """The graph of an algorithm without problems, as it comes from the project's interpreter."""
    [definition] = [each for each in defined_in(module) if each.name == name]
    algorithm, found = record(definition)
    assert found == ()
    loaded = wire.load(Algorithm, json.loads(json.dumps(wire.dump(algorithm))))
    assert loaded == algorithm
    return loaded


def recorded(write: Write, text: str) -> tuple[Node, ...]:
    """The nodes of a pipeline function with this body."""
    lines = "\n".join(f"    {line}" for line in dedent(text).strip().splitlines())
    return graph(write(f"@algorithm(config=Config)\ndef main(config: Config):\n{lines}\n")).tasks


def problems(write: Write, text: str) -> list[str]:
    """Each problem of a pipeline function with this body, with its line in it."""
    lines = "\n".join(f"    {line}" for line in dedent(text).strip().splitlines())
    written = write(f"@algorithm(config=Config)\ndef main(config: Config):\n{lines}\n")
    return listed(written, above=2)


def listed(module: ModuleType, above: int = 0) -> list[str]:
    _, found = record_all(defined_in(module))
    return [f"{int(each.where.partition(':')[2].partition(',')[0]) - LINES - above}: {each.what}" for each in found]


# Conditions


def test_a_condition_is_a_node_with_its_cases_in_order(module: Write) -> None:
    *_, condition, said = recorded(
        module,
        """
        model = fit(fetch(), 0)
        auc = score(model)
        with when(auc > config.limit):
            a = say("good")
        with elsewhen((auc >= 0.5) & ~(config.name == "x")):
            b = say("fair")
        with otherwise():
            c = say("bad")
        say(one_of(b, a, c))
        """,
    )
    assert isinstance(condition, When)
    above = Comparison(
        left=FromTask(task="score", output="output"),
        operator=Comparator.MORE,
        right=FromParameter(parameter="limit"),
    )
    first, second, last = condition.cases
    assert condition.name == "condition-branches-1"
    assert (first.name, first.test) == ("condition-1", above)
    assert isinstance(second.test, All)
    assert second.test.tests[1] == Not(
        test=Comparison(left=FromParameter(parameter="name"), operator=Comparator.EQUAL, right=Constant(value="x"))
    )
    assert last.test is None
    assert [task.name for case in condition.cases for task in case.body] == ["say", "say-2", "say-3"]
    assert isinstance(said, Task)
    # in the order of the branches, whatever the order of the arguments
    assert said.arguments["text"] == FromOneOf(
        alternatives=tuple(FromTask(task=name, output="output") for name in ("say", "say-2", "say-3"))
    )


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("config.folds == 3", "config.folds == 3 cannot be tested: int is not list[int]"),
        ("config.name > 3", "config.name > 3 cannot be tested: 3 is not a text"),
        ("config.deep < True", "config.deep < True cannot be tested: truth values have no order"),
        ("config.maybe == 3", "config.maybe == 3 cannot be tested: config.maybe may be None"),
        ("config.name == None", "config.name == None cannot be tested: None is an absent value, which no test sees"),
        ("config.name == config.limit", "config.name == config.limit cannot be tested: the two are of different types"),
        ("fetch() == 3", "what fetch gives == 3 cannot be tested: what fetch gives is an artifact"),
        ("config.limit", "when() is given config.limit, which is no test"),
        ("True", "when() is given True, which is no test"),
    ],
)
def test_what_cannot_be_tested_is_said(module: Write, test: str, expected: str) -> None:
    found = problems(module, f"with when({test}):\n    say('a')")
    assert found == [f"1: {expected}"]


def test_a_truth_value_is_a_test_and_a_number_may_stand_on_either_side(module: Write) -> None:
    first, second = recorded(
        module, "with when(config.deep):\n    say('a')\nwith when(3 < config.model.depth):\n    say('b')"
    )
    assert isinstance(first, When)
    assert isinstance(second, When)
    assert first.cases[0].test == Comparison(
        left=FromParameter(parameter="deep"), operator=Comparator.EQUAL, right=Constant(value=True)
    )
    assert second.cases[0].test == Comparison(
        left=FromParameter(parameter="model.depth"), operator=Comparator.MORE, right=Constant(value=3)
    )


def test_python_words_on_a_placeholder_name_the_spelling(module: Write) -> None:
    text = """
    if config.limit > 0.5: pass
    config.deep and config.limit > 3
    not config.deep
    0 < config.limit < 1
    say("a")
    """
    written = module(
        "@algorithm(config=Config)\ndef main(config: Config):\n"
        + "".join(f"    {line.strip()}\n" for line in text.strip().splitlines())
    )
    _, found = record_all(defined_in(written))
    assert [each.what.partition(",")[0] for each in found] == [
        "a condition is made of config.limit > 0.5",
        "a condition is made of config.deep",
        "a condition is made of config.deep",
        "a condition is made of config.limit > 0",
    ]
    assert {each.hint for each in found} == {"Branch with `with when(x > 3):`, and combine tests with &, | and ~."}


def test_branches_stand_directly_below_each_other(module: Write) -> None:
    text = """
    with otherwise():
        say("a")
    with when(config.deep):
        say("b")
    say("c")
    with elsewhen(config.limit > 1):
        say("d")
    with when(config.deep):
        say("e")
    with otherwise():
        say("f")
    with otherwise():
        say("g")
    """
    what = "does not stand directly below a block of `with when(…):`"
    assert problems(module, text) == [f"1: otherwise {what}", f"6: elsewhen {what}", f"12: otherwise {what}"]


def test_what_a_branch_gives_is_used_in_it_or_chosen(module: Write) -> None:
    text = """
    with when(config.deep):
        a = say("a")
        b = say("b")
    with otherwise():
        c = say("c")
    say(a)
    say(one_of(a, b))
    say(one_of(a))
    with when(config.deep):
        d = say("d")
    with elsewhen(config.limit > 1):
        e = say("e")
    say(one_of(d, e))
    with when(config.deep):
        f = say("f")
    with otherwise():
        g = mean([1.0])
    say(one_of(f, g))
    """
    assert problems(module, text) == [
        "6: what say gives is made in a branch, which may not be executed",
        "7: one_of() is not given one value from each branch",
        "8: one_of() is not given one value from each branch",
        "13: one_of() is not given one value from each branch",
        "18: one_of() is given what say-10 gives and what mean gives: float is not str",
    ]


# Loops


def test_loops_go_through_constants_fields_and_outputs(module: Write) -> None:
    first, second, made, third = recorded(
        module,
        """
        for item in each([1, 2], parallel=3):
            score(fit(fetch(), item))
        for fold in each(config.folds):
            fetch(fold)
        rows = pairs()
        for row in each(rows):
            fetch(row["train"])
            fetch(row.test)
        """,
    )
    assert isinstance(first, Each)
    assert isinstance(second, Each)
    assert isinstance(third, Each)
    assert isinstance(made, Task)
    assert (first.name, first.items, first.item, first.parallelism) == (
        "for-loop-1",
        Constant(value=[1, 2]),
        ParameterType.INTEGER,
        3,
    )
    assert (second.items, third.items) == (FromParameter(parameter="folds"), FromTask(task="pairs", output="output"))
    keys = [task.arguments["rows"] for task in third.body if isinstance(task, Task)]
    integer = ParameterType.INTEGER
    assert keys == [FromItem(loop="for-loop-3", path=(key,), type=integer) for key in ("train", "test")]


def test_what_loops_made_is_collected_behind_them(module: Write) -> None:
    loop, all_, chosen, again = recorded(
        module,
        """
        for one in each([1, 2]):
            for other in each([{"a": 3}, {"a": 4}]):
                model = fit(fetch(one), other.a)
                auc = score(model)
            mean(collect(auc))
        every(collect(auc))
        best(collect(model), [1.0])
        for model in each(collect(model)):
            score(model)
        """,
    )
    assert isinstance(loop, Each)
    average = loop.body[-1]
    assert isinstance(average, Task)
    assert isinstance(all_, Task)
    assert isinstance(chosen, Task)
    assert isinstance(again, Each)
    assert all_.arguments == {"scores": FromCollected(task="score", output="output")}
    assert average.arguments == {"scores": FromCollected(task="score", output="output")}
    assert chosen.arguments["models"] == FromCollected(task="fit", output="output")
    assert (again.items, again.item) == (FromCollected(task="fit", output="output"), None)


def test_items_of_a_list_that_says_nothing_of_them_are_what_they_are_used_as(module: Write) -> None:
    text = """
    @step
    def some() -> list: return []

    @algorithm
    def main() -> None:
        for item in each(some()):
            fetch(item)
        for pair in each(some()):
            with when(pair.kind == "a"):
                fetch(pair.rows)
    """
    numbers, mappings = [node for node in graph(module(text)).tasks if isinstance(node, Each)]
    assert (numbers.item, mappings.item) == (ParameterType.INTEGER, ParameterType.STRUCT)
    [condition] = mappings.body
    assert isinstance(condition, When)
    assert isinstance(condition.cases[0].test, Comparison)
    assert condition.cases[0].test.left == FromItem(loop="for-loop-2", path=("kind",), type=ParameterType.STRING)


def test_an_algorithm_may_return_what_it_collected(module: Write) -> None:
    text = """
    @algorithm
    def part(folds: int = 1) -> list[Path]:
        for fold in each([1, 2]):
            model = fit(fetch(), fold)
        return collect(model)

    @algorithm
    def main() -> None:
        best(part(), [1.0, 2.0])
    """
    [part, chosen] = graph(module(text)).tasks
    assert isinstance(part, Nested)
    assert isinstance(chosen, Task)
    assert part.outputs[0].many
    assert chosen.arguments["models"] == FromTask(task="part", output="output")


def test_every_mistake_with_loops_is_reported_with_its_line(module: Write) -> None:
    text = """
    for item in each(config.folds):
        auc = score(fit(fetch(item), item))
        mean(collect(auc))
    mean([auc])
    score(auc)
    fetch(item)
    collect(fetch())
    each(config.name)
    each(3)
    each([])
    each([1, "a"])
    each([config.limit])
    for pair in each([{"a": 1}, {"a": 2, "b": 3}], parallel=-1):
        fetch(pair.b)
        fetch(pair.a.c)
    for item in config.folds: pass
    """
    assert problems(module, text) == [
        "3: collect() is given what score gives, within the loop that makes it",
        "4: a placeholder is inside of what is given for 'scores' of mean",
        "5: what score gives is made in a loop, once for each item",
        "6: an item of config.folds is used behind the loop",
        "7: collect() is given what fetch-3 gives, which no loop made",
        "8: each() is given config.name, which is str and no list",
        "9: each() is given 3, which is no list",
        "10: each() is given no items",
        "11: each() is given items that are not all of one plain type",
        "12: a placeholder is inside of the list that each() is given",
        "13: parallel=-1 is not a number of items",
        "14: not every item of the loop has 'b'",
        "15: `.c` is asked of the item of the loop.a, which has no value before the pipeline runs",
        "16: a loop or an unpacking goes through config.folds, which has no value before the pipeline runs",
    ]


def test_what_two_loops_made_is_a_list_of_lists(module: Write) -> None:
    text = """
    for one in each([1, 2]):
        for other in each([1, 2]):
            auc = score(fit(fetch(one), other))
    mean(collect(auc))
    """
    assert problems(module, text) == [
        "4: collect(score) cannot be given for 'scores' of mean: list[list[float]] is not list[float]"
    ]


def test_what_a_loop_makes_is_not_used_behind_it_uncollected(module: Write) -> None:
    text = """
    for item in each(config.folds):
        model = fit(fetch(), item)
    score(model)
    """
    assert problems(module, text) == ["3: what fit gives is made in a loop, once for each item"]


@pytest.mark.parametrize("leaving", ["break", "return"])
def test_a_loop_that_is_left_early_is_a_problem(module: Write, leaving: str) -> None:
    text = f"""
    for item in each(config.folds):
        fetch(item)
        {leaving}
    say("a")
    """
    assert problems(module, text) == ["1: a loop is left before its end, which a pipeline cannot do"]


def test_an_error_in_a_loop_is_reported_as_itself(module: Write) -> None:
    text = """
    for item in each(config.folds):
        fetch(item)
        1 / 0
    """
    assert problems(module, text) == ["3: it raised ZeroDivisionError: division by zero"]


# Nested algorithms

PART = """
class Fitted(NamedTuple):
    model: Path
    auc: float

@algorithm(config=Model)
def part(config: Model, dataset: bytes, fold: int = 0) -> Fitted:
    model = fit(dataset, fold, config.depth)
    return Fitted(model, score(model, fold))
"""


def test_an_algorithm_within_another_is_a_node_of_its_own_names(module: Write) -> None:
    text = PART + dedent("""
    @algorithm(config=Config)
    def main(config: Config) -> float:
        data = fetch()
        for fold in each(config.folds):
            model, auc = part(config.model, data, fold)
        part(Model(depth=5, rate=config.limit), data)
        part(dataset=data)
        return mean(collect(auc))
    """)
    found = graph(module(text))
    _, loop, second, third, _ = found.tasks
    assert isinstance(loop, Each)
    [first] = loop.body
    assert isinstance(first, Nested)
    assert isinstance(second, Nested)
    assert isinstance(third, Nested)
    assert [entry.name for entry in first.inputs] == ["depth", "rate", "fold", "dataset"]
    assert first.arguments == {
        "depth": FromParameter(parameter="model.depth"),
        "rate": FromParameter(parameter="model.rate"),
        "dataset": FromTask(task="fetch", output="output"),
        "fold": FromItem(loop="for-loop-1", type=ParameterType.INTEGER),
    }
    assert second.arguments["depth"] == Constant(value=5)
    assert second.arguments["rate"] == FromParameter(parameter="limit")
    assert third.arguments == {"dataset": FromTask(task="fetch", output="output")}
    assert (first.name, second.name, third.name) == ("part", "part-2", "part-3")
    [fitted, _] = first.body
    assert isinstance(fitted, Task)
    assert fitted.arguments["dataset"] == FromTask(task="", output="dataset")
    assert first.results["model"] == FromTask(task="fit", output="output")
    assert found.results == {"output": FromTask(task="mean", output="output")}


def test_parameters_beside_the_config_are_the_pipelines_and_artifacts_make_it_a_part(module: Write) -> None:
    found = graph(module(PART), "part")
    assert [(entry.name, entry.required, entry.default) for entry in found.config] == [
        ("depth", False, 3),
        ("rate", False, 0.1),
        ("fold", False, 0),
    ]
    assert [entry.name for entry in found.inputs] == ["dataset"]


def test_every_mistake_with_nested_algorithms_is_reported(module: Write) -> None:
    text = PART + dedent("""
    @algorithm
    def around() -> None:
        fetch()
        around()

    @algorithm(config=Config)
    def main(config: Config, depth: int = 1):
        part(config.model)
        part(config, fetch())
        part(Model(rate="x"), fetch(), wrong=1)
        part(Model(depth=config.name), fetch())
        made = part(config.model, fetch())
        score(made)
        score(made.mode)
        return depth
    """)
    assert listed(module(text)) == [
        "13: the algorithm 'around' calls itself",
        "17: part is not given 'dataset'",
        "18: config is not a Model, which 'config' of part takes",
        "19: 'x' cannot be given for 'rate' of 'config' of part: 'x' is not a number",
        "19: part has no parameter 'wrong'",
        "20: config.name cannot be given for 'depth' of 'config' of part: str is not int",
        "22: several outputs are given for 'model' of score",
        "23: part-5 has no output 'mode'",
        "15: it returns depth, which no step made",
    ]


# Exit tasks and order


def test_an_exit_task_guards_its_block(module: Write) -> None:
    [guarded] = recorded(module, 'with on_exit(notify(config.name)):\n    say("a")')
    assert isinstance(guarded, OnExit)
    assert (guarded.name, [task.name for task in guarded.body], guarded.task.name) == (
        "exit-handler-1",
        ["say"],
        "notify",
    )
    assert guarded.task.arguments == {"name": FromParameter(parameter="name")}


def test_every_mistake_with_exit_tasks_is_reported(module: Write) -> None:
    text = """
    notify("a")
    with on_exit(say(say("b"))):
        c = say("c")
    say(c)
    with on_exit(3):
        last = notify(config.name)
    for item in each(config.folds):
        with on_exit(notify("x")):
            fetch(item)
    """
    assert problems(module, text) == [
        "2: the exit task say-2 needs 'text' of another task",
        "4: what say-3 gives is made in a block of on_exit",
        "5: on_exit() is given 3",
        "8: on_exit() stands within another block",
        "1: notify takes a FinalStatus, and it does not run at the exit of anything",
        "6: notify-2 takes a FinalStatus, and it does not run at the exit of anything",
    ]


def test_groups_take_part_in_the_order(module: Write) -> None:
    first, loop, condition, last = recorded(
        module,
        """
        first = fetch()
        loop = each([1, 2])
        for item in loop:
            fetch(item)
        loop.after(first)
        with when(config.deep) as deep:
            say("a").after(loop)
        say("b").after(deep).regardless()
        """,
    )
    assert isinstance(loop, Each)
    assert isinstance(condition, When)
    assert isinstance(last, Task)
    assert loop.after == (first.name,)
    assert (last.after, last.regardless) == (("condition-2",), True)


def test_a_task_waits_for_no_part_of_a_block_and_needs_defaults_to_run_regardless(module: Write) -> None:
    text = """
    for item in each(config.folds):
        inner = fetch(item)
    say("a").after(inner)
    say(say("b")).regardless()
    """
    assert problems(module, text) == [
        "3: fetch is within a loop (" + f"flowing{_last()}.py:{LINES + 3}" + "), which say is not",
        "4: say-3 runs regardless of what failed, and 'text' may not be made then",
    ]


def _last() -> int:
    return max(int(name.removeprefix("flowing")) for name in sys.modules if name.startswith("flowing"))


# Outside a pipeline


def test_outside_a_pipeline_a_loop_is_a_loop_and_the_rest_says_that_it_is_for_pipelines() -> None:
    assert list(palmette.each([1, 2], parallel=2)) == [1, 2]
    for call in (
        lambda: palmette.when(True),
        lambda: palmette.elsewhen(True),
        lambda: palmette.otherwise(),
        lambda: palmette.collect(1),
        lambda: palmette.one_of(1, 2),
        lambda: palmette.on_exit(None),
    ):
        with pytest.raises(DefinitionError, match="means something only while a pipeline is recorded"):
            call()


def test_steps_with_lists_and_statuses_are_plain_functions(module: Write) -> None:
    written = module("")
    assert written.mean([1.0, 2.0]) == 1.5
    assert written.best([Path("a"), Path("b")], [0.1, 0.2]) == Path("b")
    assert written.notify("team", palmette.FinalStatus("FAILED")) == "team: FAILED"
