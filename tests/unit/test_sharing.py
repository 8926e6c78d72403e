"""Which tasks of a sweep's points are the same."""

from __future__ import annotations

from palmette.ir.spec import (
    ArtifactInput,
    CachingOptions,
    ComponentSpec,
    DagSpec,
    PalmetteConfig,
    ParameterInput,
    PipelineDocument,
    PipelineSpec,
    PlatformSpec,
    TaskInputs,
    TaskOutputArtifact,
    TaskSpec,
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


def test_a_task_of_a_group_is_over_with_its_group() -> None:
    found = reached(*FOUR)
    assert found.named("fit", (0.1, 0)) in found.tasks((0.1, 5))
    assert found.named("for-loop-1.0.fit", (0.1, 0)) is None
