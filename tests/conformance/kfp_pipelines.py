# ruff: noqa: ANN001, ANN201, ANN202, B006, UP006, UP045
"""Pipelines as a user of the stock SDK writes them; run by an interpreter that has `kfp`, not by pytest.

    python kfp_pipelines.py DIRECTORY

compiles every pipeline that the installed SDK can express to DIRECTORY/NAME.yaml, and prints their names.
"""

# No `from __future__ import annotations` here: the SDK reads annotations as objects.

import sys
import typing
import warnings
from pathlib import Path

import kfp
from kfp import compiler, dsl

try:
    from kfp import kubernetes
except ImportError:
    kubernetes = None

VERSION = tuple(int(part) for part in kfp.__version__.split(".")[:2])
WRITTEN: dict = {}


def pipeline(since: tuple = (2, 0), needs_cluster: bool = False):
    """Keep the pipeline if the installed SDK is new enough; the body is only run then."""

    def keep(build):
        if since <= VERSION and not (needs_cluster and kubernetes is None):
            WRITTEN[build.__name__] = build
        return build

    return keep


@dsl.component
def flip() -> str:
    return "heads"


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def add(a: int, b: int = 2) -> int:
    return a + b


@dsl.component
def total(numbers: typing.List[int]) -> int:
    return sum(numbers)


@dsl.component
def fail(text: str):
    raise ValueError(text)


@dsl.component
def mend(status: dsl.PipelineTaskFinalStatus):
    print(status)


@dsl.component
def make(rows: int, data: dsl.Output[dsl.Dataset], scores: dsl.Output[dsl.Metrics]):
    Path(data.path).write_text("x" * rows)
    scores.log_metric("rows", rows)


@dsl.component
def read(data: dsl.Input[dsl.Dataset]) -> dict:
    return {"rows": len(Path(data.path).read_text())}


@dsl.component
def read_all(data: dsl.Input[typing.List[dsl.Dataset]]) -> int:
    return len(data)


@dsl.component
def maybe(text: typing.Optional[str] = None, flag: bool = True, ratio: float = 0.5, data: dict = {}) -> str:
    return str((text, flag, ratio, data))


@dsl.container_component
def shell(name: str, given: str, out: dsl.OutputPath(str), data: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["sh", "-c", 'echo "$0" > "$1"; echo {{literal}} > "$2"'],
        args=[
            dsl.ConcatPlaceholder(["name=", name]),
            out,
            data.path,
            dsl.IfPresentPlaceholder(input_name="given", then=["--given", given], else_=["--none"]),
        ],
    )


@pipeline()
def conditions():
    @dsl.pipeline(name="conditions", description="Heads or tails.\n\nTwo lines.")
    def build(limit: int = 3, text: str = 'it\'s: a "test"', ratio: float = 1e-05):
        coin = flip()
        with dsl.Condition(coin.output == "heads", name="heads"):
            say(text=text)
            with dsl.Condition(limit > 2):
                say(text="deep")

    return build


@pipeline((2, 5))
def one_of():
    @dsl.pipeline(name="one-of")
    def build() -> str:
        coin = flip()
        with dsl.If(coin.output == "heads"):
            first = say(text="a")
        with dsl.Elif(coin.output == "tails"):
            second = say(text="b")
        with dsl.Else():
            third = say(text="c")
        chosen = dsl.OneOf(first.output, second.output, third.output)
        say(text=chosen)
        return chosen

    return build


@pipeline()
def loops():
    @dsl.pipeline(name="loops")
    def build(items: typing.List[int] = [1, 2, 3], words: typing.List[str] = ["a"]):
        with dsl.ParallelFor(items=items, parallelism=2) as item:
            add(a=item)
        with dsl.ParallelFor(items=[{"a": "x", "b": "y"}, {"a": "z", "b": ""}], name="static") as pair:
            say(text=pair.a)
            with dsl.ParallelFor(items=words) as word:
                say(text=word)

    return build


@pipeline((2, 5))
def collected():
    @dsl.pipeline(name="collected")
    def build(items: typing.List[int] = [1, 2, 3]) -> int:
        with dsl.ParallelFor(items=items) as item:
            more = add(a=item)
            made = make(rows=item)
        read_all(data=dsl.Collected(made.outputs["data"]))
        return total(numbers=dsl.Collected(more.output)).output

    return build


@pipeline()
def exits():
    @dsl.pipeline(name="exits")
    def build(text: str = "oh"):
        last = mend()
        with dsl.ExitHandler(last, name="guard"):
            fail(text=text)

    return build


@pipeline()
def upstream_failure():
    @dsl.pipeline(name="upstream-failure")
    def build():
        first = fail(text="x")
        maybe(text="y", flag=True, ratio=0.5, data={}).after(first).ignore_upstream_failure()

    return build


@pipeline()
def importers():
    @dsl.pipeline(name="importers")
    def build(uri: str = "gs://bucket/data"):
        fixed = dsl.importer(
            artifact_uri="gs://bucket/fixed",
            artifact_class=dsl.Dataset,
            reimport=False,
            metadata={"key": "value", "number": 3},
        )
        given = dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset, reimport=True)
        read(data=fixed.output)
        read(data=given.output)

    return build


@pipeline()
def nested():
    @dsl.pipeline(name="inner")
    def inner(a: int, b: int = 5) -> int:
        return add(a=a, b=b).output

    @dsl.pipeline(name="nested", pipeline_root="gs://bucket/root")
    def build(a: int = 1) -> int:
        first = inner(a=a)
        return inner(a=first.output).output

    return build


@pipeline()
def settings():
    @dsl.pipeline(name="settings", display_name="Settings" if VERSION > (2, 0) else None)
    def build(
        rows: int, flag: bool = False, ratio: float = 0.1, tags: list = ["x"], extra: dict = {"a": [1, 2.5, "x"]}
    ):
        made = make(rows=rows).set_retry(3, backoff_duration="30s", backoff_factor=1.5, backoff_max_duration="5m")
        made.set_caching_options(False)
        made.set_cpu_limit("500m").set_cpu_request("250m").set_memory_limit("2Gi").set_memory_request("512M")
        made.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(2)
        made.set_env_variable("MODE", "fast: yes").set_display_name("Make it")
        used = read(data=made.outputs["data"]).after(made)
        maybe(flag=flag, ratio=ratio, data=used.output)
        shell(name=f"job-{rows}", given="{{$.pipeline_job_name}}")
        say(text=f"{rows} rows in {dsl.PIPELINE_JOB_ID_PLACEHOLDER}")

    return build


@pipeline(needs_cluster=True)
def cluster():
    @dsl.pipeline(name="cluster")
    def build(secret: str = "pass"):
        claim = kubernetes.CreatePVC(
            pvc_name_suffix="-data", access_modes=["ReadWriteMany"], size="5Gi", storage_class_name="standard"
        )
        first = say(text="a")
        kubernetes.mount_pvc(first, pvc_name=claim.outputs["name"], mount_path="/data")
        kubernetes.use_secret_as_env(first, secret_name="logins", secret_key_to_env={"user": "USER", "key": "KEY"})
        kubernetes.use_secret_as_volume(first, secret_name="logins", mount_path="/secrets")
        kubernetes.add_node_selector(first, label_key="kind", label_value="gpu")
        if VERSION >= (2, 14):
            kubernetes.set_timeout(first, 20)
            kubernetes.use_config_map_as_env(first, config_map_name="settings", config_map_key_to_env={"a": "A"})
            kubernetes.add_toleration(first, key="gpu", operator="Equal", value="yes", effect="NoSchedule")
            kubernetes.use_secret_as_env(first, secret_name=secret, secret_key_to_env={"token": "TOKEN"})
        kubernetes.DeletePVC(pvc_name=claim.outputs["name"]).after(first)

    return build


@pipeline((2, 15))
def workspaces():
    @dsl.pipeline(
        name="workspaces",
        pipeline_config=dsl.PipelineConfig(
            workspace=dsl.WorkspaceConfig(
                size="5Gi",
                kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"accessModes": ["ReadWriteOnce"]}),
            )
        ),
    )
    def build():
        say(text=dsl.WORKSPACE_PATH_PLACEHOLDER)

    return build


@pipeline((2, 17))
def newest():
    @dsl.component(task_config_passthroughs=[dsl.TaskConfigField.RESOURCES])
    def sees(config: dsl.TaskConfig):
        print(config)

    @dsl.pipeline(
        name="newest",
        pipeline_config=dsl.PipelineConfig(ttl_seconds_after_finished=3600, active_deadline_seconds=7200),
    )
    def build(mode: str = "fast", cpu: str = "1"):
        say(text=mode).set_caching_options(True, cache_key="mine")
        sees().set_cpu_limit(cpu)

    return build


def main(directory: str) -> None:
    warnings.simplefilter("ignore")
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    for name, build in WRITTEN.items():
        compiler.Compiler().compile(build(), str(target / f"{name}.yaml"))
        print(name)


if __name__ == "__main__":
    main(sys.argv[1])
