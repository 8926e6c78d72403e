"""Experiments."""

from __future__ import annotations

from functools import partial
from typing import Final

from palmette.domain.hosting import Role
from palmette.kfpapi import hosted, listing, messages
from palmette.operations import experiments
from palmette.server.kfp.parts import LIST, PREFIX, listed
from palmette.server.rows import EMPTY, Asked, Row, message

_PATH: Final = f"{PREFIX}/experiments"
_ONE: Final = _PATH + "/{experiment_id}"
_SERVICE: Final = "ExperimentService"


def _create(asked: Asked) -> messages.Experiment:
    wanted: messages.Experiment = asked.body
    return hosted.experiment(experiments.create(asked.home, wanted.display_name, description=wanted.description))


def _list(asked: Asked) -> messages.ListExperimentsResponse:
    found, total, token = listed(listing.EXPERIMENTS, asked, partial(experiments.page, asked.home))
    shown = tuple(hosted.experiment(each) for each in found)
    return messages.ListExperimentsResponse(experiments=shown, total_size=total, next_page_token=token)


def _get(asked: Asked) -> messages.Experiment:
    return hosted.experiment(experiments.get(asked.home, asked.path["experiment_id"]))


def _archive(asked: Asked) -> messages.Empty:
    experiments.archive(asked.home, asked.path["experiment_id"])
    return messages.Empty()


def _unarchive(asked: Asked) -> messages.Empty:
    experiments.unarchive(asked.home, asked.path["experiment_id"])
    return messages.Empty()


def _delete(asked: Asked) -> messages.Empty:
    experiments.delete(asked.home, asked.path["experiment_id"])
    return messages.Empty()


_ONE_EXPERIMENT: Final = message(messages.Experiment)

ROWS: Final = (
    Row(
        name=f"{_SERVICE}_CreateExperiment",
        method="POST",
        path=_PATH,
        summary="Make an experiment.",
        answer=_create,
        role=Role.RUN,
        body=_ONE_EXPERIMENT,
        reply=_ONE_EXPERIMENT,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ListExperiments",
        method="GET",
        path=_PATH,
        summary="List experiments; archived ones, too.",
        answer=_list,
        query=LIST,
        reply=message(messages.ListExperimentsResponse),
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_GetExperiment",
        method="GET",
        path=_ONE,
        summary="Show an experiment.",
        answer=_get,
        reply=_ONE_EXPERIMENT,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_DeleteExperiment",
        method="DELETE",
        path=_ONE,
        summary="Delete an experiment. The default one stays.",
        answer=_delete,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_ArchiveExperiment",
        method="POST",
        path=f"{_ONE}:archive",
        summary="Archive an experiment with its runs, and disable its recurring runs.",
        answer=_archive,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
    Row(
        name=f"{_SERVICE}_UnarchiveExperiment",
        method="POST",
        path=f"{_ONE}:unarchive",
        summary="Take an experiment back from the archive, without its runs.",
        answer=_unarchive,
        role=Role.RUN,
        reply=EMPTY,
        tag=_SERVICE,
    ),
)
