"""What the stock SDK makes of pipeline files; run by an interpreter that has `kfp`, not by pytest.

python kfp_reads.py load FILE…           loads each as a component, and prints what it found as JSON
python kfp_reads.py compare FILE FILE…   compares them in pairs, as protocol buffers
"""

# ruff: noqa: ANN001, ANN002, ANN201, ANN202

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import yaml  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from kfp import compiler, components, dsl  # noqa: E402
from kfp.pipeline_spec import pipeline_spec_pb2 as pb  # noqa: E402

try:
    from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
except ImportError:
    kubernetes = None


def messages(path):
    """Every part of a file as a message, parsed strictly: an unknown field is an error, as on a server."""
    pipeline, *rest = yaml.safe_load_all(Path(path).read_text())
    parsed = {"pipeline": json_format.ParseDict(pipeline, pb.PipelineSpec())}
    parsed["deployment"] = json_format.ParseDict(pipeline.get("deploymentSpec", {}), pb.PipelineDeploymentConfig())
    parsed["pipeline"].ClearField("deployment_spec")
    for platform in rest:
        parsed["platform"] = json_format.ParseDict(platform, pb.PlatformSpec())
        for label, config in parsed["platform"].platforms["kubernetes"].deployment_spec.executors.items():
            if kubernetes is not None:
                plain = json_format.MessageToDict(config)
                parsed[label] = json_format.ParseDict(plain, kubernetes.KubernetesExecutorConfig())
    return parsed


def load(path):
    """The file as a component, used in a pipeline of its own and compiled again."""
    text = Path(path).read_text()
    component = components.load_component_from_text(text)
    strict = messages(path)
    again = Path(path + ".again.yaml")
    compiler.Compiler().compile(component, str(again))
    same = messages(again)
    return {
        "name": component.name,
        "inputs": sorted(component.component_spec.inputs or {}),
        "executors": sorted(strict["deployment"].executors),
        "unchanged": same["pipeline"].root == strict["pipeline"].root
        and same["pipeline"].components == strict["pipeline"].components
        and same["deployment"] == strict["deployment"],
    }


def used(path):
    """The executors of a pipeline that calls the pipeline in the file, and gives some of its inputs."""
    component = components.load_component_from_text(Path(path).read_text())
    known = component.component_spec.inputs or {}

    @dsl.pipeline(name="outer")
    def outer(text: str = "here"):
        given = {"data": text, "model.depth": 5}
        component(**{name: value for name, value in given.items() if name in known})

    target = path + ".outer.yaml"
    compiler.Compiler().compile(outer, target)
    return sorted(messages(target)["deployment"].executors)


def main(verb, *paths):
    if verb == "load":
        print(json.dumps({Path(path).name: {**load(path), "used": used(path)} for path in paths}))
    else:
        pairs = zip(paths[::2], paths[1::2])  # noqa: B905
        print(json.dumps([Path(one).name for one, other in pairs if messages(one) != messages(other)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
