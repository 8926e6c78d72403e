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
    FromParameter,
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
from palmette.operations.cluster import outcomes
from palmette.operations.cluster.likeness import Likeness, Sight, drawn
from palmette.operations.cluster.looking import Looked, Node
from palmette.operations.cluster.outcomes import Outcome
from palmette.operations.hosts import HostedRun
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


def kept(task: str, *, logged: Sequence[float] = (), values: dict[str, Any] | None = None, **files: bytes) -> bytes:
    """What a task kept of itself, as the runtime writes it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as target:
        made = {name: {"type": {"schemaTitle": "system.HTML"}, "metadata": {"format": "html"}} for name in files}
        for name, content in files.items():
            if content:
                target.writestr(f"made/{name}", content)
        points = [{"metric": "loss", "value": value, "step": at, "time": at} for at, value in enumerate(logged)]
        target.writestr("logged", "".join(json.dumps(each) + "\n" for each in points))
        target.writestr("kept.json", json.dumps({"values": values or {}, "made": made, "cut": False}))
    return held.getvalue()


def outcome(*held: tuple[str, bytes], scope: str = "root", **items: Any) -> bytes:
    """An outcome of what tasks kept, or measured."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for number, (_, content) in enumerate(held):
            target.writestr(str(number), content)
        forms = [("output", "metrics") if content[:1] == b"{" else ("palmette-kept", "kept") for _, content in held]
        listed = [
            {"task": task, "output": output, "format": form, "file": str(number)}
            for number, ((task, _), (output, form)) in enumerate(zip(held, forms, strict=True))
        ]
        said = {"schema": 1, "scope": scope, "items": items, "artifacts": listed}
        target.writestr("outcome.json", json.dumps(said))
    return file.getvalue()


ENDS = (TaskState.FAILED, TaskState.SUCCEEDED, TaskState.SUCCEEDED)


def document(*tasks: Task | Each, steps: Sequence[Step], config: Sequence[Field] = ()) -> PipelineDocument:
    closures = {step.name: f"closure-{step.name}" for step in steps}
    captured = Captured(
        bundle="b" * 64, archive=b"", closures=closures, environment=Environment(digest="e"), image="i:1"
    )
    fields = (Field(name="C", type=ParameterType.INTEGER, default=1), *config)
    algorithm = Algorithm(name="job", target="a:job", steps=tuple(steps), tasks=tasks, config=fields)
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


def test_curves_values_and_small_artifacts_come_along() -> None:
    nodes = [node("fetch"), node("score", at=2.0, pod=TaskState.SKIPPED)]
    held = kept("score", logged=[3.0, 2.0, 1.0], values={"rows": 7}, page=b"<p>", model=b"")
    made = outcome(("score", held), ("score", b'{"auc": 0.5}'))
    found = like(document(*FLOW, steps=(FETCH, SCORE)), nodes, made)
    score = next(task for task in found.tasks if task.name == "score")
    assert score.outputs.parameters == {"rows": 7}
    page = score.outputs.artifacts["page"]
    assert (page.type, found.contents[page.digest.removeprefix("sha256:")]) == ("system.HTML", b"<p>")
    curve = [(point.value, point.step) for each in found.logged for point in each.points if point.name == "loss"]
    assert curve == [(3.0, 0), (2.0, 1), (1.0, 2)]
    assert found.logged[-1].points[0].name == "auc", "what was made counts after what was logged"
    assert found.run.notices == ("left there, being large or no single file: score.model",)
    assert found.lost == (), "that is as it should be"


def test_what_a_task_kept_and_cannot_be_read_costs_no_other() -> None:
    found = outcomes.read(outcome(("a", b"nothing"), ("b", kept("b", logged=[1.0]))))
    assert [(each.task, each.left) for each in found.measured] == [("a", "it cannot be read")]
    assert [(each.task, len(each.points)) for each in found.kept] == [("b", 1)]


@pytest.mark.parametrize("given", ["constant", "parameter", "task"])
def test_an_iteration_is_told_by_its_item_and_not_by_when_it_began(given: str) -> None:
    number = Output(name="output", parameter=ParameterType.LIST)
    draw = Step(name="draw", target="a:draw", outputs=(number,))
    score = Step(name="score", target="a:score", outputs=(NUMBERS,))
    items = {
        "constant": Constant(value=[5, 6, 5]),
        "parameter": FromParameter(parameter="folds"),
        "task": FromTask(task="draw", output="output"),
    }[given]
    loop = Each(name="for-loop-1", items=items, item=ParameterType.INTEGER, body=(Task(name="score", step="score"),))
    folds = Field(name="folds", type=ParameterType.LIST, default=[5, 6, 5])
    drawn_from = document(Task(name="draw", step="draw"), loop, steps=(draw, score), config=(folds,))
    nodes = [node("draw"), *(node("score", state, at=at) for at, state in enumerate(ENDS, start=2))]
    made = [
        outcome(("score", kept("score", logged=[value])), scope="comp-for-loop-1", **{"for-loop-1": item})
        for item, value in ((6.0, 0.2), (5.0, 0.1))
    ]
    root = outcome(("draw", kept("draw", values={"output": [5.0, 6.0, 5.0]})))
    found = like(drawn_from, nodes, root, *made, state=RunState.FAILED)
    points = {each.task: each.points[0].value for each in found.logged}
    assert points == {"for-loop-1.0.score": 0.1, "for-loop-1.1.score": 0.2}
    states = {task.component: task.state for task in found.tasks}
    assert states["score[2]"] is TaskState.FAILED, "the one that failed is none of those that made something"


def test_an_iteration_of_a_loop_in_a_loop_has_the_numbers_of_both() -> None:
    score = Step(name="score", target="a:score", outputs=(NUMBERS,))
    items = Constant(value=["a", "b"])
    inner = Each(name="for-loop-2", items=items, item=ParameterType.STRING, body=(Task(name="score", step="score"),))
    outer = Each(name="for-loop-1", items=items, item=ParameterType.STRING, body=(inner,))
    nodes = [node("score", at=at) for at in range(1, 5)]
    made = [
        outcome(("score", kept("score", logged=[at])), **{"for-loop-1": first, "for-loop-2": second})
        for at, (first, second) in enumerate((("b", "b"), ("b", "a"), ("a", "b"), ("a", "a")))
    ]
    found = like(document(outer, steps=(score,)), nodes, *made)
    points = {each.task: each.points[0].value for each in found.logged}
    titles = {task.name: task.component for task in found.tasks if task.name in points}
    assert {titles[name]: value for name, value in points.items()} == {
        "score[1][1]": 0.0,
        "score[1][0]": 1.0,
        "score[0][1]": 2.0,
        "score[0][0]": 3.0,
    }
