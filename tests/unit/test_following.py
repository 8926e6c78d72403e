"""Which recurring runs follow a branch, and what becomes of their values at its next version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from palmette.domain.footer import signed
from palmette.domain.hosting import Schedule, Version
from palmette.operations.following import follows, merge


def document(**parameters: tuple[str, Any]) -> bytes:
    """A pipeline with these parameters: name → its type and its default, which may be missing."""
    declared = {
        name: {"parameterType": kind, **({} if default is None else {"defaultValue": default})}
        for name, (kind, default) in parameters.items()
    }
    step = {"componentRef": {"name": "comp-say"}, "taskInfo": {"name": "say"}}
    return json.dumps(
        {
            "pipelineInfo": {"name": "saying"},
            "schemaVersion": "2.1.0",
            "root": {"inputDefinitions": {"parameters": declared}, "dag": {"tasks": {"say": step}}},
            "components": {"comp-say": {"executorLabel": "exec-say"}},
            "deploymentSpec": {"executors": {"exec-say": {"container": {"image": "alpine", "command": ["true"]}}}},
        }
    ).encode()


WHOLE, TEXT = "NUMBER_INTEGER", "STRING"
OLD = document(rounds=(WHOLE, 10), who=(TEXT, "ada"), gone=(WHOLE, 1))


@pytest.mark.parametrize(
    ("given", "new", "becomes", "followed"),
    [
        pytest.param({"rounds": 10}, document(rounds=(WHOLE, 20)), {"rounds": 20}, ("rounds",), id="a default follows"),
        pytest.param({"rounds": 15}, document(rounds=(WHOLE, 20)), {"rounds": 15}, (), id="an edited value stays"),
        pytest.param({"rounds": 10.0}, document(rounds=(WHOLE, 20)), {"rounds": 20}, ("rounds",), id="a whole number"),
        pytest.param({"rounds": 10}, document(rounds=(WHOLE, 10)), {"rounds": 10}, (), id="nothing changed"),
        pytest.param({}, document(rounds=(WHOLE, 20)), {}, (), id="nothing was given"),
        pytest.param({"gone": 1}, document(rounds=(WHOLE, 10)), {}, ("gone",), id="a default that there is no more"),
        pytest.param({"who": "[[ScheduledTime]]"}, OLD, {"who": "[[ScheduledTime]]"}, (), id="a macro"),
    ],
)
def test_what_nobody_edited_follows_the_default_and_what_somebody_edited_stays(
    given: dict[str, Any], new: bytes, becomes: dict[str, Any], followed: tuple[str, ...]
) -> None:
    merged = merge(given, OLD, new)

    assert (dict(merged.parameters), merged.followed, merged.why) == (becomes, followed, "")


@pytest.mark.parametrize(
    ("given", "new", "why"),
    [
        pytest.param({"gone": 2}, document(rounds=(WHOLE, 10)), "gone is no parameter", id="an edited one is gone"),
        pytest.param({"who": "bob"}, document(who=(WHOLE, 3)), "who is bob", id="of another type"),
        pytest.param({}, document(fresh=(WHOLE, None)), "fresh has no value", id="one that must be given"),
    ],
)
def test_it_is_said_why_a_version_does_not_take_the_values(given: dict[str, Any], new: bytes, why: str) -> None:
    assert why in merge(given, OLD, new).why


def test_without_the_old_document_every_value_stays() -> None:
    assert merge({"rounds": 10}, None, document(rounds=(WHOLE, 20))).parameters == {"rounds": 10}


def version(**facts: str) -> Version:
    return Version(id="v", pipeline="p", name="v", description=signed("", facts))


@pytest.mark.parametrize(
    ("footer", "at", "why"),
    [
        ({"follows": "main"}, version(project="ia", branch="feature/x"), ""),
        ({"follows": "feature/x"}, version(project="ia", branch="main"), "it follows feature/x"),
        ({"follows": ""}, version(project="ia", branch="main"), "somebody pinned it there"),
        ({}, version(project="ia", branch="main"), ""),
        ({}, version(project="ia", branch="feature/x"), "it is at a version of feature/x"),
        ({}, version(project="other", branch="main"), "it is at a version of main"),
        ({}, version(), "its version was uploaded by hand"),
        ({"project": "other", "follows": "main"}, None, "it belongs to the project other"),
        ({}, None, "its version is gone"),
    ],
)
def test_a_recurring_run_follows_if_it_says_so_or_is_at_the_branch(
    footer: dict[str, str], at: Version | None, why: str
) -> None:
    schedule = Schedule(id="s", name="nightly", pipeline="p", version="v", description=signed("Each night", footer))

    assert follows(schedule, at, "main", "ia") == why


def test_one_that_takes_the_newest_version_follows() -> None:
    assert follows(Schedule(id="s", name="nightly", pipeline="p"), None, "main", "ia") == ""
