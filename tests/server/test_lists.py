"""What a list says is what was asked for, on both databases."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import Serving, open_home

from palmette.domain.run import Run
from palmette.domain.states import RunState
from palmette.store import identity, runs

#: seconds since the epoch at which the runs below were created, a minute apart
BEGIN = 1_780_000_000.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lists(request: pytest.FixtureRequest, serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a run in each state, one of them archived, and one of another experiment."""
    directory: Path = tmp_path_factory.mktemp("lists") / "home"
    location = None
    if request.param == "postgresql":
        location = request.getfixturevalue("cluster").create(f"lists_{identity.new_run_id()}")
    home = open_home(directory, location)
    for number, state in enumerate(RunState):
        over = BEGIN + 60 * number + 30.25 if state.final else None
        run = Run(
            id=f"run{number:09}", project="kfp", algorithm="fitting", name=f"Job_{number} 100%", state=state,
            created=BEGIN + 60 * number + 0.5, ended=over, experiment="first" if number else "other",
            archived=time.time() if state is RunState.FAILED else None, schedule="nightly" if number == 2 else "",
        )  # fmt: skip
        runs.create(home.store, run)
    with serving.start(home).client() as client:
        yield client
    home.store.close()


def found(client: httpx.Client, *predicates: dict[str, Any], **query: str) -> list[str]:
    """The states of the runs that are listed."""
    if predicates:
        query["filter"] = json.dumps({"predicates": predicates})
    answer = client.get("runs", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.get("total_size", 0) == len(body.get("runs", []))
    return [each["state"] for each in body.get("runs", [])]


def that(key: str, operation: str, *values: str) -> dict[str, Any]:
    given: dict[str, Any] = {"string_value": values[0]} if operation != "IN" else {"string_values": {"values": values}}
    return {"key": key, "operation": operation, **given}


ALL = ["PENDING", "RUNNING", "CANCELING", "SUCCEEDED", "FAILED", "FAILED"]


def test_an_empty_list_is_an_empty_object(lists: httpx.Client) -> None:
    assert lists.get("experiments").json() == {}
    assert lists.get("recurringruns").json() == {}


def test_a_canceled_run_has_failed_for_filters_too(lists: httpx.Client) -> None:
    assert found(lists) == ALL
    assert found(lists, that("state", "EQUALS", "FAILED")) == ["FAILED", "FAILED"]
    assert found(lists, that("state", "NOT_EQUALS", "FAILED")) == ALL[:4]
    assert found(lists, that("state", "EQUALS", "CANCELED")) == []
    assert found(lists, that("state", "NOT_EQUALS", "CANCELED")) == ALL
    assert found(lists, that("state", "IN", "RUNNING", "PENDING", "SKIPPED")) == ["PENDING", "RUNNING"]
    assert found(lists, that("status", "IS_SUBSTRING", "ing")) == ["PENDING", "RUNNING", "CANCELING"]


def test_archived_runs_are_listed_unless_they_are_left_out(lists: httpx.Client) -> None:
    assert found(lists, that("storage_state", "EQUALS", "ARCHIVED")) == ["FAILED"]
    assert found(lists, that("storage_state", "NOT_EQUALS", "AVAILABLE")) == ["FAILED"]
    assert found(lists, that("storage_state", "NOT_EQUALS", "ARCHIVED")) == [*ALL[:4], "FAILED"]
    assert found(lists, that("storage_state", "IN", "ARCHIVED", "AVAILABLE")) == ALL
    assert found(lists, that("storage_state", "EQUALS", "LOST")) == []


def test_a_second_is_all_the_time_within_it(lists: httpx.Client) -> None:
    second = {"timestamp_value": "2026-05-28T20:27:40Z"}  # that of the second run, which began half a second later
    expected = {
        "EQUALS": ["RUNNING"],
        "LESS_THAN": ["PENDING"],
        "LESS_THAN_EQUALS": ["PENDING", "RUNNING"],
        "GREATER_THAN": ALL[2:],
        "GREATER_THAN_EQUALS": ALL[1:],
    }
    for operation, states in expected.items():
        assert found(lists, {"key": "created_at", "operation": operation, **second}) == states
    both = {"key": "created_at", "operation": "GREATER_THAN", "long_value": str(int(BEGIN) + 60)}
    assert found(lists, both, that("state", "NOT_EQUALS", "FAILED")) == ALL[2:4]


def test_texts_are_compared_as_they_are(lists: httpx.Client) -> None:
    assert found(lists, that("name", "EQUALS", "Job_1 100%")) == ["RUNNING"]
    assert found(lists, that("display_name", "IS_SUBSTRING", "_1 100%")) == ["RUNNING"]
    assert found(lists, that("name", "IS_SUBSTRING", "%1")) == []
    assert found(lists, that("id", "IN", "run000000001", "run000000003")) == ["RUNNING", "SUCCEEDED"]
    assert found(lists, that("name", "EQUALS", "'; drop table runs; --")) == []
    assert found(lists, that("recurring_run_id", "EQUALS", "nightly")) == ["CANCELING"]
    assert found(lists, that("namespace", "EQUALS", "whatever")) == ALL
    assert found(lists, experiment_id="other", namespace="kubeflow") == ["PENDING"]


@pytest.mark.parametrize(
    "order", ["", "created_at desc", "name", "finished_at DESC", "state asc", "storage_state desc"]
)
def test_pages_together_are_the_list(lists: httpx.Client, order: str) -> None:
    whole = lists.get("runs", params={"sort_by": order}).json()["runs"]
    token, seen = "", []
    while token or not seen:
        page = lists.get("runs", params={"sort_by": order, "page_size": "2", "page_token": token}).json()
        assert page["total_size"] == len(ALL)
        seen += page["runs"]
        token = page.get("next_page_token", "")
    assert seen == whole
    assert len(seen) == len(ALL)


def test_two_hundred_rows_are_the_most(lists: httpx.Client) -> None:
    assert len(lists.get("runs", params={"page_size": "2147483647"}).json()["runs"]) == len(ALL)
    assert len(lists.get("runs", params={"page_size": "0"}).json()["runs"]) == len(ALL)
