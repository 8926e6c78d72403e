"""An `InputFile` lowers to the importer that the stock SDKs write; only the name of its task is ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
from palmette.domain.graph import Algorithm, ArtifactType, Field, FromFile, Input, ParameterType, Reading, Step, Task
from palmette.domain.run import Environment
from palmette.ir import codec
from palmette.ir.dialects import Dialect

USE = Step(name="use", target="app:use", inputs=(Input(name="x", artifact=ArtifactType.ARTIFACT),))
ALGORITHM = Algorithm(
    name="p",
    target="app:p",
    config=(Field(name="labels", type=ParameterType.STRING, reading=Reading.FILE, default="s3://b/x"),),
    steps=(USE,),
    tasks=(Task(name="use", step="use", arguments={"x": FromFile(parameter="labels")}),),
)


@pytest.mark.parametrize("version", ["2.0", "2.5", "2.14", "2.17"])
def test_the_importer_is_the_stock_one(sdk: Callable[[str], Any], version: str) -> None:
    theirs = json.loads(sdk(version).run("kfp_importer.py").splitlines()[-1])
    captured = Captured(bundle="0" * 64, archive=b"", closures={"use": "1" * 64}, environment=Environment(), image="x")
    document = compile_algorithm(ALGORITHM, captured, dialect=Dialect.V2_0).document
    [spec, *_] = yaml.safe_load_all(codec.dumps(document))
    tasks = spec["root"]["dag"]["tasks"]
    ours = {
        "component": spec["components"]["comp-importer"],
        "executor": spec["deploymentSpec"]["executors"]["exec-importer"],
        "task": tasks["import-labels"] | {"taskInfo": {"name": "importer"}},
        "consumer": json.loads(json.dumps(tasks["use"]["inputs"]).replace("import-labels", "importer")),
    }
    assert ours == theirs
