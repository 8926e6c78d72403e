"""Runs of a host of pipelines: accept them, find them, end them, archive them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from palmette.domain import wire
from palmette.domain.config import check_values, matching_preset
from palmette.domain.fields import FULL
from palmette.domain.graph import Algorithm
from palmette.domain.hosting import SERVED, Experiment, Version
from palmette.domain.listing import Page, Slice
from palmette.domain.run import Run, Setting, Source, TaskRecord
from palmette.domain.states import RunState, became
from palmette.domain.values import Json
from palmette.engine.parameters import settled
from palmette.engine.planning import plan as make_plan
from palmette.errors import ConfigError, Conflict, NotFound, PalmetteError, Problem, UsageError
from palmette.ir.spec import PipelineDocument
from palmette.operations import canceling, documents, experiments, labels, pipelines, titles
from palmette.operations.home import Home
from palmette.operations.macros import Moment, expand
from palmette.store import filing
from palmette.store.columns import plain
from palmette.store.identity import is_run_id, new_run_id

#: The project of runs that belong to none.
NO_PROJECT: Final = "kfp"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What somebody wants to be run. Either `document` or `pipeline` says what."""

    #: display name; the pipeline's where it is empty
    name: str = ""
    description: str = ""
    document: PipelineDocument | bytes | None = None
    #: a pipeline's id, and a version's; without one, the newest
    pipeline: str = ""
    version: str = ""
    #: macros in them are expanded
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: an experiment's id; empty for the default one
    experiment: str = ""
    root: str = ""
    service_account: str = ""
    owner: str = ""
    trigger: str = "api"
    project: str = ""
    #: the recurring run whose tick it stands for, when that was due, and the how-manieth it is
    schedule: str = ""
    scheduled: float | None = None
    index: int | None = None
    tags: tuple[str, ...] = ()
    #: what whoever reads of it should know, besides what comes of the pipeline
    notices: tuple[str, ...] = ()
    #: of one that is submitted again if nobody knows whether it was: the same run is answered. Empty for a new one
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that can be accepted."""

    run: Run
    tasks: tuple[TaskRecord, ...]


def submit(home: Home, submission: Submission) -> Run:
    """Accept a run for the servers of the store: from then on it is never lost. What is wrong with it is said at once,
    all of it, and leaves nothing behind: NotFound, Conflict, SpecError, CompileError, ConfigError, UsageError."""
    if submission.id:
        found = filing.get(home.store, submission.id)
        if found is not None:
            return found
    prepared = prepare(home, submission)
    if not filing.accept(home.store, prepared.run, prepared.tasks):
        experiments.require_open(home, prepared.run.experiment)
        raise Conflict("the experiment was archived just now", "Restore it, or choose another one.")
    return prepared.run


def prepare(home: Home, submission: Submission) -> Prepared:
    """The run that would be accepted, and its tasks. Its pipeline is kept; nothing else is written, but for the default
    experiment."""
    _require(submission)
    now = time.time()
    experiment = experiments.require_open(home, submission.experiment)
    document, version, project = _source(home, submission)
    id = submission.id or new_run_id()
    moment = Moment(run=id, now=now, scheduled=submission.scheduled, index=submission.index)
    given = {name: expand(value, moment) for name, value in submission.parameters.items()}
    algorithm = algorithm_of(document)
    values = settle(document, algorithm, given)
    plan = make_plan(document, values, images=bool(home.containers))
    run = replace(
        _run(submission, experiment, id),
        project=submission.project or project or labels.project(version, submission.description) or NO_PROJECT,
        algorithm=plain(document.pipeline.name),
        name=submission.name or plain(document.pipeline.name),
        preset=matching_preset(algorithm.config, algorithm.presets, values) or FULL,
        settings=tuple(_settings(algorithm, given, values)),
        metrics=algorithm.metrics,
        pipeline=version.pipeline if version else "",
        pipeline_version=version.id if version else "",
        version=version.name if version else "",
        spec=version.spec if version else documents.keep(home, document),
        created=now,
        notices=(*submission.notices, *(str(note) for note in plan.notes)),
    )
    return Prepared(run=labels.labelled(home, run, version, algorithm), tasks=plan.records())


def require_startable(home: Home, submission: Submission) -> None:
    """Raise what `submit` would, as far as the pipeline and its parameters are to blame."""
    document, _, _ = _source(home, submission)
    moment = Moment(run=new_run_id(), now=time.time(), scheduled=time.time(), index=1)
    given = {name: expand(value, moment) for name, value in submission.parameters.items()}
    make_plan(document, settle(document, algorithm_of(document), given), images=bool(home.containers))


def refused(home: Home, submission: Submission, reason: PalmetteError) -> Prepared:
    """A run that failed before it began, and says why: for a tick that must not be lost, whose pipeline is."""
    now = time.time()
    experiment = experiments.require_open(home, submission.experiment)
    message = "; ".join([reason.message, *(str(problem).replace("\n", " ") for problem in reason.problems)])
    run = replace(
        _run(submission, experiment, submission.id or new_run_id()),
        project=submission.project or NO_PROJECT,
        algorithm=submission.name,
        state=RunState.FAILED,
        created=now,
        started=now,
        ended=now,
        message=f"it could not begin: {message}",
    )
    return Prepared(run=run, tasks=())


def _run(submission: Submission, experiment: Experiment, id: str) -> Run:
    return Run(
        id=id,
        project="",
        algorithm="",
        name=submission.name,
        description=submission.description,
        trigger=submission.trigger,
        experiment=experiment.id,
        pipeline=submission.pipeline,
        schedule=submission.schedule,
        scheduled=submission.scheduled,
        queue=SERVED,
        owner=submission.owner,
        root=submission.root,
        service_account=submission.service_account,
        tags=submission.tags,
        notices=submission.notices,
    )


def _require(submission: Submission) -> None:
    """UsageError with all that is wrong before anything is looked up."""
    found = list(titles.problems("run", submission.name)) if submission.name else []
    if submission.version and not submission.pipeline:
        found.append(Problem(where="version", what="a version is named, but not its pipeline", hint="Give both ids."))
    if (submission.document is None) == (not submission.pipeline):
        what = "neither a pipeline nor a document" if submission.document is None else "a pipeline and a document"
        found.append(Problem(where="pipeline", what=f"{what} is given", hint="Give one of them."))
    if submission.id and not is_run_id(submission.id):
        found.append(Problem(where="id", what=f"{submission.id!r} is no identifier of a run"))
    if found:
        raise UsageError("this run cannot be made as it was asked for", problems=found)


def _source(home: Home, submission: Submission) -> tuple[PipelineDocument, Version | None, str]:
    """What is to be run: the document, the version it is of, and whose that is."""
    if submission.pipeline:
        pipeline = pipelines.get(home, submission.pipeline)
        if submission.version:
            version = pipelines.version(home, pipeline.id, submission.version)
        else:
            version = pipelines.newest(home, pipeline.id)
        return documents.load(home, version.spec), version, pipeline.project
    return read(submission.document), None, ""


def read(document: PipelineDocument | bytes | None) -> PipelineDocument:
    """A document from outside, checked."""
    assert document is not None
    if isinstance(document, bytes):
        return documents.read(document)
    documents.require(document)
    return document


def algorithm_of(document: PipelineDocument) -> Algorithm:
    """What a pipeline that Palmette compiled says of its algorithm; of another one nothing is known."""
    said: Any = document.platform.algorithm
    empty = Algorithm(name=document.pipeline.name, target="")
    try:
        return wire.load(Algorithm, said) if said else empty
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):
        return empty  # written by hand, or by a Palmette that says it otherwise; the pipeline itself is whole


def settle(document: PipelineDocument, algorithm: Algorithm, given: Mapping[str, Json]) -> dict[str, Json]:
    """The value of every parameter. ConfigError with all that is missing, unknown or not allowed."""
    problems = [problem for name, value in given.items() for problem in documents.unsayable(name, value)]
    values: dict[str, Json] = {}
    try:
        values = settled(document.pipeline.root.input_definitions.parameters, given)
    except ConfigError as error:
        problems += error.problems
    named = {problem.where for problem in problems}
    chosen = {name: value for name, value in {**given, **values}.items() if name not in named}
    problems += [each for each in check_values(algorithm.config, chosen) if each.where not in named]
    if problems:
        raise ConfigError("these parameters cannot be used", problems=problems)
    return values


def _settings(algorithm: Algorithm, given: Mapping[str, Json], values: Mapping[str, Json]) -> Iterator[Setting]:
    """The values with their provenance, in the order of the config where there is one."""
    order = [entry.name for entry in algorithm.config if entry.name in values]
    for name in dict.fromkeys([*order, *values]):
        source = Source.DEFAULT if given.get(name) is None else Source.OVERRIDE
        yield Setting(name=name, value=values[name], source=source)


# Finding.


def get(home: Home, id: str) -> Run:
    """The run of exactly this id; NotFound if there is none."""
    found = filing.get(home.store, id)
    if found is None:
        raise NotFound(f"there is no run {id!r}")
    return found


def runs(home: Home, wanted: Slice) -> Page[Run]:
    """A part of the list of runs, archived ones included; of the home's project, if it has one."""
    return filing.page(home.store, wanted, project=home.project)


# Ending.


def terminate(home: Home, id: str) -> Run:
    """See to it that a run ends, as soon as whoever drives it hears of it; at once where nobody does. UsageError for
    one that is over. The run as it is then."""
    run = get(home, id)
    if run.state.final:
        raise UsageError(f"run {run.id} is over: it {became(run.state)}", "There is nothing to terminate.")
    return canceling.cancel(home, run.id)


# Keeping.


def archive(home: Home, id: str) -> None:
    """Put a run into the archive. It goes on, if it does."""
    filing.archive(home.store, get(home, id).id, time.time())


def unarchive(home: Home, id: str) -> None:
    """Take a run out of the archive. Conflict while its experiment is in there."""
    run = get(home, id)
    if run.experiment:
        # One that was deleted keeps nothing in the archive.
        with suppress(NotFound):
            experiments.require_open(home, run.experiment)
    filing.archive(home.store, run.id, None)


def delete(home: Home, id: str) -> None:
    """Forget a run and what its attempts wrote; what others need of its bytes stays. One that goes on is ended first:
    whoever drives it can write nothing any more, and stops what it runs when it next tries."""
    run = get(home, id)
    if not run.state.final:
        # It may be over by now.
        with suppress(UsageError):
            terminate(home, run.id)
    filing.remove(home.store, run.id)
    # What cannot be removed now, or is written by what is still being stopped, goes with `palmette gc`.
    shutil.rmtree(home.runs / run.id, ignore_errors=True)
