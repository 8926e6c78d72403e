# ruff: noqa: ANN201, PTH123, RUF013, UP006, UP035, SIM117
"""Control flow as a user of the stock SDK writes it; run by an interpreter that has `kfp`, not by pytest.

    python kfp_control.py DIRECTORY

compiles every pipeline to DIRECTORY/NAME.yaml. Nothing in them needs more than a shell, but for the components that
take lists of artifacts or a final status, which need `kfp` itself.
"""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

import sys
from pathlib import Path
from typing import List

from kfp import compiler, dsl

WRITTEN: dict = {}
WRITE = 'mkdir -p "$(dirname "$1")"; printf %s "$0" > "$1"'


@dsl.container_component
def number(x: int, out: dsl.OutputPath(int)):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", WRITE, x, out])


@dsl.container_component
def text(x: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", WRITE, x, out])


@dsl.container_component
def numbers(x: str, out: dsl.OutputPath(List[int])):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", WRITE, x, out])


@dsl.container_component
def told(xs: list, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", WRITE, xs, out])


@dsl.container_component
def broken(x: int, out: dsl.OutputPath(int)):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", 'test "$0" = 1 && exit 1; ' + WRITE, x, out])


@dsl.container_component
def data(x: str, made: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", WRITE, x, made.path])


@dsl.container_component
def read(given: dsl.Input[dsl.Dataset], out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="i", command=["sh", "-c", 'cat "$0" > "$1"', given.path, out])


@dsl.container_component
def maybe(out: dsl.OutputPath(str), x: str = None):
    words = dsl.IfPresentPlaceholder(input_name="x", then=["given", x], else_=["absent"])
    return dsl.ContainerSpec(image="i", command=["sh", "-c", 'out="$0"; printf "%s" "$*" > "$out"', out], args=[words])


@dsl.component(install_kfp_package=False)
def joined(given: dsl.Input[List[dsl.Dataset]]) -> str:
    return ",".join(open(each.path).read() for each in given)


@dsl.component(install_kfp_package=False)
def last(status: dsl.PipelineTaskFinalStatus) -> str:
    return f"{status.state} of {status.pipeline_task_name}: {status.error_message}"


@dsl.component(install_kfp_package=False)
def tolerant(x: int = 7) -> str:
    return f"got {x}"


@dsl.pipeline
def branches(word: str = "it's", share: float = 0.5, flag: bool = True):
    one = number(x=3)
    with dsl.If(word != "its"):
        text(x="quoted").set_display_name("quoted")
    with dsl.If(one.outputs["out"] >= 3):
        with dsl.If(share < 0.5):
            inner = text(x="never").set_display_name("never")
            text(x=inner.outputs["out"]).set_display_name("neither")
        with dsl.Elif(flag == True):  # noqa: E712
            text(x="elif").set_display_name("elif")
        with dsl.Else():
            text(x="else").set_display_name("else")


@dsl.pipeline
def chosen(side: str = "heads"):
    with dsl.If(side == "heads"):
        one, two = text(x="left"), data(x="left data")
    with dsl.Else():
        three, four = text(x="right"), data(x="right data")
    text(x=dsl.OneOf(one.outputs["out"], three.outputs["out"])).set_display_name("which")
    read(given=dsl.OneOf(two.outputs["made"], four.outputs["made"])).set_display_name("whose")


@dsl.pipeline
def loops(items: List[int] = [10, 20], none: List[int] = []):  # noqa: B006
    listed = numbers(x="[1, 2, 3]")
    with dsl.ParallelFor([{"a": 5, "b": "x"}, {"a": 6, "b": "y"}], parallelism=1) as item:
        fixed = number(x=item.a).set_display_name("fixed")
    told(xs=dsl.Collected(fixed.outputs["out"])).set_display_name("all fixed")
    with dsl.ParallelFor(listed.outputs["out"]) as item:
        dynamic = number(x=item).set_display_name("dynamic")
    told(xs=dsl.Collected(dynamic.outputs["out"])).set_display_name("all dynamic")
    with dsl.ParallelFor(none) as item:
        nothing = number(x=item).set_display_name("nothing")
    told(xs=dsl.Collected(nothing.outputs["out"])).set_display_name("all nothing")
    with dsl.ParallelFor(items) as outer:
        with dsl.ParallelFor([1, 2]) as inner:
            nested = number(x=inner).set_display_name("nested")
            number(x=outer).set_display_name("outer")
    told(xs=dsl.Collected(nested.outputs["out"])).set_display_name("all nested")


@dsl.pipeline(name="each-pipeline")
def each_pipeline(given: List[dsl.Dataset]):
    with dsl.ParallelFor(given) as one:
        read(given=one).set_display_name("read one")


@dsl.pipeline
def artifacts():
    with dsl.ParallelFor(["a", "b", "c"]) as item:
        made = data(x=item).set_display_name("made")
    joined(given=dsl.Collected(made.outputs["made"]))
    each_pipeline(given=dsl.Collected(made.outputs["made"]))


@dsl.pipeline
def failing():
    with dsl.ParallelFor([0, 1, 2]) as item:
        odd = broken(x=item)
        text(x="after").after(odd).set_display_name("after")
    told(xs=dsl.Collected(odd.outputs["out"]))
    tolerant(x=broken(x=1).set_display_name("ignored").outputs["out"]).ignore_upstream_failure()


@dsl.pipeline
def ending(x: int = 1):
    with dsl.ExitHandler(last()):
        inner = broken(x=x)
        number(x=inner.outputs["out"]).set_display_name("next")


@dsl.pipeline(name="inner-pipeline")
def inner_pipeline(x: int, y: str = "default", z: str = None) -> str:
    with dsl.If(x > 1):
        number(x=x).set_display_name("large")
    maybe(x=z)
    return text(x=y).outputs["out"]


@dsl.pipeline
def nesting(z: str = None):
    with dsl.ParallelFor([1, 2]) as item:
        made = inner_pipeline(x=item)
    told(xs=dsl.Collected(made.output))
    maybe(x=z).set_display_name("optional")


@dsl.pipeline
def importing(uri: str = "URI"):
    found = dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset, reimport=False, metadata={"from": uri, "n": 3})
    read(given=found.output)


@dsl.pipeline
def hopeless(x: str = "no number"):
    with dsl.If(number(x=1).outputs["out"] == 1):
        with dsl.ParallelFor([{"a": 1}]) as item:
            number(x=item.b)
    text(x="beside").set_display_name("beside")


for kept in (branches, chosen, loops, artifacts, failing, ending, nesting, importing, hopeless):
    WRITTEN[kept.name] = kept

if __name__ == "__main__":
    for name, build in WRITTEN.items():
        compiler.Compiler().compile(build, str(Path(sys.argv[1]) / f"{name}.yaml"))
