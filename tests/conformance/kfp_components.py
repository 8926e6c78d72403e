# ruff: noqa: ANN201, ANN202, PTH110, PTH118, PTH123, UP006, UP035, UP045
"""Python components as a user of the stock SDK writes them; run by an interpreter that has `kfp`, not by pytest.

    python kfp_components.py DIRECTORY

compiles every pipeline that this SDK knows how to write to DIRECTORY/NAME.yaml. Each of them but `everyday` is
something that `kfp.local` gets wrong.
"""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

import sys
from typing import Dict, List, NamedTuple, Optional

from kfp import compiler, dsl


@dsl.component
def make(count: int, rows: dsl.Output[dsl.Dataset]) -> int:
    with open(rows.path, "w") as file:
        file.write("row\n" * count)
    rows.metadata["count"] = count
    return count


@dsl.component
def fit(rows: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model], rate: float = 0.5) -> NamedTuple(
    "Outputs", [("loss", float), ("notes", Dict[str, str])]
):
    with open(rows.path) as file:
        lines = file.readlines()
    with open(model.path, "w") as file:
        file.write(str(len(lines)))
    return (len(lines) * rate, {"uses": str(rows.metadata["count"])})


@dsl.component
def word(value: str) -> str:
    return value


@dsl.component
def numbers(count: int) -> List[int]:
    return list(range(count))


@dsl.component
def things(count: int) -> list:
    return list(range(count))


@dsl.component
def twice(value: int) -> int:
    return 2 * value


@dsl.component
def total(values: List[int]) -> int:
    return sum(values)


@dsl.component
def maybe(value: Optional[str] = None) -> str:
    return "absent" if value is None else f"given {value}"


@dsl.component
def measured(metrics: dsl.Output[dsl.Metrics], name: str = "auc") -> str:
    metrics.log_metric(name, 0.75)
    return name


@dsl.component
def meets(directory: str, who: str, other: str) -> str:
    import os
    import time

    open(os.path.join(directory, who), "w").close()
    deadline = time.monotonic() + 30
    while not os.path.exists(os.path.join(directory, other)):
        if time.monotonic() > deadline:
            raise TimeoutError(other)
        time.sleep(0.01)
    return who


@dsl.component
def written(text: str, out: dsl.Output[dsl.Artifact]):
    with open(out.path, "w") as file:
        file.write(text)


@dsl.component
def read(given: dsl.Input[dsl.Artifact]) -> str:
    with open(given.path) as file:
        return file.read()


@dsl.component
def broken(value: str) -> str:
    print("said before")
    raise ValueError("no good: " + value)


@dsl.component
def told(status: dsl.PipelineTaskFinalStatus) -> str:
    return status.state


@dsl.component
def setting() -> str:
    import os

    return os.environ["MODE"]


@dsl.pipeline(name="everyday")
def everyday(count: int = 3):
    made = make(count=count)
    fit(rows=made.outputs["rows"], rate=0.25)


@dsl.container_component
def shouts(text: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="i", command=["sh", "-c", 'mkdir -p "$(dirname "$1")"; printf "%s!" "$0" > "$1"', text, out]
    )


def new(collect: dict):
    """Those that need a newer SDK than 2.0."""

    @dsl.pipeline(name="quoted")
    def quoted(value: str = "it's"):
        said = word(value=value)
        with dsl.If(said.output == "a"):
            yes = word(value="yes").set_display_name("then")
        with dsl.Else():
            no = word(value="no").set_display_name("else")
        word(value=dsl.OneOf(yes.output, no.output)).set_display_name("chosen")

    @dsl.pipeline(name="collected")
    def collected(count: int = 3):
        with dsl.ParallelFor(numbers(count=count).output) as value:
            doubled = twice(value=value)
        total(values=dsl.Collected(doubled.output))

    @dsl.pipeline(name="optional")
    def optional(value: Optional[str] = None):
        maybe(value=value)

    @dsl.pipeline(name="placed")
    def placed():
        job = f"{dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER} at {dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER}"
        word(value=job)

    @dsl.pipeline(name="mixed")
    def mixed(text: str = "word"):
        word(value=shouts(text=text).output)

    @dsl.pipeline(name="metered")
    def metered():
        word(value=measured().outputs["Output"])

    @dsl.pipeline(name="meeting")
    def meeting(directory: str):
        meets(directory=directory, who="a", other="b")
        meets(directory=directory, who="b", other="a")

    @dsl.pipeline(name="either")
    def either(side: str = "left"):
        with dsl.If(word(value=side).output == "left"):
            left = written(text="the left one")
        with dsl.Else():
            right = written(text="the right one")
        read(given=dsl.OneOf(left.outputs["out"], right.outputs["out"]))

    @dsl.pipeline(name="ending")
    def ending():
        with dsl.ExitHandler(told()):
            word(value="fine")

    @dsl.pipeline(name="failing")
    def failing():
        broken(value="really")
        word(value="beside")
        setting().set_env_variable("MODE", "toy")

    found = dict(locals())
    collect.update({name: each for name, each in found.items() if name != "collect"})


def newest(collect: dict):
    """Those that need a newer SDK than 2.14, or that older ones refuse."""

    @dsl.pipeline(name="untyped")
    def untyped(count: int = 2):
        with dsl.ParallelFor(things(count=count).output) as value:
            twice(value=value)

    collect["untyped"] = untyped


if __name__ == "__main__":
    every = {"everyday": everyday}
    if hasattr(dsl, "OneOf"):
        new(every)
    if hasattr(dsl, "run_notebook"):
        newest(every)
    for name, pipeline in every.items():
        compiler.Compiler().compile(pipeline, f"{sys.argv[1]}/{name}.yaml")
