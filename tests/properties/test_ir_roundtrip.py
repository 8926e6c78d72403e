"""A document survives being written and read, and what is written is the same text every time."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palmette.domain.graph import ParameterType
from palmette.ir import codec, spec, writing

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "",
        "yes",
        "null",
        "~",
        "1",
        "1e5",
        "- a",
        "a: b",
        "# c",
        "{{$}}",
        "x\ny",
        "x\n\n y\n",
        " x",
        "x ",
        "\t",
        "a\n\n",
        "<<",
    ]
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
#: unknown fields: a name that no message has
EXTRA = st.dictionaries(st.sampled_from(["future", "newField"]), JSON, max_size=1)


def table(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, values, max_size=3)


def tuples(values: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, min_size=least, max_size=3).map(tuple)


SCHEMAS = st.builds(spec.ArtifactTypeSchema, schema_title=TEXT, schema_version=TEXT, extra=EXTRA)
PARAMETERS = st.builds(
    lambda default, **rest: spec.ParameterSpec(
        default_value=default[0] if default else None, has_default=bool(default), **rest
    ),
    default=st.lists(JSON, max_size=1),
    parameter_type=st.sampled_from([*ParameterType, *spec.SystemParameter]),
    is_optional=st.booleans(),
    description=TEXT,
    literals=tuples(JSON),
    extra=EXTRA,
)
ARTIFACTS = st.builds(
    spec.ArtifactSpec,
    artifact_type=SCHEMAS,
    is_artifact_list=st.booleans(),
    is_optional=st.booleans(),
    metadata=st.dictionaries(NAMES, JSON, max_size=2),
    extra=EXTRA,
)
DEFINITIONS = st.builds(spec.Definitions, parameters=table(PARAMETERS), artifacts=table(ARTIFACTS), extra=EXTRA)
OUTPUTS = st.builds(spec.TaskOutputParameter, producer_task=TEXT, output_parameter_key=TEXT, extra=EXTRA)
INPUTS = st.builds(
    spec.TaskInputs,
    parameters=table(
        st.builds(spec.ParameterInput, constant=JSON, has_constant=st.just(True))
        | st.builds(spec.ParameterInput, component_input_parameter=TEXT, parameter_expression_selector=TEXT)
        | st.builds(spec.ParameterInput, task_output_parameter=OUTPUTS, extra=EXTRA)
        | st.builds(spec.ParameterInput, task_final_status=TEXT)
    ),
    artifacts=table(
        st.builds(spec.ArtifactInput, component_input_artifact=TEXT)
        | st.builds(
            spec.ArtifactInput,
            task_output_artifact=st.builds(spec.TaskOutputArtifact, producer_task=TEXT, output_artifact_key=TEXT),
        )
    ),
    extra=EXTRA,
)
SECONDS = st.integers(0, 10**8).map(lambda millis: millis / 1000)
TASKS = st.builds(
    spec.TaskSpec,
    name=TEXT,
    component=TEXT,
    inputs=INPUTS,
    dependent_tasks=tuples(TEXT),
    trigger_policy=st.none()
    | st.builds(spec.TriggerPolicy, condition=TEXT, strategy=st.sampled_from(spec.TriggerStrategy), extra=EXTRA),
    retry_policy=st.none()
    | st.builds(
        spec.RetryPolicy,
        max_retry_count=st.integers(0, 99),
        backoff_duration=SECONDS,
        backoff_factor=st.floats(0, 9),
        backoff_max_duration=SECONDS,
    ),
    caching_options=st.none() | st.builds(spec.CachingOptions, enable_cache=st.booleans(), cache_key=TEXT, extra=EXTRA),
    parameter_iterator=st.none() | st.builds(spec.ParameterIterator, item_input=TEXT, raw=TEXT, input_parameter=TEXT),
    artifact_iterator=st.none() | st.builds(spec.ArtifactIterator, item_input=TEXT, input_artifact=TEXT),
    parallelism_limit=st.integers(0, 9),
    extra=EXTRA,
)
SELECTORS = st.builds(spec.ParameterSelector, producer_subtask=TEXT, output_parameter_key=TEXT)
DAGS = st.builds(
    spec.DagSpec,
    tasks=table(TASKS),
    outputs=st.builds(
        spec.DagOutputs,
        parameters=table(st.tuples(SELECTORS) | tuples(SELECTORS, 2)),
        artifacts=table(tuples(st.builds(spec.ArtifactSelector, producer_subtask=TEXT, output_artifact_key=TEXT), 1)),
        extra=EXTRA,
    ),
)
COMPONENTS = st.builds(
    spec.ComponentSpec,
    input_definitions=DEFINITIONS,
    output_definitions=DEFINITIONS,
    dag=st.none() | DAGS,
    executor_label=TEXT,
    extra=EXTRA,
)
CONTAINERS = st.builds(
    spec.ContainerSpec,
    image=TEXT,
    command=tuples(TEXT),
    args=tuples(TEXT),
    env=table(TEXT),
    resources=st.none() | st.builds(spec.ResourceSpec, cpu_limit=TEXT, memory_request=TEXT, accelerator_count=TEXT),
    extra=EXTRA,
)
EXECUTORS = st.builds(spec.ExecutorSpec, container=CONTAINERS) | st.builds(
    spec.ExecutorSpec,
    importer=st.builds(
        spec.ImporterSpec, artifact_uri=TEXT, type_schema=SCHEMAS, metadata=table(JSON), reimport=st.booleans()
    ),
    extra=EXTRA,
)
PIPELINES = st.builds(
    spec.PipelineSpec,
    name=TEXT,
    root=COMPONENTS,
    components=table(COMPONENTS),
    executors=table(EXECUTORS),
    description=TEXT,
    schema_version=st.sampled_from(["2.1.0", "", "3"]),
    sdk_version=TEXT,
    extra=EXTRA,
)
KUBERNETES = st.builds(
    spec.KubernetesConfig,
    secrets_as_env=tuples(
        st.builds(
            spec.SecretAsEnv,
            secret=TEXT,
            keys=tuples(st.builds(spec.KeyToVar, key=TEXT, variable=TEXT)),
            optional=st.booleans(),
        )
    ),
    active_deadline_seconds=st.integers(0, 2**40),
    extra=EXTRA,
)
LABELS = NAMES.filter(lambda name: name != "algorithm")
PLATFORMS = st.builds(
    spec.PlatformSpec,
    kubernetes=table(KUBERNETES),
    palmette=st.dictionaries(
        LABELS,
        st.builds(
            spec.PalmetteConfig,
            fresh=TEXT,
            step=TEXT,
            sensitive=tuples(TEXT),
            env=tuples(TEXT),
            timeout=st.none() | st.floats(0, 1e6),
            formats=table(TEXT),
            extra=EXTRA,
        ),
        max_size=2,
    ),
    algorithm=table(JSON),
    pipeline_config=table(JSON),
    extra=EXTRA,
)
DOCUMENTS = st.builds(spec.PipelineDocument, pipeline=PIPELINES, platform=PLATFORMS)


def same(found: spec.PipelineDocument, expected: spec.PipelineDocument) -> bool:
    """Their comparison, out of pytest's sight: explaining a difference between two large documents takes minutes."""
    return found == expected


SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(DOCUMENTS)
def test_a_document_survives_yaml(document: spec.PipelineDocument) -> None:
    assert same(codec.loads(codec.dumps(document)), document)


@SLOW
@given(DOCUMENTS)
def test_a_document_survives_json(document: spec.PipelineDocument) -> None:
    assert same(codec.loads(codec.to_json(document)), document)


@SLOW
@given(DOCUMENTS)
def test_reading_and_writing_settles_at_once(document: spec.PipelineDocument) -> None:
    written = codec.dumps(document)

    assert codec.dumps(codec.loads(written)) == written


@SLOW
@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_other_readers_of_yaml_see_the_same_values(value: dict[str, Any]) -> None:
    assert yaml.safe_load(writing.yaml_text(value)) == value
