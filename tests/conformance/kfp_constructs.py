# ruff: noqa: ANN001, ANN201, PLR0917, PTH123, RUF013, SIM115, UP006, UP014, UP035, UP045
"""One pipeline for each construct of the SDK that `kfp_control.py` leaves out; run by an interpreter that has `kfp`.

    python kfp_constructs.py DIRECTORY

compiles every pipeline to DIRECTORY/NAME.yaml. The rows of docs/reference/constructs.md name them.
"""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from kfp import compiler, dsl, kubernetes
from kfp_control import broken, data, number, text, told

WRITTEN: dict = {}
SHELL = ["sh", "-c"]


def kept(build):
    WRITTEN[build.name] = build
    return build


@dsl.container_component
def words(x: str, n: int, flag: bool, items: list, table: dict, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="i", command=[*SHELL, 'out="$0"; printf "%s|" "$@" > "$out"', out], args=[x, n, flag, items, table]
    )


@dsl.component(install_kfp_package=False)
def typed(items: List[int], table: Dict[str, int], one: int, share: float) -> str:
    return f"{items!r} {table!r} {one!r} {share!r}"


# Texts


@kept
@dsl.pipeline
def texts(name: str, n: int = 3, share: float = 2.0):
    made = number(x=n)
    text(x=f"<{name}|{n}|{share}|{made.outputs['out']}>").set_display_name("f-string")
    words(x=name, n=n, flag=True, items=[n, 1.0, "x"], table={"k": n, "l": f"<{n}>"}).set_display_name("containers")
    typed(items=[n, 2], table={"k": n}, one=n, share=share).set_display_name("python")
    text(x=dsl.PIPELINE_JOB_NAME_PLACEHOLDER).set_display_name("job name")
    text(x=f"{dsl.PIPELINE_TASK_NAME_PLACEHOLDER} of {dsl.PIPELINE_JOB_ID_PLACEHOLDER}").set_display_name("within")
    text(x=dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER).set_display_name("created")
    text(x=dsl.PIPELINE_ROOT_PLACEHOLDER).set_display_name("root")


@dsl.container_component
def pieces(out: dsl.OutputPath(str), a: str, b: str = None, c: str = None):
    nested = dsl.IfPresentPlaceholder(
        input_name="b", then=[dsl.ConcatPlaceholder(["--b=", b, "/", a]), "more"], else_=["no b"]
    )
    alone = dsl.ConcatPlaceholder(["c=", dsl.IfPresentPlaceholder(input_name="c", then=c, else_="none")])
    return dsl.ContainerSpec(
        image="i", command=[*SHELL, 'out="$0"; printf "%s|" "$@" > "$out"', out], args=[nested, alone]
    )


@kept
@dsl.pipeline
def structures(b: Optional[str] = None):
    pieces(a="a", b="b", c="c").set_display_name("whole")
    pieces(a="a", b=b).set_display_name("empty")


@dsl.container_component
def described(given: dsl.Input[dsl.Dataset], made: dsl.Output[dsl.Model], out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="i",
        command=[*SHELL, 'out="$0"; echo m > "$1"; shift; printf "%s|" "$@" > "$out"', out],
        args=[made.path, given.uri, given.metadata["rows"], given.metadata, made.uri],
    )


@dsl.component(install_kfp_package=False)
def labelled(made: dsl.Output[dsl.Dataset], bare: dsl.Output[dsl.Model]):
    open(made.path, "w").write("rows")
    made.metadata["rows"] = 3
    bare.metadata["framework"] = "none"


@dsl.component(install_kfp_package=False)
def framework(model: dsl.Input[dsl.Model]) -> str:
    return model.framework


@kept
@dsl.pipeline
def metadata():
    made = labelled()
    described(given=made.outputs["made"])
    framework(model=made.outputs["bare"])


# Artifacts


@dsl.component(install_kfp_package=False)
def pythonic(x: str) -> dsl.Dataset:
    made = dsl.Dataset(uri=dsl.get_uri(), metadata={"x": x})
    open(made.path, "w").write(x)
    return made


@dsl.component(install_kfp_package=False)
def elsewhere(place: str, made: dsl.Output[dsl.Dataset]):
    made.set_path(place)
    open(made.path, "w").write("at " + place)


@dsl.component(install_kfp_package=False)
def several() -> NamedTuple("Made", [("number", int), ("data", dsl.Dataset)]):
    from typing import NamedTuple

    made = NamedTuple("Made", [("number", int), ("data", dsl.Dataset)])
    return made(number=3, data=dsl.Dataset(uri=dsl.get_uri("data")))


@dsl.component(install_kfp_package=False)
def content(given: dsl.Input[dsl.Dataset], other: Optional[dsl.Input[dsl.Dataset]] = None) -> str:
    return f"{open(given.path).read()}, {'nothing' if other is None else open(other.path).read()}"


@dsl.component(install_kfp_package=False)
def scored(metrics: dsl.Output[dsl.Metrics], page: dsl.Output[dsl.HTML], roc: dsl.Output[dsl.ClassificationMetrics]):
    metrics.log_metric("auc", 0.5)
    open(page.path, "w").write("<b>x</b>")
    roc.log_confusion_matrix(["a", "b"], [[1, 2], [3, 4]])


@kept
@dsl.pipeline
def pythonic_artifacts(place: str = "/nowhere"):
    made = pythonic(x="by return").output
    there = elsewhere(place=place).outputs["made"]
    content(given=made, other=there).set_display_name("both")
    content(given=made).set_display_name("one")
    several()
    scored()


@dsl.container_component
def copied(given: dsl.Input[dsl.Dataset], made: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image="i", command=["cp", given.path, made.path])


@dsl.pipeline
def gathering(given: List[dsl.Dataset]) -> List[dsl.Dataset]:
    with dsl.ParallelFor(given) as one:
        again = copied(given=one)
    return dsl.Collected(again.outputs["made"])


@dsl.component(install_kfp_package=False)
def contents(given: dsl.Input[List[dsl.Dataset]]) -> str:
    return ",".join(open(each.path).read() for each in given)


@kept
@dsl.pipeline
def artifact_lists():
    with dsl.ParallelFor(["a", "b"]) as outer, dsl.ParallelFor(["1", "2"]) as inner:
        made = data(x=f"{outer}{inner}")
    contents(given=dsl.Collected(made.outputs["made"])).set_display_name("nested")
    with dsl.ParallelFor(["a", "b", "c"]) as item:
        flat = data(x=item)
    listed = gathering(given=dsl.Collected(flat.outputs["made"]))
    contents(given=listed.output).set_display_name("listed")


@dsl.container_component
def described_import(given: dsl.Input[dsl.Model], out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="i",
        command=[*SHELL, 'printf "%s|%s|" "$1" "$2" > "$0"; cat "$3" >> "$0"', out],
        args=[given.uri, given.metadata["text"], given.path],
    )


@kept
@dsl.pipeline
def importers(uri: str = "URI", n: int = 2):
    found = dsl.importer(
        artifact_uri=uri,
        artifact_class=dsl.Model,
        reimport=True,
        metadata={"n": n, "text": f"{n} of {uri}", "deep": {"list": [n]}},
    )
    described_import(given=found.output)


# What goes wrong


@dsl.container_component
def shaky(place: str, times: int, out: dsl.OutputPath(int)):
    script = 'echo x >> "$0"; test "$(wc -l < "$0")" -gt "$1" || exit 3; ' + 'mkdir -p "${2%/*}"; printf 1 > "$2"'
    return dsl.ContainerSpec(image="i", command=[*SHELL, script, place, times, out])


@dsl.pipeline(name="shaky-pipeline")
def shaky_pipeline(place: str, times: int) -> int:
    text(x="before").set_display_name("kept")
    return shaky(place=place, times=times).outputs["out"]


@kept
@dsl.pipeline
def retries(place: str = "/nowhere"):
    shaky(place=f"{place}/task", times=1).set_retry(1, backoff_duration="0s").set_display_name("task")
    number(x=shaky_pipeline(place=f"{place}/dag", times=2).set_retry(2).output).set_display_name("after")
    shaky(place=f"{place}/never", times=9).set_retry(1).set_display_name("never")


@dsl.component(install_kfp_package=False)
def told_status(status: dict) -> str:
    return f"{status['state']} {status['pipelineTaskName']}"


@dsl.component(install_kfp_package=False)
def told_end(status: dsl.PipelineTaskFinalStatus) -> str:
    return f"{status.state} {status.error_code} {status.error_message}"


@dsl.pipeline(name="cleaning")
def cleaning(status: dsl.PipelineTaskFinalStatus):
    told_status(status=status).set_display_name("cleaned")


@kept
@dsl.pipeline
def exit_pipeline(x: int = 1):
    with dsl.ExitHandler(cleaning(), name="guarded"), dsl.ParallelFor([0, 1]) as item, dsl.If(item == x):
        broken(x=item)


@dsl.component(install_kfp_package=False)
def default(n: int = 7) -> str:
    return f"got {n}"


@kept
@dsl.pipeline
def ignoring():
    with dsl.ExitHandler(told_end()):
        failed = broken(x=1).set_display_name("failed")
        default(n=failed.outputs["out"]).ignore_upstream_failure()


# Loops and conditions


@kept
@dsl.pipeline
def combined(kind: str = "b", empty: List[str] = []):  # noqa: B006
    with dsl.ExitHandler(told_end()):
        with dsl.ParallelFor(["a", "b"], parallelism=1) as item:
            with dsl.If(item == kind):
                yes = text(x="yes")
            with dsl.Else():
                no = text(x="no")
            text(x=dsl.OneOf(yes.outputs["out"], no.outputs["out"])).set_display_name("which")
        with dsl.ParallelFor(empty) as item, dsl.ParallelFor([1]) as inner:
            nothing = number(x=inner)
        told(xs=dsl.Collected(nothing.outputs["out"])).set_display_name("all")


@kept
@dsl.pipeline
def operators(n: int = 2, share: float = 0.25, word: str = "b", flag: bool = False):
    made = number(x=n).outputs["out"]
    for name, holds in {
        "eq": made == 2,
        "ne": made != 2,
        "lt": share < 1,
        "le": made <= 1,
        "gt": word > "a",
        "ge": share >= 0.25,
        "bool": flag == False,  # noqa: E712
        "and": share < 1,
    }.items():
        with dsl.If(holds, name=name):
            text(x=name).set_display_name(name)


@dsl.component(install_kfp_package=False)
def listing(count: int) -> List[int]:
    return list(range(count))


@kept
@dsl.pipeline
def wide(count: int = 3):
    with dsl.ParallelFor(listing(count=count).output) as item:
        number(x=item)


# What a task asks for


@dsl.container_component
def told_image(image: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image=f"{image}", command=[*SHELL, 'printf "%s" "$0 $VARIABLE" > "$1"', image, out])


@dsl.component(
    install_kfp_package=False,
    task_config_passthroughs=[
        dsl.TaskConfigField.RESOURCES,
        dsl.TaskConfigField.KUBERNETES_NODE_SELECTOR,
        dsl.TaskConfigField.KUBERNETES_TOLERATIONS,
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.ENV, apply_to_task=True),
    ],
)
def configured(config: dsl.TaskConfig) -> dict:
    import os

    return {
        "resources": config.resources,
        "env": config.env,
        "selector": config.node_selector,
        "tolerations": config.tolerations,
        "seen": os.environ.get("VARIABLE", ""),
    }


@kept
@dsl.pipeline
def requests(cpu: str = "500m", memory: str = "64Mi", image: str = "an/image:1"):
    told_image(image=image).set_cpu_limit(cpu).set_memory_limit(memory).set_env_variable("VARIABLE", "value")
    number(x=1).set_accelerator_type("cloud-tpus.google.com/v3").set_accelerator_limit(1).set_display_name("tpu")
    task = configured().set_cpu_request(cpu).set_memory_limit("1Gi").set_env_variable("VARIABLE", "seen")
    kubernetes.add_node_selector(task, "disk", "ssd")
    kubernetes.add_toleration(task, key="gpu", operator="Exists")


@dsl.component(install_kfp_package=False)
def noted(place: str, what: str) -> str:
    with open(place, "a") as file:
        file.write(what)
    return open(place).read()


@dsl.component(install_kfp_package=False)
def appended(given: dsl.Input[dsl.Dataset]) -> str:
    with open(given.path, "a") as file:
        file.write(" and more")
    return given.path


@kept
@dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")))
def workspace(uri: str = "URI"):
    first = noted(place=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/notes", what="one ")
    noted(place=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/notes", what="two").after(first).set_display_name("second")
    found = dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset, reimport=False, download_to_workspace=True)
    changed = appended(given=found.output)
    content(given=found.output).after(changed)


@dsl.container_component
def slow():
    return dsl.ContainerSpec(image="i", command=["sleep", "600"])


@kept
@dsl.pipeline(pipeline_config=dsl.PipelineConfig(active_deadline_seconds=1, ttl_seconds_after_success=60))
def deadline():
    slow()


@kept
@dsl.pipeline
def caching():
    number(x=1).set_display_name("kept")
    number(x=2).set_caching_options(False).set_display_name("anew")
    number(x=3).set_caching_options(True, cache_key="mine").set_display_name("keyed")


# Code


def doubled(x: int) -> int:
    return 2 * x


@dsl.component(install_kfp_package=False, additional_funcs=[doubled])
def with_helper(x: int) -> int:
    return doubled(x)


ASSET = Path(__file__).parent / "kfp_asset.txt"


@dsl.component(install_kfp_package=False, embedded_artifact_path=str(ASSET))
def with_asset(asset: dsl.EmbeddedInput[dsl.Dataset]) -> str:
    return open(asset.path).read().strip()


@kept
@dsl.pipeline
def code():
    with_helper(x=4)
    with_asset()


if __name__ == "__main__":
    for name, build in WRITTEN.items():
        compiler.Compiler().compile(build, str(Path(sys.argv[1]) / f"{name}.yaml"))
