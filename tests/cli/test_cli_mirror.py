"""`palmette mirror`: runs that a Kubeflow executed, in homes here and there, beside any other run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.standins.kubeflow import Executing, Kubeflow

from palmette.domain.footer import signed

kfp = pytest.importorskip("kfp")
models = pytest.importorskip("kfp_server_api")
# The official client warns of itself when it is imported and when it is made.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from conftest import Hub, Project

COMMIT = "a" * 40
WARDS = """
    import time
    from dataclasses import dataclass
    from palmette import HTML, Evaluation, Metric, Metrics, algorithm, each, log_metric, step
    from sklearn.metrics import accuracy_score

    @dataclass(frozen=True)
    class Config:
        right: int = 60
        rows: int = 100
        share: float = 1.0

    @step
    def draw(rows: int) -> list[int]:
        while rows < 0:
            time.sleep(0.1)
        return [each % 2 for each in range(rows)]

    @step
    def evaluate(labels: list[int], right: int) -> Evaluation:
        for epoch in range(3):
            log_metric("loss", right / (epoch + 1), step=epoch)
        predictions = [each if at < right else 1 - each for at, each in enumerate(labels)]
        return Evaluation(
            metrics={"accuracy": accuracy_score(labels, predictions)},
            labels=labels,
            predictions=predictions,
            keys=[f"patient-{at}" for at in range(len(labels))],
        )

    @step
    def count(labels: list[int]) -> Metrics:
        return Metrics(examples=len(labels))

    @step
    def fold(labels: list[int], number: int, share: float) -> Metrics:
        return Metrics(part=share * (number + 1))

    @step
    def tell(evaluation: Evaluation) -> HTML:
        return HTML(f"<b>{evaluation.metrics['accuracy']}</b>")

    @step
    def keep(labels: list[int]) -> bytes:
        return bytes(2 << 20)

    @algorithm(
        config=Config,
        presets={"toy": Config(rows=10, right=5)},
        metrics=[Metric("accuracy", of=accuracy_score, goal="max", primary=True, tolerance=0.01), Metric("examples")],
    )
    def wards(config: Config) -> None:
        labels = draw(config.rows)
        tell(evaluate(labels, config.right))
        count(labels)
        keep(labels)
        for number in each([0, 1]):
            fold(labels, number, config.share)
"""
# A function of this name is known, and then the examples decide. The project's own: nothing need be installed.
METRICS = """
    def accuracy_score(labels, predictions):
        return sum(a == b for a, b in zip(labels, predictions)) / len(labels)
"""


@pytest.fixture(scope="module")
def executing(tmp_path_factory: pytest.TempPathFactory, user: dict[str, str]) -> Iterator[Executing]:
    top = tmp_path_factory.mktemp("cluster")
    (top / "run").mkdir(mode=0o700)
    own = {"HOME": top, "XDG_RUNTIME_DIR": top / "run", "XDG_CACHE_HOME": top / "cache", "XDG_CONFIG_HOME": top / "c"}
    executing = Executing(top, {**user, **{name: str(path) for name, path in own.items()}, "PALMETTE_IDLE": "5"})
    yield executing
    executing.stop()


@pytest.fixture
def kubeflow(executing: Executing) -> Iterator[Kubeflow]:
    kubeflow = Kubeflow(executing.url)
    yield kubeflow
    kubeflow.stop()


class Team:
    """What a team does with a cluster through the official client."""

    def __init__(self, kubeflow: Kubeflow, root: Path, context: Path) -> None:
        kept = kfp.Client._LOCAL_KFP_CONTEXT
        kfp.Client._LOCAL_KFP_CONTEXT = str(context)
        try:
            self.client = kfp.Client(host=kubeflow.url)
        finally:
            kfp.Client._LOCAL_KFP_CONTEXT = kept
        self.root = root

    def upload(self, package: Path) -> None:
        facts = {"project": "tiny", "algorithm": "wards", "branch": "main", "commit": COMMIT}
        said = signed("", {"project": "tiny", "branch": "main", "tickets": ["IA-7"]})
        self.experiment = self.client.create_experiment("main", description=said).experiment_id
        pipeline = self.client.upload_pipeline(str(package), "wards").pipeline_id
        version = self.client.upload_pipeline_version(
            str(package), "main@aaaaaaaa", pipeline_id=pipeline, description=signed("", facts)
        )
        self.version = models.V2beta1PipelineVersionReference(
            pipeline_id=pipeline, pipeline_version_id=version.pipeline_version_id
        )

    def run(self, name: str, **parameters: Any) -> Any:
        """A run that is over."""
        found = self.client.wait_for_run_completion(self.begin(name, **parameters), timeout=120, sleep_duration=0.2)
        assert found.state == "SUCCEEDED", found.error
        return found

    def begin(self, name: str, **parameters: Any) -> str:
        """The identifier of a run that was handed in."""
        config = models.V2beta1RuntimeConfig(parameters=parameters, pipeline_root=self.root.as_uri())
        said = signed("begun by hand", {"project": "tiny", "key": name})
        wanted = models.V2beta1Run(
            display_name=name,
            description=said,
            experiment_id=self.experiment,
            pipeline_version_reference=self.version,
            runtime_config=config,
        )
        begun: str = self.client.runs.run_service_create_run(wanted).run_id
        return begun


def known(project: Project, run: str, other: str) -> dict[str, Any]:
    """What is known here of what a run made, and how it compares with another one."""
    shown, found = project.show(run), project.json("diff", run, other)
    curves = {name: [(each["step"], each["value"]) for each in points] for name, points in shown["curves"].items()}
    tasks = {task["name"]: (task["parameters"], task["artifacts"]) for task in shown["tasks"]}
    return {
        "metrics": shown["metrics"],
        "curves": curves,
        "tasks": {name: made for name, made in tasks.items() if name != "keep"},
        "compared": (found["verdict"], found["decided_by"], found["numbers"]),
    }


def test_runs_of_a_kubeflow_are_compared_like_any_other(
    bare: Project, kubeflow: Kubeflow, hub: Hub, tmp_path: Path
) -> None:
    bare.write("algorithms/wards.py", WARDS)
    bare.write("sklearn/__init__.py", "")
    bare.write("sklearn/metrics.py", METRICS)
    settings = (bare.directory / "pyproject.toml").read_text()
    target = f'image = "team/tiny:1"\n\n[tool.palmette.targets.cluster]\nhost = "{kubeflow.url}"\n'
    bare.write("pyproject.toml", settings + target)
    bare("compile", "wards", "--dialect", "2.0", "-o", "wards.yaml")
    team = Team(kubeflow, tmp_path / "root", tmp_path / "context.json")
    team.upload(bare.directory / "wards.yaml")
    team.run("baseline")

    [first] = bare.json("mirror")["runs"]
    assert (first["algorithm"], first["state"], first["lost"]) == ("wards", "succeeded", [])

    # The second time, `count` is not executed, and its outcome stands below the pipeline root alone.
    kubeflow.artifacts = False
    nodes = team.run("head", right=90).run_details.task_details
    pods = {node.task_id: node.state for node in nodes}
    assert {pods[node.child_tasks[0].pod_name] for node in nodes if node.display_name == "count"} == {"SKIPPED"}
    assert [each for node in nodes for each in (node.inputs, node.outputs) if each] == [], "a cluster tells of none"
    [line] = bare("mirror").out.splitlines()
    head = bare.show()
    assert line.split() == [head["run_id"], "wards", "succeeded"], "what is over is brought once"

    assert head["metrics"] == {"accuracy": 0.9, "examples": 100.0, "loss": 30.0, "part": 2.0}
    folds = {"fold[0]": "cached", "fold[1]": "cached"}
    reused = {"count": "cached", "keep": "cached", **folds}
    assert head.states == {"draw": "succeeded", "evaluate": "succeeded", "tell": "succeeded", **reused}
    made = {task["name"]: task["artifacts"] for task in head["tasks"]}
    assert [made[name]["output"]["metadata"]["part"] for name in folds] == [1.0, 2.0]
    assert repr(head["config"]) == "{'right': 90, 'rows': 100, 'share': 1.0}"
    assert [name for name, each in head["provenance"].items() if each["source"] == "override"] == ["right"]
    assert (head["preset"], head["version"], head["trigger"]) == ("full", "main@aaaaaaaa", "ci")
    assert (head["git"]["branch"], head["git"]["commit"]) == ("main", COMMIT)
    good = bare.json("runs", "ticket = IA-7 and metric.accuracy > 0.8")
    assert [each["run_id"] for each in good] == [head["run_id"]]

    found = bare.json("diff")
    assert (found["verdict"], found["decided_by"]) == ("better", "accuracy")
    assert found["metrics"][0]["judged"]["evidence"]["method"] == "McNemar", "the examples decide"
    assert found["unknown"] == ["data"]

    here = bare("run", "wards", "right=90", "--json").json["run_id"]
    assert known(bare, head["run_id"], first["run_id"]) == known(bare, here, first["run_id"])
    assert head["notices"][1:] == ["left there, being large or no single file: keep.output"]

    assert f"it is executed on cluster ({kubeflow.url})" in bare("logs", head["run_id"], code=1).err

    there = hub.of(tmp_path / "there")
    brought = bare.json("mirror", "--on", there)["runs"]
    assert {each["run_id"] for each in brought} == {first["run_id"], head["run_id"]}
    assert bare.json("show", head["run_id"], "--on", there)["metrics"] == head["metrics"]
    assert bare.json("diff", "--on", there)["metrics"] == found["metrics"]

    endless = team.begin("endless", rows=-1)
    [live] = bare.json("mirror")["runs"]
    bare("cancel", live["run_id"])
    team.client.wait_for_run_completion(endless, timeout=120, sleep_duration=0.2)
    bare("mirror")
    assert bare.show(live["run_id"])["state"] == "canceled"
