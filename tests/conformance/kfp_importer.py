"""An importer whose URI is the pipeline's parameter, as the stock SDK compiles it: its parts as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import yaml
from kfp import compiler, dsl


@dsl.container_component
def use(x: dsl.Input[dsl.Artifact]):  # noqa: ANN201
    return dsl.ContainerSpec(image="x", command=["true"], args=[x.path])


@dsl.pipeline(name="p")
def pipeline(labels: str):  # noqa: ANN201
    imported = dsl.importer(artifact_uri=labels, artifact_class=dsl.Artifact, reimport=False)
    use(x=imported.output)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "p.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        compiled = yaml.safe_load(path.read_text())
    tasks = compiled["root"]["dag"]["tasks"]
    parts = {
        "component": compiled["components"]["comp-importer"],
        "executor": compiled["deploymentSpec"]["executors"]["exec-importer"],
        "task": tasks["importer"],
        "consumer": tasks["use"]["inputs"],
    }
    print(json.dumps(parts))


if __name__ == "__main__":
    sys.exit(main())
