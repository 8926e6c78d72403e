"""Lowering control flow: conditions as CEL, values through levels, parts that are shared, what a dialect refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any as Anything

import pytest

from palmette.compile.conditions import expression
from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
from palmette.domain.graph import (
    Algorithm,
    All,
    Any,
    ArtifactType,
    Case,
    Comparator,
    Comparison,
    Constant,
    Each,
    Field,
    FromCollected,
    FromItem,
    FromOneOf,
    FromParameter,
    FromTask,
    Input,
    Nested,
    Not,
    Output,
    ParameterType,
    Source,
    Step,
    Task,
    Test,
    When,
)
from palmette.domain.run import Environment
from palmette.errors import CompileError
from palmette.ir.spec import ComponentSpec, DagSpec, PipelineSpec

TYPES = {
    "n": ParameterType.INTEGER,
    "m": ParameterType.INTEGER,
    "x": ParameterType.DOUBLE,
    "s": ParameterType.STRING,
    "b": ParameterType.BOOLEAN,
}


def of(value: Anything) -> Source:
    return FromParameter(parameter=value[1:]) if isinstance(value, str) and value[:1] == "$" else Constant(value=value)


def compare(left: Anything, operator: str, right: Anything) -> Comparison:
    return Comparison(left=of(left), operator=Comparator(operator), right=of(right))


def cel(test: Test) -> str:
    """The test in CEL, with inputs by their bare names."""
    text = expression(test, lambda source: (source.parameter, TYPES[source.parameter]))  # type: ignore[union-attr]
    for name in TYPES:
        text = text.replace(f"inputs.parameter_values['{name}']", name)
    return text


N = compare("$n", ">", 1)
X = compare("$x", "<", 1)
B = compare("$b", "==", True)


@pytest.mark.parametrize(
    ("test", "text"),
    [
        (N, "int(n) > 1"),
        (compare("$n", "!=", "$m"), "int(n) != int(m)"),
        # numbers of two kinds are compared as they travel
        (compare("$n", ">", 0.5), "n > 0.5"),
        (compare("$n", "<=", "$x"), "n <= x"),
        (X, "x < 1.0"),
        (compare("$x", ">=", 1e-07), "x >= 1e-07"),
        (B, "b == true"),
        (compare("$s", "==", 'it\'s "a" \\ b\n'), "s == 'it\\'s \"a\" \\\\ b\\n'"),
        (compare("$s", "==", "é€😀"), "s == 'é€😀'"),
        (Not(test=N), "!(int(n) > 1)"),
        (All(tests=(N, X, B)), "int(n) > 1 && x < 1.0 && b == true"),
        (All(tests=(N, Any(tests=(X, B)))), "int(n) > 1 && (x < 1.0 || b == true)"),
        (Not(test=All(tests=(N, X))), "!(int(n) > 1 && x < 1.0)"),
    ],
)
def test_a_test_is_written_in_cel(test: Test, text: str) -> None:
    assert cel(test) == text


STRING, INTEGER, LIST = ParameterType.STRING, ParameterType.INTEGER, ParameterType.LIST
SAY = Step(
    name="say",
    target="app:say",
    inputs=(Input(name="text", parameter=STRING), Input(name="limit", parameter=INTEGER)),
    outputs=(Output(name="output", parameter=STRING),),
)
READ = Step(
    name="read",
    target="app:read",
    inputs=(Input(name="texts", parameter=LIST),),
)


def task(name: str, **arguments: Source) -> Task:
    return Task(name=name, step="say", arguments=arguments)


def lowered(algorithm: Algorithm, **options: Anything) -> PipelineSpec:
    closures = {step.name: "c" * 64 for step in algorithm.steps}
    captured = Captured(bundle="b" * 64, closures=closures, environment=Environment(python="3.11.7"), image="app:1")
    return compile_algorithm(algorithm, captured, **options).document.pipeline


def dag(component: ComponentSpec) -> DagSpec:
    assert component.dag is not None
    return component.dag


def test_a_field_that_may_be_absent_may_be_so_in_every_block_it_passes() -> None:
    body = (task("say", text=Constant(value="a"), limit=FromParameter(parameter="limit")),)
    found = lowered(
        Algorithm(
            name="main",
            target="app:main",
            config=(Field(name="limit", type=INTEGER, optional=True), Field(name="go", type=ParameterType.BOOLEAN)),
            steps=(SAY,),
            tasks=(
                When(
                    name="condition-1",
                    cases=(
                        Case(
                            name="condition-1",
                            test=Comparison(
                                left=FromParameter(parameter="go"),
                                operator=Comparator.EQUAL,
                                right=Constant(value=True),
                            ),
                            body=(Each(name="for-loop-2", items=Constant(value=[1]), item=INTEGER, body=body),),
                        ),
                    ),
                ),
            ),
        )
    )
    for name in ("comp-condition-1", "comp-for-loop-2"):
        assert found.components[name].input_definitions.parameters["pipelinechannel--limit"].is_optional
    assert found.components["comp-say"].input_definitions.parameters["limit"].is_optional


def test_two_loops_through_one_list_keep_their_items_apart() -> None:
    items = FromParameter(parameter="items")
    inner = Each(
        name="for-loop-2",
        items=items,
        item=STRING,
        body=(
            task("say", text=FromItem(loop="for-loop-1", type=STRING), limit=Constant(value=1)),
            task("say-2", text=FromItem(loop="for-loop-2", type=STRING), limit=Constant(value=1)),
        ),
    )
    found = lowered(
        Algorithm(
            name="main",
            target="app:main",
            config=(Field(name="items", type=LIST, default=["a"], item=STRING),),
            steps=(SAY,),
            tasks=(Each(name="for-loop-1", items=items, item=STRING, body=(inner,)),),
        )
    )
    tasks = dag(found.components["comp-for-loop-2"]).tasks
    given = [tasks[name].inputs.parameters["text"].component_input_parameter for name in ("say", "say-2")]
    assert given == ["pipelinechannel--items-loop-item", "pipelinechannel--items-loop-item-2"]


def test_a_value_behind_nested_loops_surfaces_at_each_level() -> None:
    said = task("say", text=FromItem(loop="for-loop-2", type=STRING), limit=FromItem(loop="for-loop-1", type=INTEGER))
    inner = Each(name="for-loop-2", items=Constant(value=["a"]), item=STRING, body=(said,))
    read = Task(name="read", step="read", arguments={"texts": FromCollected(task="say", output="output")})
    found = lowered(
        Algorithm(
            name="main",
            target="app:main",
            steps=(SAY, READ),
            tasks=(Each(name="for-loop-1", items=Constant(value=[1]), item=INTEGER, body=(inner,)), read),
        )
    )
    name = "pipelinechannel--say-output"
    for component in ("comp-for-loop-1", "comp-for-loop-2"):
        assert found.components[component].output_definitions.parameters[name].parameter_type is LIST
    made = dag(found.root).tasks["read"].inputs.parameters["texts"].task_output_parameter
    assert made is not None
    assert (made.producer_task, made.output_parameter_key) == ("for-loop-1", name)


PART = Nested(
    name="part",
    algorithm="part",
    inputs=(Input(name="limit", parameter=INTEGER, optional=True),),
    outputs=(Output(name="output", parameter=STRING),),
    body=(task("say", text=Constant(value="a"), limit=FromParameter(parameter="limit")),),
    results={"output": FromTask(task="say", output="output")},
)


def test_two_calls_of_an_algorithm_share_a_component() -> None:
    other = replace(PART, name="part-2", arguments={"limit": Constant(value=3)})
    found = lowered(Algorithm(name="main", target="app:main", steps=(SAY,), tasks=(PART, other)))
    assert sorted(found.components) == ["comp-part", "comp-say"]
    assert {name: task.component for name, task in dag(found.root).tasks.items()} == {
        "part": "comp-part",
        "part-2": "comp-part",
    }
    # the first call gives nothing, which means None
    assert found.components["comp-say"].input_definitions.parameters["limit"].is_optional


def test_an_algorithm_that_takes_artifacts_cannot_be_compiled_alone() -> None:
    part = Algorithm(
        name="part",
        target="app:part",
        steps=(SAY,),
        inputs=(Input(name="dataset", artifact=ArtifactType.DATASET),),
        tasks=(task("say", text=Constant(value="a"), limit=Constant(value=1)),),
    )
    with pytest.raises(CompileError, match=r"part takes artifacts \(dataset\), so it cannot be run alone"):
        lowered(part)


@pytest.mark.parametrize(("dialect", "refused"), [("2.0", True), ("2.5", False), ("palmette", False)])
def test_the_first_kfp_has_no_way_to_choose_a_branchs_output(dialect: str, refused: bool) -> None:
    test = Comparison(left=FromParameter(parameter="x"), operator=Comparator.MORE, right=Constant(value=1))
    cases = tuple(
        Case(
            name=f"condition-{number}",
            test=test if number == 1 else None,
            body=(task(name, text=Constant(value="a"), limit=Constant(value=1)),),
        )
        for number, name in ((1, "say"), (2, "say-2"))
    )
    chosen = FromOneOf(alternatives=tuple(FromTask(task=name, output="output") for name in ("say", "say-2")))
    algorithm = Algorithm(
        name="main",
        target="app:main",
        config=(Field(name="x", type=INTEGER, default=1),),
        steps=(SAY,),
        tasks=(When(name="condition-branches-1", cases=cases), task("say-3", text=chosen, limit=Constant(value=1))),
    )
    if not refused:
        assert dag(lowered(algorithm, dialect=dialect).root).tasks["say-3"].dependent_tasks == ("condition-branches-1",)
        return
    with pytest.raises(CompileError) as caught:
        lowered(algorithm, dialect=dialect)
    assert [problem.what for problem in caught.value.problems] == [
        "KFP 2.0 cannot choose the output of the branch that was executed"
    ]
