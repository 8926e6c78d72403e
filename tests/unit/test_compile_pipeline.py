"""Lowering a recorded algorithm: what stands in the pipeline, for which dialect, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.capture.bundle import assemble
from palmette.compile.containers import Captured
from palmette.compile.naming import keys, pipeline_name
from palmette.compile.pipeline import Compiled, compile_algorithm
from palmette.domain import wire
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Constant,
    Field,
    Fresh,
    Freshness,
    FromParameter,
    FromTask,
    Input,
    MetricSpec,
    Output,
    ParameterType,
    Resources,
    Retry,
    Step,
    Task,
)
from palmette.domain.run import Environment, Pin
from palmette.errors import CompileError
from palmette.ir import codec
from palmette.ir.dialects import Dialect
from palmette.ir.spec import ComponentSpec, ContainerSpec, KeyToVar, ParameterInput, SecretAsEnv, TaskSpec

FETCH = Step(
    name="fetch_dataset",
    target="app.steps:fetch_dataset",
    outputs=(Output(name="output", artifact=ArtifactType.DATASET, format="pandas", sensitive=True),),
    fresh=Fresh(kind=Freshness.FOR, seconds=86400.0),
)
FIT = Step(
    name="build_and_fit",
    target="app.steps:build_and_fit",
    wrapper="app.steps:fit_step",
    inputs=(
        Input(name="dataset", artifact=ArtifactType.DATASET),
        Input(name="C", parameter=ParameterType.DOUBLE),
        Input(name="limit", parameter=ParameterType.INTEGER),
        Input(name="rounds", parameter=ParameterType.INTEGER, optional=True, default=3),
    ),
    outputs=(Output(name="output", artifact=ArtifactType.MODEL, format="joblib"),),
    env=("MODE",),
    imports=("sklearn",),
)
TUMOUR = Algorithm(
    name="tumour",
    target="app:tumour",
    description="Is it one?",
    config=(
        Field(name="C", type=ParameterType.DOUBLE, default=1.0, low=0.0, description="strength", location="a.py:3"),
        Field(name="model.limit", type=ParameterType.INTEGER, optional=True),
        Field(name="penalty", type=ParameterType.STRING, default="l2", choices=("l1", "l2")),
        Field(name="data", type=ParameterType.STRING, required=True),
    ),
    presets={"full": {}, "toy": {"C": 0.1}},
    metrics=(MetricSpec(name="auc", goal="max", primary=True),),
    steps=(FETCH, FIT),
    tasks=(
        Task(name="fetch_dataset", step="fetch_dataset"),
        Task(
            name="build_and_fit",
            step="build_and_fit",
            arguments={
                "dataset": FromTask(task="fetch_dataset", output="output"),
                "C": FromParameter(parameter="C"),
                "limit": FromParameter(parameter="model.limit"),
            },
        ),
        Task(
            name="build_and_fit-2",
            step="build_and_fit",
            arguments={
                "dataset": FromTask(task="fetch_dataset", output="output"),
                "C": Constant(value=2.0),
                "limit": Constant(value=None),
            },
            after=("build_and_fit",),
        ),
    ),
    location="a.py:30",
)
ENVIRONMENT = Environment(digest="e" * 64, python="3.12.1", pins=(Pin(name="numpy", version="2.1.0"),))
HERE = Captured(
    bundle="b" * 64,
    closures={"fetch_dataset": "c" * 64, "build_and_fit": "d" * 64},
    environment=ENVIRONMENT,
)
ARCHIVE = assemble({"app/__init__.py": b"", "app/steps.py": b"x = 1\n"}, python="3.11").archive()
FAR = replace(HERE, archive=ARCHIVE, image="registry/train:1")


def one(step: Step) -> Algorithm:
    """An algorithm of this step alone."""
    return Algorithm(name="one", target="app:one", steps=(step,), tasks=(Task(name=step.name, step=step.name),))


def compiled(step: Step, captured: Captured = FAR, **options: Any) -> Compiled:
    return compile_algorithm(one(step), replace(captured, closures={step.name: "c" * 64}), **options)


def component(name: str, algorithm: Algorithm = TUMOUR) -> ComponentSpec:
    return compile_algorithm(algorithm, HERE).document.pipeline.components[name]


def task(name: str) -> TaskSpec:
    dag = compile_algorithm(TUMOUR, HERE).document.pipeline.root.dag
    assert dag is not None
    return dag.tasks[name]


def container(made: Compiled, label: str) -> ContainerSpec:
    found = made.document.pipeline.executors[label].container
    assert found is not None
    return found


def test_each_config_field_is_a_parameter_of_the_same_name() -> None:
    parameters = compile_algorithm(TUMOUR, HERE).document.pipeline.root.input_definitions.parameters

    assert list(parameters) == ["C", "model.limit", "penalty", "data"]
    assert (parameters["C"].default_value, parameters["C"].is_optional, parameters["C"].description) == (
        1.0,
        True,
        "strength",
    )
    assert (parameters["model.limit"].has_default, parameters["model.limit"].is_optional) == (False, True)
    assert (parameters["data"].has_default, parameters["data"].is_optional) == (False, False)


def test_choices_stand_in_the_pipeline_where_they_are_known() -> None:
    said = {
        dialect: compile_algorithm(TUMOUR, FAR, dialect=dialect)
        .document.pipeline.root.input_definitions.parameters["penalty"]
        .literals
        for dialect in Dialect
    }

    assert said == {
        Dialect.V2_0: (),
        Dialect.V2_5: (),
        Dialect.V2_14: (),
        Dialect.V2_17: ("l1", "l2"),
        Dialect.PALMETTE: ("l1", "l2"),
    }


def test_inputs_are_wired_and_producers_are_waited_for() -> None:
    fit = task("build-and-fit")

    assert fit.inputs.parameters["C"] == ParameterInput(component_input_parameter="C")
    made = fit.inputs.artifacts["dataset"].task_output_artifact
    assert made is not None
    assert (made.producer_task, made.output_artifact_key) == ("fetch-dataset", "output")
    assert fit.dependent_tasks == ("fetch-dataset",)
    assert task("build-and-fit-2").dependent_tasks == ("build-and-fit", "fetch-dataset")


def test_an_absent_value_is_none() -> None:
    assert "limit" not in task("build-and-fit-2").inputs.parameters
    limit = component("comp-build-and-fit").input_definitions.parameters["limit"]
    assert (limit.is_optional, limit.has_default) == (True, False)


def test_the_default_of_a_step_is_the_default_of_its_component() -> None:
    rounds = component("comp-build-and-fit").input_definitions.parameters["rounds"]

    assert (rounds.is_optional, rounds.default_value) == (True, 3)


def test_calls_of_one_step_share_an_executor() -> None:
    pipeline = compile_algorithm(TUMOUR, HERE).document.pipeline

    assert sorted(pipeline.executors) == ["exec-build-and-fit", "exec-fetch-dataset"]
    assert task("build-and-fit").component == task("build-and-fit-2").component == "comp-build-and-fit"


def test_the_container_says_which_step_of_which_bundle() -> None:
    here = container(compile_algorithm(TUMOUR, HERE), "exec-build-and-fit")

    assert here.image == "python:3.12-slim"
    assert here.command[:2] == ("python3", "-c")
    assert here.args[:6] == (
        "--step",
        "app.steps:fit_step",
        "--bundle",
        "b" * 64,
        "--pins",
        '{"numpy":"2.1.0"}',
    )
    assert here.args[-2:] == ("--executor-input", "{{$}}")
    assert here.env == {"PALMETTE_CLOSURE": "d" * 64, "PALMETTE_ENVIRONMENT": "e" * 64}
    assert "--archive" not in here.args


def test_the_source_stands_in_a_pipeline_for_elsewhere() -> None:
    assert "--archive" in container(compile_algorithm(TUMOUR, FAR), "exec-build-and-fit").args


def test_without_an_image_packages_are_installed_elsewhere_and_that_is_said() -> None:
    made = compile_algorithm(TUMOUR, replace(FAR, image=""))

    assert "--install" in container(made, "exec-build-and-fit").args
    assert "install = true is turned on" in made.warnings[0]
    assert "--install" not in container(compile_algorithm(TUMOUR, HERE), "exec-build-and-fit").args
    assert compile_algorithm(TUMOUR, HERE).warnings == ()


def test_a_step_that_is_always_fresh_is_never_cached() -> None:
    def cached(kind: Freshness) -> list[bool]:
        made = compiled(replace(FETCH, fresh=Fresh(kind=kind)))
        assert made.document.pipeline.root.dag is not None
        tasks = made.document.pipeline.root.dag.tasks.items()
        own = [task for key, task in tasks if key != "palmette-outcome"]
        return [entry.caching_options.enable_cache for entry in own if entry.caching_options]

    assert {kind: cached(kind) for kind in Freshness} == {kind: [kind is not Freshness.ALWAYS] for kind in Freshness}


def test_retries_are_lowered_with_their_pauses() -> None:
    made = compiled(replace(FETCH, retry=Retry(retries=2, backoff=5.0, factor=3.0, longest=60.0)))
    dag = made.document.pipeline.root.dag
    assert dag is not None
    policy = dag.tasks["fetch-dataset"].retry_policy

    assert policy is not None
    assert (policy.max_retry_count, policy.backoff_duration, policy.backoff_factor) == (2, 5.0, 3.0)
    assert task("build-and-fit").retry_policy is None


def test_resources_are_quantities_and_for_older_clusters_numbers() -> None:
    step = replace(FETCH, resources=Resources(cpu=2.5, memory=4 * 1024**3, gpu=1))

    def asked(dialect: Dialect) -> dict[str, Any]:
        pipeline, _ = codec.to_plain(compiled(step, dialect=dialect).document)
        found: dict[str, Any] = pipeline["deploymentSpec"]["executors"]["exec-fetch-dataset"]["container"]["resources"]
        return found

    old = {"accelerator": {"type": "nvidia.com/gpu", "count": "1"}, "cpuLimit": 2.5, "memoryLimit": 4.294967296}
    new = {"resourceCpuLimit": "2500m", "resourceMemoryLimit": "4Gi", "resourceMemoryRequest": "4Gi"}
    assert asked(Dialect.V2_0).items() >= old.items()
    assert not asked(Dialect.V2_0).keys() & new.keys()
    assert asked(Dialect.V2_14).items() >= {**new, "cpuLimit": 2.5}.items()
    assert asked(Dialect.PALMETTE).items() >= new.items()
    assert "cpuLimit" not in asked(Dialect.PALMETTE)


def test_a_step_that_asks_for_nothing_asks_for_nothing() -> None:
    assert container(compiled(FETCH), "exec-fetch-dataset").resources is None


def test_secrets_and_timeouts_stand_in_the_platform_document() -> None:
    step = replace(FETCH, secrets=("TOKEN", "KEY"), timeout=90.2)

    config = compiled(step, HERE).document.platform.kubernetes["exec-fetch-dataset"]

    assert config.secrets_as_env == tuple(
        SecretAsEnv(secret="palmette", keys=(KeyToVar(key=name, variable=name),)) for name in ("KEY", "TOKEN")
    )
    assert config.active_deadline_seconds == 91
    assert compiled(step, HERE).document.platform.palmette["exec-fetch-dataset"].timeout == 90.2


def test_a_timeout_that_a_dialect_cannot_say_is_said_to_the_user() -> None:
    made = compiled(replace(FETCH, timeout=60.0), dialect="2.5")

    assert made.document.platform.kubernetes == {}
    assert made.warnings == ("KFP 2.5 does not know timeouts: fetch_dataset may run on for ever there",)


def test_what_only_palmette_knows_stands_under_its_own_name() -> None:
    platform = compile_algorithm(TUMOUR, HERE).document.platform

    fetch, fit = platform.palmette["exec-fetch-dataset"], platform.palmette["exec-build-and-fit"]
    assert (fetch.fresh, fetch.sensitive, fetch.formats) == ("86400", ("output",), {"output": "pandas"})
    assert (fit.step, fit.env, fit.imports) == ("app.steps:build_and_fit", ("MODE",), ("sklearn",))


def test_the_facts_of_the_algorithm_can_be_read_back() -> None:
    text = codec.dumps(compile_algorithm(TUMOUR, HERE).document)

    facts = wire.load(Algorithm, dict(codec.loads(text).platform.algorithm))

    config = tuple(replace(field, location="") for field in TUMOUR.config)
    assert facts == replace(TUMOUR, steps=(), tasks=(), location="", config=config)


def test_a_component_is_not_named_like_the_pipeline() -> None:
    made = compiled(replace(FETCH, name="one"))

    assert made.document.pipeline.name == "one"
    assert list(made.document.pipeline.components) == ["comp-one-2", "comp-palmette-outcome"]


def test_names_are_made_of_what_kfp_takes() -> None:
    assert keys(["Fit", "fit", "fit_2", "été", "数"]) == {
        "Fit": "fit",
        "fit": "fit-2",
        "fit_2": "fit-2-2",
        "été": "ete",
        "数": "step",
    }
    assert pipeline_name("my_Algorithm") == "my-algorithm"
    assert pipeline_name("tumour", "Clinic A") == "clinic-a-tumour"
    for wrong in ("", "数", "x" * 129):
        with pytest.raises(CompileError):
            pipeline_name(wrong)


def test_a_bundle_that_is_too_large_is_refused_with_its_largest_files() -> None:
    noise = {f"app/data{number}.py": b"#" + os.urandom(30_000 + number) for number in range(4)}
    bundle = assemble(noise, python="3.11")

    with pytest.raises(CompileError) as caught:
        compile_algorithm(TUMOUR, replace(FAR, bundle=bundle.digest, archive=bundle.archive()))

    first = caught.value.problems[0]
    assert "60 KiB are the most that can be put into a pipeline" in first.what
    assert "Largest first: app/data3.py (29 KiB), app/data2.py (29 KiB)" in first.hint


def test_too_many_steps_for_one_pipeline_are_refused() -> None:
    bundle = assemble({"app/data.py": os.urandom(55_000)}, python="3.11")
    steps = tuple(replace(FETCH, name=f"step{number}") for number in range(12))
    many = Algorithm(
        name="many",
        target="app:many",
        steps=steps,
        tasks=tuple(Task(name=step.name, step=step.name) for step in steps),
    )
    captured = replace(FAR, archive=bundle.archive(), closures={step.name: "c" for step in steps})

    with pytest.raises(CompileError, match="700 KiB are the most"):
        compile_algorithm(many, captured)


def test_it_is_the_same_text_wherever_it_is_compiled(tmp_path: Path) -> None:
    script = (
        "import importlib.util, sys\n"
        "found = importlib.util.spec_from_file_location('facts', sys.argv[1])\n"
        "facts = sys.modules['facts'] = importlib.util.module_from_spec(found)\n"
        "found.loader.exec_module(facts)\n"
        "made = facts.compile_algorithm(facts.TUMOUR, facts.FAR)\n"
        "sys.stdout.write(facts.codec.dumps(made.document))\n"
    )
    said = set()
    for seed, place, locale in (("1", tmp_path, "C"), ("2", Path.cwd(), "C.UTF-8")):
        environment = {"PYTHONHASHSEED": seed, "HOME": str(place), "LC_ALL": locale, "PYTHONUTF8": "1"}
        done = subprocess.run([sys.executable, "-c", script, __file__], cwd=place, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        said.add(done.stdout)

    assert said == {codec.dumps(compile_algorithm(TUMOUR, FAR).document).encode()}
