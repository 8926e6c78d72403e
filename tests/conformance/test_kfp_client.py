"""KFP's own client and command before a server that executes: what is done, and what the client then sees."""

from __future__ import annotations

import base64
import inspect
import json
import tarfile
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import kfp
import pytest
from kfp import compiler
from tests.conformance import kfp_handed_in
from tests.conformance.conftest import Sdk
from tests.conformance.stranger import Stranger, stranger, told, why
from tests.conformance.test_kfp_environments import KFP, wheel

__all__ = ["stranger"]  # the fixture
pytestmark = pytest.mark.filterwarnings("ignore")
#: what `doubling` means
DOUBLED = {"state": "SUCCEEDED", "tasks": {"twice": 6, "text": "<6>"}}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packages") / "doubling.yaml"
    compiler.Compiler().compile(kfp_handed_in.doubling, str(path))
    return path


def executed(run: Any) -> set[str]:
    """The tasks that a process was started for."""
    return {task.display_name for task in run.run_details.task_details if task.pod_name}


class Everything:
    """Each public method of the client, called as it is meant to be, in this order; a method of the same name calls it
    and looks at what it does."""

    def __init__(self, seen: Stranger, package: Path) -> None:
        self.stranger, self.client, self.package = seen, seen.client, str(package)

    def get_kfp_healthz(self) -> None:
        assert self.client.get_kfp_healthz().multi_user is False

    def set_user_namespace(self) -> None:
        kept = kfp.Client._LOCAL_KFP_CONTEXT
        type(self.client)._LOCAL_KFP_CONTEXT = str(self.stranger.hosting.directory / "context.json")
        try:
            self.client.set_user_namespace("of-a-cluster")
            assert self.client.get_user_namespace() == "of-a-cluster"
        finally:
            type(self.client)._LOCAL_KFP_CONTEXT = kept

    def get_user_namespace(self) -> None:
        # What follows is asked with it, and one server has one: it is not looked at.
        assert self.client.get_user_namespace() == "of-a-cluster"

    def create_experiment(self) -> None:
        self.experiment = self.client.create_experiment("everything", description="of it").experiment_id

    def get_experiment(self) -> None:
        assert self.client.get_experiment(experiment_name="everything").experiment_id == self.experiment

    def list_experiments(self) -> None:
        listed = self.client.list_experiments(page_size=100).experiments
        assert self.experiment in {each.experiment_id for each in listed}

    def upload_pipeline(self) -> None:
        self.pipeline = self.client.upload_pipeline(self.package, "everything").pipeline_id

    def upload_pipeline_from_pipeline_func(self) -> None:
        made = self.client.upload_pipeline_from_pipeline_func(kfp_handed_in.doubling, "a function")
        assert made.display_name == "a function"

    def get_pipeline(self) -> None:
        assert self.client.get_pipeline(self.pipeline).display_name == "everything"

    def get_pipeline_id(self) -> None:
        assert self.client.get_pipeline_id("everything") == self.pipeline

    def list_pipelines(self) -> None:
        listed = self.client.list_pipelines(page_size=100).pipelines
        assert {"everything", "a function"} <= {each.display_name for each in listed}

    def upload_pipeline_version(self) -> None:
        made = self.client.upload_pipeline_version(self.package, "second", pipeline_id=self.pipeline)
        self.version = made.pipeline_version_id

    def upload_pipeline_version_from_pipeline_func(self) -> None:
        upload = self.client.upload_pipeline_version_from_pipeline_func
        self.third = upload(kfp_handed_in.doubling, "third", pipeline_name="everything").pipeline_version_id

    def get_pipeline_version(self) -> None:
        assert self.client.get_pipeline_version(self.pipeline, self.version).display_name == "second"

    def list_pipeline_versions(self) -> None:
        listed = self.client.list_pipeline_versions(self.pipeline).pipeline_versions
        assert [each.display_name for each in listed] == ["everything", "second", "third"]

    def run_pipeline(self) -> None:
        ids = {"pipeline_id": self.pipeline, "version_id": self.version}
        self.run = self.client.run_pipeline(self.experiment, "job", params={"x": 3}, **ids).run_id

    def wait_for_run_completion(self) -> None:
        assert self.client.wait_for_run_completion(self.run, timeout=60, sleep_duration=0.2).state == "SUCCEEDED"

    def get_run(self) -> None:
        assert told(self.client.get_run(self.run), "t") == DOUBLED

    def create_run_from_pipeline_func(self) -> None:
        started = self.client.create_run_from_pipeline_func(kfp_handed_in.doubling, {"x": 3}, enable_caching=False)
        run = self.stranger.ended(started.run_id)
        assert (told(run, "t"), executed(run)) == (DOUBLED, {"twice", "text"})

    def create_run_from_pipeline_package(self) -> None:
        start = self.client.create_run_from_pipeline_package
        run = self.stranger.ended(start(self.package, {"x": 3}, enable_caching=True).run_id)
        assert (told(run, "t"), executed(run)) == (DOUBLED, set()), "all of it is known from before"

    def list_runs(self) -> None:
        listed = self.client.list_runs(experiment_id=self.experiment).runs
        assert [each.run_id for each in listed] == [self.run]

    def archive_run(self) -> None:
        self.client.archive_run(self.run)
        found = {"predicates": [{"operation": "EQUALS", "key": "storage_state", "stringValue": "ARCHIVED"}]}
        listed = self.client.list_runs(experiment_id=self.experiment, filter=json.dumps(found)).runs
        assert [each.run_id for each in listed] == [self.run]

    def unarchive_run(self) -> None:
        self.client.unarchive_run(self.run)
        assert self.client.get_run(self.run).storage_state == "AVAILABLE"

    def delete_run(self) -> None:
        self.client.delete_run(self.run)
        assert self.client.list_runs(experiment_id=self.experiment).runs is None

    def terminate_run(self) -> None:
        gate = str(self.stranger.hosting.directory / "never")
        run = self.client.create_run_from_pipeline_func(kfp_handed_in.waiting, {"gate": gate}).run_id
        self.stranger.hosting.until(lambda: self.client.get_run(run).run_details.task_details[0].state == "RUNNING")
        self.client.terminate_run(run)
        ended = self.client.wait_for_run_completion(run, timeout=60, sleep_duration=0.2)
        assert told(ended, "waits") == {"state": "FAILED", "tasks": {"waits": "CANCELED"}}

    def create_recurring_run(self) -> None:
        """One that is due each second really begins each second, and each run is told which it is."""
        of = {"pipeline_id": self.stamped, "version_id": self.stamps}
        create, params = self.client.create_recurring_run, {"when": "[[ScheduledTime]] [[Index]]"}
        made = create(self.experiment, "often", interval_second=1, params=params, max_concurrency=3, **of)
        self.recurring = made.recurring_run_id
        self.stranger.hosting.until(lambda: len(self.stamps_seen()) >= 2)
        first, second, *_ = sorted(self.stamps_seen())
        assert (first.split()[1], second.split()[1]) == ("1", "2")
        assert first.split()[0] < second.split()[0]

    @property
    def stamped(self) -> str:
        known: str | None = self.client.get_pipeline_id("stamped")
        return known or self.client.upload_pipeline_from_pipeline_func(kfp_handed_in.stamped).pipeline_id

    @property
    def stamps(self) -> str:
        (version,) = self.client.list_pipeline_versions(self.stamped).pipeline_versions
        found: str = version.pipeline_version_id
        return found

    def stamps_seen(self) -> set[str]:
        """What the runs that are over gave."""
        listed = self.client.list_runs(experiment_id=self.experiment, page_size=100).runs or []
        good = [self.client.get_run(each.run_id) for each in listed if each.state == "SUCCEEDED"]
        return {told(each, "t")["tasks"]["text"] for each in good}

    def get_recurring_run(self) -> None:
        shown = self.client.get_recurring_run(self.recurring)
        assert (shown.status, shown.trigger.periodic_schedule.interval_second) == ("ENABLED", "1")

    def list_recurring_runs(self) -> None:
        listed = self.client.list_recurring_runs(experiment_id=self.experiment).recurring_runs
        assert [each.recurring_run_id for each in listed] == [self.recurring]

    def disable_recurring_run(self) -> None:
        self.client.disable_recurring_run(self.recurring)
        assert self.client.get_recurring_run(self.recurring).status == "DISABLED"

    def enable_recurring_run(self) -> None:
        self.client.enable_recurring_run(self.recurring)
        assert self.client.get_recurring_run(self.recurring).status == "ENABLED"

    def disable_job(self) -> None:
        self.client.disable_job(self.recurring)
        assert self.client.get_recurring_run(self.recurring).status == "DISABLED"

    def enable_job(self) -> None:
        self.client.enable_job(self.recurring)
        assert self.client.get_recurring_run(self.recurring).status == "ENABLED"

    def delete_recurring_run(self) -> None:
        self.client.delete_recurring_run(self.recurring)
        assert self.client.list_recurring_runs(experiment_id=self.experiment).recurring_runs is None

    def delete_job(self) -> None:
        of = {"pipeline_id": self.pipeline, "version_id": self.version}
        made = self.client.create_recurring_run(self.experiment, "each night", cron_expression="0 0 3 * * *", **of)
        self.client.delete_job(made.recurring_run_id)
        assert self.client.list_recurring_runs(experiment_id=self.experiment).recurring_runs is None

    def delete_pipeline_version(self) -> None:
        for version in self.client.list_pipeline_versions(self.pipeline).pipeline_versions:
            self.client.delete_pipeline_version(self.pipeline, version.pipeline_version_id)
        assert self.client.list_pipeline_versions(self.pipeline).pipeline_versions is None

    def delete_pipeline(self) -> None:
        self.client.delete_pipeline(self.pipeline)
        assert self.client.get_pipeline_id("everything") is None

    def archive_experiment(self) -> None:
        self.client.archive_experiment(self.experiment)
        assert self.client.get_experiment(self.experiment).storage_state == "ARCHIVED"

    def unarchive_experiment(self) -> None:
        self.client.unarchive_experiment(self.experiment)
        assert self.client.get_experiment(self.experiment).storage_state == "AVAILABLE"

    def delete_experiment(self) -> None:
        self.client.delete_experiment(self.experiment)
        listed = self.client.list_experiments(page_size=100).experiments or []
        assert "everything" not in {each.display_name for each in listed}


def test_every_public_method_of_the_client_does_what_it_does_on_a_cluster(stranger: Stranger, package: Path) -> None:
    methods = {name for name, _ in inspect.getmembers(kfp.Client, inspect.isfunction) if not name.startswith("_")}
    steps = [name for name in vars(Everything) if name in methods]
    assert set(steps) == methods
    everything = Everything(stranger, package)
    for name in steps:
        getattr(everything, name)()


def test_a_package_is_taken_in_every_form(stranger: Stranger, package: Path, tmp_path: Path) -> None:
    as_json, as_zip, as_tar = tmp_path / "p.json", tmp_path / "p.zip", tmp_path / "p.tar.gz"
    compiler.Compiler().compile(kfp_handed_in.doubling, str(as_json))
    with zipfile.ZipFile(as_zip, "w") as archive:
        archive.write(package, "pipeline.yaml")
    with tarfile.open(as_tar, "w:gz") as packed:
        packed.add(package, "pipeline.yaml")
    experiment = stranger.client.create_experiment("forms").experiment_id
    for path in (package, as_json, as_zip, as_tar):
        made = stranger.client.upload_pipeline(str(path), f"as {path.suffix}")
        (version,) = stranger.client.list_pipeline_versions(made.pipeline_id).pipeline_versions
        ids = {"pipeline_id": made.pipeline_id, "version_id": version.pipeline_version_id}
        run = stranger.client.run_pipeline(experiment, path.name, params={"x": 3}, **ids).run_id
        assert told(stranger.ended(run), "t") == DOUBLED, path


def test_what_a_task_made_is_read(stranger: Stranger, package: Path) -> None:
    run = stranger.ended(stranger.start(package, x=2))
    (task,) = (each for each in run.run_details.task_details if each.display_name == "twice")
    (number,) = task.outputs["rows"].artifact_ids
    assert int(number) > 0
    assert task.inputs["x"].artifact_ids == ["2"]
    read = stranger.server.ask("GET", f"/runs/{run.run_id}/nodes/{task.task_id}/artifacts/rows:read")
    assert base64.b64decode(read["data"]) == b"row\nrow\n"


def test_a_run_that_failed_is_retried_and_keeps_what_was_good(stranger: Stranger) -> None:
    gate = stranger.hosting.directory / "needed"
    start = stranger.client.create_run_from_pipeline_func
    failed = stranger.ended(start(kfp_handed_in.needing, {"gate": str(gate)}).run_id)
    assert (failed.state, failed.error.message) == ("FAILED", "needs failed: exit code 1")
    gate.touch()
    stranger.client.runs.run_service_retry_run(failed.run_id)
    again = stranger.ended(failed.run_id)
    assert told(again, "") == {"state": "SUCCEEDED", "tasks": {"text": str(gate), "needs": "done"}}
    jobs = {task.display_name: task.executor_detail for task in again.run_details.task_details}
    assert jobs["text"].failed_main_jobs is None
    assert len(jobs["needs"].failed_main_jobs) == 1


def test_a_component_finds_the_packages_that_it_asks_for(tmp_path: Path) -> None:
    """Without a network: from a directory of wheels."""
    found = metadata.files("kfp") or []
    sources = {str(each): each.locate().read_bytes() for each in found if str(each).startswith("kfp/dsl/")}  # type: ignore[attr-defined]
    wheel(tmp_path / "wheels", "kfp", KFP, {path: data for path, data in sources.items() if path.endswith(".py")})
    wheel(tmp_path / "wheels", "probe", "1.2", {"probe.py": b"found = True\n"})
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    made = Stranger.at(tmp_path / "hosting", environment=offline)
    try:
        start = made.client.create_run_from_pipeline_func
        run = made.ended(start(kfp_handed_in.probing).run_id)
        assert told(run, "") == {"state": "SUCCEEDED", "tasks": {"probed": True}}
    finally:
        made.hosting.close()


@pytest.mark.parametrize("version", ["2.0", "2.5", "2.14"])
def test_an_older_sdk_compiles_hands_in_and_waits(sdk: Callable[[str], Sdk], tmp_path: Path, version: str) -> None:
    older, place = sdk(version), tmp_path / "places"
    place.mkdir()
    older.run("kfp_blocks.py", tmp_path, "6")
    packages = sorted(tmp_path.glob("*.yaml"))
    made = Stranger.at(tmp_path / "hosting", "--python", older.python)
    try:
        said = json.loads(older.run("kfp_hands_in.py", made.server.url, place, *packages).splitlines()[-1])
        assert len(said) == 6
        for name, (run, state) in said.items():
            means = json.loads((tmp_path / f"{name}.json").read_text())
            ended = made.ended(run)
            assert (name, state, told(ended)) == (name, means["state"], means), why(ended)
    finally:
        made.hosting.close()
