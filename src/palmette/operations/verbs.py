"""What can be asked of a server: the verbs that read or change runs.

This table is the only place that says where each of them stands below ``/apis/palmette/v1``. From it come the routes
of the server, their description, and what the command asks when it is told ``--on``. A row names a function of this
room by its module and name: its first parameter is the home, the others and the result are JSON by their annotations.
Those that stand in the path are texts; of GET and DELETE the others stand in the query, else in the body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from palmette.domain.hosting import Role

#: Where all of it stands on a server.
PREFIX: Final = "/apis/palmette/v1"


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One thing that can be asked."""

    #: "reading.show": a module of this room and a function of it
    operation: str
    #: GET changes nothing; PUT and DELETE may be said twice
    method: str
    #: below the prefix: "/runs/{ref}"; "{branch:path}" may hold slashes
    path: str
    #: the least that whoever asks must be
    role: Role = Role.READ
    #: what the server executes in its place; gives None wherever the function itself would wait
    served: str = ""
    #: whoever executes runs is told that there may be something new
    wakes: bool = False


VERBS: Final = (
    Verb(operation="searching.runs", method="GET", path="/runs"),
    Verb(operation="reading.show", method="GET", path="/runs/{ref}"),
    Verb(operation="reading.last_metrics", method="GET", path="/runs/{ref}/metrics"),
    Verb(operation="reading.curves", method="GET", path="/runs/{ref}/curves"),
    Verb(operation="reading.artifacts", method="GET", path="/runs/{ref}/artifacts"),
    Verb(operation="reading.values", method="GET", path="/runs/{ref}/values"),
    Verb(operation="reading.logs", method="GET", path="/runs/{ref}/logs", served="reading.tail"),
    Verb(operation="reading.reused", method="GET", path="/runs/{ref}/reused"),
    Verb(operation="comparing.diff", method="GET", path="/runs/{head}/diff"),
    Verb(operation="judging.judged", method="POST", path="/runs/{head}/comparison"),
    Verb(operation="reasons.why", method="GET", path="/runs/{ref}/why"),
    Verb(operation="histories.history", method="GET", path="/algorithms/{algorithm}/history"),
    Verb(operation="leaderboards.leaderboard", method="GET", path="/algorithms/{algorithm}/leaderboard"),
    Verb(operation="canceling.cancel", method="POST", path="/runs/{ref}/cancel", role=Role.RUN),
    Verb(operation="labelling.tag", method="POST", path="/runs/{ref}/tags", role=Role.RUN),
    Verb(operation="labelling.untag", method="DELETE", path="/runs/{ref}/tags", role=Role.RUN),
    Verb(operation="labelling.read_note", method="GET", path="/runs/{ref}/note"),
    Verb(operation="labelling.note", method="PUT", path="/runs/{ref}/note", role=Role.RUN),
    Verb(operation="promoting.log", method="GET", path="/promotions"),
    Verb(operation="gating.standing", method="POST", path="/runs/{ref}/standing"),
    Verb(operation="gating.promote", method="POST", path="/runs/{ref}/promotions", role=Role.RUN),
    Verb(
        operation="promoting.rollback",
        method="POST",
        path="/algorithms/{algorithm}/aliases/{alias}/rollback",
        role=Role.RUN,
    ),
    Verb(operation="baselines.show", method="POST", path="/runs/{ref}/baseline"),
    Verb(operation="pinning.listed", method="GET", path="/baselines"),
    Verb(operation="pinning.pin", method="PUT", path="/runs/{ref}/pin", role=Role.RUN),
    Verb(operation="pinning.unpin", method="DELETE", path="/algorithms/{algorithm}/pins", role=Role.RUN),
    Verb(operation="searching.saved", method="GET", path="/views"),
    Verb(operation="searching.save", method="PUT", path="/views/{name}", role=Role.RUN),
    Verb(operation="searching.remove", method="DELETE", path="/views/{name}", role=Role.RUN),
    Verb(operation="sweeps.known", method="GET", path="/sweeps"),
    Verb(operation="sweeps.look", method="GET", path="/sweeps/{reference}"),
    Verb(operation="importing.known", method="POST", path="/imports/known"),
    Verb(operation="importing.add", method="POST", path="/imports", role=Role.RUN),
    Verb(operation="collecting.preview", method="GET", path="/garbage", role=Role.ADMIN),
    Verb(operation="collecting.let_go", method="POST", path="/garbage", role=Role.ADMIN),
    Verb(operation="reading.named", method="GET", path="/runs/{ref}/artifacts/{name}"),
    Verb(operation="offering.projects", method="GET", path="/projects"),
    Verb(operation="offering.names", method="GET", path="/names/{what}"),
    Verb(operation="happening.events", method="GET", path="/runs/{ref}/events", served="happening.coming"),
    Verb(operation="happening.tails", method="GET", path="/runs/{ref}/tails"),
    Verb(operation="taking.lacking", method="POST", path="/runs/lacking", role=Role.RUN),
    Verb(operation="taking.accept", method="POST", path="/runs", role=Role.RUN, wakes=True),
    Verb(operation="redoing.resume", method="POST", path="/runs/{ref}/resume", role=Role.RUN, wakes=True),
    Verb(operation="redoing.rerun", method="POST", path="/runs/{ref}/rerun", role=Role.RUN, wakes=True),
    Verb(operation="redoing.point", method="POST", path="/sweeps/{sweep}/points", role=Role.RUN, wakes=True),
    Verb(operation="redoing.reproduce", method="POST", path="/runs/{ref}/reproduce", role=Role.RUN, wakes=True),
    Verb(operation="redoing.certificate", method="GET", path="/runs/{ref}/certificate"),
    Verb(operation="redoing.prior", method="POST", path="/runs/{ref}/prior"),
    Verb(operation="redoing.files", method="GET", path="/runs/{ref}/files"),
    Verb(operation="donors.donor", method="GET", path="/runs/{ref}/data"),
    Verb(operation="extras.needed", method="GET", path="/runs/{head}/extras"),
    Verb(operation="performing.accept", method="POST", path="/extras", role=Role.RUN, wakes=True),
    Verb(operation="tickets.known", method="GET", path="/tickets"),
    Verb(operation="tickets.keep", method="POST", path="/tickets", role=Role.RUN),
    Verb(operation="mirrors.known", method="POST", path="/mirrors/known"),
    Verb(operation="mirrors.live", method="GET", path="/mirrors"),
    Verb(operation="mirrors.take", method="POST", path="/mirrors", role=Role.RUN),
    Verb(operation="mirrors.origin", method="GET", path="/runs/{ref}/mirror"),
    Verb(operation="parcels.missing", method="POST", path="/blobs/missing", role=Role.RUN),
    Verb(operation="parcels.accept", method="PUT", path="/runs/{run}", role=Role.RUN),
    Verb(operation="overviews.branches", method="GET", path="/branches"),
    Verb(operation="overviews.branch", method="GET", path="/branches/{branch:path}"),
    Verb(operation="branches.known", method="GET", path="/heads"),
    Verb(operation="departures.leave", method="POST", path="/departures", role=Role.RUN),
    Verb(operation="departures.remember", method="PUT", path="/departures", role=Role.RUN),
    Verb(operation="departures.come_back", method="POST", path="/departures/back", role=Role.RUN),
    Verb(operation="departures.archived", method="POST", path="/departures/archived", role=Role.RUN),
    Verb(operation="departures.preview", method="GET", path="/departures/runs"),
    Verb(operation="departures.thin", method="POST", path="/departures/runs", role=Role.ADMIN),
    Verb(operation="departures.commits", method="GET", path="/commits"),
    Verb(operation="departures.orphan", method="PUT", path="/commits/orphaned", role=Role.RUN),
    Verb(operation="branches.named", method="GET", path="/branch"),
    Verb(operation="branches.advance", method="PUT", path="/branches", role=Role.RUN),
    Verb(operation="checks.record", method="POST", path="/checks", role=Role.RUN),
    Verb(operation="checks.settle", method="PUT", path="/checks", role=Role.RUN),
    Verb(operation="checks.of", method="GET", path="/commits/{commit}/checks"),
    Verb(operation="checks.unsettled", method="GET", path="/checks/unsettled"),
    Verb(operation="checks.newest", method="GET", path="/checks/newest"),
    Verb(operation="checks.tried", method="GET", path="/checks/tried"),
    Verb(operation="checks.on_branch", method="GET", path="/checks"),
    Verb(operation="checks.states", method="POST", path="/checks/states"),
    Verb(operation="hosting.prefix", method="GET", path="/scope"),
    Verb(operation="hosting.claim", method="PUT", path="/scope", role=Role.RUN),
    Verb(operation="hosting.list_pipelines", method="GET", path="/pipelines"),
    Verb(operation="hosting.create_pipeline", method="POST", path="/pipelines", role=Role.RUN),
    Verb(operation="hosting.remove_pipeline", method="DELETE", path="/pipelines/{pipeline}", role=Role.RUN),
    Verb(operation="hosting.list_versions", method="GET", path="/pipelines/{pipeline}/versions"),
    Verb(operation="hosting.add_version", method="POST", path="/pipelines/{pipeline}/versions", role=Role.RUN),
    Verb(operation="hosting.document_of", method="GET", path="/pipelines/{pipeline}/versions/{version}/document"),
    Verb(
        operation="hosting.remove_version",
        method="DELETE",
        path="/pipelines/{pipeline}/versions/{version}",
        role=Role.RUN,
    ),
    Verb(operation="hosting.list_experiments", method="GET", path="/experiments"),
    Verb(operation="hosting.create_experiment", method="POST", path="/experiments", role=Role.RUN),
    Verb(
        operation="hosting.describe_experiment",
        method="PUT",
        path="/experiments/{experiment}/description",
        role=Role.RUN,
    ),
    Verb(operation="hosting.rename_experiment", method="PUT", path="/experiments/{experiment}/name", role=Role.RUN),
    Verb(operation="hosting.archive_experiment", method="PUT", path="/experiments/{experiment}/archive", role=Role.RUN),
    Verb(
        operation="hosting.unarchive_experiment",
        method="DELETE",
        path="/experiments/{experiment}/archive",
        role=Role.RUN,
    ),
    Verb(operation="hosting.begin_run", method="POST", path="/hosted", role=Role.RUN, wakes=True),
    Verb(operation="hosting.list_runs", method="GET", path="/hosted"),
    Verb(operation="hosting.hosted_run", method="GET", path="/hosted/{run}"),
    Verb(operation="hosting.cancel_run", method="POST", path="/hosted/{run}/cancel", role=Role.RUN, wakes=True),
    Verb(operation="recurring.list_schedules", method="GET", path="/schedules"),
    Verb(operation="recurring.create", method="POST", path="/schedules", role=Role.RUN, wakes=True),
    Verb(operation="recurring.edit", method="PUT", path="/schedules/{schedule}", role=Role.RUN, wakes=True),
    Verb(operation="recurring.delete", method="DELETE", path="/schedules/{schedule}", role=Role.RUN),
    Verb(operation="recurring.history", method="GET", path="/schedules/{schedule}/edits"),
    Verb(operation="recurring.ticks", method="GET", path="/schedules/{schedule}/ticks"),
    Verb(operation="recurring.switch", method="PUT", path="/schedules/{schedule}/enabled", role=Role.RUN, wakes=True),
    Verb(operation="recurring.fire", method="POST", path="/schedules/{schedule}/runs", role=Role.RUN, wakes=True),
)

_BY_OPERATION: Final = {verb.operation: verb for verb in VERBS}


def named(function: Callable[..., Any]) -> str:
    """The name by which the table has a function."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"


def verb_of(function: Callable[..., Any]) -> Verb:
    """The row of a function."""
    return _BY_OPERATION[named(function)]
