"""Runs."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from palmette.domain.hosting import Role
from palmette.domain.listing import Comparing, Predicate
from palmette.errors import Problem, UsageError
from palmette.kfpapi import hosted, listing, messages
from palmette.kfpapi import runs as shown
from palmette.operations import contents, retrying, submitting
from palmette.operations.submitting import Submission
from palmette.server.kfp.parts import LIST, PREFIX, Documents, listed
from palmette.server.rows import EMPTY, Asked, Query, Row, message

_PATH: Final = f"{PREFIX}/runs"
_ONE: Final = _PATH + "/{run_id}"
_SERVICE: Final = "RunService"
_EXPERIMENT: Final = {"experiment_id": Query(description="Where the run does not say it.")}


def _create(asked: Asked) -> messages.Run:
    wanted: messages.Run = asked.body
    problems: list[Problem] = []
    named = hosted.source(wanted.pipeline_spec, wanted.pipeline_version_reference, wanted.pipeline_version_id, problems)
    if wanted.plugins_output:
        problems.append(Problem(where="plugins_output", what="only the server says it"))
    if problems:
        raise UsageError("the run cannot be started", problems=problems)
    config = wanted.runtime_config or messages.RuntimeConfig()
    submission = Submission(
        name=wanted.display_name,
        description=wanted.description,
        document=json.dumps(wanted.pipeline_spec).encode() if wanted.pipeline_spec else None,
        pipeline=named.pipeline_id,
        version=named.pipeline_version_id,
        parameters=config.parameters,
        experiment=wanted.experiment_id or asked.query.get("experiment_id", ""),
        root=config.pipeline_root,
        service_account=wanted.service_account,
        owner=asked.caller.name,
        trigger="api",
    )
    made = submitting.submit(asked.home, submission)
    asked.wake()
    return shown.message(made, Documents(asked.home).shown(made.spec), ())


def _list(asked: Asked) -> messages.ListRunsResponse:
    experiment = asked.query.get("experiment_id", "")
    within = [Predicate(field="experiment", comparing=Comparing.EQUALS, operands=(experiment,))] if experiment else []
    found, total, token = listed(listing.RUNS, asked, partial(submitting.runs, asked.home), within)
    documents = Documents(asked.home)
    rows = tuple(shown.message(each, {} if each.pipeline else documents.shown(each.spec)) for each in found)
    return messages.ListRunsResponse(runs=rows, total_size=total, next_page_token=token)


def _get(asked: Asked) -> messages.Run:
    found = submitting.get(asked.home, asked.path["run_id"])
    spec = {} if found.pipeline else Documents(asked.home).shown(found.spec)
    return shown.message(found, spec, contents.tasks(asked.home, found.id))


def _terminate(asked: Asked) -> messages.Empty:
    submitting.terminate(asked.home, asked.path["run_id"])
    asked.wake()
    return messages.Empty()


def _retry(asked: Asked) -> messages.Empty:
    retrying.retry(asked.home, submitting.get(asked.home, asked.path["run_id"]).id)
    asked.wake()
    return messages.Empty()


def _archive(asked: Asked) -> messages.Empty:
    submitting.archive(asked.home, asked.path["run_id"])
    return messages.Empty()


def _unarchive(asked: Asked) -> messages.Empty:
    submitting.unarchive(asked.home, asked.path["run_id"])
    return messages.Empty()


def _delete(asked: Asked) -> messages.Empty:
    submitting.delete(asked.home, asked.path["run_id"])
    return messages.Empty()


_RUN: Final = message(messages.Run)

ROWS: Final = (
    Row(
        name=f"{_SERVICE}_CreateRun",
        method="POST",
        path=_PATH,
        summary="Start a run of a pipeline: of a version, or of the document that is given.",
        answer=_create,
        role=Role.RUN,
        query=_EXPERIMENT,
        body=_RUN,
        reply=_RUN,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ListRuns",
        method="GET",
        path=_PATH,
        summary="List runs, without their tasks; archived ones, too.",
        answer=_list,
        query={**LIST, "experiment_id": Query(description="Only those of this experiment.")},
        reply=message(messages.ListRunsResponse),
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_GetRun",
        method="GET",
        path=_ONE,
        summary="Show a run with its tasks, and what each of them took and gave.",
        answer=_get,
        reply=_RUN,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_DeleteRun",
        method="DELETE",
        path=_ONE,
        summary="Delete a run.",
        answer=_delete,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_TerminateRun",
        method="POST",
        path=f"{_ONE}:terminate",
        summary="Stop a run. It is CANCELING, then FAILED.",
        answer=_terminate,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_RetryRun",
        method="POST",
        path=f"{_ONE}:retry",
        summary="Let a run that failed go on: what succeeded is kept.",
        answer=_retry,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ArchiveRun",
        method="POST",
        path=f"{_ONE}:archive",
        summary="Archive a run.",
        answer=_archive,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_UnarchiveRun",
        method="POST",
        path=f"{_ONE}:unarchive",
        summary="Take a run back from the archive, unless its experiment is in there.",
        answer=_unarchive,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
)
