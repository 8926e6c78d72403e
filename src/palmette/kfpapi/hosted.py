"""What a host keeps besides runs ⇄ messages."""

from __future__ import annotations

from collections.abc import Mapping

from palmette.domain import hosting
from palmette.domain.hosting import Catchup, Cron, Periodic, Schedule
from palmette.domain.values import Json
from palmette.errors import Problem, UsageError
from palmette.kfpapi import messages
from palmette.kfpapi.messages import (
    CronSchedule,
    Mode,
    PeriodicSchedule,
    PipelineVersionReference,
    RecurringRun,
    RecurringRunStatus,
    RuntimeConfig,
    StorageState,
    Trigger,
    Url,
)


def storage(archived: float | None) -> StorageState:
    """Whether it is archived."""
    return StorageState.AVAILABLE if archived is None else StorageState.ARCHIVED


def experiment(known: hosting.Experiment) -> messages.Experiment:
    """An experiment as a message."""
    return messages.Experiment(
        experiment_id=known.id,
        display_name=known.name,
        description=known.description,
        created_at=known.created,
        storage_state=storage(known.archived),
        # Without a run, KFP's own server says the beginning of 1970 too.
        last_run_created_at=known.last_run or 0.0,
    )


def pipeline(known: hosting.Pipeline) -> messages.Pipeline:
    """A pipeline as a message."""
    return messages.Pipeline(
        pipeline_id=known.id,
        display_name=known.display_name or known.name,
        name=known.name,
        description=known.description,
        created_at=known.created,
        tags=known.tags or None,
    )


def version(known: hosting.Version, spec: Mapping[str, Json]) -> messages.PipelineVersion:
    """A version as a message, with its document."""
    return messages.PipelineVersion(
        pipeline_id=known.pipeline,
        pipeline_version_id=known.id,
        display_name=known.display_name or known.name,
        name=known.name,
        description=known.description,
        created_at=known.created,
        package_url=Url(pipeline_url=known.package_url) if known.package_url else None,
        code_source_url=known.code_source_url,
        pipeline_spec=spec,
        tags=known.tags or None,
    )


def recurring_run(known: Schedule, spec: Mapping[str, Json]) -> RecurringRun:
    """A recurring run as a message; `spec` is its own document."""
    reference = PipelineVersionReference(pipeline_id=known.pipeline, pipeline_version_id=known.version)
    return RecurringRun(
        recurring_run_id=known.id,
        display_name=known.name,
        description=known.description,
        pipeline_spec={} if known.pipeline else spec,
        pipeline_version_reference=reference if known.pipeline else None,
        runtime_config=RuntimeConfig(parameters=known.parameters, pipeline_root=known.root),
        service_account=known.service_account,
        max_concurrency=known.max_concurrency,
        trigger=_trigger(known.trigger),
        mode=Mode.ENABLE if known.enabled else Mode.DISABLE,
        status=RecurringRunStatus.ENABLED if known.enabled else RecurringRunStatus.DISABLED,
        created_at=known.created,
        updated_at=known.updated or known.created,
        no_catchup=known.catchup is Catchup.LATEST,
        experiment_id=known.experiment,
    )


def _trigger(known: hosting.Trigger) -> Trigger:
    if isinstance(known, Cron):
        return Trigger(cron_schedule=CronSchedule(start_time=known.start, end_time=known.end, cron=known.expression))
    periodic = PeriodicSchedule(start_time=known.start, end_time=known.end, interval_second=known.interval)
    return Trigger(periodic_schedule=periodic)


def schedule(asked: RecurringRun) -> Schedule:
    """The schedule that is to be made; UsageError with every problem at once."""
    problems: list[Problem] = []
    trigger = _asked_trigger(asked.trigger or Trigger(), problems)
    reference = source(asked.pipeline_spec, asked.pipeline_version_reference, asked.pipeline_version_id, problems)
    if not asked.display_name:
        problems.append(Problem(where="display_name", what="the name is missing"))
    if problems:
        raise UsageError("the recurring run cannot be made", problems=problems)
    config = asked.runtime_config or RuntimeConfig()
    return Schedule(
        id="",
        name=asked.display_name,
        description=asked.description,
        experiment=asked.experiment_id,
        pipeline=reference.pipeline_id,
        version=reference.pipeline_version_id,
        parameters=config.parameters,
        root=config.pipeline_root,
        service_account=asked.service_account,
        trigger=trigger,
        # As KFP's controller does: what is not from 1 to 10 is brought there.
        max_concurrency=max(1, min(10, asked.max_concurrency)),
        catchup=Catchup.LATEST if asked.no_catchup else Catchup.EACH,
        enabled=asked.mode is not Mode.DISABLE,
    )


def _asked_trigger(asked: Trigger, problems: list[Problem]) -> hosting.Trigger:
    cron, periodic = asked.cron_schedule, asked.periodic_schedule
    if cron is not None and periodic is None:
        return Cron(expression=cron.cron, start=cron.start_time, end=cron.end_time)
    if periodic is not None and cron is None:
        if periodic.interval_second < 1:
            where = "trigger.periodic_schedule.interval_second"
            problems.append(Problem(where=where, what="the interval is not a second or more"))
        return Periodic(interval=periodic.interval_second, start=periodic.start_time, end=periodic.end_time)
    what = "exactly one of cron_schedule and periodic_schedule is expected"
    problems.append(Problem(where="trigger", what=what))
    return Periodic(interval=1)


def source(
    spec: Mapping[str, Json], reference: PipelineVersionReference | None, version: str, problems: list[Problem]
) -> PipelineVersionReference:
    """Which version is meant, if it is no document of its own; exactly one of the two must be given."""
    found = reference or PipelineVersionReference(pipeline_version_id=version)
    named = bool(found.pipeline_id or found.pipeline_version_id)
    if named == bool(spec):
        what = "exactly one of pipeline_spec and pipeline_version_reference is expected"
        problems.append(Problem(where="pipeline_version_reference", what=what))
    return found
