"""`palmette pipeline`, `experiment` and `schedule`, against each kind of host: the screens are the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from tests.standins.kubeflow import Kubeflow

if TYPE_CHECKING:
    from conftest import Ended, Hub, Project

PIPELINE = {
    "pipelineInfo": {"name": "adding", "description": "Adds two numbers."},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
    "root": {
        "inputDefinitions": {
            "parameters": {
                "x": {"parameterType": "NUMBER_INTEGER", "defaultValue": 1, "isOptional": True},
                "who": {"parameterType": "STRING"},
            }
        },
        "dag": {"tasks": {"add": {"componentRef": {"name": "comp-add"}, "taskInfo": {"name": "add"}}}},
    },
    "components": {"comp-add": {"executorLabel": "exec-add"}},
    "deploymentSpec": {"executors": {"exec-add": {"container": {"image": "alpine", "command": ["true"]}}}},
}


@pytest.fixture(params=["here", "server", "kubeflow"])
def ask(request: pytest.FixtureRequest, tiny: Project, hub: Hub) -> Iterator[Callable[..., Ended]]:
    """Asks a host of each kind."""
    tiny.write("adding.json", json.dumps(PIPELINE))
    cluster = None
    options: list[str] = []
    if request.param != "here":
        url = hub.of(tiny.directory / "other")
        options = ["--on", url]
    if request.param == "kubeflow":
        cluster = Kubeflow(behind=url)
        tiny.write("pyproject.toml", (tiny.directory / "pyproject.toml").read_text()
                   + f'\n[tool.palmette.targets.cluster]\nhost = "{cluster.url}"\n')  # fmt: skip
        options = ["--target", "cluster"]
    yield lambda *words, **more: tiny(*words, *options, **more)
    if cluster:
        cluster.stop()


def test_where_there_is_nothing_the_next_step_is_named(ask: Callable[..., Ended]) -> None:
    for verb, step in {"pipeline": "pipeline upload", "experiment": "ci update", "schedule": "schedule create"}.items():
        ended = ask(verb)
        assert (ended.out, step in ended.err) == ("", True)
        assert ask(verb, "--json").json == []


def test_a_file_is_uploaded_shown_scheduled_edited_and_deleted(ask: Callable[..., Ended], tiny: Project) -> None:
    assert "uploaded: adding v1" in ask("pipeline", "upload", "adding.json", "--version", "v1").err
    assert "already there: adding v1" in ask("pipeline", "upload", "adding.json", "--version", "v1").err
    tiny.write("adding.json", json.dumps({**PIPELINE, "pipelineInfo": {"name": "adding", "description": "Other."}}))
    assert "with another document" in ask("pipeline", "upload", "adding.json", "--version", "v1", code=1).err
    assert re.search(r"^adding +v1 +just now", ask("pipeline").out, re.MULTILINE)
    takes = {each["name"]: each for each in ask("pipeline", "show", "adding", "--json").json["version"]["parameters"]}
    assert (takes["x"]["default"], takes["x"]["required"], takes["who"]["required"]) == (1, False, True)
    assert re.search(r"^  who +must be given", ask("pipeline", "show", "adding").out, re.MULTILINE)

    wrong = ask("schedule", "create", "adding", "--every", "soon", "x=many", "whom=ada", code=2)
    assert [each for each in ("--every 'soon'", "x=many", "'whom'", "who:") if each not in wrong.err] == []
    assert ask("schedule", "--json").json == []
    made = ask("schedule", "create", "adding", "--every", "6h", "who=ada", "--json").json
    assert (made["every_seconds"], made["parameters"], made["enabled"]) == (21600, {"who": "ada"}, True)
    twice = ask("schedule", "create", "adding", "--every", "6h", "who=ada", code=1).err
    assert "palmette schedule edit adding" in twice
    assert re.search(r"^adding +every 6 hours +v1 +20", ask("schedule").out, re.MULTILINE)

    refused = ask("schedule", "edit", "adding", "--cron", "0 3 * * *", code=2)
    assert '--cron "0 0 3 * * *"' in refused.err
    edited = ask("schedule", "edit", "adding", "x=5", "--cron", "0 0 3 * * *", "--reason", "at night", "--json").json
    assert (edited["cron"], edited["parameters"], edited["changed"]) == ("0 0 3 * * *", {"who": "ada", "x": 5}, True)
    assert ask("schedule", "edit", "adding", "x=5", "--json").json["changed"] is False
    (edit,) = ask("schedule", "history", "adding", "--json").json
    assert (edit["why"], edit["after"]["parameters.x"]) == ("at night", 5)
    assert "trigger: every 6 hours → 0 0 3 * * *" in ask("schedule", "history", "adding").out
    assert ask("schedule", "edit", "adding", "--reset", "x", "--json").json["parameters"] == {"who": "ada"}

    ask("schedule", "pause", "adding")
    assert re.search(r"^adding .* paused$", ask("schedule").out, re.MULTILINE)
    begun = ask("schedule", "run", "adding", "--json").json
    assert begun["parameters"] == {"who": "ada"}
    ask("schedule", "resume", "adding")
    shown = ask("schedule", "show", "adding", "--json").json
    assert (shown["enabled"], len(shown["ticks"]), len(shown["edits"]), shown["version"]) == (True, 5, 2, "v1")

    ask("pipeline", "upload", "adding.json", "--version", "v2")
    ask("schedule", "edit", "adding", "--version", "v2")
    assert "version: v1 → v2" in ask("schedule", "history", "adding").out

    assert "would be deleted" in ask("schedule", "delete", "adding").err
    assert len(ask("schedule", "--json").json) == 1
    assert "would fail: adding" in ask("pipeline", "delete", "adding").err
    ask("schedule", "delete", "adding", "--yes")
    ask("pipeline", "delete", "adding", "--yes")
    assert ask("pipeline", "--json").json == ask("schedule", "--json").json == []


def test_an_experiment_is_found_by_its_branch_and_archived(
    ask: Callable[..., Ended], request: pytest.FixtureRequest
) -> None:
    name = "feature/IA-1742-doc-type"
    ask("experiment", "create", name, "[IA-1742] DOC TYPE")
    assert "already" in ask("experiment", "create", name, code=1).err
    assert "[IA-1742] DOC TYPE" in ask("experiment").out
    assert ask("experiment", "show", name, "--json").json["description"] == "[IA-1742] DOC TYPE"
    ask("experiment", "archive", name)
    assert "--archived" in ask("experiment").err
    assert [each["archived"] for each in ask("experiment", "list", "--archived", "--json").json] == [True]
    ask("experiment", "unarchive", name)
    assert "Did you mean feature/IA-1742-doc-type?" in ask("experiment", "show", "feature/IA-1742", code=2).err
    if "kubeflow" in request.node.name:
        assert "cannot rename" in ask("experiment", "rename", name, "other", code=1).err
        assert "cannot change" in ask("experiment", "describe", name, "other", code=1).err
    else:
        ask("experiment", "rename", name, "other")
        ask("experiment", "describe", "other", "Another text")
        assert ask("experiment", "show", "other", "--json").json["description"] == "Another text"


def test_an_algorithm_is_uploaded_as_its_code_is_now(tiny: Project) -> None:
    first = tiny.json("pipeline", "upload", "example")
    assert first["facts"]["algorithm"] == "example"
    assert tiny.json("pipeline", "upload", "example")["already_there"]
    assert tiny.json("pipeline", "show", "example")["version"]["version_id"] == first["version_id"]
    assert "a .yaml or .json file" in tiny("pipeline", "upload", "nothing.yaml", code=2).err
