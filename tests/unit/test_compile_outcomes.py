"""What a cluster's runs are mirrored from: a task in each DAG that makes metrics, and the file that it writes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.compile.containers import Captured
from palmette.compile.outcomes import NAME
from palmette.compile.pipeline import Compiled, compile_algorithm
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Case,
    Comparator,
    Comparison,
    Constant,
    Each,
    FromItem,
    FromTask,
    OnExit,
    Output,
    ParameterType,
    Step,
    Task,
    When,
)
from palmette.domain.run import Environment
from palmette.ir.check import check
from palmette.ir.dialects import Dialect
from palmette.runtime.delivery import OUTCOME

SCORED = Output(name="output", artifact=ArtifactType.METRICS, format="evaluation")
FIT = Step(name="fit", target="a:fit", outputs=(Output(name="output", parameter=ParameterType.DOUBLE),))
SCORE = Step(name="score", target="a:score", outputs=(SCORED,))


def compiled(algorithm: Algorithm, dialect: Dialect = Dialect.V2_0) -> Compiled:
    closures = {step.name: "c" for step in algorithm.steps}
    captured = Captured(bundle="b" * 64, closures=closures, environment=Environment(digest="e"), image="team:1")
    return compile_algorithm(algorithm, captured, dialect=dialect)


def task(name: str, step: Step, **arguments: Any) -> Task:
    return Task(name=name, step=step.name, arguments=arguments)


def tried() -> Algorithm:
    """Metrics outside, in a branch, in a loop, and in an exit task."""
    test = Comparison(left=FromTask(task="fit", output="output"), operator=Comparator.MORE, right=Constant(value=0.5))
    branch = When(name="condition-1", cases=(Case(name="condition-1", test=test, body=(task("score-2", SCORE),)),))
    items = Constant(value=[1, 2])
    loop = Each(name="for-loop-1", items=items, item=ParameterType.INTEGER, body=(task("score-3", SCORE),))
    inside = (task("fit", FIT), task("score", SCORE), branch, loop)
    guard = OnExit(name="exit-handler-1", body=(task("score-5", SCORE),), task=task("score-4", SCORE))
    return Algorithm(name="tried", target="a:tried", steps=(FIT, SCORE), tasks=(*inside, guard))


def test_each_dag_that_makes_metrics_has_an_outcome_which_is_never_cached() -> None:
    pipeline = compiled(tried()).document.pipeline
    dags = {"root": pipeline.root, **pipeline.components}
    found = {name: each.dag.tasks[NAME] for name, each in dags.items() if each.dag and NAME in each.dag.tasks}
    assert {name: each.dependent_tasks for name, each in found.items()} == {
        "root": ("score",),
        "comp-condition-1": ("score-2",),
        "comp-for-loop-1": ("score-3",),
        "comp-exit-handler-1": ("score-5",),
    }
    assert all(each.caching_options is not None and not each.caching_options.enable_cache for each in found.values())
    scopes = {pipeline.executors[f"exec-{each.component[5:]}"].container.args[0] for each in found.values()}  # type: ignore[union-attr]
    assert scopes == {*found}, "each says which DAG it is of"


def test_what_a_task_that_cannot_be_waited_for_makes_is_said_to_be_lost() -> None:
    warnings = [each for each in compiled(tried()).warnings if "mirrored" in each]
    assert warnings == ["what score-4 makes is not mirrored: it runs whatever became of the rest"]


@pytest.mark.parametrize("dialect", [each for each in Dialect if each is not Dialect.PALMETTE])
def test_every_dialect_takes_it(dialect: Dialect) -> None:
    assert list(check(compiled(tried(), dialect).document, dialect)) == []


def test_palmettes_own_engine_needs_none() -> None:
    assert NAME not in str(compiled(tried(), Dialect.PALMETTE).document.pipeline)


def test_a_name_that_is_taken_stays_whose_it_is() -> None:
    own = replace(SCORE, name="palmette_outcome")
    pipeline = compiled(Algorithm(name="a", target="a:a", steps=(own,), tasks=(task(own.name, own),))).document.pipeline
    assert pipeline.root.dag is not None
    assert {*pipeline.root.dag.tasks} == {NAME, f"{NAME}-2"}


def test_metrics_wait_for_nothing_that_comes_after_them_or_may_be_left_out() -> None:
    test = Comparison(left=FromTask(task="fit", output="output"), operator=Comparator.MORE, right=Constant(value=0.5))
    branch = When(name="condition-1", cases=(Case(name="condition-1", test=test, body=(task("extra", FIT),)),))
    flow = (
        task("fit", FIT),
        Task(name="score", step="score", after=("fit",)),
        Task(name="tell", step="fit", after=("score",)),
        branch,
        Task(name="maybe", step="fit", after=("condition-1",)),
    )
    dag = compiled(Algorithm(name="a", target="a:a", steps=(FIT, SCORE), tasks=flow)).document.pipeline.root.dag
    assert dag is not None
    waits = [each.dependent_tasks for key, each in dag.tasks.items() if key.startswith(NAME)]
    assert waits == [("fit", "score"), ("tell",), ("maybe",)]


def test_the_outcome_of_an_iteration_is_told_its_items() -> None:
    test = Comparison(left=FromItem(loop="for-loop-2"), operator=Comparator.MORE, right=Constant(value=1))
    branch = When(name="condition-1", cases=(Case(name="condition-1", test=test, body=(task("score", SCORE),)),))
    items = Constant(value=[1, 2])
    inner = Each(name="for-loop-2", items=items, item=ParameterType.INTEGER, body=(branch,))
    outer = Each(name="for-loop-1", items=items, item=ParameterType.INTEGER, body=(inner,))
    pipeline = compiled(Algorithm(name="a", target="a:a", steps=(SCORE,), tasks=(outer,))).document.pipeline
    dags = {name: each.dag.tasks for name, each in pipeline.components.items() if each.dag}
    said = dags["comp-condition-1"][NAME].inputs.parameters
    assert {*said} == {"for-loop-1", "for-loop-2"}
    around = dags["comp-for-loop-2"]["condition-1"].inputs.parameters
    assert {each.component_input_parameter for each in said.values()} <= {*around}, "they are handed in"
    assert list(check(compiled(Algorithm(name="a", target="a:a", steps=(SCORE,), tasks=(outer,))).document)) == []


def gathered(directory: Path, sources: dict[str, Any], files: dict[str, bytes], most: int) -> zipfile.ZipFile:
    """What the program makes of these files, started as a pod starts it."""
    for name, content in files.items():
        (directory / name).write_bytes(content)
    given = {name: {"artifacts": [{"uri": f"file://{directory}/{name}", "metadata": {"auc": 0.9}}]} for name in sources}
    target = directory / "made" / "outcome"
    asked = {
        "inputs": {"artifacts": given},
        "outputs": {"artifacts": {"outcome": {"artifacts": [{"uri": str(target)}]}}},
    }
    command = [sys.executable, "-c", OUTCOME, "root", json.dumps(sources), str(most), json.dumps(asked)]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return zipfile.ZipFile(io.BytesIO(target.read_bytes()))


def test_the_file_holds_what_there_is_room_for_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    sources = {
        "large": {"task": "a", "output": "output", "format": "evaluation"},
        "small": {"task": "b", "output": "output", "format": "metrics"},
        "secret": {"task": "c", "output": "output", "format": "metrics", "sensitive": True},
        "needed": {"task": "d", "output": "output", "format": "evaluation", "sensitive": True},
        "gone": {"task": "e", "output": "output", "format": "metrics"},
    }
    files = {"large": b"x" * 101, "small": b"123", "secret": b"name", "needed": b"y" * 90}
    with gathered(tmp_path, sources, files, most=100) as outcome:
        said = {each["task"]: each for each in json.loads(outcome.read("outcome.json"))["artifacts"]}
        kept = {task: outcome.read(each["file"]) for task, each in said.items() if "file" in each}
    assert kept == {"b": b"123", "d": b"y" * 90}
    assert {task: each["left"] for task, each in said.items() if "left" in each} == {
        "a": "101 bytes are more than there is room for",
        "c": "it is sensitive",
        "e": "its file is not there",
    }
    assert said["a"]["metadata"] == {"auc": 0.9}, "its numbers are known all the same"
    assert said["c"]["metadata"] == {}


def test_the_program_fits_beside_others_and_no_backend_replaces_anything_in_it() -> None:
    assert len(OUTCOME.encode()) <= 2560
    assert not any(sign in OUTCOME for sign in ("{{", "}}", "$("))
