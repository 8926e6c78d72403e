"""Reading and writing pipeline files: what is taken, what is refused, and how it is said."""

from __future__ import annotations

import json

import pytest
import yaml

from palmette.domain.graph import ParameterType
from palmette.errors import SpecError
from palmette.ir import codec, reading
from palmette.ir.spec import (
    CachingOptions,
    ComponentSpec,
    Definitions,
    PalmetteConfig,
    ParameterSelector,
    ParameterSpec,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
)

PIPELINE = """
pipelineInfo: {name: small}
schemaVersion: 2.1.0
root:
  dag:
    tasks:
      a:
        taskInfo: {name: A}
        componentRef: {name: comp-a}
        cachingOptions: {}
        future: [1, 2]
    outputs:
      parameters:
        one: {valueFromOneof: {parameterSelectors: [{producerSubtask: a, outputParameterKey: x}]}}
"""


def message(text: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        codec.loads(text)
    return str(caught.value)


def test_yaml_with_a_platform_document_is_read() -> None:
    document = codec.loads(PIPELINE + "---\nplatforms: {kubernetes: {deploymentSpec: {executors: {e: {}}}}}\n")

    assert document.pipeline.name == "small"
    assert list(document.platform.kubernetes) == ["e"]


def test_json_and_the_form_of_the_api_are_read() -> None:
    pipeline = yaml.safe_load(PIPELINE)

    plain = codec.loads(json.dumps(pipeline))
    wrapped = codec.loads(json.dumps({"pipeline_spec": pipeline, "platform_spec": {"platforms": {}}}))

    assert plain.pipeline == wrapped.pipeline == codec.loads(PIPELINE).pipeline


def test_what_no_type_names_is_kept() -> None:
    task = codec.loads(PIPELINE).pipeline.root.dag.tasks["a"]  # type: ignore[union-attr]

    assert task.extra == {"future": [1, 2]}
    assert task.caching_options == CachingOptions()
    assert yaml.safe_load(codec.dumps(codec.loads(PIPELINE))) == yaml.safe_load(PIPELINE)


def test_a_choice_of_one_stays_a_choice() -> None:
    dag = codec.loads(PIPELINE).pipeline.root.dag

    assert dag is not None
    assert dag.outputs.parameters == {"one": (ParameterSelector(producer_subtask="a", output_parameter_key="x"),)}


def test_fields_may_have_their_names_in_the_schema() -> None:
    document = codec.loads("pipeline_info: {name: x}\nschema_version: 2.1.0\nroot: {executor_label: e}")

    assert (document.pipeline.name, document.pipeline.root.executor_label) == ("x", "e")


def test_wrong_forms_are_all_reported_with_their_places() -> None:
    said = message(
        """
pipelineInfo: {name: [x]}
root:
  inputDefinitions:
    parameters: {a: {parameterType: TEXT}, b: {}}
  dag: {tasks: {t: {retryPolicy: {backoffDuration: 30}, dependentTasks: x}}}
"""
    )

    assert "pipelineInfo.name: expected text, found a list" in said
    assert "root.inputDefinitions.parameters.a.parameterType: 'TEXT' is none of" in said
    assert "root.inputDefinitions.parameters.b: parameterType is missing" in said
    assert 'root.dag.tasks.t.retryPolicy.backoffDuration: expected a duration such as "30s"' in said
    assert "root.dag.tasks.t.dependentTasks: expected a list, found text" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("- a", "a mapping is expected at its top"),
        ("a: 1\n---\nb: 1\n---\nc: 1", "holds 3 documents"),
        ("a: b: c", "line 1, column 5"),
        ("a: [1, 2", "is not YAML, line 2, column 1"),
        ("a: \tb: c", "is not YAML, line 1"),
        ("{a: *nothing}", "stands for nothing"),
        ("a: !!python/object:os.system x", "the tag tag:yaml.org,2002:python/object:os.system is not allowed"),
        ("a: !!binary aGk=", "is not allowed"),
        ("a: !!set {x}", "is not allowed"),
        ("a: .nan", "is not a number that a pipeline can hold"),
        ('{"a": NaN}', "is not a number that a pipeline can hold"),
        ("a: 1\na: 2", "line 2, column 1: 'a' stands twice"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ("1: x", "the key 1 is not text"),
        ("yes: x", "the key True is not text"),
        ("[a]: x", "is not text"),
        ("implementation: {container: {}}", "a component of Kubeflow Pipelines v1"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow", "a Kubernetes manifest (Workflow)"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        ("a: \x00", "is not YAML"),
    ],
)
def test_what_is_no_pipeline_file_is_refused(text: str | bytes, said: str) -> None:
    assert said in message(text)


def test_dates_stay_text_as_on_a_server() -> None:
    assert reading.documents("a: 2024-01-31\nb: =\n") == [{"a": "2024-01-31", "b": "="}]


def test_anchors_and_merges_are_followed() -> None:
    assert reading.documents("a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x, l: 3}") == [
        {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 2}, "c": {"k": 1, "l": 3}}
    ]


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    assert "more than 1,000,000 values" in message(bomb)


def test_a_bomb_of_long_text_is_refused() -> None:
    bomb = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n"

    assert "more than" in message(bomb)


def test_a_value_that_holds_itself_is_refused() -> None:
    assert "stands for nothing before it" in message("a: &a [*a]")


@pytest.mark.parametrize(
    "text", ["[" * 200, "{a: " * 200, '{"a":' * 5000, "- " * 300, '{"a":' + "[" * 150 + "]" * 150 + "}"]
)
def test_depth_is_bounded(text: str) -> None:
    assert "nests deeper than 100 levels" in message(text)


def test_size_is_bounded() -> None:
    assert "larger than 32 MiB" in message("#" * (reading.MAX_SIZE + 1))
    assert "larger than 32 MiB" in message(b"\xff" * (reading.MAX_SIZE + 2))


def document(description: str = "", default: object = "x") -> PipelineDocument:
    parameter = ParameterSpec(parameter_type=ParameterType.STRING, default_value=str(default), has_default=True)
    root = ComponentSpec(input_definitions=Definitions(parameters={"p\nq": parameter}), executor_label="e")
    return PipelineDocument(pipeline=PipelineSpec(name="small", description=description, root=root))


def test_the_comment_says_what_the_pipeline_is() -> None:
    text = codec.dumps(document("First.\nSecond."))

    assert text.startswith(
        "# PIPELINE DEFINITION\n# Name: small\n# Description: First.\n#              Second.\n# Inputs:\n"
    )


def test_nothing_breaks_out_of_the_comment() -> None:
    evil = document("a\u2028b: 1\x85c: 2\rd: 3", default="x\ny: 1")

    assert codec.loads(codec.dumps(evil)) == evil


def test_text_of_several_lines_can_be_read_by_people() -> None:
    assert "description: |-\n    one\n\n      two\n" in codec.dumps(document("one\n\n  two"))


def test_the_platform_document_names_kubernetes_even_where_it_says_nothing_of_it() -> None:
    _, platform = codec.to_plain(
        PipelineDocument(
            pipeline=PipelineSpec(name="x", root=ComponentSpec()),
            platform=PlatformSpec(palmette={"e": PalmetteConfig(step="m:f")}, algorithm={"name": "x"}),
        )
    )

    assert platform == {
        "platforms": {
            "kubernetes": {"deploymentSpec": {"executors": {}}},
            "palmette": {"deploymentSpec": {"executors": {"e": {"step": "m:f"}, "algorithm": {"name": "x"}}}},
        }
    }
