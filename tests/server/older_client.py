"""Run by an older SDK: what its client's methods say of a server, as JSON."""

import json
import sys
import tempfile
import time

import kfp
from kfp.client import Client

Client._LOCAL_KFP_CONTEXT = f"{tempfile.mkdtemp()}/context.json"


def main(url: str, package: str) -> None:
    client = Client(host=url)
    word = f"{kfp.__version__}-{time.time_ns()}"
    experiment = client.create_experiment(word)
    assert client.get_experiment(experiment_name=word).experiment_id == experiment.experiment_id
    pipeline = client.upload_pipeline(package, word, description="of an older client")
    version = client.upload_pipeline_version(package, "second", pipeline_id=pipeline.pipeline_id)
    ids = {"pipeline_id": pipeline.pipeline_id, "version_id": version.pipeline_version_id}
    run = client.run_pipeline(experiment.experiment_id, "job", params={"who": "me"}, **ids)
    other = client.create_run_from_pipeline_package(package, arguments={"who": "me"}, experiment_name=word)
    recurring = client.create_recurring_run(
        experiment.experiment_id, "often", interval_second=3600, params={"who": "me"}, **ids
    )
    client.disable_recurring_run(recurring.recurring_run_id)
    client.enable_recurring_run(recurring.recurring_run_id)
    listed = client.list_runs(experiment_id=experiment.experiment_id, sort_by="created_at desc", page_size=10)
    client.terminate_run(run.run_id)
    said = {
        "version": kfp.__version__,
        "pipeline": client.get_pipeline_id(word) == pipeline.pipeline_id,
        "versions": [
            each.display_name for each in client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
        ],
        "runs": [each.run_id for each in listed.runs] == [other.run_id, run.run_id],
        "terminated": client.wait_for_run_completion(run.run_id, timeout=60).state,
        "tasks": [each.display_name for each in client.get_run(other.run_id).run_details.task_details],
        "recurring": [
            each.display_name
            for each in client.list_recurring_runs(experiment_id=experiment.experiment_id).recurring_runs
        ],
    }
    client.archive_run(other.run_id)
    client.unarchive_run(other.run_id)
    client.delete_run(run.run_id)
    client.delete_recurring_run(recurring.recurring_run_id)
    client.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
    client.archive_experiment(experiment.experiment_id)
    print(json.dumps(said))


main(*sys.argv[1:])
