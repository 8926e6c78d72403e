"""A Kubeflow's runs, look after look: what goes on, was canceled, is nobody's, or cannot be read just now."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.standins.kubeflow import Kubeflow

from palmette.compile.containers import Captured
from palmette.compile.pipeline import compile_algorithm
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.footer import signed
from palmette.domain.graph import Algorithm, ArtifactType, Output, Step, Task
from palmette.domain.run import Attempt, AttemptEnded, AttemptStarted, Environment, RunChanged, TaskChanged
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.errors import Conflict
from palmette.ir import codec
from palmette.operations import canceling, reading
from palmette.operations.cluster import mirroring, terminating
from palmette.operations.cluster.kubeflow import reach
from palmette.operations.cluster.mirroring import Mirrored, Wanted
from palmette.operations.home import hold, serve_home
from palmette.operations.hosts import Order
from palmette.operations.places import Here
from palmette.operations.project import Project, find
from palmette.operations.targets import Target
from palmette.store import leases
from palmette.store.ledger import RunLedger

if TYPE_CHECKING:
    from conftest import Served, Serving

pytest.importorskip("kfp")
# The official client warns of itself when it is imported and when it is made.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def behind(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without a worker: its runs do what a test says."""
    served = serving.start(serve_home(tmp_path_factory.mktemp("behind"), None))
    yield served
    served.home.store.close()


@pytest.fixture
def kubeflow(behind: Served) -> Iterator[Kubeflow]:
    found = Kubeflow(behind.url)
    yield found
    found.stop()


class Looking:
    """A project's home, and the cluster that it looks at."""

    def __init__(self, kubeflow: Kubeflow, directory: Path) -> None:
        directory.mkdir()
        target = f'[tool.palmette.targets.cluster]\nhost = "{kubeflow.url}"\n'
        (directory / "pyproject.toml").write_text(f'[tool.palmette]\nname = "{directory.name}"\n{target}')
        self.project: Project = find(directory, {})
        self.place = Here(self.project).begun()
        self.host = reach(Target(name="cluster", host=kubeflow.url), {})

    def __call__(self, *, now: float | None = None, **wanted: Any) -> Mirrored:
        clock = time.time if now is None else lambda: now
        return mirroring.mirror(self.place, self.host, self.project, {}, wanted=Wanted(**wanted), now=clock)

    def begin(self, document: bytes, **facts: str) -> str:
        """A run of a new pipeline; its identifier there."""
        name = f"job-{time.monotonic_ns()}"
        pipeline = self.host.pipelines.create(name, description="")
        version = self.host.pipelines.add(pipeline.id, "v1", document, description="")
        said = signed("", facts) if facts else ""
        return self.host.runs.begin(Order(name=name, description=said, pipeline=pipeline.id, version=version.id)).id

    def state(self, run: str) -> RunState:
        return self.place(reading.show, run).run.state


@pytest.fixture
def look(kubeflow: Kubeflow, tmp_path: Path) -> Iterator[Looking]:
    found = Looking(kubeflow, tmp_path / f"ia{time.monotonic_ns()}")
    yield found
    found.place.home.store.close()


def pipeline() -> bytes:
    """A step that measures, and what gathers that."""
    output = Output(name="output", artifact=ArtifactType.METRICS, format="metrics")
    step = Step(name="score", target="a:score", outputs=(output,))
    captured = Captured(
        bundle="b" * 64, archive=b"", closures={"score": "c"}, environment=Environment(digest="e"), image="i:1"
    )
    algorithm = Algorithm(name="job", target="a:job", steps=(step,), tasks=(Task(name="score", step="score"),))
    return codec.dumps(compile_algorithm(algorithm, captured, dialect="2.0").document).encode()


def succeed(behind: Served, run: str) -> None:
    """Let the run end as if its tasks had been executed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("0", b'{"auc": 0.75}')
        entry = {"task": "score", "output": "output", "format": "metrics", "file": "0"}
        target.writestr("outcome.json", json.dumps({"schema": 1, "scope": "root", "artifacts": [entry]}))
    digest = behind.home.blobs.put_bytes(file.getvalue())
    outcome = Artifact(type="system.Artifact", digest=digest, size=len(file.getvalue()), filename="outcome")
    lease = hold(behind.home, run, "here")
    ledger = RunLedger(behind.home.store, lease, behind.home.blobs.exists)
    now = time.time()
    ledger.record([RunChanged(state=RunState.RUNNING, time=now)])
    for name, outputs in (("score", Outputs()), ("palmette-outcome", Outputs(artifacts={"outcome": outcome}))):
        attempt = Attempt(serial=1, number=1, state=AttemptState.RUNNING, how="process", started=now)
        over = replace(attempt, state=AttemptState.SUCCEEDED, ended=now, exit_code=0)
        states = (TaskState.QUEUED, TaskState.RUNNING)
        ledger.record([*(TaskChanged(task=name, state=each, time=now) for each in states)])
        ledger.record([AttemptStarted(task=name, attempt=attempt), AttemptEnded(task=name, attempt=over)])
        ledger.record([TaskChanged(task=name, state=TaskState.SUCCEEDED, time=now, outputs=outputs)])
    ledger.record([RunChanged(state=RunState.SUCCEEDED, time=now)])
    leases.release(behind.home.store, lease)


@pytest.mark.parametrize("ended", ["FAILED", "CANCELED"])
def test_a_run_that_is_canceled_there_was_live_here_and_is_over_then(
    look: Looking, kubeflow: Kubeflow, ended: str
) -> None:
    kubeflow.ended = ended
    id = look.begin(pipeline(), project=look.project.name, algorithm="job", branch="feat/x", commit="b" * 40)
    [brief] = look().brought
    shown = look.place(reading.show, brief.run)
    assert (shown.run.state, shown.interrupted, shown.run.git.branch) == (RunState.PENDING, False, "feat/x")
    with pytest.raises(Conflict, match="it is executed on cluster"):
        look.place(canceling.cancel, brief.run)

    look.host.runs.cancel(id)
    assert [each.run for each in look().brought] == [brief.run]
    assert look.state(brief.run) is RunState.CANCELED
    assert look().brought == (), "what is over is brought once"


def test_a_run_of_one_of_the_projects_clusters_is_canceled_from_here(look: Looking) -> None:
    id = look.begin(pipeline(), project=look.project.name, algorithm="job")
    [brief] = look().brought
    nobodys = replace(look.project, targets={})
    assert terminating.terminate(look.place, nobodys, {}, brief.run) is None
    assert look.host.runs.get(id).state is RunState.PENDING, "nothing was done"

    found = terminating.terminate(look.place, look.project, {}, brief.run)
    assert found is not None
    assert (found.id, found.state) == (brief.run, RunState.CANCELED)
    assert look.host.runs.get(id).state is RunState.CANCELED


def test_of_runs_that_two_jobs_began_at_once_the_one_that_was_kept_is_brought(look: Looking) -> None:
    facts = {"project": look.project.name, "algorithm": "job", "key": look.project.name}
    kept, twin = (look.begin(pipeline(), **facts) for _ in range(2))
    look.host.runs.cancel(twin)
    assert [each.id for each in look().brought] == [kept]
    assert [each.id for each in look().brought] == [kept], "it goes on, and the other one stays out"


def test_runs_of_other_projects_are_left_alone_and_those_of_none_are_asked_for(look: Looking) -> None:
    look.begin(pipeline(), project="another", algorithm="job")
    nobodys = look.begin(pipeline())
    assert look().brought == ()
    found = look(everything=True)
    assert nobodys in [each.id for each in found.brought]
    assert all(look.place(reading.show, each.run).run.project == look.project.name for each in found.brought)
    assert look(since=time.time() + 60, everything=True).foreign == 0


def test_a_run_is_not_over_here_while_what_it_measured_may_still_be_read(
    look: Looking, kubeflow: Kubeflow, behind: Served
) -> None:
    id = look.begin(pipeline(), project=look.project.name, algorithm="job")
    succeed(behind, id)
    kubeflow.busy = True
    [brief] = look().brought
    assert (look.state(brief.run), len(brief.lost)) == (RunState.RUNNING, 1)

    kubeflow.busy = False
    assert [each.lost for each in look().brought] == [()]
    shown = look.place(reading.show, brief.run)
    assert (shown.run.state, shown.metrics) == (RunState.SUCCEEDED, {"auc": 0.75})


def test_what_cannot_be_read_for_long_is_given_up_with_a_notice(
    look: Looking, kubeflow: Kubeflow, behind: Served
) -> None:
    succeed(behind, look.begin(pipeline(), project=look.project.name, algorithm="job"))
    kubeflow.busy = True
    [brief] = look(now=time.time() + 7200).brought
    shown = look.place(reading.show, brief.run)
    assert shown.run.state is RunState.SUCCEEDED
    assert shown.run.notices[1:] == brief.lost
    assert "cannot be read" in brief.lost[0]
