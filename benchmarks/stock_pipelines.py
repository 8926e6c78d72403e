# ruff: noqa: ANN001, ANN201, ANN202, UP006, UP035 - run by an interpreter that has kfp, which reads annotations
"""Pipelines of stock Python components that do nothing; run by an interpreter that has `kfp`.

    python stock_pipelines.py compile DIRECTORY          writes every pipeline there
    python stock_pipelines.py local DIRECTORY NAME N     runs one with kfp.local, twice; prints the seconds of each

The components are as `@dsl.component` makes them, with pip in front of each.
"""

import json
import os
import sys
import time
from typing import List

from kfp import compiler, dsl, local


@dsl.component
def first(number: int = 0) -> int:
    return number


@dsl.component
def following(number: int) -> int:
    return number + 1


@dsl.component
def numbers(count: int) -> List[int]:
    return list(range(count))


def chain_of(length: int):
    @dsl.pipeline(name=f"chain-{length}")
    def chain():
        number = first().output
        for _ in range(length - 1):
            number = following(number=number).output

    return chain


@dsl.pipeline(name="loop")
def loop(count: int = 100):
    with dsl.ParallelFor(numbers(count=count).output) as number:
        following(number=number)


def timed(act) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    verb, directory, *rest = sys.argv[1:]
    if verb == "compile":
        for name, pipeline in {"four": chain_of(4), "chain": chain_of(50), "loop": loop}.items():
            compiler.Compiler().compile(pipeline, f"{directory}/{name}.yaml")
    else:
        name, count = rest[0], int(rest[1])
        os.chdir(directory)
        local.init(runner=local.SubprocessRunner(use_venv=False), enable_caching=True)
        started = (lambda: loop(count=count)) if name == "loop" else chain_of(count)
        print(json.dumps([timed(started), timed(started)]))
