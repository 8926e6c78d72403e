"""Recurring runs."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from palmette.domain.hosting import Role
from palmette.domain.listing import Comparing, Predicate
from palmette.errors import UsageError
from palmette.kfpapi import hosted, listing, messages
from palmette.operations import schedules
from palmette.server.kfp.parts import LIST, PREFIX, Documents, listed
from palmette.server.rows import EMPTY, Asked, Query, Row, message

_PATH: Final = f"{PREFIX}/recurringruns"
_ONE: Final = _PATH + "/{recurring_run_id}"
_SERVICE: Final = "RecurringRunService"
_POLICIES: Final = ("DELETE_PROPAGATION_POLICY_UNSPECIFIED", "FOREGROUND", "BACKGROUND", "ORPHAN")


def _create(asked: Asked) -> messages.RecurringRun:
    wanted: messages.RecurringRun = asked.body
    document = json.dumps(wanted.pipeline_spec).encode() if wanted.pipeline_spec else None
    made = schedules.create(asked.home, hosted.schedule(wanted), document)
    asked.wake()
    return hosted.recurring_run(made, Documents(asked.home).shown(made.spec))


def _list(asked: Asked) -> messages.ListRecurringRunsResponse:
    experiment = asked.query.get("experiment_id", "")
    within = [Predicate(field="experiment", comparing=Comparing.EQUALS, operands=(experiment,))] if experiment else []
    found, total, token = listed(listing.RECURRING_RUNS, asked, partial(schedules.page, asked.home), within)
    documents = Documents(asked.home)
    shown = tuple(hosted.recurring_run(each, documents.shown(each.spec)) for each in found)
    return messages.ListRecurringRunsResponse(recurring_runs=shown, total_size=total, next_page_token=token)


def _get(asked: Asked) -> messages.RecurringRun:
    found = schedules.get(asked.home, asked.path["recurring_run_id"])
    return hosted.recurring_run(found, Documents(asked.home).shown(found.spec))


def _enable(asked: Asked) -> messages.Empty:
    schedules.enable(asked.home, asked.path["recurring_run_id"])
    asked.wake()
    return messages.Empty()


def _disable(asked: Asked) -> messages.Empty:
    schedules.disable(asked.home, asked.path["recurring_run_id"])
    return messages.Empty()


def _delete(asked: Asked) -> messages.Empty:
    policy = asked.query.get("propagation_policy", "")
    if policy and policy not in _POLICIES:
        raise UsageError(f"propagation_policy is none of {', '.join(_POLICIES)}")
    schedules.delete(asked.home, asked.path["recurring_run_id"])
    return messages.Empty()


_RECURRING_RUN: Final = message(messages.RecurringRun)

ROWS: Final = (
    Row(
        name=f"{_SERVICE}_CreateRecurringRun",
        method="POST",
        path=_PATH,
        summary="Start runs of a pipeline again and again, by a cron expression or an interval.",
        answer=_create,
        role=Role.RUN,
        body=_RECURRING_RUN,
        reply=_RECURRING_RUN,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ListRecurringRuns",
        method="GET",
        path=_PATH,
        summary="List recurring runs.",
        answer=_list,
        query={**LIST, "experiment_id": Query(description="Only those of this experiment.")},
        reply=message(messages.ListRecurringRunsResponse),
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_GetRecurringRun",
        method="GET",
        path=_ONE,
        summary="Show a recurring run.",
        answer=_get,
        reply=_RECURRING_RUN,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_DeleteRecurringRun",
        method="DELETE",
        path=_ONE,
        summary="Delete a recurring run. The runs that it started stay, whatever the policy says.",
        answer=_delete,
        role=Role.RUN,
        query={"propagation_policy": Query(schema={"type": "string", "enum": list(_POLICIES)})},
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_EnableRecurringRun",
        method="POST",
        path=f"{_ONE}:enable",
        summary="Let a recurring run start runs again.",
        answer=_enable,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_DisableRecurringRun",
        method="POST",
        path=f"{_ONE}:disable",
        summary="Let a recurring run start no more runs.",
        answer=_disable,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
)
