"""What a cluster's run measured, read and drawn: which task it belongs to, what is sensitive, what is not believed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palmette.authoring.results import Evaluation, Metrics
from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Constant,
    Each,
    Field,
    FromTask,
    Input,
    Output,
    ParameterType,
    Step,
    Task,
)
from palmette.domain.run import Environment
from palmette.domain.states import RunState, TaskState
from palmette.errors import UsageError
from palmette.ir.spec import PipelineDocument
from palmette.operations import outcomes
from palmette.operations.hosts import HostedRun
from palmette.operations.likeness import Likeness, Sight, drawn
from palmette.operations.looking import Looked, Node
from palmette.operations.outcomes import Outcome
from palmette.runtime.evaluations import write_evaluation, write_metrics

DATA = Output(name="output", artifact=ArtifactType.DATASET, format="path")
NUMBERS = Output(name="output", artifact=ArtifactType.METRICS, format="metrics")
EVALUATION = Output(name="output", artifact=ArtifactType.METRICS, format="evaluation")


def packed(directory: Path, *artifacts: tuple[str, Any], scope: str = "root", **said: Any) -> bytes:
    """An outcome of these values, by their tasks, as the program in the pipeline writes it."""
    file, listed = io.BytesIO(), []
    with zipfile.ZipFile(file, "w") as target:
        for number, (task, value) in enumerate(artifacts):
            path = directory / f"{scope}-{number}"
            write: Any = write_evaluation if isinstance(value, Evaluation) else write_metrics
            write(value, path)
            target.write(path, str(number))
            path.unlink()
            form = "evaluation" if isinstance(value, Evaluation) else "metrics"
            listed.append({"task": task, "output": "output", "format": form, "file": str(number), **said})
        target.writestr("outcome.json", json.dumps({"schema": 1, "scope": scope, "artifacts": listed}))
    return file.getvalue()


def document(*tasks: Task | Each, steps: Sequence[Step]) -> PipelineDocument:
    closures = {step.name: f"closure-{step.name}" for step in steps}
    captured = Captured(
        bundle="b" * 64, archive=b"", closures=closures, environment=Environment(digest="e"), image="i:1"
    )
    config = (Field(name="C", type=ParameterType.INTEGER, default=1),)
    algorithm = Algorithm(name="job", target="a:job", steps=tuple(steps), tasks=tasks, config=config)
    return compile_algorithm(algorithm, captured, dialect="2.0").document


def node(
    name: str, state: TaskState = TaskState.SUCCEEDED, *, at: float = 1.0, pod: TaskState | None = None
) -> list[Node]:
    """What a cluster tells of a task, its driver and its pod."""
    id = f"{name}-{at}"
    executor = Node(id=f"{id}-pod", name="executor", state=pod or state, created=at)
    shown = Node(id=id, name=name, state=state, created=at, started=at, ended=at + 1, pods=(executor.id,))
    return [Node(id=f"{id}-driver", name=f"{name}-driver", state=TaskState.SUCCEEDED, created=at), shown, executor]


def like(
    document: PipelineDocument | None,
    nodes: Sequence[list[Node]],
    *found: bytes,
    state: RunState = RunState.SUCCEEDED,
    **given: Any,
) -> Likeness:
    run = HostedRun(id="1", name="r", state=state, created=1.0, ended=9.0 if state.final else None, parameters=given)
    looked = Looked(run=run, nodes=tuple(each for several in nodes for each in several))
    read: tuple[Outcome, ...] = tuple(map(outcomes.read, found))
    return drawn(Sight(id="run000000001", project="ia", looked=looked, document=document, outcomes=read))


def test_an_evaluation_arrives_as_it_was_with_what_the_runtime_says_of_it(tmp_path: Path) -> None:
    made = Evaluation(metrics={"auc": 0.9, "loss": float("nan")}, labels=[0, 1], predictions=[0, 0], keys=["a", "b"])
    [measured] = outcomes.read(packed(tmp_path, ("score", made))).measured
    path = tmp_path / "copy"
    assert measured.metadata == {
        **write_evaluation(made, path),
        "format": "evaluation",
        "filename": "output.npz",
        "type": "Evaluation",
    }
    assert measured.content == path.read_bytes()


def test_of_what_is_sensitive_no_number_stands_beside_it(tmp_path: Path) -> None:
    made = Evaluation(metrics={"auc": 0.9}, labels=np.array([0, 1]))
    [measured] = outcomes.read(packed(tmp_path, ("score", made), sensitive=True)).measured
    assert "auc" not in measured.metadata
    assert measured.metadata["sensitive"] is True
    assert measured.content, "a verdict needs it"


def test_what_is_no_outcome_is_refused(tmp_path: Path) -> None:
    whole = packed(tmp_path, ("score", Metrics(a=1)))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("outcome.json", json.dumps({"schema": 2, "scope": "root", "artifacts": []}))
    for data in (b"", b"nothing", whole[:-30], other.getvalue()):
        with pytest.raises(UsageError):
            outcomes.read(data)


def test_an_artifact_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("0", b"no evaluation")
        target.writestr("1", b'{"a": 1.0}')
        entries = [("score", "evaluation", "0"), ("count", "metrics", "1")]
        listed = [{"task": task, "output": "output", "format": form, "file": name} for task, form, name in entries]
        target.writestr("outcome.json", json.dumps({"schema": 1, "scope": "root", "artifacts": listed}))
    broken, good = outcomes.read(file.getvalue()).measured
    assert (broken.content, broken.left) == (b"", "it cannot be read")
    assert (good.metadata["a"], good.left) == (1.0, "")


FETCH = Step(name="fetch", target="a:fetch", outputs=(DATA,))
SCORE = Step(
    name="score", target="a:score", inputs=(Input(name="data", artifact=ArtifactType.DATASET),), outputs=(NUMBERS,)
)
FLOW = (
    Task(name="fetch", step="fetch"),
    Task(name="score", step="score", arguments={"data": FromTask(task="fetch", output="output")}),
)


def test_a_cached_task_has_what_the_outcome_took_from_it(tmp_path: Path) -> None:
    nodes = [node("fetch"), node("score", at=2.0, pod=TaskState.SKIPPED), node("palmette-outcome", at=3.0)]
    found = like(document(*FLOW, steps=(FETCH, SCORE)), nodes, packed(tmp_path, ("score", Metrics(auc=0.5))), C=2.0)
    assert {task.name: task.state for task in found.tasks} == {
        "fetch": TaskState.SUCCEEDED,
        "score": TaskState.CACHED,
    }
    [logged] = found.logged
    assert (logged.task, [(point.name, point.value) for point in logged.points]) == ("score", [("auc", 0.5)])
    assert [(each.name, each.value, each.source.value) for each in found.run.settings] == [("C", 2, "override")]
    assert isinstance(found.run.config["C"], int), "a cluster's numbers are floats"
    closures = {task.name: task.parts.closure for task in found.tasks if task.parts}
    assert closures == {"fetch": "closure-fetch", "score": "closure-score"}


def test_what_was_made_from_something_sensitive_is_never_quoted(tmp_path: Path) -> None:
    secret = Step(
        name="fetch", target="a:fetch", outputs=(Output(name="output", artifact=ArtifactType.DATASET, sensitive=True),)
    )
    nodes = [node("fetch"), node("score", at=2.0)]
    found = like(document(*FLOW, steps=(secret, SCORE)), nodes, packed(tmp_path, ("score", Metrics(auc=0.5))))
    [made] = [artifact for task in found.tasks for artifact in task.outputs.artifacts.values()]
    assert made.sensitive


def test_the_outcomes_of_a_loop_are_its_iterations_in_order(tmp_path: Path) -> None:
    alone = Step(name="score", target="a:score", outputs=(NUMBERS,))
    loop = Each(
        name="for-loop-1",
        items=Constant(value=[1, 2]),
        item=ParameterType.INTEGER,
        body=(Task(name="score", step="score"),),
    )
    nodes = [node("score", at=5.0), node("score", at=4.0)]
    made = [packed(tmp_path, ("score", Metrics(auc=value)), scope="comp-for-loop-1") for value in (0.1, 0.2)]
    found = like(document(loop, steps=(alone,)), nodes, *made)
    points = {each.task: each.points[0].value for each in found.logged}
    assert points == {"for-loop-1.0.score": 0.1, "for-loop-1.1.score": 0.2}
    starts = {task.name: task.started for task in found.tasks}
    assert (starts["for-loop-1.0.score"], starts["for-loop-1.1.score"]) == (4.0, 5.0)


def test_a_run_that_goes_on_is_drawn_as_it_is_now() -> None:
    found = like(document(*FLOW, steps=(FETCH, SCORE)), [node("fetch", TaskState.RUNNING)], state=RunState.RUNNING)
    assert (found.run.state, found.run.ended) == (RunState.RUNNING, None)
    assert [(task.state, task.ended) for task in found.tasks] == [(TaskState.RUNNING, None), (TaskState.PENDING, None)]


def test_without_its_pipeline_the_nodes_are_its_tasks() -> None:
    found = like(None, [node("fit"), node("palmette-outcome", at=2.0)])
    assert [(task.component, task.state) for task in found.tasks] == [("fit", TaskState.SUCCEEDED)]
    assert found.run.notices == ("its pipeline is not there any more",)
