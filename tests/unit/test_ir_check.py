"""Judging a document: every problem, at its place."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from palmette.ir import codec
from palmette.ir.check import advise, check
from palmette.ir.dialects import Dialect
from palmette.ir.wiring import circles

GOOD: dict[str, Any] = {
    "pipelineInfo": {"name": "good"},
    "schemaVersion": "2.1.0",
    "root": {
        "inputDefinitions": {"parameters": {"C": {"parameterType": "NUMBER_DOUBLE"}}},
        "dag": {
            "tasks": {
                "fetch": {"componentRef": {"name": "comp-fetch"}, "taskInfo": {"name": "fetch"}},
                "fit": {
                    "componentRef": {"name": "comp-fit"},
                    "taskInfo": {"name": "fit"},
                    "dependentTasks": ["fetch"],
                    "inputs": {
                        "parameters": {"C": {"componentInputParameter": "C"}},
                        "artifacts": {
                            "data": {"taskOutputArtifact": {"producerTask": "fetch", "outputArtifactKey": "data"}}
                        },
                    },
                },
            },
        },
    },
    "components": {
        "comp-fetch": {
            "executorLabel": "exec-fetch",
            "outputDefinitions": {
                "artifacts": {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}},
                "parameters": {"rows": {"parameterType": "NUMBER_INTEGER"}},
            },
        },
        "comp-fit": {
            "executorLabel": "exec-fit",
            "inputDefinitions": {
                "parameters": {"C": {"parameterType": "NUMBER_DOUBLE"}},
                "artifacts": {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}},
            },
        },
    },
    "deploymentSpec": {
        "executors": {
            "exec-fetch": {"container": {"image": "i", "args": ["{{$}}"]}},
            "exec-fit": {"container": {"image": "i", "args": ["{{$.inputs.parameters['C']}}"]}},
        }
    },
}


def problems(*changes: tuple[str, Any], dialect: str = "palmette", platform: Any = None) -> list[str]:
    """What is found in the good pipeline after changes, each a path with slashes and a value."""
    plain = copy.deepcopy(GOOD)
    for path, value in changes:
        *way, last = path.split("/")
        place = plain
        for name in way:
            place = place.setdefault(name, {})
        place[last] = value
    return [f"{found.where}: {found.what}" for found in check(codec.from_plain(plain, platform), dialect)]


def test_a_good_pipeline_has_no_problems_in_any_dialect() -> None:
    assert {dialect: problems(dialect=dialect) for dialect in Dialect} == {dialect: [] for dialect in Dialect}


FIT = "root/dag/tasks/fit"
AT = "root.dag.tasks.fit"
OUTPUT = {"taskOutputParameter": {"producerTask": "fetch", "outputParameterKey": "rows"}}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("schemaVersion", "2.0.0"), "schemaVersion: 2.0.0 is stated, and 2.1.0 is read"),
        (("pipelineInfo", {}), "pipelineInfo.name: the pipeline has no name"),
        (("pipelineInfo/name", "___"), "pipelineInfo.name: '___' is no name that KFP takes"),
        (("root", {}), "root: there is no pipeline: root has no dag"),
        (("root", {"dag": {}}), "root.dag.tasks: the pipeline has no task"),
        (("components/comp-fit", {"executorLabel": "x"}), "components.comp-fit.executorLabel: there is no executor x"),
        (("components/comp-new", {}), "components.comp-new: the component has neither a dag nor an executor"),
        ((f"{FIT}/componentRef/name", "comp-x"), f"{AT}.componentRef: there is no component comp-x"),
        ((f"{FIT}/dependentTasks", ["x"]), f"{AT}.dependentTasks: there is no task x"),
        ((f"{FIT}/inputs/parameters", {}), f"{AT}.inputs.parameters.C: the component needs this parameter"),
        ((f"{FIT}/inputs/artifacts", {}), f"{AT}.inputs.artifacts.data: the component needs this artifact"),
        ((f"{FIT}/inputs/parameters/C", {}), f"{AT}.inputs.parameters.C: nothing says where the value comes from"),
        (
            (f"{FIT}/inputs/parameters/C", {"componentInputParameter": "D"}),
            f"{AT}.inputs.parameters.C: there is no input parameter D in root",
        ),
        (
            (f"{FIT}/inputs/parameters/D", {"componentInputParameter": "C"}),
            f"{AT}.inputs.parameters.D: the component comp-fit has no parameter D",
        ),
        (
            (f"{FIT}/inputs/parameters/C", {"runtimeValue": {"constant": "x"}}),
            f"{AT}.inputs.parameters.C: the constant is no NUMBER_DOUBLE",
        ),
        (
            ("root/inputDefinitions/parameters/C/parameterType", "STRING"),
            f"{AT}.inputs.parameters.C: the component takes NUMBER_DOUBLE, and STRING is given",
        ),
        (
            (f"{FIT}/inputs/parameters/data", OUTPUT),
            f"{AT}.inputs.parameters.data: the component takes an artifact here, not a parameter",
        ),
        (
            (
                f"{FIT}/inputs/parameters/C",
                {"taskOutputParameter": {"producerTask": "fetch", "outputParameterKey": "data"}},
            ),
            f"{AT}.inputs.parameters.C: fetch gives data as an artifact, not as a parameter",
        ),
        (
            (f"{FIT}/inputs/artifacts/data/taskOutputArtifact/producerTask", "x"),
            f"{AT}.inputs.artifacts.data: there is no task x",
        ),
        (
            (f"{FIT}/inputs/artifacts/data/taskOutputArtifact/outputArtifactKey", "x"),
            f"{AT}.inputs.artifacts.data: fetch has no output artifact x",
        ),
        (
            ("root/dag/tasks/fetch/dependentTasks", ["fit"]),
            "root.dag.tasks.fetch: the tasks wait for each other: fetch → fit → fetch",
        ),
        (
            ("root/dag/outputs/parameters/x", {"valueFromParameter": {"producerSubtask": "y"}}),
            "root.dag.outputs.parameters.x: there is no task y",
        ),
        (
            ("root/outputDefinitions/parameters", {"x": {"parameterType": "STRING"}}),
            "root.dag.outputs.parameters.x: no task gives this output",
        ),
        (
            ("components/comp-fit/dag", {"tasks": {"a": {"componentRef": {"name": "comp-fit"}}}}),
            "components.comp-fit: the component contains itself: comp-fit → comp-fit",
        ),
        (
            ("deploymentSpec/executors/exec-fit/container/args", ["{{$.inputs.parameters['D']}}"]),
            "deploymentSpec.executors.exec-fit.container.args[0]: "
            "{{$.inputs.parameters['D']}} names no input parameter of the component",
        ),
        (
            ("deploymentSpec/executors/exec-fit/container/args", ["--x={{$.input.C}}"]),
            "deploymentSpec.executors.exec-fit.container.args[0]: {{$.input.C}} is no placeholder that KFP knows",
        ),
        (
            ("deploymentSpec/executors/exec-fit/container/args", ["{{$.inputs"]),
            "deploymentSpec.executors.exec-fit.container.args[0]: a placeholder is not closed: {{$ without }}",
        ),
        (
            ("deploymentSpec/executors/exec-fit/container/resources", {"resourceMemoryLimit": "4 gigs"}),
            "deploymentSpec.executors.exec-fit.container.resources.resourceMemoryLimit: "
            '\'4 gigs\' is not an amount such as "2", "500m" or "4Gi"',
        ),
        (
            ("deploymentSpec/executors/exec-fit/container/args", ["x" * 131_072]),
            "deploymentSpec.executors.exec-fit.container.args[0]: "
            "the argument takes 128 KiB, and Linux takes less than 128 KiB",
        ),
        (("root/dag/tasks/fit/colour", "red"), f"{AT}.colour: no version of KFP that is known here has such a field"),
    ],
)
def test_a_problem_is_found_at_its_place(change: tuple[str, Any], found: str) -> None:
    assert found in problems(change)


def test_a_whole_number_is_a_number() -> None:
    assert problems((f"{FIT}/inputs/parameters/C", OUTPUT)) == []


def test_all_problems_are_found_at_once() -> None:
    found = problems(("schemaVersion", ""), ("pipelineInfo", {}), (f"{FIT}/componentRef/name", ""), ("root/x", 1))

    assert len(found) == 4


def test_a_long_chain_of_tasks_is_no_trouble() -> None:
    tasks = {
        f"t{number}": {"componentRef": {"name": "comp-fetch"}, "dependentTasks": [f"t{number - 1}"] if number else []}
        for number in range(5000)
    }

    assert problems(("root", {"dag": {"tasks": tasks}})) == []


@pytest.mark.parametrize(
    ("path", "value", "since"),
    [
        ("root/inputDefinitions/parameters/C/literals", [1.0], Dialect.V2_17),
        (f"{FIT}/cachingOptions", {"cacheKey": "mine"}, Dialect.V2_14),
        ("deploymentSpec/executors/exec-fit/container/resources", {"resourceCpuLimit": "1"}, Dialect.V2_14),
        ("components/comp-fit/taskConfigPassthroughs", [{"field": "ENV"}], Dialect.V2_17),
    ],
)
def test_a_newer_field_is_refused_by_older_dialects(path: str, value: Any, since: Dialect) -> None:
    refused = [dialect for dialect in Dialect if problems((path, value), dialect=dialect)]

    assert refused == [dialect for dialect in Dialect if not dialect.knows(since)]


def test_kubernetes_settings_have_their_versions_too() -> None:
    platform = {
        "platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-fit": {"activeDeadlineSeconds": "5"}}}}}
    }

    assert problems(dialect="2.14", platform=platform) == []
    assert problems(dialect="2.5", platform=platform) == [
        "platforms.kubernetes.deploymentSpec.executors.exec-fit.activeDeadlineSeconds: KFP 2.5 does not know this field"
    ]


def test_a_platform_document_names_executors_that_exist() -> None:
    platform = {"platforms": {"palmette": {"deploymentSpec": {"executors": {"exec-x": {"step": "m:f"}}}}}}

    assert problems(platform=platform) == [
        "platforms.palmette.deploymentSpec.executors.exec-x: there is no executor exec-x"
    ]


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("defaultPipelineRoot", "file:///tmp", "a cluster reads only"),
        ("deploymentSpec/executors/exec-fit", {"customJob": {}}, "no KFP cluster executes this"),
        ("components/comp-fetch/outputDefinitions/artifacts/data/isArtifactList", True, "a list of artifacts"),
        ("components/comp-fetch/outputDefinitions/artifacts/data/artifactType", {"schemaUri": "x"}, "schemaUri"),
        (f"{FIT}/artifactIterator", {"itemInput": "data", "items": {"inputArtifact": "data"}}, "loops over artifacts"),
        ("deploymentSpec/executors/exec-fit/container/args", ["{{$.pipeline_root}}"], "not replaced on a KFP cluster"),
        ("deploymentSpec/executors/exec-fit/container/args", ['{"Concat": ["a", "b"]}'], "not replaced"),
        ("deploymentSpec/executors/exec-fit/container/args", ["{{$.json_escape[1]}}"], "not replaced"),
        ("deploymentSpec/executors/exec-fit/container/command", ["x" * 70_000, "y" * 70_000], "the container takes"),
    ],
)
def test_what_no_cluster_executes_is_refused_for_clusters_alone(path: str, value: Any, what: str) -> None:
    assert problems((path, value)) == []
    assert any(what in found for found in problems((path, value), dialect="2.17"))


def test_a_container_that_is_nearly_too_large_is_said() -> None:
    plain = copy.deepcopy(GOOD)
    plain["deploymentSpec"]["executors"]["exec-fit"]["container"]["command"] = ["x" * 60_000, "y" * 60_000]

    assert [found.where for found in advise(codec.from_plain(plain))] == ["deploymentSpec.executors.exec-fit.container"]


def test_a_chain_of_thousands_of_components_is_followed_to_its_end() -> None:
    chain = {f"c{number}": [f"c{number + 1}"] for number in range(20_000)}
    assert circles(chain) == []
    assert circles({**chain, "c19999": ["c19998"]}) == [["c19998", "c19999"]]
