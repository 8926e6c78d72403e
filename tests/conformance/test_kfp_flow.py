"""Conditions, loops, nesting and exits: Palmette compiles what the stock compiler does for the same meaning.

What may differ, and why:

* Names: the SDK calls a single output "Output" and shows a task under its key, Palmette as its author wrote it. The SDK
  numbers all groups and loop items together: groups are compared by their order within their kind. Executors hold each
  its own code.
* A component for each call (the SDK), one for all calls of a step or algorithm (Palmette: the code is in it): tasks are
  compared with the component that they name.
* The SDK hands each block whatever a condition around it needs, used or not, and does not declare the item of a
  written-out list that is not used: inputs of blocks that nothing within uses are left out.
* The SDK does not say that a loop waits for the task that makes its list, which follows from the input.
* What only clusters need: the tasks `palmette-outcome`, and the artifact `palmette-kept` that they take of each step.
* Numbers in documents are floating-point ones in the SDK's, and 1 is 1.0.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml

from palmette.authoring.algorithms import defined_in
from palmette.authoring.record import record_all
from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
from palmette.domain import wire
from palmette.domain.graph import Algorithm
from palmette.domain.run import Environment
from palmette.ir import codec
from palmette.runtime.request import KEPT

HERE = Path(__file__).parent
GROUP = re.compile(r"(condition-branches|condition|for-loop|exit-handler|loop-item-param)-(\d+)")


def recorded() -> dict[str, Algorithm]:
    """The twins, as they come from the project's interpreter."""
    spec = spec_from_file_location("palmette_flow", HERE / "palmette_flow.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["palmette_flow"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    algorithms, problems = record_all(defined_in(module))
    assert problems == ()
    return {each.name: wire.load(Algorithm, json.loads(json.dumps(wire.dump(each)))) for each in algorithms}


def compiled(algorithm: Algorithm, dialect: str) -> str:
    closures = {step.name: "c" * 64 for step in algorithm.steps}
    captured = Captured(bundle="b" * 64, closures=closures, environment=Environment(python="3.11.7"), image="app:1")
    return codec.dumps(compile_algorithm(algorithm, captured, dialect=dialect).document)


class Structure:
    """A pipeline without what may differ."""

    def __init__(self, text: str) -> None:
        document = next(yaml.safe_load_all(_numbered(re.sub(r"\bOutput\b", "output", text))))
        self.components = document["components"]
        self.plain = self.component(document["root"], "root")

    def component(self, component: Mapping[str, Any], name: str) -> Any:
        if "dag" not in component:
            return [component.get("inputDefinitions"), _without_kept(component.get("outputDefinitions"))]
        own = {key: task for key, task in component["dag"]["tasks"].items() if not key.startswith("palmette-outcome")}
        tasks = {key: self.task(task) for key, task in own.items()}
        inputs = component.get("inputDefinitions", {})
        if name.startswith(("comp-condition", "comp-for-loop", "comp-exit-handler")):
            inputs = {
                kind: {key: each for key, each in named.items() if _uses(tasks, key)} for kind, named in inputs.items()
            }
        return {
            "tasks": tasks,
            "inputs": {kind: named for kind, named in inputs.items() if named},
            "given": component.get("outputDefinitions", {}),
            "outputs": component["dag"].get("outputs", {}),
        }

    def task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        name = task["componentRef"]["name"]
        inner = self.component(self.components[name], name)
        group = isinstance(inner, dict) and name.startswith(("comp-condition", "comp-for-loop", "comp-exit-handler"))
        inputs = task.get("inputs", {})
        producers = {
            each[kind]["producerTask"]
            for named in inputs.values()
            for each in named.values()
            for kind in ("taskOutputParameter", "taskOutputArtifact")
            if kind in each
        }
        kept = {kind: dict(named) for kind, named in inputs.items()}
        if group:
            iterated = json.dumps(
                [task.get("triggerPolicy"), task.get("parameterIterator"), task.get("artifactIterator")]
            )
            known = {key for named in inner["inputs"].values() for key in named}
            kept = {
                kind: {
                    key: each
                    for key, each in named.items()
                    if key in known or f'{key}"' in iterated or f"{key}'" in iterated
                }
                for kind, named in kept.items()
            }
            inner = {
                **inner,
                "inputs": {
                    k: {n: e for n, e in v.items() if n in _keys(kept) or "loop-item" in n}
                    for k, v in inner["inputs"].items()
                },
            }
        plain = {key: each for key, each in task.items() if key not in ("componentRef", "inputs", "dependentTasks")}
        plain["taskInfo"] = task["taskInfo"]["name"].replace("_", "-")
        if "raw" in plain.get("parameterIterator", {}).get("items", {}):
            plain["parameterIterator"]["items"]["raw"] = json.loads(plain["parameterIterator"]["items"]["raw"])
        needs = sorted({*task.get("dependentTasks", []), *producers})
        return {**plain, "needs": needs, "inputs": {k: v for k, v in kept.items() if v}, "component": inner}


def _without_kept(outputs: Mapping[str, Any] | None) -> dict[str, Any] | None:
    kinds = {kind: {key: each for key, each in named.items() if key != KEPT} for kind, named in (outputs or {}).items()}
    return {kind: named for kind, named in kinds.items() if named} or None


def _keys(inputs: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {key for named in inputs.values() for key in named}


def _uses(tasks: Any, key: str) -> bool:
    """Whether a task of a DAG takes the input, or passes it on to one that does."""
    return f'"{key}"' in json.dumps([[task["inputs"], task.get("triggerPolicy")] for task in tasks.values()])


def _numbered(text: str) -> str:
    """Groups numbered by kind, each from 1 on, in the order of the source."""
    found: dict[str, set[int]] = {}
    for kind, number in GROUP.findall(text):
        found.setdefault(kind, set()).add(int(number))
    order = {kind: sorted(numbers) for kind, numbers in found.items()}
    return GROUP.sub(lambda match: f"{match[1]}-{order[match[1]].index(int(match[2])) + 1}", text)


@pytest.fixture(scope="module", params=["2.5", "2.14", "2.17"])
def theirs(request: pytest.FixtureRequest, sdk: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The version, and the pipelines that its SDK compiles."""
    directory = tmp_path_factory.mktemp(f"flow-{request.param}")
    names = sdk(request.param).run("kfp_flow.py", directory).split()
    return request.param, {name: (directory / f"{name}.yaml").read_text() for name in names}


def test_control_flow_is_lowered_as_the_stock_compiler_does_it(theirs: tuple[str, dict[str, str]]) -> None:
    version, pipelines = theirs
    ours = recorded()

    assert len(pipelines) >= 9
    for name, text in pipelines.items():
        algorithm = ours[name.replace("-", "_")]
        assert Structure(compiled(algorithm, version)).plain == Structure(text).plain, name


def test_the_sdk_loads_control_flow_and_changes_nothing(
    theirs: tuple[str, dict[str, str]], sdk: Callable[[str], Any], tmp_path: Path
) -> None:
    version, pipelines = theirs
    for name in pipelines:
        text = compiled(recorded()[name.replace("-", "_")], version)
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")

    found = sdk(version).reads("load", *(tmp_path / f"{name}.yaml" for name in pipelines))

    assert {name: entry["unchanged"] for name, entry in found.items()} == {f"{name}.yaml": True for name in pipelines}
