"""A pipeline document becomes a flat plan, or says everything that is in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import changed, fingerprint
from palmette.domain.graph import Fresh, Freshness, ParameterType
from palmette.domain.run import Reused
from palmette.domain.values import Json
from palmette.engine.fingerprints import parts
from palmette.engine.inputs import Filled, Inputs, Job, Places, UnusableInput, fill, resolve
from palmette.engine.plan import Fixed, Group, Plan, PlannedTask, Produced, SecretVariable
from palmette.engine.planning import plan
from palmette.engine.ports import Secrets
from palmette.engine.reuse import Policy, stands
from palmette.engine.values import Values
from palmette.errors import CompileError, ConfigError, SpecError
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactSpec,
    ArtifactTypeSchema,
    CachingOptions,
    ComponentSpec,
    ContainerSpec,
    DagOutputs,
    DagSpec,
    Definitions,
    ExecutorSpec,
    KeyToVar,
    KubernetesConfig,
    PalmetteConfig,
    ParameterInput,
    ParameterIterator,
    ParameterSelector,
    ParameterSpec,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    PvcMount,
    RetryPolicy,
    SecretAsEnv,
    TaskInputs,
    TaskOutputArtifact,
    TaskOutputParameter,
    TaskSpec,
)

TEXT = ParameterSpec(parameter_type=ParameterType.STRING)
MAYBE = replace(TEXT, is_optional=True)
DATA = ArtifactSpec(artifact_type=ArtifactTypeSchema(schema_title="system.Dataset"))
LEAF = ComponentSpec(
    executor_label="e",
    input_definitions=Definitions(parameters={"x": MAYBE}, artifacts={"data": replace(DATA, is_optional=True)}),
    output_definitions=Definitions(parameters={"y": TEXT}, artifacts={"made": DATA}),
)
CONTAINER = ContainerSpec(image="i", command=("run",), args=("{{$}}",))


def constant(value: Json) -> ParameterInput:
    return ParameterInput(constant=value, has_constant=True)


def from_task(task: str, output: str = "y") -> ParameterInput:
    return ParameterInput(task_output_parameter=TaskOutputParameter(producer_task=task, output_parameter_key=output))


def task(component: str = "leaf", inputs: Mapping[str, ParameterInput] | None = None, **more: Any) -> TaskSpec:
    return TaskSpec(name="", component=component, inputs=TaskInputs(parameters=inputs or {}), **more)


def document(
    tasks: Mapping[str, TaskSpec],
    *,
    components: Mapping[str, ComponentSpec] | None = None,
    container: ContainerSpec = CONTAINER,
    parameters: Mapping[str, ParameterSpec] | None = None,
    platform: PlatformSpec | None = None,
    executor: ExecutorSpec | None = None,
) -> PipelineDocument:
    root = ComponentSpec(input_definitions=Definitions(parameters=parameters or {}), dag=DagSpec(tasks=tasks))
    spec = PipelineSpec(
        name="p",
        root=root,
        components={"leaf": LEAF, **(components or {})},
        executors={"e": executor or ExecutorSpec(container=container)},
    )
    return PipelineDocument(pipeline=spec, platform=platform or PlatformSpec())


def planned(*args: Any, **options: Any) -> PlannedTask:
    (only,) = plan(document({"t": task(*args)}, **options), {}).tasks
    return only


def problems(broken: PipelineDocument, kind: type[CompileError] | type[SpecError]) -> list[str]:
    with pytest.raises(kind) as caught:
        plan(broken, {})
    return [str(problem) for problem in caught.value.problems]


def test_each_task_comes_after_what_it_needs() -> None:
    made = plan(document({"b": task(inputs={"x": from_task("a")}), "c": task(dependent_tasks=("b",)), "a": task()}), {})
    assert [(entry.name, entry.needs) for entry in made.tasks] == [("a", ()), ("b", ("a",)), ("c", ("b",))]
    assert made["b"].parameters == {"x": Produced(task="a", output="y")}


def test_parameters_of_the_pipeline_are_settled_before_it_begins() -> None:
    tasks = {"t": task(inputs={"x": ParameterInput(component_input_parameter="name")})}
    declared = {"name": replace(TEXT, default_value="d", has_default=True)}
    assert plan(document(tasks, parameters=declared), {})["t"].parameters == {"x": Fixed(value="d")}
    assert plan(document(tasks, parameters=declared), {"name": "n"})["t"].parameters == {"x": Fixed(value="n")}
    with pytest.raises(ConfigError):
        plan(document(tasks, parameters=declared), {"nmae": "n"})


def nested() -> Plan:
    """first → group(one → two) → last, the group having a default and an output of its own."""
    inner = DagSpec(
        tasks={
            "one": task(inputs={"x": ParameterInput(component_input_parameter="given")}),
            "two": task(inputs={"x": from_task("one")}),
            "three": task(inputs={"x": ParameterInput(component_input_parameter="missing")}),
        },
        outputs=DagOutputs(parameters={"out": (ParameterSelector(producer_subtask="two", output_parameter_key="y"),)}),
    )
    group = ComponentSpec(
        dag=inner,
        input_definitions=Definitions(
            parameters={"given": TEXT, "missing": replace(TEXT, default_value="d", has_default=True)}
        ),
        output_definitions=Definitions(parameters={"out": TEXT}),
    )
    tasks = {
        "first": task(),
        "group": task("group", {"given": from_task("first")}),
        "last": task(inputs={"x": from_task("group", "out")}),
    }
    return plan(document(tasks, components={"group": group}), {})


def test_the_tasks_of_a_pipeline_within_a_pipeline_know_where_their_inputs_come_from() -> None:
    made = nested()
    assert {entry.name for entry in made.tasks} == {"first", "group.one", "group.two", "group.three", "last"}
    assert made["group.one"].parameters == {"x": Produced(task="first", output="y")}
    assert made["group.three"].parameters == {"x": Fixed(value="d")}
    assert made["last"].parameters == {"x": Produced(task="group", output="out")}


def test_a_pipeline_within_a_pipeline_is_a_group_that_its_members_are_in() -> None:
    made = nested()
    assert [(node.name, node.parent, node.needs) for node in made.nodes()] == [
        ("first", "", ()),
        ("group", "", ("first",)),
        ("group.one", "group", ()),
        ("group.three", "group", ()),
        ("group.two", "group", ("group.one",)),
        ("last", "", ("group",)),
    ]
    assert [record.name for record in made.records() if record.group] == ["group"]


def test_what_a_group_made_is_what_its_members_made() -> None:
    made = nested()
    values = Values(
        made={"group.two": Outputs(parameters={"y": "v"})},
        groups={each.name: each for each in made.planned if isinstance(each, Group)},
    )
    assert resolve(made["last"], values, JOB).parameters == {"x": "v"}


def test_a_component_may_be_looped_over_as_a_pipeline_is() -> None:
    loop = task(parameter_iterator=ParameterIterator(item_input="x", raw="[1]"), retry_policy=RetryPolicy())
    made = plan(document({"l": loop}), {})
    assert [(each.name, each.title) for each in made.patterns] == [("l.0.l", "l[0]")]


def test_the_tasks_of_a_pipeline_that_is_tried_again_are_tried_that_often_more() -> None:
    twice, once = RetryPolicy(max_retry_count=2, backoff_duration=7.0), RetryPolicy(max_retry_count=1)
    inner = ComponentSpec(dag=DagSpec(tasks={"t": task(), "u": task(retry_policy=once)}))
    made = plan(document({"g": task("inner", retry_policy=twice)}, components={"inner": inner}), {})
    assert (made["g.t"].retry.retries, made["g.t"].retry.backoff) == (2, 7.0)
    assert made["g.u"].retry.retries == 5, "two attempts in each of three"


def test_a_pipeline_that_grows_beyond_all_bounds_is_refused_in_time() -> None:
    doubled = {
        f"c{level}": ComponentSpec(dag=DagSpec(tasks={each: task(f"c{level + 1}") for each in "ab"}))
        for level in range(40)
    }
    with pytest.raises(CompileError, match="more than 10,000 tasks"):
        plan(document({"t": task("c0")}, components={**doubled, "c40": LEAF}), {})
    chain = {f"c{level}": ComponentSpec(dag=DagSpec(tasks={"t": task(f"c{level + 1}")})) for level in range(2000)}
    found = problems(document({"t": task("c0")}, components={**chain, "c2000": LEAF}), SpecError)
    assert "within more than 50" in found[0]


def test_an_executor_that_is_no_process_is_refused() -> None:
    found = problems(document({"t": task()}, executor=ExecutorSpec(extra={"resolver": {}})), CompileError)
    assert found == ["t: its executor is resolver, and only containers and importers are executed"]


def test_what_is_wrong_in_the_body_of_a_loop_is_known_before_the_run_begins() -> None:
    body = ComponentSpec(
        dag=DagSpec(tasks={"t": task(inputs={"x": from_task("ghost")})}),
        input_definitions=Definitions(parameters={"item": TEXT}),
    )
    loop = task("body", parameter_iterator=ParameterIterator(item_input="item", raw="[]"))
    assert problems(document({"l": loop}, components={"body": body}), SpecError)[0].startswith("l.0.t.x")


def test_settings_of_a_pod_are_refused_or_noted_but_never_passed_over() -> None:
    bound = {"e": KubernetesConfig(volumes=(PvcMount(mount_path="data"),), extra={"somethingNew": {}})}
    found = problems(document({"t": task()}, platform=PlatformSpec(kubernetes=bound)), CompileError)
    assert found == [
        "t: the Kubernetes setting somethingNew: a later version executes this",
        "t: 'data' is no place to mount at\n    Give an absolute path.",
    ]
    idle = PlatformSpec(kubernetes={"e": KubernetesConfig(extra={"nodeSelector": {}})})
    image, note = plan(document({"t": task()}, platform=idle), {}).notes
    assert "image i: not used here" in str(image) + str(note)
    assert "node selectors have no effect" in str(image) + str(note)


def test_a_container_whose_command_is_its_images_to_say_is_refused_unless_images_are_used() -> None:
    bare = document({"t": task()}, container=ContainerSpec(image="i"))
    assert "its command is its image's to say (i)" in problems(bare, CompileError)[0]
    assert [entry.name for entry in plan(bare, {}, images=True).tasks] == ["t"]
    assert plan(bare, {}, images=True).notes == ()


def test_a_document_that_contradicts_itself_is_refused_with_all_findings() -> None:
    tasks = {
        "a": task("nowhere"),
        "b": task(inputs={"x": from_task("ghost")}),
        "c": task(inputs={"x": from_task("b", "z")}),
        "../d": task(),
        "e": task(dependent_tasks=("ghost",)),
    }
    found = problems(document(tasks), SpecError)
    assert {name for name in tasks if any(text.startswith(name) for text in found)} == set(tasks)


def test_a_circle_is_refused() -> None:
    with pytest.raises(SpecError, match="wait for each other"):
        plan(document({"a": task(inputs={"x": from_task("b")}), "b": task(inputs={"x": from_task("a")})}), {})


def test_a_component_that_contains_itself_is_refused() -> None:
    around = ComponentSpec(dag=DagSpec(tasks={"inner": task("around")}))
    assert "contains itself" in problems(document({"t": task("around")}, components={"around": around}), SpecError)[0]


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "", "a\0b"])
def test_a_name_of_an_output_that_would_leave_its_directory_is_refused(name: str) -> None:
    leaf = replace(LEAF, output_definitions=Definitions(artifacts={name: DATA}))
    assert problems(document({"t": task("odd")}, components={"odd": leaf}), SpecError)


def test_a_task_knows_its_retries_timeout_secrets_and_freshness() -> None:
    platform = PlatformSpec(
        palmette={"e": PalmetteConfig(step="m:f", fresh="86400", timeout=1.5)},
        kubernetes={
            "e": KubernetesConfig(
                active_deadline_seconds=2,
                secrets_as_env=(
                    SecretAsEnv(secret="palmette", keys=(KeyToVar(key="T", variable="T"),)),
                    SecretAsEnv(secret="db", keys=(KeyToVar(key="pw", variable="PW"),), optional=True),
                ),
            )
        },
    )
    only = plan(
        document({"t": task(retry_policy=RetryPolicy(max_retry_count=2, backoff_duration=3.0))}, platform=platform), {}
    )["t"]
    assert (only.retry.retries, only.retry.backoff, only.timeout) == (2, 3.0, 1.5)
    assert only.fresh == Fresh(kind=Freshness.FOR, seconds=86400.0)
    assert only.secrets == (SecretVariable(name="T", variable="T"),)
    assert only.names == {"secretAsEnv[1]": Fixed(value="db")}


# Inputs and placeholders

ARTIFACT = Artifact(
    type="system.Dataset", digest="sha256:d", size=1, filename="d.csv", metadata={"rows": 3, "name": "it's"}
)
JOB = Job(id="r1", name="my run", pipeline="p", created="2026-01-31T12:00:00Z")


def filled(*args: str, inputs: Inputs | None = None, env: Mapping[str, str] | None = None) -> Filled:
    container = ContainerSpec(image="i", command=("run",), args=args, env=env or {})
    return fill(planned(container=container), inputs or Inputs(), Places(directory=Path("/a")), JOB)


GIVEN = Inputs(parameters={"x": "v", "n": 2.0, "flag": True, "list": [1, 2.5]}, artifacts={"data": (ARTIFACT,)})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{$.inputs.parameters['x']}}", ("v",)),
        ('{{$.inputs.parameters["x"]}}', ("v",)),
        ("--x={{$.inputs.parameters['x']}}!", ("--x=v!",)),
        ("{{$.inputs.parameters['n']}}", ("2",)),
        ("{{$.inputs.parameters['flag']}}", ("true",)),
        ("{{$.inputs.parameters['list']}}", ("[1,2.5]",)),
        ("{{$.inputs.parameters['none']}}", ()),
        ("--x={{$.inputs.parameters['none']}}", ("--x=",)),
        ("{{$.inputs.artifacts['data'].uri}}", ("/a/inputs/data/d.csv",)),
        ("{{$.inputs.artifacts['data'].path}}", ("/a/inputs/data/d.csv",)),
        ("{{$.inputs.artifacts['data'].metadata['rows']}}", ("3",)),
        ("{{$.inputs.artifacts['none'].path}}", ()),
        ("{{$.outputs.parameters['y'].output_file}}", ("/a/values/y",)),
        ("{{$.outputs.artifacts['made'].path}}", ("/a/outputs/made",)),
        ("{{$.outputs.output_file}}", ("/a/executor_output.json",)),
        ("{{$.pipeline_job_name}}/{{$.pipeline_job_uuid}}", ("my run/r1",)),
        ("{{$.pipeline_task_name}}", ("t",)),
        ("{{$.unknown}}", ("{{$.unknown}}",)),
        ('{"Concat": ["a-", "{{$.inputs.parameters[\'x\']}}", "-b"]}', ("a-v-b",)),
        ('{"IfPresent": {"InputName": "x", "Then": ["--x", "{{$.inputs.parameters[\'x\']}}"]}}', ("--x", "v")),
        ('{"IfPresent": {"InputName": "none", "Then": "yes", "Else": "no"}}', ("no",)),
        ('{"IfPresent": {"InputName": "none", "Then": ["yes"]}}', ()),
        ('{"Concat": ["a", {"IfPresent": {"InputName": "data", "Then": "b"}}]}', ("ab",)),
        ('{"other": 1}', ('{"other": 1}',)),
    ],
)
def test_a_placeholder_is_replaced(template: str, expected: tuple[str, ...]) -> None:
    assert filled(template, inputs=GIVEN).args == expected


def test_a_value_is_never_searched_for_placeholders() -> None:
    tricky = Inputs(parameters={"x": "{{$.pipeline_job_uuid}} \\1 {{$}}"})
    assert filled("{{$.inputs.parameters['x']}}", inputs=tricky).args == ("{{$.pipeline_job_uuid}} \\1 {{$}}",)
    quoted = Inputs(parameters={"x": '"], "IfPresent'})
    assert filled('{"Concat": ["{{$.inputs.parameters[\'x\']}}"]}', inputs=quoted).args == ('"], "IfPresent',)


def test_placeholders_of_the_environment_are_replaced() -> None:
    assert filled(env={"E": "{{$.inputs.parameters['x']}}"}, inputs=GIVEN).env == {"E": "v"}


def test_an_input_without_a_value_is_absent_or_the_default_or_an_error() -> None:
    nothing = Values()
    optional = plan(document({"a": task(), "t": task(inputs={"x": from_task("a")})}), {})["t"]
    assert resolve(optional, nothing, JOB).parameters == {}
    for spec, expected in [(replace(TEXT, default_value="d", has_default=True), {"x": "d"}), (TEXT, None)]:
        strict = replace(optional, definition=replace(LEAF, input_definitions=Definitions(parameters={"x": spec})))
        if expected is not None:
            assert resolve(strict, nothing, JOB).parameters == expected
        else:
            with pytest.raises(UnusableInput, match="'x' has no value: a gave none as 'y'"):
                resolve(strict, nothing, JOB)


def test_an_artifact_reaches_its_consumer() -> None:
    wired = TaskInputs(
        artifacts={
            "data": ArtifactInput(
                task_output_artifact=TaskOutputArtifact(producer_task="a", output_artifact_key="made")
            )
        }
    )
    consumer = plan(document({"a": task(), "t": TaskSpec(name="", component="leaf", inputs=wired)}), {})["t"]
    made = Values(made={"a": Outputs(artifacts={"made": ARTIFACT})})
    assert resolve(consumer, made, JOB).artifacts == {"data": (ARTIFACT,)}


# Fingerprints

ENV = {"PALMETTE_CLOSURE": "c", "PALMETTE_ENVIRONMENT": "e"}


def captured(**changes: Any) -> PlannedTask:
    options: dict[str, Any] = {"args": ("--step", "m:f", "--bundle", "b1", "--archive", "AAAA"), "env": ENV} | changes
    return planned(container=ContainerSpec(image="i", command=("python3",), **options))


def key(of: PlannedTask, inputs: Inputs = GIVEN, **more: Any) -> str:
    return fingerprint(parts(of, inputs, secrets=Secrets(), environment=more.pop("environment", {}), **more))


def test_of_a_captured_step_the_bundle_does_not_count() -> None:
    one, other = captured(), captured(args=("--step", "m:f", "--bundle", "b2"))
    assert key(one) == key(other)


def test_of_a_captured_step_closure_environment_and_target_count() -> None:
    others = [
        captured(env=ENV | {"PALMETTE_CLOSURE": "c2"}),
        captured(env=ENV | {"PALMETTE_ENVIRONMENT": "e2"}),
        captured(args=("--step", "m:g")),
        captured(env=ENV | {"MODE": "fast"}),
    ]
    assert len({key(other) for other in [captured(), *others]}) == 5


def test_of_a_foreign_container_command_arguments_and_image_count() -> None:
    containers = [
        CONTAINER,
        replace(CONTAINER, image="j"),
        replace(CONTAINER, command=("walk",)),
        replace(CONTAINER, args=("x" * 1000,)),
        replace(CONTAINER, args=("x" * 1001,)),
        replace(CONTAINER, env={"A": "1"}),
    ]
    assert len({key(planned(container=container)) for container in containers}) == 6


def test_the_content_and_the_format_of_an_input_count_and_its_statistics_do_not() -> None:
    def given(**changes: Any) -> Inputs:
        return Inputs(artifacts={"data": (replace(ARTIFACT, **changes),)})

    base = key(captured(), given())
    assert key(captured(), given(digest="sha256:e")) != base
    assert key(captured(), given(metadata={"format": "polars"})) != base
    assert key(captured(), given(metadata={"rows": 4})) == base


def test_declared_variables_secrets_gpu_and_token_count() -> None:
    step = replace(captured(), config=PalmetteConfig(env=("MODE",)), secrets=(SecretVariable(name="S", variable="S"),))
    base = parts(step, GIVEN, secrets=Secrets(versions={"S": "1"}), environment={})
    again = parts(
        step, GIVEN, secrets=Secrets(versions={"S": "2"}), environment={"MODE": "x"}, gpu=True, token="monday"
    )
    assert changed(base, again) == ("env.MODE", "secrets.S", "gpu", "token")
    assert "x" not in again.env.values()


def test_an_author_s_own_key_is_all_that_counts() -> None:
    own = replace(captured(), cache_key="k")
    assert key(own) == key(replace(own, container=CONTAINER), Inputs())


# How long outputs stand

OLD = Reused(run="r0", task="t", made=1000.0, outputs=Outputs())
UNASKED, ASKED = Policy(), Policy(reuse_unsaid=True)


def step(fresh: Fresh | None, *, source: bool = True, cache: bool = True) -> PlannedTask:
    artifacts = {} if source else {"data": Produced(task="a", output="made")}
    return replace(planned(), fresh=fresh, artifacts=artifacts, cache=cache)


def test_a_step_that_reads_the_world_is_reused_only_when_asked() -> None:
    assert not stands(step(Fresh()), UNASKED, "", OLD, 1001.0)
    assert stands(step(Fresh()), ASKED, "", OLD, 1001.0)
    assert not stands(step(Fresh()), Policy(reuse_unsaid=True, refresh=True), "", OLD, 1001.0)


def test_a_step_with_artifacts_is_reused_even_when_the_world_is_read_again() -> None:
    assert stands(step(Fresh(), source=False), Policy(refresh=True), "", OLD, 1001.0)


def test_declared_freshness_decides() -> None:
    day = step(Fresh(kind=Freshness.FOR, seconds=10.0))
    assert stands(day, UNASKED, "", OLD, 1010.0)
    assert not stands(day, UNASKED, "", OLD, 1011.0)
    assert not stands(step(Fresh(kind=Freshness.ALWAYS)), ASKED, "", OLD, 1001.0)
    asked = step(Fresh(kind=Freshness.FUNCTION))
    assert stands(asked, UNASKED, "token", OLD, 1001.0)
    assert not stands(asked, UNASKED, "", OLD, 1001.0)


def test_a_foreign_task_is_reused_as_its_caching_options_say() -> None:
    assert stands(step(None), UNASKED, "", OLD, 1001.0)
    assert not stands(step(None, cache=False), ASKED, "", OLD, 1001.0)
    enabled = plan(document({"t": task(caching_options=CachingOptions(enable_cache=True))}), {})["t"]
    assert stands(enabled, UNASKED, "", None, 0.0)


def test_settings_of_the_whole_pipeline_are_kept_or_said_to_have_no_effect() -> None:
    config = {"workspace": {"size": "1Gi"}, "activeDeadlineSeconds": 60, "resourceTtlOnSuccess": 5, "semaphore": "x"}
    made = plan(document({"t": task()}, platform=PlatformSpec(pipeline_config=config)), {})
    assert made.deadline == 60.0
    assert [
        note.what.partition(" ")[0] + "…" + note.what.split()[-1] for note in made.notes if "image" not in note.where
    ] == [
        "the…directory",
        "a…kept",
        "the…machine",
    ]
