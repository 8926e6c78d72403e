"""KFP's own client, unchanged, against the server: every public method of it, and what it hangs its services on."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.run import Attempt as AttemptRecord
from palmette.domain.run import AttemptEnded, AttemptStarted, Run, RunChanged, TaskChanged, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.operations.home import hold
from palmette.store import leases, runs
from palmette.store.ledger import RunLedger

kfp = pytest.importorskip("kfp")
# The official client warns of itself when it is imported and when it is made.
pytestmark = pytest.mark.filterwarnings("ignore")


def fresh(word: str) -> str:
    """A name that no other test has."""
    return f"{word}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def client(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client with a context file of its own: nobody's real one is read or written."""
    kept = kfp.Client._LOCAL_KFP_CONTEXT
    kfp.Client._LOCAL_KFP_CONTEXT = str(tmp_path_factory.mktemp("kfp") / "context.json")
    try:
        yield kfp.Client(host=server.url)
    finally:
        kfp.Client._LOCAL_KFP_CONTEXT = kept


@pytest.fixture(scope="module")
def uploaded(client: Any, pipeline_file: Path) -> tuple[str, str]:
    """A pipeline with two versions: its id, and the second one's."""
    pipeline = client.upload_pipeline(str(pipeline_file), fresh("adding"), description="a + b, twice")
    version = client.upload_pipeline_version(str(pipeline_file), "second", pipeline_id=pipeline.pipeline_id)
    return pipeline.pipeline_id, version.pipeline_version_id


def refused(status: int, call: Callable[..., Any], *arguments: Any, **named: Any) -> dict[str, Any]:
    """The body of the answer that the call is refused with."""
    from kfp_server_api import ApiException

    with pytest.raises(ApiException) as caught:
        call(*arguments, **named)
    assert caught.value.status == status
    body: dict[str, Any] = json.loads(caught.value.body)
    return body


def where(key: str, operation: str, value: str) -> str:
    return json.dumps({"predicates": [{"operation": operation, "key": key, "stringValue": value}]})


def test_the_client_finds_a_server_for_one_user(client: Any) -> None:
    health = client.get_kfp_healthz()
    assert (health.multi_user, health.pipeline_store) == (False, "database")
    assert client.get_user_namespace() == ""
    client.auths.auth_service_authorize()


def test_an_experiment_is_made_once_found_archived_and_deleted(client: Any) -> None:
    name = fresh("trials")
    made = client.create_experiment(name, description="of doses", namespace="a-cluster's")
    assert client.create_experiment(name).experiment_id == made.experiment_id
    assert (made.display_name, made.description, made.storage_state) == (name, "of doses", "AVAILABLE")
    assert made.last_run_created_at.timestamp() == 0
    assert client.get_experiment(experiment_name=name).experiment_id == made.experiment_id
    client.archive_experiment(made.experiment_id)
    assert client.get_experiment(made.experiment_id).storage_state == "ARCHIVED"
    listed = client.list_experiments(page_size=200, filter=where("storage_state", "EQUALS", "ARCHIVED"))
    assert {each.storage_state for each in listed.experiments} == {"ARCHIVED"}
    client.unarchive_experiment(made.experiment_id)
    client.delete_experiment(made.experiment_id)
    assert refused(404, client.get_experiment, made.experiment_id)["code"] == 5
    default = client.create_experiment("Default")
    assert "cannot be deleted" in refused(400, client.delete_experiment, default.experiment_id)["message"]


def test_a_pipeline_and_its_versions_are_uploaded_found_and_deleted(client: Any, pipeline_file: Path) -> None:
    name = fresh("a + b & more")
    made = client.upload_pipeline(str(pipeline_file), name, description="twice")
    assert (made.name, made.display_name, made.description) == (name, name, "twice")
    taken = refused(409, client.upload_pipeline, str(pipeline_file), name)
    assert name in taken["error_message"]
    assert client.get_pipeline_id(name) == made.pipeline_id
    assert client.get_pipeline_id(fresh("nobody's")) is None
    assert client.get_pipeline(made.pipeline_id).name == name
    assert client.pipelines.pipeline_service_get_pipeline_by_name(name).pipeline_id == made.pipeline_id
    second = client.upload_pipeline_version(str(pipeline_file), "second", pipeline_name=name, description="better")
    assert second.pipeline_spec["pipelineInfo"] == {"name": "adding"}
    versions = client.list_pipeline_versions(made.pipeline_id, sort_by="created_at desc").pipeline_versions
    assert [each.name for each in versions] == ["second", name]
    shown = client.get_pipeline_version(made.pipeline_id, second.pipeline_version_id)
    assert (shown.description, shown.pipeline_spec) == ("better", second.pipeline_spec)
    listed = client.list_pipelines(page_size=200, filter=where("name", "IS_SUBSTRING", name[2:]))
    assert [each.pipeline_id for each in listed.pipelines] == [made.pipeline_id]
    assert "versions" in refused(400, client.delete_pipeline, made.pipeline_id)["message"]
    client.delete_pipeline_version(made.pipeline_id, second.pipeline_version_id)
    client.pipelines.pipeline_service_delete_pipeline(made.pipeline_id, cascade=True)
    refused(404, client.get_pipeline, made.pipeline_id)


def test_a_pipeline_function_is_uploaded(client: Any) -> None:
    from kfp import dsl

    @dsl.container_component
    def hello():  # type: ignore[no-untyped-def]  # noqa: ANN202 (the SDK refuses any other annotation)
        return dsl.ContainerSpec(image="alpine", command=["echo", "hello"])

    @dsl.pipeline(name=fresh("hello"))
    def greeting():  # type: ignore[no-untyped-def]  # noqa: ANN202
        hello()

    made = client.upload_pipeline_from_pipeline_func(greeting)
    version = client.upload_pipeline_version_from_pipeline_func(greeting, "again", pipeline_id=made.pipeline_id)
    assert version.pipeline_id == made.pipeline_id
    started = client.create_run_from_pipeline_func(greeting, experiment_name=fresh("of functions"))
    assert client.get_run(started.run_id).state == "PENDING"


def test_tags_and_display_names_are_changed(client: Any, pipeline_file: Path) -> None:
    from kfp_server_api import V2beta1Pipeline, V2beta1PipelineVersion

    name, team = fresh("tagged"), fresh("team")
    made = client.pipelines.pipeline_service_create_pipeline(V2beta1Pipeline(display_name=name, tags={"team": team}))
    assert (made.name, made.tags) == (name, {"team": team})
    found = client.list_pipelines(filter=where("tags.team", "EQUALS", team))
    assert [each.pipeline_id for each in found.pipelines] == [made.pipeline_id]
    update = client.pipelines.pipeline_service_update_pipeline
    assert update(made.pipeline_id, V2beta1Pipeline(display_name="Shown")).tags == {"team": team}
    cleared = update(made.pipeline_id, V2beta1Pipeline(tags={}))
    assert (cleared.display_name, cleared.name, cleared.tags) == ("Shown", name, None)
    version = client.upload_pipeline_version(str(pipeline_file), "first", pipeline_id=made.pipeline_id)
    changed = client.pipelines.pipeline_service_update_pipeline_version(
        made.pipeline_id, version.pipeline_version_id, V2beta1PipelineVersion(display_name="1", tags={"stable": "yes"})
    )
    assert (changed.display_name, changed.tags) == ("1", {"stable": "yes"})


def test_a_run_is_started_listed_archived_terminated_and_deleted(
    client: Any, uploaded: tuple[str, str], server: Any
) -> None:
    experiment = client.create_experiment(fresh("runs")).experiment_id
    pipeline, version = uploaded
    woken = server.worker.count
    made = client.run_pipeline(
        experiment, "job", pipeline_id=pipeline, version_id=version, params={"who": "it's \n $(me)"}, pipeline_root="/r"
    )
    assert server.worker.count > woken
    shown = client.get_run(made.run_id)
    assert (shown.state, shown.experiment_id, shown.pipeline_spec) == ("PENDING", experiment, None)
    assert shown.pipeline_version_reference.pipeline_version_id == version
    assert shown.runtime_config.parameters == {"who": "it's \n $(me)"}
    assert shown.runtime_config.pipeline_root == "/r"
    assert shown.finished_at.timestamp() == 0
    assert [task.display_name for task in shown.run_details.task_details] == ["add"]
    assert [each.run_id for each in client.list_runs(experiment_id=experiment).runs] == [made.run_id]
    client.archive_run(made.run_id)
    assert client.get_run(made.run_id).storage_state == "ARCHIVED"
    client.unarchive_run(made.run_id)
    client.terminate_run(made.run_id)
    # The client waits for FAILED: CANCELED would keep it waiting until its deadline.
    assert client.wait_for_run_completion(made.run_id, timeout=60).state == "FAILED"
    assert client.get_run(made.run_id).error.message == "the run was canceled"
    refused(400, client.terminate_run, made.run_id)
    client.runs.run_service_retry_run(made.run_id)
    assert client.get_run(made.run_id).state == "PENDING"
    assert client.get_experiment(experiment).last_run_created_at == made.created_at
    client.archive_experiment(experiment)
    assert client.get_run(made.run_id).storage_state == "ARCHIVED"
    assert refused(400, client.unarchive_run, made.run_id)["code"] == 9
    client.delete_run(made.run_id)
    refused(404, client.get_run, made.run_id)


def test_a_run_of_a_file_carries_its_document(client: Any, pipeline_file: Path) -> None:
    made = client.create_run_from_pipeline_package(
        str(pipeline_file), arguments={"who": "me", "x": 3}, enable_caching=True, experiment_name=fresh("files")
    )
    shown = client.get_run(made.run_id)
    task = shown.pipeline_spec["root"]["dag"]["tasks"]["add"]
    assert task["cachingOptions"] == {"enableCache": True}
    assert shown.runtime_config.parameters == {"who": "me", "x": 3}
    client.terminate_run(made.run_id)
    assert made.wait_for_run_completion(timeout=60).state == "FAILED"


def test_all_that_is_wrong_with_parameters_is_said_at_once(client: Any, uploaded: tuple[str, str]) -> None:
    experiment = client.create_experiment(fresh("wrong")).experiment_id
    said = refused(
        400, client.run_pipeline, experiment, "job", pipeline_id=uploaded[0], version_id=uploaded[1],
        params={"x": "three", "z": 1},
    )  # fmt: skip
    assert {word for word in ("x", "who", "z") if f"{word}:" in said["message"]} == {"x", "who", "z"}


def test_a_run_says_what_of_it_is_ignored_on_one_machine(client: Any, pipeline_file: Path, tmp_path: Path) -> None:
    selecting = tmp_path / "selecting.yaml"
    chosen = "{platforms: {kubernetes: {deploymentSpec: {executors: {exec-add: {nodeSelector: {labels: {gpu: a}}}}}}}}"
    selecting.write_text(f"{pipeline_file.read_text()}---\n{chosen}\n")
    started = client.create_run_from_pipeline_package(
        str(selecting), arguments={"who": "me"}, experiment_name=fresh("ignored")
    )
    run = client.get_run(started.run_id)
    notices = run.plugins_output["palmette"].entries["notices"].value
    assert any("node" in notice for notice in notices), notices
    assert run.plugins_output["palmette"].state_message == "; ".join(notices)
    assert list(run.pipeline_spec) == ["pipeline_spec", "platform_spec"]


def test_a_recurring_run_is_made_switched_and_deleted(client: Any, uploaded: tuple[str, str]) -> None:
    experiment = client.create_experiment(fresh("nightly")).experiment_id
    pipeline, version = uploaded
    common = {"pipeline_id": pipeline, "version_id": version, "params": {"who": "[[ScheduledTime]]"}}
    made = client.create_recurring_run(
        experiment, "nightly", description="each night", cron_expression="0 0 3 * * *", max_concurrency=2,
        no_catchup=True, start_time="2030-01-01T00:00:00Z", **common,
    )  # fmt: skip
    shown = client.get_recurring_run(made.recurring_run_id)
    assert (shown.status, shown.mode, shown.max_concurrency, shown.no_catchup) == ("ENABLED", "ENABLE", "2", True)
    assert shown.trigger.cron_schedule.cron == "0 0 3 * * *"
    assert shown.trigger.cron_schedule.start_time.year == 2030
    often = client.create_recurring_run(experiment, "often", interval_second=3600, enabled=False, **common)
    assert (often.status, often.trigger.periodic_schedule.interval_second) == ("DISABLED", "3600")
    listed = client.list_recurring_runs(experiment_id=experiment, sort_by="display_name")
    assert [each.display_name for each in listed.recurring_runs] == ["nightly", "often"]
    client.disable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "DISABLED"
    client.enable_recurring_run(made.recurring_run_id)
    client.disable_job(made.recurring_run_id)
    client.enable_job(made.recurring_run_id)
    client.delete_job(often.recurring_run_id)
    client.recurring_runs.recurring_run_service_delete_recurring_run(made.recurring_run_id, propagation_policy="ORPHAN")
    refused(404, client.get_recurring_run, made.recurring_run_id)
    bad = refused(400, client.create_recurring_run, experiment, "bad", cron_expression="every day", **common)
    assert "cron" in bad["message"].lower()


def test_pages_are_followed_to_the_end_in_the_order_asked_for(client: Any) -> None:
    word = fresh("page")
    names = [client.create_experiment(f"{word}-{number}").display_name for number in range(5)]
    token, seen, totals = "", [], set()
    while True:
        found = client.list_experiments(
            page_token=token, page_size=2, sort_by="name desc", filter=where("name", "IS_SUBSTRING", word)
        )
        seen += [each.display_name for each in found.experiments]
        totals.add(found.total_size)
        token = found.next_page_token
        if not token:
            break
    assert seen == sorted(names, reverse=True)
    assert totals == {5}


def test_the_kfp_command_works(
    client: Any, server: Any, uploaded: tuple[str, str], pipeline_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each verb of its groups for runs, recurring runs, pipelines and experiments."""
    from click.testing import CliRunner
    from kfp.cli.cli import cli

    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
    called: set[tuple[str, ...]] = set()

    def kfp(*words: str) -> Any:
        called.add(words[:2])
        done = CliRunner().invoke(
            cli, ["--endpoint", server.url, "--output", "json", *words], obj={}, input="y\n", catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        # It prints a link first, of what it made.
        found = done.output[done.output.find("{") :] if "{" in done.output else "null"
        return json.loads(found) if not done.output.lstrip().startswith("[") else json.loads(done.output)

    trials, name = fresh("trials"), fresh("mine")
    experiment = kfp("experiment", "create", trials)["experiment_id"]
    assert experiment in json.dumps(kfp("experiment", "list", "--max-size", "200"))
    assert kfp("experiment", "get", experiment)["display_name"] == trials
    pipeline = kfp("pipeline", "create", "-p", name, str(pipeline_file))["pipeline_id"]
    version = kfp("pipeline", "create-version", "-p", pipeline, "-v", "two", str(pipeline_file))["pipeline_version_id"]
    assert pipeline in json.dumps(kfp("pipeline", "list", "--max-size", "200"))
    assert kfp("pipeline", "get", pipeline)["name"] == name
    assert version in json.dumps(kfp("pipeline", "list-versions", pipeline))
    assert kfp("pipeline", "get-version", pipeline, version)["name"] == "two"
    run = kfp("run", "create", "-e", trials, "-r", "job", "-p", pipeline, "-v", version, "who=me", "x=3")["run_id"]
    assert run in json.dumps(kfp("run", "list", "-e", experiment))
    assert kfp("run", "get", run)["runtime_config"]["parameters"] == {"who": "me", "x": 3}
    kfp("run", "archive", run)
    kfp("run", "unarchive", run)
    recurring = kfp(
        "recurring-run", "create", "--experiment-id", experiment, "--job-name", "often", "--interval-second", "3600",
        "--pipeline-id", pipeline, "--version-id", version, "who=me",
    )["recurring_run_id"]  # fmt: skip
    assert recurring in json.dumps(kfp("recurring-run", "list", "-e", experiment))
    kfp("recurring-run", "disable", recurring)
    kfp("recurring-run", "enable", recurring)
    assert kfp("recurring-run", "get", recurring)["status"] == "ENABLED"
    kfp("recurring-run", "delete", recurring)
    kfp("run", "delete", run)
    (first,) = kfp("pipeline", "list-versions", pipeline)[1:]
    kfp("pipeline", "delete-version", pipeline, version)
    kfp("pipeline", "delete-version", pipeline, first["pipeline_version_id"])
    kfp("pipeline", "delete", pipeline)
    kfp("experiment", "archive", "--experiment-id", experiment)
    kfp("experiment", "unarchive", "--experiment-id", experiment)
    kfp("experiment", "delete", experiment)
    groups = {name: cli.commands[name].commands for name in ("run", "recurring-run", "pipeline", "experiment")}
    assert called == {(name, verb) for name, verbs in groups.items() for verb in verbs}


# What a server that executes makes of it.


@pytest.fixture(scope="module")
def executed(server: Any, client: Any, pipeline_file: Path) -> Run:
    """A run as whoever executes it leaves it: a task that gave a number and a file, and one that failed."""
    started = client.create_run_from_pipeline_package(
        str(pipeline_file), arguments={"who": "me"}, experiment_name=fresh("executed")
    )
    home, now = server.home, time.time()
    run = runs.get(home.store, started.run_id)
    log = home.runs / run.id / "add" / "1" / "log"
    log.parent.mkdir(parents=True)
    log.write_bytes("first line\nthe end, né\n".encode())
    file = Artifact(
        type="system.Dataset", digest=home.blobs.put_bytes(b"a,b\n1,2\n"), size=8, filename="data.csv",
        metadata={"rows": 1},
    )  # fmt: skip
    attempt = AttemptRecord(
        serial=1, number=1, state=AttemptState.RUNNING, how="process", queued=now, started=now,
        directory=str(log.parent.relative_to(home.directory)),
    )  # fmt: skip
    ended = AttemptRecord(
        **{**{name: getattr(attempt, name) for name in attempt.__dataclass_fields__}, "state": AttemptState.SUCCEEDED},
    )
    parts = Parts(what="add", parameters={"x": 1}, inputs={"data": (file.digest, "named data.csv")})
    lease = hold(home, run.id, "here")
    outputs = Outputs(parameters={"sum": 3}, artifacts={"table": file})
    RunLedger(home.store, lease, home.blobs.exists).record(
        [
            RunChanged(state=RunState.RUNNING, time=now),
            TaskChanged(task="add", state=TaskState.RUNNING, time=now, parts=parts),
            AttemptStarted(task="add", attempt=attempt),
            AttemptEnded(task="add", attempt=ended),
            TaskChanged(task="add", state=TaskState.SUCCEEDED, time=now, outputs=outputs),
            RunChanged(state=RunState.SUCCEEDED, time=now),
        ]
    )
    leases.release(home.store, lease)
    return runs.get(home.store, run.id)


def test_a_task_says_what_it_took_and_gave(client: Any, executed: Run, api: httpx.Client) -> None:
    shown = client.get_run(executed.id)
    assert [each.state for each in shown.state_history] == ["PENDING", "RUNNING", "SUCCEEDED"]
    (task,) = shown.run_details.task_details
    assert (task.state, task.run_id) == ("SUCCEEDED", executed.id)
    assert task.inputs["data"].artifact_ids == task.outputs["table"].artifact_ids
    assert (task.inputs["x"].artifact_ids, task.outputs["sum"].artifact_ids) == (["1"], ["3"])
    (raw,) = api.get(f"runs/{executed.id}").json()["run_details"]["task_details"]
    assert (raw["inputs"]["x"]["value"], raw["outputs"]["sum"]["value"]) == (1, 3)
    (table,) = raw["outputs"]["table"]["artifacts"]
    assert (table["type"], table["size"], table["metadata"]) == ("system.Dataset", "8", {"rows": 1})


def test_artifacts_and_logs_are_read_by_task(server: Any, client: Any, executed: Run) -> None:
    (task,) = client.get_run(executed.id).run_details.task_details
    with httpx.Client(base_url=f"{server.url}/apis/") as api:
        for node in (task.task_id, "add"):
            read = api.get(f"v2beta1/runs/{executed.id}/nodes/{node}/artifacts/table:read").json()
            assert base64.b64decode(read["data"]) == b"a,b\n1,2\n"
        for follow in ("", "?follow=true"):
            log = api.get(f"v1alpha1/runs/{executed.id}/nodes/{task.task_id}/log{follow}")
            assert (log.text, log.headers["content-type"]) == (
                "first line\nthe end, né\n",
                "text/plain; charset=utf-8",
            )
        missing = api.get(f"v2beta1/runs/{executed.id}/nodes/add/artifacts/..%2f..%2fetc:read")
        assert (missing.status_code, list(missing.json())) == (404, ["code", "message", "details"])
        assert api.get(f"v2beta1/runs/{executed.id}/nodes/add/artifacts/..:read").status_code == 404
        assert api.get(f"v2beta1/runs/{executed.id}/nodes/..%2f..%2fadd/artifacts/table:read").status_code == 404


def test_a_task_of_a_group_names_its_parent(server: Any, api: httpx.Client) -> None:
    name = fresh("grouped")
    records = [TaskRecord(name="loop"), TaskRecord(name="loop.0"), TaskRecord(name="loop.0.fit", executor="exec-fit")]
    run = Run(id=f"g{uuid.uuid4().hex[:11]}", project="kfp", algorithm=name)
    runs.create(server.home.store, run, records)
    loop, first, fit = api.get(f"runs/{run.id}").json()["run_details"]["task_details"]
    assert (fit["parent_task_id"], first["parent_task_id"]) == (first["task_id"], loop["task_id"])
    assert loop["child_tasks"] == [{"task_id": first["task_id"]}]
    assert api.get(f"runs/{run.id}").json()["display_name"] == name
