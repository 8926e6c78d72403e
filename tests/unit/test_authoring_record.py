"""Recording: what a pipeline function becomes, and every way in which it can be wrong."""

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

from palmette.authoring.algorithms import defined_in
from palmette.authoring.record import record, record_all
from palmette.domain import wire
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Constant,
    Fresh,
    Freshness,
    FromParameter,
    FromTask,
    Input,
    Output,
    ParameterType,
    Resources,
    Retry,
)

Write = Callable[[str], ModuleType]

HEADER = """
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Optional
from palmette import *
from palmette import HTML, Evaluation, Format, Metric, Metrics, Range, Sensitive, algorithm, step

@dataclass(frozen=True)
class Model:
    depth: int = 3
    rate: float = 0.1

@dataclass(frozen=True)
class Config:
    rows: int = 10
    C: float = 1.0
    penalty: Literal["l1", "l2"] = "l2"
    since: date = date(2024, 1, 1)
    limit: Optional[int] = None
    data: Path = Path("a.csv")
    model: Model = Model()

    @property
    def twice(self) -> int:
        return 2 * self.rows

@step
def fetch(rows: int) -> bytes: return b"x" * rows

@step
def fit(dataset: bytes, C: float) -> HTML: return HTML(C)
"""
LINES = HEADER.count("\n")
_numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module under the header, and import it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def write(text: str) -> ModuleType:
        names.append(f"written{next(_numbers)}")
        (tmp_path / f"{names[-1]}.py").write_text(HEADER + dedent(text).lstrip("\n"))
        return importlib.import_module(names[-1])

    yield write
    for name in names:
        sys.modules.pop(name, None)


def graph(module: ModuleType) -> Algorithm:
    [definition] = defined_in(module)
    algorithm, problems = record(definition)
    assert problems == ()
    return algorithm


def problems(module: ModuleType) -> list[str]:
    """Each problem as "line, name: what"; the line counts from the end of the header."""
    _, found = record_all(defined_in(module))
    return [f"{_line(problem.where, module)}: {problem.what}" for problem in found]


def _line(where: str, module: ModuleType) -> str:
    place, _, name = where.partition(", ")
    file, _, line = place.partition(":")
    assert file == f"{module.__name__}.py"
    return f"{int(line) - LINES}, {name}"


def test_calls_become_tasks_wired_by_what_they_are_given(module: Write) -> None:
    found = graph(
        module("""
        @algorithm(config=Config, presets={"toy": Config(rows=1, model=Model(depth=1))})
        def tumour(config: Config) -> None:
            "Benign or malignant."
            dataset = fetch(config.rows)
            fit(dataset, C=config.C)
            fit(fetch(5), 2)
        """)
    )
    assert [(task.name, task.step, dict(task.arguments)) for task in found.tasks] == [
        ("fetch", "fetch", {"rows": FromParameter(parameter="rows")}),
        ("fit", "fit", {"dataset": FromTask(task="fetch", output="output"), "C": FromParameter(parameter="C")}),
        ("fetch-2", "fetch", {"rows": Constant(value=5)}),
        ("fit-2", "fit", {"dataset": FromTask(task="fetch-2", output="output"), "C": Constant(value=2.0)}),
    ]
    assert found.description == "Benign or malignant."
    assert dict(found.presets) == {"full": {}, "toy": {"rows": 1, "model.depth": 1}}
    fit = found.step("fit")
    assert fit.inputs == (
        Input(name="dataset", artifact=ArtifactType.ARTIFACT, declared="bytes"),
        Input(name="C", parameter=ParameterType.DOUBLE, declared="float"),
    )
    assert fit.outputs == (Output(name="output", artifact=ArtifactType.HTML, format="html"),)
    assert fit.target.endswith(":fit")
    assert wire.load(Algorithm, json.loads(json.dumps(wire.dump(found)))) == found


def test_several_outputs_are_taken_apart_by_position_or_by_name(module: Write) -> None:
    found = graph(
        module("""
        class Parts(NamedTuple):
            train: bytes
            share: float

        @dataclass
        class Named:
            test: Annotated[bytes, Sensitive]
            score: float

        @step
        def tuples() -> tuple[bytes, float]: ...
        @step
        def parts() -> Parts: ...
        @step
        def named() -> Named: ...

        @algorithm
        def tumour() -> None:
            dataset, C = tuples()
            fit(dataset, C)
            train, share = parts()
            fit(train, share)
            both = named()
            fit(both.test, both.score)
            fit(tuples()[0], parts().share)
        """)
    )
    wired = [task.arguments for task in found.tasks if task.step == "fit"]
    assert [tuple((source.task, source.output) for source in each.values()) for each in wired] == [  # type: ignore[union-attr]
        (("tuples", "output_1"), ("tuples", "output_2")),
        (("parts", "train"), ("parts", "share")),
        (("named", "test"), ("named", "score")),
        (("tuples-2", "output_1"), ("parts-2", "share")),
    ]
    assert [output.sensitive for output in found.step("named").outputs] == [True, False]


def test_options_become_what_a_task_needs(module: Write) -> None:
    found = graph(
        module("""
        def read(path: Path) -> list: ...
        def write(value: list, path: Path) -> None: ...
        def newest() -> str: ...

        @step(cpu="500m", memory="4Gi", gpu=1, timeout="1h30m", retries=2, backoff="10s", fresh="1d",
              env=["DATA_URL"], secrets=["PASSWORD"], include=["app.plugin_*"], sensitive=True)
        def load() -> Annotated[list, Format(read, write, ".txt")]: ...

        @step(fresh=newest)
        def show(values) -> None: ...

        @algorithm(metrics=[Metric("auc", of=newest, primary=True, tolerance=0.01), Metric("loss", goal="min")])
        def tumour() -> None:
            show(load())
        """)
    )
    load, show = found.steps
    assert load.resources == Resources(cpu=0.5, memory=4 * 1024**3, gpu=1)
    assert (load.timeout, load.retry) == (5400.0, Retry(retries=2, backoff=10.0))
    assert load.fresh == Fresh(kind=Freshness.FOR, seconds=86400.0)
    assert (load.env, load.secrets, load.include) == (("DATA_URL",), ("PASSWORD",), ("app.plugin_*",))
    assert load.outputs == (Output(name="output", artifact=ArtifactType.ARTIFACT, format="custom", sensitive=True),)
    name = found.target.partition(":")[0]
    assert load.reaches == (f"{name}:read", f"{name}:write")
    # It reads what `load` wrote, so the format goes with it too.
    assert show.reaches == (f"{name}:newest", f"{name}:read", f"{name}:write")
    assert show.fresh == Fresh(kind=Freshness.FUNCTION, target=f"{name}:newest")
    assert [(metric.name, metric.goal, metric.of) for metric in found.metrics] == [
        ("auc", "max", f"{name}:newest"),
        ("loss", "min", ""),
    ]


def test_foreign_code_becomes_a_step_from_outside(module: Write) -> None:
    found = graph(
        module("""
        import textwrap
        from statistics import fmean

        mean = step(fmean, inputs={"data": list[float]}, outputs=float, name="average")
        cut = step(textwrap.shorten, inputs={"text": str, "width": int}, outputs={"short": str})

        @algorithm(config=Config)
        def tumour(config: Config) -> None:
            mean([1, 2.5])
            cut(config.penalty, width=config.rows)
        """)
    )
    average, cut = found.steps
    assert (average.target, average.name) == ("statistics:fmean", "average")
    assert average.wrapper.endswith(":mean")
    assert found.tasks[0].arguments == {"data": Constant(value=[1.0, 2.5])}
    assert [output.name for output in cut.outputs] == ["short"]


def test_a_group_of_fields_is_given_whole_field_by_field(module: Write) -> None:
    found = graph(
        module("""
        @step
        def grow(model: Model, data: Path) -> None: ...

        @algorithm(config=Config)
        def tumour(config: Config) -> None:
            grow(config.model, config.data)
            grow(Model(depth=7), "b.csv")
        """)
    )
    assert [entry.name for entry in found.steps[0].inputs] == ["model.depth", "model.rate", "data"]
    assert found.steps[0].inputs[2].parameter is ParameterType.STRING
    assert found.tasks[0].arguments["model.rate"] == FromParameter(parameter="model.rate")
    assert found.tasks[1].arguments == {
        "model.depth": Constant(value=7),
        "model.rate": Constant(value=0.1),
        "data": Constant(value="b.csv"),
    }


def test_tasks_are_put_in_order_by_after(module: Write) -> None:
    found = graph(
        module("""
        @step
        def one() -> None: ...
        @step
        def two() -> None: ...

        @algorithm
        def tumour() -> None:
            first = one()
            second = two()
            first.after(second)
        """)
    )
    assert [(task.name, task.after) for task in found.tasks] == [("two", ()), ("one", ("two",))]


def test_tasks_that_wait_for_each_other_are_a_problem(module: Write) -> None:
    text = """
    @algorithm(config=Config)
    def tumour(config: Config):
        dataset = fetch(config.rows)
        model = fit(dataset, config.C)
        dataset.after(model)
    """
    assert problems(module(text)) == ["3, tumour: tasks wait for each other: fetch → fit → fetch"]


def test_every_wrong_wiring_is_reported_at_once_with_its_line(module: Write) -> None:
    text = """
    @step
    def shorten(text: str, size: Optional[int] = None) -> Metrics: ...
    @step
    def watch(untyped, count: int) -> None: ...

    @algorithm(config=Config)
    def tumour(config: Config):
        dataset = fetch(config.rws)
        fit(dataset, config.penalty)
        fit(config.C, dataset)
        fit(dataset)
        fit(dataset, 1.0, 2.0, c=3); fetch(config.rows, 1)
        fit("text", "text")
        shorten(config.since, config.limit)
        shorten(config.penalty, 1.5)
        watch(config.C, config.limit)
        watch(dataset, [config.rows])
        fit(shorten("a"), config.model)
        fit(watch(dataset, 1), dataset.C)
        config.model.dept
        config.twice
    """
    assert problems(module(text)) == [
        "8, tumour: there is no config field 'rws'",
        "9, tumour: config.penalty cannot be given for 'C' of fit: Literal['l1', 'l2'] is not float",
        "10, tumour: config.C cannot be given for 'dataset' of fit: "
        "float is not bytes: an artifact of another step is wanted",
        "10, tumour: what fetch gives cannot be given for 'C' of fit: "
        "bytes is not float: it is an artifact, and a parameter is wanted",
        "11, tumour: fit is not given 'C'",
        "12, tumour: fit takes 2 arguments, and 3 are given",
        "12, tumour: fit has no parameter 'c'",
        "12, tumour: fetch takes 1 argument, and 2 are given",
        "13, tumour: 'dataset' of fit takes bytes, and a str is written out",
        "13, tumour: 'text' cannot be given for 'C' of fit: 'text' is not a number",
        "14, tumour: config.since cannot be given for 'text' of shorten: date is not str",
        "15, tumour: 1.5 cannot be given for 'size' of shorten: 1.5 is not a whole number, or none",
        "16, tumour: 'untyped' of watch needs an annotation",
        "16, tumour: config.limit cannot be given for 'count' of watch: it may be None, and int may not",
        "17, tumour: a placeholder is inside of what is given for 'count' of watch",
        "18, tumour: what shorten-3 gives cannot be given for 'dataset' of fit: Metrics is not bytes",
        "18, tumour: config.model is a group of fields, and 'C' of fit is not",
        "19, tumour: `.C` is asked of what fetch gives, which has no value before the pipeline runs",
        "19, tumour: watch-3, which gives nothing, is given for 'dataset' of fit",
        "20, tumour: there is no config field 'model.dept'",
        "21, tumour: config.twice is no field of Config",
    ]


MISUSES = {
    "if config.rows: pass": "a condition is made of",
    "config.rows + 1": "arithmetic is done with",
    "2 ** config.rows": "arithmetic is done with",
    "-config.rows": "arithmetic is done with",
    "if config.rows > 3: pass": "a condition is made of",
    "config.model > 3": "a comparison is made with",
    "3 in [config.rows]": "a condition is made of",
    "f'{config.rows}'": "a text is made of",
    "str(config.rows)": "a text is made of",
    "'%s' % config.rows": "a text is made of",
    "[x for x in config.rows]": "a loop or an unpacking goes through",
    "a, b = config.rows": "a loop or an unpacking goes through",
    "len(config.rows)": "the length is asked of",
    "{config.rows: 1}": "a key of a dict or set is made of",
    "config.rows[0]": "an item is taken of",
    "range(config.rows)": "a number is made of",
    "float(config.rows)": "a number is made of",
    "config.rows()": "a call is made of",
    "config.rows.bit_length()": "`.bit_length` is asked of",
    "config.rows = 3": "`.rows` is set on",
    "not config.rows": "a condition is made of",
    "max(config.rows, 3)": "a condition is made of",
    "with config.rows: pass": "`with` is used on",
}


#: what is blamed, where it is not config.rows
SUBJECTS = {
    "config.rows = 3": "config",
    "if config.rows > 3: pass": "config.rows > 3",
    "config.model > 3": "config.model",
    "3 in [config.rows]": "config.rows == 3",
    "max(config.rows, 3)": "config.rows < 3",
}


@pytest.mark.parametrize("line", MISUSES)
def test_a_placeholder_used_as_a_value_is_a_problem_and_recording_goes_on(line: str, module: Write) -> None:
    text = f"@algorithm(config=Config)\ndef tumour(config):\n    {line}\n    config.nowhere\n"
    found = problems(module(text))
    subject = SUBJECTS.get(line, "config.rows")
    assert found[0] == f"3, tumour: {MISUSES[line]} {subject}, which has no value before the pipeline runs"
    # An unpacking into two is the one misuse that nothing can be given back for.
    rest = [] if line.startswith("a, b") else ["4, tumour: there is no config field 'nowhere'"]
    assert found[1:] == rest


def test_a_placeholder_in_a_text_is_noticed_even_if_it_slipped_in_by_its_repr(module: Write) -> None:
    text = """
    @step
    def show(text: str) -> None: ...
    @algorithm(config=Config)
    def tumour(config: Config):
        show(f"{config.rows!r} rows")
    """
    assert problems(module(text)) == ["5, tumour: a placeholder is inside of what is given for 'text' of show"]


def test_every_mistake_in_a_step_is_reported_at_its_definition(module: Write) -> None:
    text = """
    class Graph: ...
    @step(memory="many", timeout=-1, env="HOME", fresh="now", sensitive=["other"])
    def bad(dataset: bytes, graph: Graph = None, missing: "Nowhere" = 3, wrong: int = "x", *more):
        ...
    @step
    async def later(limit: Optional[int] = 5) -> Graph: ...
    @step
    def fine(x) -> None: ...

    @algorithm(config=Config)
    def tumour(config: Config):
        made = bad(fetch(1))
        fine(later())
        fine(made.anything)
    """
    found = problems(module(text))
    assert {problem.partition(":")[0] for problem in found} == {"2, bad", "5, later"}
    assert {problem.partition(": ")[2] for problem in found} == {
        "parameter 'graph': Graph is no type that Palmette knows how to keep",
        "parameter 'missing': its annotation 'Nowhere' cannot be read: name 'Nowhere' is not defined",
        "parameter 'wrong': 'x' is not a whole number",
        "it takes *more",
        "what it returns: it has no annotation",
        "it has no output 'other' that could be sensitive",
        'memory=\'many\' is not an amount of memory: "4Gi", "500Mi", or bytes',
        'timeout=-1 is not a duration: "90s", "2h", "1h30m", or seconds',
        "env='HOME' is not a list of names of environment variables: [\"DATA_URL\"]",
        'fresh=\'now\' is not "always", a duration such as "1d", or a function',
        "parameter 'limit': an absent value means None, but its default is another",
        "an async function cannot be a step",
        "what it returns: Graph is no type that Palmette knows how to keep",
    }


def test_names_are_unique(module: Write) -> None:
    text = """
    other = step(len, inputs={"obj": list[int]}, outputs=int, name="Fetch")

    @algorithm(name="tumour")
    def first() -> None:
        fetch(1)
        other([1])

    @algorithm
    def tumour() -> None:
        fetch(1)
        first()
    """
    written = module(text)
    assert problems(written) == [
        f"6, tumour: two steps are named 'Fetch': {written.fetch.location} and builtins:len",
        f"8, tumour: {written.first.location} defines an algorithm 'tumour' too",
        f"11, tumour: two algorithms are named 'tumour': {written.tumour.location} and {written.first.location}",
    ]


def test_presets_and_metrics_are_checked(module: Write) -> None:
    text = """
    @algorithm(
        config=Config,
        presets={"full": Config(), "toy": 3, "wide": Config(penalty="l3")},
        metrics=[Metric("auc", primary=True), Metric("auc", primary=True, of=lambda a, b: 0), Metric("f1", goal="up")],
    )
    def tumour(config: Config) -> None:
        fetch(1)
    """
    assert [problem.partition(": ")[2] for problem in problems(module(text))] == [
        "'full' cannot be the name of a preset",
        "the preset 'toy' is a int, not a Config",
        "the preset 'wide': penalty: 'l3' is not one of l1, l2",
        "the metric 'auc' is declared twice",
        "more than one metric is primary",
        "the function of the metric 'auc' cannot be found again by its name",
        "the goal of the metric 'f1' is 'up'",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("@algorithm\ndef f(config): fetch(1)", "it takes config, and its config is not declared"),
        ("@algorithm(config=Config)\ndef f(): fetch(1)", "it takes nothing, and its config is Config"),
        ("@algorithm\ndef f(): pass", "it calls no step"),
        ("@algorithm\ndef f():\n    1 / 0", "it raised ZeroDivisionError: division by zero"),
        ("@algorithm(config=int)\ndef f(config): fetch(1)", "a config is a dataclass"),
        (
            "@algorithm\ndef f():\n    step(lambda x: x, inputs={'x': int}, outputs=int, name='it')(1)",
            "it cannot be found again by its name",
        ),
    ],
)
def test_an_algorithm_that_cannot_be_one_says_why(text: str, what: str, module: Write) -> None:
    [definition] = defined_in(module(text))
    _, found = record(definition)
    assert [problem.what for problem in found] == [what]


def test_outside_of_recording_steps_and_algorithms_are_plain_functions(module: Write) -> None:
    written = module("""
    seen = []
    @step(sensitive=True)
    def note(x: bytes) -> None:
        "Keep it."
        seen.append(x)
    @algorithm(config=Config)
    def tumour(config: Config) -> None:
        note(fetch(config.rows))
    """)
    written.tumour(written.Config(rows=2))
    assert written.seen == [b"xx"]
    assert (written.note.__name__, written.note.__doc__) == ("note", "Keep it.")
    record(written.tumour)
    assert written.seen == [b"xx"]


def test_what_follows_from_a_broken_config_is_not_reported_again(module: Write) -> None:
    text = """
    @dataclass
    class Wrong:
        share: Annotated[float, Range(0, 1)] = 3.0
    @algorithm(config=Wrong)
    def tumour(config: Wrong):
        fit(fetch(1), config.share)
    """
    assert problems(module(text)) == ["3, Wrong.share: 3.0 is not a number from 0 to 1"]


def test_a_config_is_given_as_its_class(module: Write) -> None:
    text = """
    @algorithm(config=Model(depth=1))
    def tumour(config: Model):
        fetch(config.depth)
    """
    assert problems(module(text)) == ["1, tumour: its config is Model(depth=1, rate=0.1)"]


def test_none_leaves_an_optional_input_unwired(module: Write) -> None:
    text = """
    @step
    def show(data: Optional[bytes], limit: Optional[int] = None) -> None: ...
    @algorithm
    def tumour():
        show(None, limit=None)
    """
    found = graph(module(text))
    assert found.tasks[0].arguments == {}
    assert [entry.optional for entry in found.steps[0].inputs] == [True, True]
