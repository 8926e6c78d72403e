# ruff: noqa: ANN201, E712, UP006
"""Control flow as a user of the stock SDK writes it: the twin of `palmette_flow.py`; run by an interpreter that has
`kfp`, not by pytest.

    python kfp_flow.py DIRECTORY

compiles every pipeline to DIRECTORY/NAME.yaml, and prints their names.
"""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

import sys
import typing
import warnings
from pathlib import Path

import kfp
from kfp import compiler, dsl


@dsl.component
def rate() -> float:
    return 0.5


@dsl.component
def count() -> int:
    return 1


@dsl.component
def check() -> bool:
    return True


@dsl.component
def word() -> str:
    return "heads"


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def show(text: str = "none"):
    print(text)


@dsl.component
def add(a: int, b: int = 2) -> int:
    return a + b


@dsl.component
def total(numbers: typing.List[int]) -> int:
    return sum(numbers)


@dsl.component
def counts() -> typing.List[int]:
    return [1]


@dsl.component
def take(pair: dict) -> str:
    return str(pair)


@dsl.component
def notify(status: dsl.PipelineTaskFinalStatus, text: str = "x"):
    print(status, text)


@dsl.component
def make(rows: int, output: dsl.Output[dsl.Artifact]):
    Path(output.path).write_text("x" * rows)


@dsl.component
def copy(data: dsl.Input[dsl.Artifact], output: dsl.Output[dsl.Artifact]):
    Path(output.path).write_text(Path(data.path).read_text())


@dsl.component
def read(data: dsl.Input[dsl.Artifact]) -> int:
    return len(Path(data.path).read_text())


@dsl.component
def read_all(data: dsl.Input[typing.List[dsl.Artifact]]) -> int:
    return len(data)


Made = typing.NamedTuple("Made", [("n", int), ("d", dsl.Artifact)])  # noqa: UP014  (2.5 knows no other spelling)


def conditions(limit: int = 3, share: float = 0.5, text: str = "a", deep: bool = True):
    number, found, sure, heads = rate(), count(), check(), word()
    with dsl.If(number.output > 0.9):
        say(text="a")
    with dsl.If(found.output == 3):
        say(text=text)
    with dsl.If(found.output != limit):
        say(text="it's")
    with dsl.If(sure.output == True):
        say(text="b")
    with dsl.If(share <= 0.5):
        say(text=heads.output)
        with dsl.If(heads.output == text):
            say(text=text)


def branches(limit: int = 3) -> str:
    number = rate()
    with dsl.If(number.output > 0.9):
        first = say(text="a")
    with dsl.Elif(number.output > 0.5):
        second = say(text="b")
    with dsl.Else():
        third = say(text="c")
        with dsl.If(limit > 3):
            say(text=third.output)
    chosen = dsl.OneOf(first.output, second.output, third.output)
    say(text=chosen)
    return chosen


def chosen_artifacts() -> int:
    number, data = rate(), make(rows=1)
    with dsl.If(number.output > 0.5):
        one = copy(data=data.output)
    with dsl.Else():
        other = copy(data=data.output)
    return read(data=dsl.OneOf(one.output, other.output)).output


def loops(items: typing.List[int] = [1, 2], words: typing.List[str] = ["a"]):  # noqa: B006
    found, data = counts(), make(rows=3)
    with dsl.ParallelFor(items=items, parallelism=2) as item:
        sum_ = add(a=item)
        with dsl.If(item > 1):
            add(a=sum_.output)
    with dsl.ParallelFor(items=found.output) as item:
        add(a=item)
        read(data=data.output)
    with dsl.ParallelFor(items=[{"a": "x", "b": "y"}, {"a": "z", "b": ""}]) as pair:
        say(text=pair.a)
        take(pair=pair)
        with dsl.ParallelFor(items=words) as text:
            said = say(text=text)
            say(text=said.output)
    with dsl.ParallelFor(items=[1, 2]) as one, dsl.ParallelFor(items=[3, 4]) as other:
        add(a=one, b=other)


def fan_in(items: typing.List[int] = [1, 2]) -> int:  # noqa: B006
    with dsl.ParallelFor(items=items) as item:
        more, made = add(a=item), make(rows=item)
    read_all(data=dsl.Collected(made.output))
    return total(numbers=dsl.Collected(more.output)).output


def choice_in_a_loop(items: typing.List[int] = [1, 2]) -> int:  # noqa: B006
    with dsl.ParallelFor(items=items) as item:
        number = rate()
        with dsl.If(number.output > 0.9):
            first = add(a=item)
        with dsl.Else():
            second = add(a=item)
        last = add(a=dsl.OneOf(first.output, second.output))
    return total(numbers=dsl.Collected(last.output)).output


def exits(text: str = "oh"):
    heads = word()
    last = notify(text=text)
    with dsl.ExitHandler(last):
        say(text=text)
        say(text=heads.output)
    say(text="x")


def plain_exit(text: str = "oh"):
    last = show(text=text)
    with dsl.ExitHandler(last), dsl.ParallelFor(items=[1, 2]) as item:
        add(a=item)


def whatever_happens():
    heads = word()
    show(text=heads.output).ignore_upstream_failure()
    say(text="y").after(heads).ignore_upstream_failure()
    say(text="z").after(heads)


@dsl.pipeline
def inner(a: int, data: dsl.Input[dsl.Artifact], b: int = 5) -> Made:
    with dsl.If(a > 3):
        read(data=data)
    return Made(n=add(a=a, b=b).output, d=copy(data=data).output)


def nested(a: int = 1) -> int:
    data = make(rows=1)
    first = inner(a=a, data=data.output)
    with dsl.ParallelFor(items=[1, 2]) as item:
        some = inner(a=item, data=first.outputs["d"])
    total(numbers=dsl.Collected(some.outputs["n"]))
    return inner(a=first.outputs["n"], data=data.output).outputs["n"]


PIPELINES = (
    conditions,
    branches,
    chosen_artifacts,
    loops,
    fan_in,
    choice_in_a_loop,
    exits,
    plain_exit,
    whatever_happens,
    nested,
)
#: where the SDK of 2.5 stumbles over itself ("list.remove(x): x not in list")
NOT_BEFORE_2_14 = (branches,)
VERSION = tuple(int(part) for part in kfp.__version__.split(".")[:2])


def main(directory: str) -> None:
    warnings.simplefilter("ignore")
    for pipeline in PIPELINES:
        if VERSION < (2, 14) and pipeline in NOT_BEFORE_2_14:
            continue
        made = dsl.pipeline(pipeline)
        compiler.Compiler().compile(made, str(Path(directory) / f"{made.name}.yaml"))
        print(made.name)


if __name__ == "__main__":
    main(sys.argv[1])
