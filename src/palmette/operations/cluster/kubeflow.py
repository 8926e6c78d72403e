"""A Kubeflow as a host of pipelines, through the official client: only calls of its published API.

It has no call that changes an experiment or a recurring run. What Palmette must find again stands in descriptions.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from palmette.domain.footer import signed, split
from palmette.domain.hosting import Experiment, Pipeline, Version
from palmette.domain.states import RunState
from palmette.errors import AlreadyThere, Conflict, NotFound, UsageError
from palmette.ir.dialects import Dialect
from palmette.operations import scopes
from palmette.operations.cluster.official import Line
from palmette.operations.cluster.succession import KubeflowSchedules
from palmette.operations.hosts import HostedRun, Order
from palmette.operations.targets import Target

__all__ = ["CLAIM", "KubeflowHost", "KubeflowSchedules", "reach"]

#: The experiment that says whose the plain names are. No branch can be called so.
CLAIM: Final = "~palmette"
_CLAIMED: Final = "Palmette keeps here which project has plain names on this host. Leave it as it is."
_CASE: Final = "Its database takes them for the same. Rename the branch."
#: of a list at once; versions come with their documents
_MANY, _HEAVY = 100, 20
_NEWEST: Final = "created_at desc"
_EQUALS: Final = 1
_UPLOAD: Final = ("pipeline_uploads", "upload_pipeline_version")

T = TypeVar("T")

_STATES: Final[Mapping[str, RunState]] = {
    "PENDING": RunState.PENDING,
    "RUNNING": RunState.RUNNING,
    "PAUSED": RunState.RUNNING,
    "CANCELING": RunState.CANCELING,
    "SUCCEEDED": RunState.SUCCEEDED,
    "FAILED": RunState.FAILED,
    "CANCELED": RunState.CANCELED,
    "SKIPPED": RunState.CANCELED,
}


def reach(target: Target, environ: Mapping[str, str]) -> KubeflowHost:
    """The Kubeflow that a target names. It is asked once whether it is there: ServerError within seconds if not,
    AccessDenied if it does not let in whoever asks, UsageError where the official client is not installed."""
    return KubeflowHost(Line(target, environ))


def _listed(line: Line, group: str, call: str, attribute: str, /, *values: Any, **named: Any) -> Iterator[Any]:
    """All of a list, part by part."""
    token = ""
    while True:
        said = {**named, "page_token": token}
        answer = line.ask(group, call, *values, **said)
        yield from getattr(answer, attribute) or ()
        token = answer.next_page_token or ""
        if not token:
            return


def _is(name: str) -> str:
    """A filter for what is called so, as the client itself writes it."""
    return json.dumps({"predicates": [{"operation": _EQUALS, "key": "display_name", "stringValue": name}]})


def moment(given: datetime | None) -> float | None:
    """A time; None for none, which is written as the beginning of 1970."""
    return given.timestamp() if given is not None and given.timestamp() > 0 else None


@dataclass(frozen=True)
class KubeflowHost:
    """A Kubeflow."""

    line: Line

    @property
    def called(self) -> str:
        """The target's name and address."""
        return self.line.called

    @property
    def dialect(self) -> Dialect:
        """What it takes."""
        return Dialect(self.line.target.dialect)

    @property
    def pages(self) -> str:
        """The address of its pages."""
        return self.line.target.ui.rstrip("/") or self.line.url

    @cached_property
    def pipelines(self) -> KubeflowPipelines:
        """Pipelines and their versions."""
        return KubeflowPipelines(self.line)

    @cached_property
    def experiments(self) -> KubeflowExperiments:
        """What runs are filed under."""
        return KubeflowExperiments(self.line)

    @cached_property
    def runs(self) -> KubeflowRuns:
        """One-off runs."""
        return KubeflowRuns(self.line)

    @cached_property
    def schedules(self) -> KubeflowSchedules:
        """Recurring runs."""
        return KubeflowSchedules(self.line, self.runs.begin)

    def claim(self, project: str) -> str:
        """Names are unique, so of several projects that claim at once one makes the experiment that says so."""
        there = self.experiments.named(CLAIM)
        if there is None:
            with suppress(AlreadyThere):
                self.experiments.make(CLAIM, signed(_CLAIMED, {"project": project, "names": "plain"}))
            there = self.experiments.named(CLAIM)
        return _prefix(there, project)

    def prefix(self, project: str) -> str:
        """What `claim` would give."""
        return _prefix(self.experiments.named(CLAIM), project) if project else ""


def _prefix(there: Experiment | None, project: str) -> str:
    if there is None:
        return ""
    owner = split(there.description)[1].get("project")
    if not owner:
        raise AlreadyThere(
            f"the experiment {CLAIM!r} is there, and does not say whose plain names are",
            "It is Palmette's own. Delete it: the next project to come is the first.",
        )
    return "" if owner == project else f"{project}: "


@dataclass(frozen=True)
class KubeflowPipelines:
    """`hosts.Pipelines` of a Kubeflow."""

    line: Line

    def listed(self) -> Iterator[Pipeline]:
        """In the order in which they were made."""
        found = _listed(
            self.line, "pipelines", "pipeline_service_list_pipelines", "pipelines", page_size=_MANY, **self._scope
        )
        return map(_pipeline, found)

    @property
    def _scope(self) -> dict[str, str]:
        return {"namespace": self.line.namespace} if self.line.namespace else {}

    def named(self, name: str) -> Pipeline | None:
        """The one of exactly this name."""
        if not name:
            return None
        said = {**self._scope, "filter": _is(name)}
        found = _listed(self.line, "pipelines", "pipeline_service_list_pipelines", "pipelines", **said)
        return next((each for each in map(_pipeline, found) if each.name == name), None)

    def create(self, name: str, *, description: str) -> Pipeline:
        """Made, or found."""
        there = self.named(name)
        if there is None:
            wanted = self.line.models.V2beta1Pipeline(
                display_name=name, description=description, namespace=self.line.namespace or None
            )
            try:
                made = self.line.ask("pipelines", "pipeline_service_create_pipeline", wanted)
                return _pipeline(made)
            except AlreadyThere:
                there = self.named(name)
                if there is None:
                    raise
        scopes.require_own("a pipeline", there, description)
        return there

    def versions(self, pipeline: str) -> Iterator[Version]:
        """The newest first."""
        return map(_version, self._versions(pipeline, page_size=_HEAVY, sort_by=_NEWEST))

    def version(self, pipeline: str, name: str) -> Version | None:
        """The one of exactly this name."""
        found = map(_version, self._versions(pipeline, filter=_is(name))) if name else iter(())
        return next((each for each in found if each.name == name), None)

    def _versions(self, pipeline: str, **named: Any) -> Iterator[Any]:
        name = "pipeline_service_list_pipeline_versions"
        return _listed(self.line, "pipelines", name, "pipeline_versions", pipeline, **named)

    def add(self, pipeline: str, name: str, document: bytes, *, description: str) -> Version:
        """Uploaded as a file."""
        with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
            file = Path(directory) / "pipeline.yaml"
            file.write_bytes(document)
            said: dict[str, Any] = {"name": name, "pipelineid": pipeline, "description": description}

            def there() -> Any:
                found = next(self._versions(pipeline, filter=_is(name)), None)
                return found if found is not None and found.description == description else None

            try:
                return _version(self.line.make(there, *_UPLOAD, str(file), **said))
            except AlreadyThere as error:
                if self.version(pipeline, name) is not None:
                    raise
                what = f"{self.line.called} has a version whose name differs from {name!r} only in its case"
                raise Conflict(what, _CASE) from error

    def document(self, version: Version) -> bytes:
        """As JSON."""
        name = "pipeline_service_get_pipeline_version"
        found = self.line.ask("pipelines", name, version.pipeline, version.id)
        return json.dumps(found.pipeline_spec or {}).encode()

    def remove(self, pipeline: str, version: str = "") -> None:
        """Deleted; runs stay. A cluster refuses to delete a pipeline that has versions."""
        name = "pipeline_service_delete_pipeline_version"
        doomed = [version] if version else [each.id for each in self.versions(pipeline)]
        for each in doomed:
            with suppress(*(() if version else (NotFound,))):
                self.line.ask("pipelines", name, pipeline, each)
        if not version:
            self.line.ask("pipelines", "pipeline_service_delete_pipeline", pipeline)


def _pipeline(found: Any) -> Pipeline:
    name = found.display_name or getattr(found, "name", "") or ""
    return Pipeline(
        id=found.pipeline_id,
        name=name,
        display_name=name,
        description=found.description or "",
        created=moment(found.created_at) or 0.0,
    )


def _version(found: Any) -> Version:
    name = found.display_name or getattr(found, "name", "") or ""
    return Version(
        id=found.pipeline_version_id,
        pipeline=found.pipeline_id,
        name=name,
        display_name=name,
        description=found.description or "",
        code_source_url=found.code_source_url or "",
        created=moment(found.created_at) or 0.0,
    )


@dataclass(frozen=True)
class KubeflowExperiments:
    """`hosts.Experiments` of a Kubeflow, which has no call that changes one."""

    line: Line

    def listed(self) -> Iterator[Experiment]:
        """In the order in which they were made."""
        return map(_experiment, self._listed(page_size=_MANY))

    def _listed(self, **named: Any) -> Iterator[Any]:
        if self.line.namespace:
            named["namespace"] = self.line.namespace
        return _listed(self.line, "experiments", "experiment_service_list_experiments", "experiments", **named)

    def named(self, name: str) -> Experiment | None:
        """The one of exactly this name."""
        found = map(_experiment, self._listed(filter=_is(name))) if name else iter(())
        return next((each for each in found if each.name == name), None)

    def make(self, name: str, description: str) -> Experiment:
        """AlreadyThere where there is one of that name."""

        def made(description: str) -> Experiment:
            wanted = self.line.models.V2beta1Experiment(
                display_name=name, description=description, namespace=self.line.namespace or None
            )
            return _experiment(self.line.ask("experiments", "experiment_service_create_experiment", wanted))

        found: Experiment = self.line.describe(description, made)
        return found

    def create(self, name: str, *, description: str) -> Experiment:
        """Made, or found."""
        there = self.named(name)
        if there is None:
            try:
                return self.make(name, description)
            except AlreadyThere as error:
                there = self.named(name)
                if there is None:
                    what = f"{self.line.called} has an experiment whose name differs from {name!r} only in its case"
                    raise AlreadyThere(what, _CASE) from error
        scopes.require_own("an experiment", there, description)
        return there

    def describe(self, id: str, description: str) -> bool:
        """A Kubeflow cannot."""
        return False

    def rename(self, id: str, name: str) -> bool:
        """A Kubeflow cannot."""
        return False

    def archive(self, id: str) -> None:
        """With its runs; its recurring runs are disabled."""
        self.line.ask("experiments", "experiment_service_archive_experiment", id)

    def unarchive(self, id: str) -> None:
        """Without its runs."""
        self.line.ask("experiments", "experiment_service_unarchive_experiment", id)


def _experiment(found: Any) -> Experiment:
    created = moment(found.created_at) or 0.0
    return Experiment(
        id=found.experiment_id,
        name=found.display_name or "",
        description=found.description or "",
        created=created,
        last_run=moment(getattr(found, "last_run_created_at", None)),
        # It is not said when.
        archived=created if found.storage_state == "ARCHIVED" else None,
    )


@dataclass(frozen=True)
class KubeflowRuns:
    """`hosts.Runs` of a Kubeflow."""

    line: Line

    def begin(self, order: Order) -> HostedRun:
        """Begun once: where no answer comes, it is looked for by the key in its footer before it is said again."""
        found: HostedRun = self.line.describe(
            order.description, lambda description: self._begun(replace(order, description=description))
        )
        return found

    def _begun(self, order: Order) -> HostedRun:
        models, target = self.line.models, self.line.target
        reference = models.V2beta1PipelineVersionReference(
            pipeline_id=order.pipeline, pipeline_version_id=order.version or None
        )
        config = models.V2beta1RuntimeConfig(
            parameters=dict(order.parameters), pipeline_root=order.root or target.pipeline_root or None
        )
        wanted = models.V2beta1Run(
            display_name=order.name,
            description=order.description,
            experiment_id=order.experiment or None,
            pipeline_version_reference=reference,
            runtime_config=config,
            service_account=order.service_account or target.service_account or None,
        )
        key = split(order.description)[1].get("key")

        def there() -> Any:
            newest = islice(self._raw(order.experiment), _MANY)
            return next((each for each in newest if split(each.description or "")[1].get("key") == key), None)

        if not key:
            # Nobody could tell it from another one.
            return read_run(self.line.ask("runs", "run_service_create_run", wanted, again=False))
        return read_run(self.line.make(there, "runs", "run_service_create_run", wanted))

    def get(self, id: str) -> HostedRun:
        """NotFound if there is none."""
        return read_run(self.line.ask("runs", "run_service_get_run", id))

    def listed(self, experiment: str = "") -> Iterator[HostedRun]:
        """The newest first."""
        return map(read_run, self._raw(experiment))

    def _raw(self, experiment: str) -> Iterator[Any]:
        said: dict[str, Any] = {"page_size": _MANY, "sort_by": _NEWEST}
        if experiment:
            said["experiment_id"] = experiment
        elif self.line.namespace:
            said["namespace"] = self.line.namespace
        return _listed(self.line, "runs", "run_service_list_runs", "runs", **said)

    def cancel(self, id: str) -> None:
        """Terminated; one that is over stays as it is, and so does one that somebody else terminates."""
        try:
            self.line.ask("runs", "run_service_terminate_run", id)
        except (Conflict, UsageError):
            state = self.get(id).state
            if not state.final and state is not RunState.CANCELING:
                raise


def read_run(found: Any) -> HostedRun:
    """A run as the client has it."""
    reference, config = found.pipeline_version_reference, found.runtime_config
    state = _state(found)
    message = getattr(found.error, "message", "") or ("the host skipped it" if found.state == "SKIPPED" else "")
    return HostedRun(
        id=found.run_id,
        name=found.display_name or "",
        description=found.description or "",
        state=state,
        experiment=found.experiment_id or "",
        pipeline=getattr(reference, "pipeline_id", "") or "",
        version=getattr(reference, "pipeline_version_id", "") or "",
        schedule=found.recurring_run_id or "",
        created=moment(found.created_at) or 0.0,
        ended=moment(found.finished_at) if state.final else None,
        message=message if state in (RunState.FAILED, RunState.CANCELED) else "",
        archived=found.storage_state == "ARCHIVED",
        parameters=dict(getattr(config, "parameters", None) or {}),
    )


def _state(found: Any) -> RunState:
    """The state; a cluster says FAILED of a run that was canceled, and that it was canceling before."""
    state = _STATES.get(found.state or "", RunState.PENDING)
    if state is RunState.FAILED:
        before = {each.state for each in found.state_history or ()}
        if "CANCELING" in before or getattr(found.error, "code", None) == 1:
            return RunState.CANCELED
    return state
