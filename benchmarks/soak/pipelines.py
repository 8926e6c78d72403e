# ruff: noqa: ANN201, PTH123, UP006, UP035 - the SDK reads annotations
"""What servers are given to execute while they are shot at: a bit of everything, each with its known end."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, List

import yaml
from kfp import compiler, dsl

#: Stands for the file in which every task notes that it was done.
_NOTES: Final = "/dev/null/notes"
#: What a component may fail by itself, and how often it is tried again, by its name; others never, and twice.
FAILING: Final = frozenset({"flaky", "broken"})
RETRIES: Final[Mapping[str, int]] = {"flaky": 3, "broken": 0, "told": 4}
USUAL: Final = 4


@dsl.container_component
def say(run: str, number: int):
    """Notes that it was executed."""
    line = f'echo "$0 say" >> {_NOTES}; sleep 0.$1'
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", line], args=[run, number])


@dsl.container_component
def flaky(run: str):
    """Fails when it is executed for the first time."""
    line = f'echo "$0 flaky" >> {_NOTES}; mkdir {_NOTES}-$0 2>/dev/null && exit 1; exit 0'
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", line], args=[run])


@dsl.container_component
def broken(run: str):
    """Always fails."""
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", f'echo "$0 broken" >> {_NOTES}; exit 3'], args=[run])


@dsl.container_component
def told(run: str, status: dsl.PipelineTaskFinalStatus):
    """Is executed in the end, whatever became of the rest."""
    return dsl.ContainerSpec(
        image="busybox", command=["sh", "-c", f'echo "$0 told" >> {_NOTES}; echo "$1"'], args=[run, status]
    )


@dsl.component(base_image="python:3.11")
def numbers(run: str, salt: int, notes: str, table: dsl.Output[dsl.Dataset]) -> List[int]:
    """A few numbers, and as many lines in a file."""
    with open(notes, "a") as file:
        file.write(f"{run} numbers\n")
    with open(table.path, "w") as file:
        file.writelines(f"{salt + number}\n" for number in range(3))
    return [salt + number for number in range(3)]


@dsl.component(base_image="python:3.11")
def twice(run: str, number: int, notes: str) -> int:
    """Twice as much."""
    with open(notes, "a") as file:
        file.write(f"{run} twice\n")
    return 2 * number


@dsl.component(base_image="python:3.11")
def total(run: str, notes: str, parts: List[int], table: dsl.Input[dsl.Dataset]) -> int:
    """All of it, and what the file says."""
    with open(notes, "a") as file:
        file.write(f"{run} total\n")
    with open(table.path) as file:
        return sum(parts) + sum(map(int, file))


def _again(task: dsl.PipelineTask, name: str) -> dsl.PipelineTask:
    return task.set_retry(RETRIES.get(name, USUAL), backoff_duration="0s").set_caching_options(False)


@dsl.pipeline(name="chain")
def chain(salt: int):
    """One after the other."""
    before = None
    for number in (1, 2, 0):
        task = _again(say(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, number=number), "say")
        before = task.after(before) if before else task


@dsl.pipeline(name="loop")
def loop(salt: int):
    """Several at once."""
    with dsl.ParallelFor([1, 2, 1, 0, 2], parallelism=2) as number:
        _again(say(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, number=number), "say")


@dsl.pipeline(name="retry")
def retry(salt: int):
    """Tried again."""
    first = _again(flaky(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER), "flaky")
    _again(say(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, number=0), "say").after(first)


@dsl.pipeline(name="exit")
def exit(salt: int):
    """Told of its end, which is a failure."""
    last = _again(told(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER), "told")
    with dsl.ExitHandler(last):
        first = _again(say(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, number=1), "say")
        broken(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER).set_caching_options(False).after(first)


@dsl.pipeline(name="stock")
def stock(salt: int):
    """Components as `@dsl.component` makes them."""
    run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    many = _again(numbers(run=run, salt=salt, notes=_NOTES), "numbers")
    with dsl.ParallelFor(many.outputs["Output"]) as number:
        part = _again(twice(run=run, number=number, notes=_NOTES), "twice")
    _again(total(run=run, notes=_NOTES, parts=dsl.Collected(part.output), table=many.outputs["table"]), "total")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How a run of a pipeline ends if nobody shoots at it."""

    state: str
    #: how often each component's tasks are there
    tasks: Mapping[str, int]


ENDS: Final[Mapping[str, Kept]] = {
    "chain": Kept(state="SUCCEEDED", tasks={"say": 3}),
    "loop": Kept(state="SUCCEEDED", tasks={"say": 5}),
    "retry": Kept(state="SUCCEEDED", tasks={"flaky": 1, "say": 1}),
    "exit": Kept(state="FAILED", tasks={"say": 1, "broken": 1, "told": 1}),
    "stock": Kept(state="SUCCEEDED", tasks={"numbers": 1, "twice": 3, "total": 1}),
}


def sum_of(salt: int) -> int:
    """What `total` of the pipeline "stock" comes to."""
    return 3 * (3 * salt + 3)


@cache
def _compiled() -> dict[str, str]:
    found: dict[str, Callable[..., Any]] = {
        "chain": chain, "loop": loop, "retry": retry, "exit": exit, "stock": stock
    }  # fmt: skip
    with TemporaryDirectory() as place:
        return dict(_each(found, Path(place)))


def _each(found: Mapping[str, Callable[..., Any]], place: Path) -> Iterator[tuple[str, str]]:
    for name, pipeline in found.items():
        compiler.Compiler().compile(pipeline, str(place / f"{name}.yaml"))
        yield name, json.dumps(yaml.safe_load((place / f"{name}.yaml").read_text()))


def documents(notes: Path) -> dict[str, Any]:
    """Every pipeline, by its name; its tasks write down in `notes` that they were done."""
    return {name: json.loads(text.replace(_NOTES, str(notes))) for name, text in _compiled().items()}
