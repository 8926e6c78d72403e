"""Stock SDKs, old and new: they load what Palmette compiles, and Palmette loses nothing of what they compile."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.capture.bundle import assemble, carried
from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
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
from palmette.ir import codec
from palmette.ir.check import check
from palmette.ir.dialects import Dialect

VERSIONS = ("2.0", "2.5", "2.14", "2.17")
#: what a cluster of any version leaves as it is
NOT_ON_A_CLUSTER = {"settings": ["Concat placeholders are not replaced on a KFP cluster"]}

DOUBLE, INTEGER, STRING = ParameterType.DOUBLE, ParameterType.INTEGER, ParameterType.STRING
BOOLEAN, LIST, STRUCT = ParameterType.BOOLEAN, ParameterType.LIST, ParameterType.STRUCT


def scalars() -> Algorithm:
    """Every type of parameter, nested, required, optional, with choices."""
    fields = (
        Field(name="C", type=DOUBLE, default=1.0, low=0.0, high=10.0, description="strength: 'how' \"much\"\nper row"),
        Field(name="model.depth", type=INTEGER, default=2**53),
        Field(name="penalty", type=STRING, default="l2", choices=("l1", "l2")),
        Field(name="flag", type=BOOLEAN, default=False),
        Field(name="tags", type=LIST, default=["a", "b: c"], item=STRING),
        Field(name="extra", type=STRUCT, default={"a": [1, 2.5, "x"]}),
        Field(name="data", type=STRING, required=True),
        Field(name="limit", type=INTEGER, optional=True),
    )
    names = {field.name: field.name.replace(".", "_") for field in fields}
    fit = Step(
        name="build_and_fit",
        target="app.steps:build_and_fit",
        inputs=tuple(Input(name=names[field.name], parameter=field.type) for field in fields),
        outputs=(Output(name="output", parameter=DOUBLE),),
    )
    arguments = {names[field.name]: FromParameter(parameter=field.name) for field in fields}
    return Algorithm(
        name="scalars",
        target="app:scalars",
        description="Every type.\n\nÉtonnant: “quoted”.",
        config=fields,
        presets={"full": {}, "toy": {"C": 0.1}},
        metrics=(MetricSpec(name="auc", goal="max", primary=True, tolerance=0.005),),
        steps=(fit,),
        tasks=(Task(name="build_and_fit", step="build_and_fit", arguments=arguments),),
    )


def artifacts() -> Algorithm:
    """Every type of artifact, between steps."""
    made = tuple(Output(name=kind.name.lower(), artifact=kind, format="path") for kind in ArtifactType)
    make = Step(name="make", target="app:make", outputs=made, fresh=Fresh(kind=Freshness.ALWAYS))
    take = Step(
        name="take",
        target="app:take",
        inputs=tuple(Input(name=kind.name.lower(), artifact=kind) for kind in ArtifactType),
        outputs=(Output(name="output", artifact=ArtifactType.METRICS, format="metrics", sensitive=True),),
    )
    given = {entry.name: FromTask(task="make", output=entry.name) for entry in made}
    tasks = (Task(name="make", step="make"), Task(name="take", step="take", arguments=given))
    return Algorithm(name="artifacts", target="app:artifacts", steps=(make, take), tasks=tasks)


def needs() -> Algorithm:
    """Retries, resources, secrets, environment, a timeout."""
    step = Step(
        name="train",
        target="app:train",
        inputs=(Input(name="seed", parameter=INTEGER, optional=True, default=3),),
        outputs=(Output(name="output", artifact=ArtifactType.MODEL, format="joblib"),),
        resources=Resources(cpu=2.5, memory=4 * 1024**3, gpu=1),
        retry=Retry(retries=3, backoff=1.5, factor=3.0, longest=90.0),
        timeout=7200.5,
        env=("MODE",),
        secrets=("TOKEN", "API_KEY"),
        fresh=Fresh(kind=Freshness.FOR, seconds=86400.0),
    )
    return Algorithm(name="needs", target="app:needs", steps=(step,), tasks=(Task(name="train", step="train"),))


def calls() -> Algorithm:
    """One step called several times; an algorithm named like its step; names that KFP does not take as they are."""
    step = Step(
        name="Fit_Étape",
        target="app:fit",
        inputs=(
            Input(name="x", parameter=DOUBLE),
            Input(name="y", parameter=STRING, optional=True),
        ),
        outputs=(Output(name="output", parameter=DOUBLE),),
    )
    tasks = (
        Task(name="Fit_Étape", step="Fit_Étape", arguments={"x": Constant(value=1)}),
        Task(name="fit-etape", step="Fit_Étape", arguments={"x": FromTask(task="Fit_Étape", output="output")}),
        Task(
            name="last",
            step="Fit_Étape",
            arguments={"x": Constant(value=0.5), "y": Constant(value="it's {{$}}-less: é\n")},
            after=("fit-etape",),
        ),
    )
    return Algorithm(name="fit_étape", target="app:fit_etape", steps=(step,), tasks=tasks)


ALGORITHMS = (scalars, artifacts, needs, calls)

SOURCE = """
def build_and_fit(C, model_depth, penalty, flag, tags, extra, data, limit: int | None = None) -> float:
    assert limit is None and tags == ["a", "b: c"] and model_depth == 2**53 and not flag
    return C * 2
"""


def captured(algorithm: Algorithm) -> Captured:
    files = {**carried(), "app/__init__.py": b"", "app/steps.py": SOURCE.encode()}
    bundle = assemble(files, python="3.11")
    return Captured(
        bundle=bundle.digest,
        archive=bundle.archive(),
        closures={step.name: "c" * 64 for step in algorithm.steps},
        environment=Environment(digest="e" * 64, python="3.11.7", pins=(Pin(name="pip", version="24.0"),)),
        image="registry.example/team/train:1",
    )


@pytest.fixture(scope="session", params=VERSIONS)
def stock(request: pytest.FixtureRequest, sdk: Callable[[str], Any]) -> Any:
    return sdk(request.param)


def compiled(directory: Path, dialect: str) -> list[Path]:
    paths = []
    for make in ALGORITHMS:
        path = directory / f"{make.__name__}.yaml"
        document = compile_algorithm(make(), captured(make()), dialect=dialect).document
        path.write_text(codec.dumps(document), "utf-8")
        paths.append(path)
    return paths


def test_the_sdk_loads_what_is_compiled_for_its_version_and_changes_nothing(stock: Any, tmp_path: Path) -> None:
    found = stock.reads("load", *compiled(tmp_path, stock.version))

    assert {name: entry["unchanged"] for name, entry in found.items()} == {
        f"{make.__name__}.yaml": True for make in ALGORITHMS
    }
    assert found["scalars.yaml"]["inputs"] == sorted(field.name for field in scalars().config)
    assert found["calls.yaml"]["executors"] == ["exec-fit-etape-2", "exec-palmette-outcome"]
    assert found["calls.yaml"]["name"] == "fit-etape"
    # used in another pipeline, each brings its executors along
    assert [len(entry["used"]) for entry in found.values()] == [len(entry["executors"]) for entry in found.values()]


def test_the_newest_sdk_loads_what_is_compiled_for_the_oldest(sdk: Callable[[str], Any], tmp_path: Path) -> None:
    found = sdk("2.17").reads("load", *compiled(tmp_path, "2.0"))

    assert all(entry["unchanged"] for entry in found.values())


@pytest.fixture(scope="session")
def theirs(stock: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the SDK compiles, one file for each of its constructs."""
    directory = tmp_path_factory.mktemp(f"kfp-{stock.version}")
    return [directory / f"{name}.yaml" for name in stock.run("kfp_pipelines.py", directory).split()]


def test_what_the_sdk_compiles_survives_palmette(stock: Any, theirs: list[Path], tmp_path: Path) -> None:
    pairs = []
    for path in theirs:
        ours = tmp_path / path.name
        ours.write_text(codec.dumps(codec.loads(path.read_bytes())), "utf-8")
        pairs += [path, ours]

    assert len(theirs) >= 7
    assert stock.reads("compare", *pairs) == []


def test_what_the_sdk_compiles_is_right(stock: Any, theirs: list[Path]) -> None:
    for path in theirs:
        document = codec.loads(path.read_bytes())

        assert check(document, Dialect.PALMETTE) == []
        assert [found.what for found in check(document, stock.version)] == NOT_ON_A_CLUSTER.get(path.stem, [])


def test_a_compiled_container_carries_out_its_step_as_in_a_pod(tmp_path: Path) -> None:
    algorithm = scalars()
    what = replace(captured(algorithm), environment=Environment(python="3.11.7"))
    document = codec.loads(codec.dumps(compile_algorithm(algorithm, what).document))
    container = document.pipeline.executors["exec-build-and-fit"].container
    assert container is not None
    root = document.pipeline.root.input_definitions.parameters
    values = {name.replace(".", "_"): entry.default_value for name, entry in root.items() if entry.has_default}
    asked = {
        "inputs": {"parameterValues": {**values, "data": "here"}},
        "outputs": {
            "parameters": {"output": {"outputFile": str(tmp_path / "made" / "output")}},
            "outputFile": str(tmp_path / "made" / "executor_output.json"),
        },
    }
    arguments = [json.dumps(asked) if text == "{{$}}" else text for text in container.args]

    done = subprocess.run(
        [sys.executable, *container.command[1:], *arguments],
        env=dict(container.env),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "made" / "executor_output.json").read_text())["parameterValues"] == {"output": 2.0}


def test_the_archive_in_the_pipeline_is_the_bundle() -> None:
    what = captured(calls())
    container = compile_algorithm(calls(), what).document.pipeline.executors["exec-fit-etape-2"].container

    assert container is not None
    assert base64.b64decode(container.args[container.args.index("--archive") + 1]) == what.archive
