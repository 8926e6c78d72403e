# ruff: noqa: ANN001, ANN002, ANN201, PTH123, UP006, UP035, UP045
"""The components that `kfp_blocks.py` puts together; imported by an interpreter with `kfp`."""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

from typing import List, Optional

import kfp
from kfp import dsl

VERSION = tuple(int(part) for part in kfp.__version__.split(".")[:2])
PYTHON = "python:3.11"
WRITE = 'mkdir -p "$(dirname "$1")"; printf %s {} > "$1"'


def shell(script, *args):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", script], args=list(args))


@dsl.container_component
def add(x: int, k: int, out: dsl.OutputPath(int)):
    return shell(WRITE.format("$(($0 + $2))"), x, out, k)


@dsl.container_component
def add_text(x: int, k: str, out: dsl.OutputPath(int)):
    return shell(WRITE.format("$(($0 + $2))"), x, out, k)


#: Older SDKs take the items of constant lists for texts.
TYPED = VERSION >= (2, 14)
ITEMS = (2, 1) if TYPED else ("2", "1")
add_item = add if TYPED else add_text


@dsl.container_component
def text(x: str, out: dsl.OutputPath(str)):
    return shell(WRITE.format('"$0"'), x, out)


@dsl.container_component
def numbers(x: str, out: dsl.OutputPath(List[int])):
    return shell(WRITE.format('"$0"'), x, out)


@dsl.container_component
def total(xs: list, out: dsl.OutputPath(int)):
    return shell(WRITE.format('$(($(printf %s "$0" | tr -d "[] " | tr , +) + 0))'), xs, out)


@dsl.container_component
def perhaps(x: int, out: dsl.OutputPath(int), k: Optional[int] = None):
    given = dsl.IfPresentPlaceholder(input_name="k", then=[k], else_=["10"])
    return shell(WRITE.format("$(($0 + $2))"), x, out, given)


@dsl.container_component
def shaky(place: str, x: int, out: dsl.OutputPath(int)):
    return shell('mkdir "$0-$2" 2> /dev/null && exit 3; ' + WRITE.format('"$2"'), place, out, x)


@dsl.container_component
def broken(x: int, out: dsl.OutputPath(int)):
    return shell("exit 1", x, out)


@dsl.container_component
def data(x: int, made: dsl.Output[dsl.Dataset]):
    return shell(WRITE.format('"$0"'), x, made.path)


@dsl.container_component
def weigh(x: int, given: dsl.Input[dsl.Dataset], out: dsl.OutputPath(int)):
    return shell(WRITE.format('$(($0 + $(cat "$2")))'), x, out, given.path)


@dsl.component(base_image=PYTHON)
def plus(x: int) -> int:
    return x + 1


@dsl.component(base_image=PYTHON)
def tolerant(x: int = 7) -> int:
    return x


@dsl.component(base_image=PYTHON)
def told(status: dsl.PipelineTaskFinalStatus) -> str:
    return status.state


if VERSION >= (2, 5):

    @dsl.component(base_image=PYTHON)
    def weigh_all(given: dsl.Input[List[dsl.Dataset]]) -> int:
        return sum(int(open(each.path).read()) for each in given)
