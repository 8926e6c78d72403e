"""What holds for every route: they are described, none delays `healthz`, and what is followed ends with its reader."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from palmette.domain.hosting import Role
from palmette.domain.run import Attempt, AttemptStarted, Run, RunChanged, TaskChanged, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.errors import StoreError
from palmette.kfpapi import codec, messages
from palmette.operations.home import hold
from palmette.server import caller, openapi
from palmette.server.caller import Caller
from palmette.server.kfp import table
from palmette.server.palmette.table import ROWS as OWN
from palmette.server.rows import Asked, Manner, Row
from palmette.store import runs
from palmette.store.ledger import RunLedger


def test_every_route_is_described_once() -> None:
    rows = (*table.ROWS, *OWN)
    described = openapi.document(rows)
    operations = [each for path in described["paths"].values() for each in path.values()]
    assert sorted(each["operationId"] for each in operations) == sorted(row.name for row in rows)
    assert len({row.name for row in rows}) == len(rows)
    for each in operations:
        assert each["summary"]
        assert {"200", "400", "401", "403"} <= set(each["responses"]) or each["security"] == []


def test_the_description_is_openapi(server: Any) -> None:
    validate(httpx.get(f"{server.url}/openapi.json").json())


def test_only_healthz_and_the_description_are_open() -> None:
    assert {row.path for row in table.ROWS if row.role is None} == {
        "/healthz",
        "/apis/v1beta1/healthz",
        "/apis/v2beta1/healthz",
    }
    assert all(row.role is Role.READ for row in table.ROWS if row.method == "GET" and row.role is not None)
    assert all(row.role is Role.RUN for row in table.ROWS if row.method != "GET")


@pytest.fixture(scope="module")
def odd(serving: Any, server: Any) -> Any:
    """A server with routes that block, fail, and ask who is there."""
    release = threading.Event()

    def block(_asked: Asked) -> dict[str, bool]:
        return {"released": release.wait(60)}

    def fail(_asked: Asked) -> None:
        raise RuntimeError("secret words")

    def lost(_asked: Asked) -> None:
        raise StoreError("the store is gone", "Look at the disk.")

    async def who(_request: Request, asked: Asked) -> Response:
        return Response(asked.caller.name)

    rows = [
        Row(name="block", method="GET", path="/odd/block", summary="Wait.", answer=block),
        Row(name="fail", method="GET", path="/apis/palmette/v1/odd", summary="Fail.", answer=fail, manner=Manner.OWN),
        Row(name="lost", method="GET", path="/odd/lost", summary="Lose.", answer=lost),
        Row(name="who", method="POST", path="/odd/who", summary="Ask.", handle=who, role=Role.RUN),
    ]

    class Reader:
        """Whoever asks may read, as a token would say."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope[caller.KEY] = Caller(name="ann", role=Role.READ)
            await self.app(scope, receive, send)

    served = serving.start(server.home, guard=[Middleware(Reader)], others=rows)
    return served, release


def test_slow_work_never_delays_healthz(odd: Any) -> None:
    served, release = odd
    answers: list[int] = []
    blocked = [
        threading.Thread(target=lambda: answers.append(httpx.get(f"{served.url}/odd/block", timeout=90).status_code))
        for _ in range(20)
    ]
    for each in blocked:
        each.start()
    try:
        for _ in range(5):
            assert httpx.get(f"{served.url}/apis/v2beta1/healthz", timeout=20).json()["multi_user"] is False
        assert not answers
    finally:
        release.set()
        for each in blocked:
            each.join()
    assert answers == [200] * 20


def test_what_nobody_foresaw_is_told_by_a_number_alone(odd: Any) -> None:
    answer = httpx.get(f"{odd[0].url}/apis/palmette/v1/odd")
    assert answer.status_code == 500
    assert set(answer.json()["error"]) == {"type", "message", "hint", "problems"}
    assert "secret" not in answer.text
    assert httpx.get(f"{odd[0].url}/odd/lost").status_code == 503


def test_a_route_asks_for_its_role(odd: Any) -> None:
    served, _ = odd
    answer = httpx.post(f"{served.url}/odd/who")
    assert (answer.status_code, answer.json()["code"]) == (403, 7)
    assert httpx.post(f"{served.url}/apis/v2beta1/experiments", json={"display_name": "a"}).status_code == 403
    assert httpx.get(f"{served.url}/apis/v2beta1/experiments").status_code == 200


def test_a_followed_log_grows_and_ends_with_the_task(server: Any) -> None:
    run, ledger, log = running(server)
    log.write_bytes(b"one\n")
    with httpx.stream("GET", f"{server.url}/apis/v1alpha1/runs/{run}/nodes/fit/log?follow=true", timeout=60) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"one\n"
        with log.open("ab") as file:
            file.write(b"two\n")
        assert next(pieces) == b"two\n"
        with log.open("ab") as file:
            file.write(b"end")
        ledger.record([TaskChanged(task="fit", state=TaskState.SUCCEEDED, time=time.time())])
        assert b"".join(pieces) == b"end"


def test_who_goes_away_ends_what_they_followed(server: Any) -> None:
    run, _, log = running(server)
    log.write_bytes(b"one\n")
    url = f"{server.url}/apis/v1alpha1/runs/{run}/nodes/fit/log?follow=true"
    # More of them than requests are carried out at once: if one held a thread, the next would not be answered.
    for _ in range(30):
        with httpx.stream("GET", url, timeout=60) as answer:
            assert next(answer.iter_bytes()) == b"one\n"
    assert httpx.get(f"{server.url}/apis/v2beta1/runs/{run}", timeout=60).status_code == 200


def running(server: Any) -> tuple[str, RunLedger, Any]:
    """A run with a task that runs, its ledger, and the task's log."""
    home, now = server.home, time.time()
    run = Run(id=f"r{uuid.uuid4().hex[:11]}", project="kfp", algorithm="fitting", queue="server")
    runs.create(home.store, run, [TaskRecord(name="fit", executor="exec-fit")])
    ledger = RunLedger(home.store, hold(home, run.id, "here"), home.blobs.exists)
    log = home.runs / run.id / "fit" / "1" / "log"
    log.parent.mkdir(parents=True)
    directory = str(log.parent.relative_to(home.directory))
    attempt = Attempt(
        serial=1, number=1, state=AttemptState.RUNNING, how="process", queued=now, started=now, directory=directory
    )
    task = TaskChanged(task="fit", state=TaskState.RUNNING, time=now)
    ledger.record([RunChanged(state=RunState.RUNNING, time=now), task, AttemptStarted(task="fit", attempt=attempt)])
    return run.id, ledger, log


def test_messages_leave_zero_values_out_and_take_both_spellings() -> None:
    full = messages.RecurringRun(
        display_name="a", max_concurrency=2**40, mode=messages.Mode.ENABLE, created_at=0.0, no_catchup=False,
        trigger=messages.Trigger(periodic_schedule=messages.PeriodicSchedule(interval_second=60)),
    )  # fmt: skip
    written = codec.dump(full)
    assert written == {
        "display_name": "a",
        "max_concurrency": str(2**40),
        "trigger": {"periodic_schedule": {"interval_second": "60"}},
        "mode": "ENABLE",
        "created_at": "1970-01-01T00:00:00Z",
    }
    assert codec.load(messages.RecurringRun, written) == full
    camel: Any = {
        "displayName": "a", "maxConcurrency": 2**40, "mode": 1, "createdAt": "1970-01-01T01:00:00.0+01:00",
        "trigger": {"periodicSchedule": {"intervalSecond": 60.0, "endTime": None}},
    }  # fmt: skip
    assert codec.load(messages.RecurringRun, camel) == full
    assert codec.dump(messages.ListRecurringRunsResponse(recurring_runs=(full,)))["recurringRuns"] == [written]
