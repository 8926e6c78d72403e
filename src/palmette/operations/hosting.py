"""What a host of pipelines is asked: pipelines, versions, experiments and runs of this home, in parts that travel."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from palmette.domain.footer import split
from palmette.domain.hosting import Experiment, Pipeline, Version
from palmette.domain.listing import Comparing, Page, Predicate, Slice
from palmette.domain.run import Run, Source
from palmette.domain.values import Json
from palmette.errors import AlreadyThere, NotFound, UsageError
from palmette.ir import codec
from palmette.operations import canceling, documents, experiments, pipelines, scopes, submitting
from palmette.operations.home import Home
from palmette.operations.hosts import HostedRun, Order
from palmette.operations.submitting import Submission
from palmette.store import scopes as scope_rows

#: how many of a list are told at once
_MANY: Final = 200

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PipelinesPart:
    """Some pipelines, and where the next ones begin; empty after the last."""

    items: tuple[Pipeline, ...] = ()
    following: str = ""


@dataclass(frozen=True, kw_only=True)
class VersionsPart:
    """Some versions of a pipeline, the newest first."""

    items: tuple[Version, ...] = ()
    following: str = ""


@dataclass(frozen=True, kw_only=True)
class ExperimentsPart:
    """Some experiments."""

    items: tuple[Experiment, ...] = ()
    following: str = ""


@dataclass(frozen=True, kw_only=True)
class RunsPart:
    """Some runs, the newest first."""

    items: tuple[HostedRun, ...] = ()
    following: str = ""


def part(page: Callable[[Slice], Page[T]], start: str, *, newest: bool = False, **equal: str) -> tuple[Page[T], str]:
    """The rows from `start` on whose fields are equal to what is given, and where the next ones begin."""
    predicates = tuple(
        Predicate(field=name, comparing=Comparing.EQUALS, operands=(value,)) for name, value in equal.items() if value
    )
    found = page(Slice(predicates=predicates, size=_MANY, start=_start(start), descending=newest))
    return found, json.dumps(found.following) if found.following else ""


def _start(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    try:
        value, id = json.loads(text)
        return float(value), str(id)
    except (ValueError, TypeError):
        raise UsageError(f"{text[:80]!r} is no place in a list", "Take `following` of the part before.") from None


# Names


def claim(home: Home, name: str) -> str:
    """What precedes the names of a project's objects here, settled now if it was not: nothing for the first project."""
    return scope_rows.claim(home.store, _project(name))


def prefix(home: Home, name: str) -> str:
    """What `claim` would give; nothing is settled."""
    return scope_rows.expected(home.store, _project(name))


def _project(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise UsageError(f"{name[:120]!r} is no name of a project", "It has 1 to 100 characters that can be shown.")
    return name


# Pipelines


def list_pipelines(home: Home, name: str = "", start: str = "") -> PipelinesPart:
    """Pipelines in the order in which they were made, or the one of a name."""
    found, following = part(lambda wanted: pipelines.page(home, wanted), start, name=name)
    return PipelinesPart(items=found.items, following=following)


def create_pipeline(home: Home, name: str, description: str = "") -> Pipeline:
    """Make a pipeline without a version; the one that is there, if it is the same project's."""
    try:
        return pipelines.create(home, name, description=description, project=owner(home, description))
    except AlreadyThere:
        found = pipelines.named(home, name)
        scopes.require_own("a pipeline", found, description)
        return found


def remove_pipeline(home: Home, pipeline: str) -> None:
    """Forget a pipeline and all its versions. Its runs stay."""
    pipelines.delete(home, pipeline, cascade=True)


def list_versions(home: Home, pipeline: str, name: str = "", start: str = "") -> VersionsPart:
    """Versions of a pipeline, the newest first, or the one of a name."""
    found, following = part(lambda wanted: pipelines.versions(home, pipeline, wanted), start, newest=True, name=name)
    return VersionsPart(items=found.items, following=following)


def add_version(home: Home, pipeline: str, name: str, document: str, *, description: str = "") -> Version:
    """Upload a version: `document` is its YAML or JSON. AlreadyThere where the pipeline has one of that name."""
    data = document.encode()
    return pipelines.add_version(home, pipeline, data, filename="pipeline.yaml", name=name, description=description)


def document_of(home: Home, pipeline: str, version: str) -> str:
    """The document of a version, as JSON."""
    return codec.to_json(documents.load(home, pipelines.version(home, pipeline, version).spec))


def remove_version(home: Home, pipeline: str, version: str) -> None:
    """Forget a version. Its runs stay."""
    pipelines.delete_version(home, pipeline, version)


# Experiments


def list_experiments(home: Home, name: str = "", start: str = "") -> ExperimentsPart:
    """Experiments in the order in which they were made, archived ones included, or the one of a name."""
    found, following = part(lambda wanted: experiments.page(home, wanted), start, name=name)
    return ExperimentsPart(items=found.items, following=following)


def create_experiment(home: Home, name: str, description: str = "") -> Experiment:
    """Make an experiment; the one that is there, if it is the same project's."""
    try:
        return experiments.create(home, name, description=description, project=owner(home, description))
    except AlreadyThere:
        found = experiments.named(home, name)
        scopes.require_own("an experiment", found, description)
        return found


def describe_experiment(home: Home, experiment: str, description: str) -> Experiment:
    """Give an experiment another description."""
    return experiments.describe(home, experiment, description)


def rename_experiment(home: Home, experiment: str, name: str) -> Experiment:
    """Give an experiment another name. AlreadyThere where another one has it."""
    return experiments.rename(home, experiment, name)


def archive_experiment(home: Home, experiment: str) -> None:
    """Archive an experiment and its runs, and disable its recurring runs."""
    experiments.archive(home, experiment)


def unarchive_experiment(home: Home, experiment: str) -> None:
    """Take an experiment out of the archive; its runs stay there, its recurring runs disabled."""
    experiments.unarchive(home, experiment)


def owner(home: Home, description: str) -> str:
    """Whose it is: what its footer says, else the project that is meant."""
    return str(split(description)[1].get("project", "")) or home.project


# Runs


def begin_run(home: Home, order: Order) -> HostedRun:
    """Accept a run for the servers of the store."""
    _, facts = split(order.description)
    wanted = Submission(
        name=order.name,
        description=order.description,
        pipeline=order.pipeline,
        version=order.version,
        parameters=order.parameters,
        experiment=order.experiment,
        root=order.root,
        service_account=order.service_account,
        trigger="ci" if facts.get("trigger") == "ci" else "api",
        project=home.project,
    )
    return told(submitting.submit(home, wanted))


def hosted_run(home: Home, run: str) -> HostedRun:
    """A run by its whole id; NotFound if there is none."""
    found = submitting.get(home, run)
    if home.project and found.project != home.project:
        raise NotFound(f"there is no run {run!r}")
    return told(found)


def list_runs(home: Home, experiment: str = "", start: str = "") -> RunsPart:
    """Runs, the newest first, archived ones included; of an experiment, or all."""
    found, following = part(lambda wanted: submitting.runs(home, wanted), start, newest=True, experiment=experiment)
    return RunsPart(items=tuple(map(told, found.items)), following=following)


def cancel_run(home: Home, run: str) -> HostedRun:
    """See to it that a run ends; one that is over stays as it is."""
    found = submitting.get(home, hosted_run(home, run).id)
    return told(found if found.state.final else canceling.cancel(home, found.id))


def told(run: Run) -> HostedRun:
    """A run of this home, as hosts tell of runs."""
    return HostedRun(
        id=run.id,
        name=run.name or run.algorithm,
        description=run.description,
        state=run.state,
        experiment=run.experiment,
        pipeline=run.pipeline,
        version=run.pipeline_version,
        schedule=run.schedule,
        created=run.created,
        ended=run.ended,
        message=run.message,
        archived=run.archived is not None,
        parameters=_given(run),
    )


def _given(run: Run) -> Mapping[str, Json]:
    return {setting.name: setting.value for setting in run.settings if setting.source is not Source.DEFAULT}
