"""Files that a config names, lowered to importers."""

from __future__ import annotations

from palmette.compile.containers import Captured
from palmette.compile.pipeline import Compiled, compile_algorithm
from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Case,
    Comparator,
    Comparison,
    Constant,
    Field,
    FromFile,
    FromParameter,
    Input,
    Node,
    ParameterType,
    Reading,
    Step,
    Task,
    When,
)
from palmette.domain.run import Environment
from palmette.ir.dialects import Dialect

READ = Step(name="importer", target="app:importer", inputs=(Input(name="table", artifact=ArtifactType.ARTIFACT),))
LABELS = Field(name="labels", type=ParameterType.STRING, reading=Reading.FILE, default="data/labels.csv")
REMOTE = Field(name="scans", type=ParameterType.STRING, reading=Reading.FILE, default="s3://bucket/scans")


def task(name: str, file: str) -> Task:
    return Task(name=name, step="importer", arguments={"table": FromFile(parameter=file)})


def compiled(*nodes: Node, dialect: Dialect = Dialect.V2_17) -> Compiled:
    algorithm = Algorithm(name="a", target="app:a", config=(LABELS, REMOTE), steps=(READ,), tasks=nodes)
    captured = Captured(
        bundle="0" * 64, archive=b"", closures={"importer": "1" * 64}, environment=Environment(), image="x"
    )
    return compile_algorithm(algorithm, captured, dialect=dialect)


def test_each_file_is_imported_once_as_the_sdk_writes_it() -> None:
    pipeline = compiled(task("one", "labels"), task("two", "labels"), task("three", "scans")).document.pipeline
    assert pipeline.root.dag is not None
    tasks = pipeline.root.dag.tasks
    assert set(tasks) == {"import-labels", "import-scans", "one", "two", "three", "palmette-outcome"}
    assert tasks["palmette-outcome"].dependent_tasks == ("one", "three", "two"), "nothing is kept of an import"
    imported = tasks["import-labels"]
    assert imported.inputs.parameters["uri"].component_input_parameter == "labels"
    label = pipeline.components[imported.component].executor_label
    importer = pipeline.executors[label].importer
    assert importer is not None
    assert importer.artifact_uri_parameter == "uri"
    assert pipeline.executors[label].container is None
    given = tasks["two"].inputs.artifacts["table"].task_output_artifact
    assert given is not None
    assert (given.producer_task, given.output_artifact_key) == ("import-labels", "artifact")
    assert tasks["two"].dependent_tasks == ("import-labels",)


def test_a_file_that_a_branch_needs_is_imported_outside_of_it() -> None:
    test = Comparison(left=FromParameter(parameter="labels"), operator=Comparator.EQUAL, right=Constant(value="x"))
    branch = When(name="condition-1", cases=(Case(name="condition-1", test=test, body=(task("one", "labels"),)),))
    pipeline = compiled(branch).document.pipeline
    assert pipeline.root.dag is not None
    assert set(pipeline.root.dag.tasks) == {"import-labels", "condition-1"}
    assert pipeline.root.dag.tasks["condition-1"].inputs.artifacts


def test_a_path_that_no_cluster_has_is_said_and_a_uri_is_not() -> None:
    said = [warning for warning in compiled(task("one", "labels")).warnings if "no cluster has" in warning]
    assert len(said) == 1
    assert said[0].startswith("config.labels is 'data/labels.csv'")
    here = compiled(task("one", "labels"), dialect=Dialect.PALMETTE)
    assert not any("no cluster has" in warning for warning in here.warnings)
