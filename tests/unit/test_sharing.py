"""Which tasks of a sweep's points are the same."""

from __future__ import annotations

from dataclasses import replace

from palmette.ir.spec import (
    ArtifactInput,
    CachingOptions,
    ComponentSpec,
    DagSpec,
    PalmetteConfig,
    ParameterInput,
    ParameterIterator,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    TaskInputs,
    TaskOutputArtifact,
    TaskSpec,
    TriggerPolicy,
)
from palmette.operations.sharing import Reach, reach


def task(name: str, *parameters: str, after: tuple[str, ...] = (), cached: bool = True) -> TaskSpec:
    outputs = {each: TaskOutputArtifact(producer_task=each, output_artifact_key="output") for each in after}
    return TaskSpec(
        name=name,
        component=f"comp-{name}",
        inputs=TaskInputs(
            parameters={each: ParameterInput(component_input_parameter=each) for each in parameters},
            artifacts={each: ArtifactInput(task_output_artifact=output) for each, output in outputs.items()},
        ),
        caching_options=CachingOptions(enable_cache=cached),
    )


def reached(*tasks: TaskSpec, always: str = "") -> Reach:
    components = {each.component: ComponentSpec(executor_label=f"exec-{each.name}") for each in tasks}
    root = ComponentSpec(dag=DagSpec(tasks={each.name: each for each in tasks}))
    document = PipelineDocument(
        pipeline=PipelineSpec(name="p", root=root, components=components),
        platform=PlatformSpec(palmette={f"exec-{always}": PalmetteConfig(fresh="always")} if always else {}),
    )
    return reach(document, ("C", "seed"))


FOUR = (
    task("report", after=("score",)),
    task("score", "share", after=("fit",)),
    task("fit", "C", "penalty", after=("load",)),
    task("load", "rows"),
)


def test_a_field_reaches_its_task_and_all_that_come_after() -> None:
    assert reached(*FOUR).fields == {"report": (0,), "score": (0,), "fit": (0,), "load": ()}


def test_points_share_what_no_differing_field_reaches() -> None:
    found = reached(*FOUR, task("split", "seed"))
    one, other = found.tasks((0.1, 0)), found.tasks((0.1, 1))
    assert {name for name, _ in one & other} == {"report", "score", "fit", "load"}
    assert {name for name, _ in one & found.tasks((1.0, 1))} == {"load"}
    assert {name for name, _ in found.tasks(())} == {"load"}


def test_what_is_never_reused_is_not_waited_for() -> None:
    assert "load" not in reached(*FOUR[:3], task("load", cached=False)).fields
    assert "load" not in reached(*FOUR, always="load").fields


def test_a_task_of_a_loop_is_over_with_its_loop() -> None:
    found = reached(*FOUR)
    assert found.named("fit", (0.1, 0)) in found.tasks((0.1, 5))
    assert found.named("for-loop-1.0.fit", (0.1, 0)) is None


def grouped(*tasks: TaskSpec, group: TaskSpec, extra: tuple[TaskSpec, ...] = ()) -> Reach:
    components = {each.component: ComponentSpec(executor_label=f"exec-{each.name}") for each in (*tasks, *extra)}
    components[group.component] = ComponentSpec(dag=DagSpec(tasks={each.name: each for each in tasks}))
    root = ComponentSpec(dag=DagSpec(tasks={each.name: each for each in (group, *extra)}))
    document = PipelineDocument(
        pipeline=PipelineSpec(name="p", root=root, components=components), platform=PlatformSpec()
    )
    return reach(document, ("C", "seed"))


def test_points_share_what_stands_in_a_group_that_one_of_their_fields_goes_into() -> None:
    found = grouped(*FOUR, group=task("exit-handler-1", "C", "rows"), extra=(task("tell", after=("exit-handler-1",)),))
    assert found.fields == {
        "exit-handler-1.report": (0,),
        "exit-handler-1.score": (0,),
        "exit-handler-1.fit": (0,),
        "exit-handler-1.load": (),
        "tell": (0,),
    }
    assert found.size == 5


def test_what_begins_only_when_a_branch_is_taken_is_waited_for_by_points_that_decide_alike() -> None:
    branch = replace(task("condition-1", "C"), trigger_policy=TriggerPolicy(condition="inputs.parameter_values['C']>1"))
    assert grouped(task("say"), group=branch).fields == {"condition-1.say": (0,)}


def test_what_begins_only_when_its_part_begins_is_waited_for_by_points_that_begin_it_alike() -> None:
    fit = task("fit", "C")
    assert grouped(task("say"), group=task("part", after=("fit",)), extra=(fit,)).fields["part.say"] == (0,)


def test_a_loop_counts_as_one_task() -> None:
    loop = replace(task("for-loop-1", "C"), parameter_iterator=ParameterIterator(item_input="item", raw="[1, 2]"))
    found = grouped(*FOUR, group=loop)
    assert (found.fields, found.size) == ({"for-loop-1": (0,)}, 1)
