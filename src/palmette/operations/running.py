"""Run an algorithm, continue a run, cancel one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from palmette.domain.config import matching_preset, settle
from palmette.domain.graph import Fresh
from palmette.domain.run import AttemptEnded, Host, Lease, Run, Source, TaskRecord
from palmette.domain.states import AttemptState, TaskState
from palmette.domain.values import Json, canonical
from palmette.engine import loop, processes
from palmette.engine.attempt import Surroundings
from palmette.engine.executors.choice import Executors
from palmette.engine.executors.template import Template
from palmette.engine.plan import Plan
from palmette.engine.planning import plan as make_plan
from palmette.engine.ports import Secrets
from palmette.engine.quantities import requested
from palmette.engine.reuse import Policy, reads_world
from palmette.engine.slots import HostSlots
from palmette.engine.world import World
from palmette.errors import CompileError, NotFound, Problem, UsageError
from palmette.ir import codec
from palmette.ir.check import check
from palmette.ir.spec import CachingOptions, PipelineDocument
from palmette.operations import configs, git, machine, reading, secrets
from palmette.operations.compiling import compile_recorded
from palmette.operations.details import Detail
from palmette.operations.home import Home, interrupted, make_home, open_home
from palmette.operations.interrupts import Interrupts
from palmette.operations.preparing import Directories, Preparation, directories
from palmette.operations.project import Project
from palmette.operations.recording import Recorded, finish
from palmette.operations.surroundings import base
from palmette.operations.watching import Watch
from palmette.store import captures, leases, runs, tasks
from palmette.store.captures import BundleRecord
from palmette.store.identity import new_run_id
from palmette.store.ledger import RunLedger


@dataclass(frozen=True, kw_only=True)
class Request:
    """What someone wants of a run."""

    preset: str | None = None
    config: Path | None = None
    #: "C=0.1"
    overrides: tuple[str, ...] = ()
    #: read the outside world again
    refresh: bool = False
    #: outputs of earlier runs may be used
    reuse: bool = True
    #: every step is a fresh process
    isolated: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    #: "cli", "ci": how the run comes about; one from CI never reuses unasked what reads the outside world
    trigger: str = "cli"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A run that is in the store and held by this process; `drive` executes it."""

    run: Run
    tasks: tuple[TaskRecord, ...]
    #: what the user should know, one sentence each
    notices: tuple[str, ...]
    home: Home
    plan: Plan
    lease: Lease
    project: Project
    environ: Mapping[str, str]
    directories: Directories
    secrets: secrets.Secrets
    policy: Policy
    isolated: bool = False
    template: Template | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """The line above its progress."""
        given = [f"{each.name}={_typed(each.value)}" for each in self.run.settings if each.source is Source.OVERRIDE]
        preset = [self.run.preset] if self.run.preset != "full" else []
        return " ".join([self.run.algorithm, *preset, *given, "·", self.run.id])


def _typed(value: Json) -> str:
    """A value as it is typed in an override."""
    return value if isinstance(value, str) else canonical(value).decode()


# Accepting


def accept(preparation: Preparation, request: Request) -> Accepted:
    """Record the algorithm, settle its config, compile, check, and write the run down: from then on it is never lost.

    What is wrong is reported before anything is written.
    """
    project, environ = preparation.project, preparation.environ
    file = configs.read(request.config) if request.config else None
    repository = git.read(project.root, environ)
    home = make_home(project)
    recorded = finish(preparation, home.bundles)
    algorithm = recorded.algorithm
    settings = settle(
        algorithm.config,
        algorithm.presets,
        preset=request.preset,
        file=file,
        file_name=str(request.config or ""),
        overrides=request.overrides,
    )
    hidden = secrets.gather((name for step in algorithm.steps for name in step.secrets), project.root, environ)
    compiled = compile_recorded(recorded)
    document = compiled.document if request.reuse else _without_reuse(compiled.document)
    plan = _checked_plan(document, {setting.name: setting.value for setting in settings})
    host = machine.host(project.gpus)
    _fits(plan, _slots(preparation.directories, host))
    diff = home.blobs.put_bytes(repository.diff) if repository.diff else ""
    values = {setting.name: setting.value for setting in settings}
    preset = request.preset or matching_preset(algorithm.config, algorithm.presets, values) or "full"
    run = Run(
        id=new_run_id(),
        project=project.name,
        algorithm=algorithm.name,
        name=algorithm.name,
        preset=preset,
        settings=settings,
        metrics=algorithm.metrics,
        git=replace(repository.git, diff=diff),
        bundle=recorded.bundle.digest,
        environment=recorded.pinned.environment,
        host=host,
        spec=home.blobs.put_bytes(codec.dumps(document).encode()),
        trigger=request.trigger,
        tokens={label: recorded.tokens[name] for name, label in compiled.labels.items() if name in recorded.tokens},
        refresh=request.refresh,
        created=time.time(),
        tags=tuple(dict.fromkeys(request.tags)),
        note=request.note,
    )
    _keep(home, recorded)
    runs.create(home.store, run, plan.records())
    lease = leases.take(home.store, run.id, host.name, processes.process_of(os.getpid()), alive=processes.alive)
    notices = [preparation.python.note, repository.note, *recorded.pinned.notes, *(str(note) for note in plan.notes)]
    notices += [_asked_by_ci(plan)] if request.trigger == "ci" else []
    return Accepted(
        run=run,
        tasks=plan.records(),
        notices=tuple(notice for notice in notices if notice),
        home=home,
        plan=plan,
        lease=lease,
        project=project,
        environ=environ,
        directories=preparation.directories,
        secrets=hidden,
        policy=Policy(reuse_unsaid=request.trigger == "cli", refresh=request.refresh),
        isolated=request.isolated,
        template=None if request.isolated else preparation.template,
    )


def _without_reuse(document: PipelineDocument) -> PipelineDocument:
    """The same pipeline, of which every task is executed, also by whoever continues the run."""
    root = document.pipeline.root
    if root.dag is None:
        return document
    off = CachingOptions(enable_cache=False)
    uncached = {name: replace(task, caching_options=off) for name, task in root.dag.tasks.items()}
    root = replace(root, dag=replace(root.dag, tasks=uncached))
    return replace(document, pipeline=replace(document.pipeline, root=root))


def _checked_plan(document: PipelineDocument, parameters: Mapping[str, Json]) -> Plan:
    problems = check(document)
    if problems:
        raise CompileError("the pipeline cannot be executed", problems=problems)
    return make_plan(document, parameters)


def _asked_by_ci(plan: Plan) -> str:
    """What a run from CI does otherwise, where that concerns one of its steps; else nothing."""
    sources = [task for task in plan.tasks if task.fresh and reads_world(task)]
    unsaid = [task for task in sources if task.fresh == Fresh()]
    names = ", ".join(task.title for task in unsaid)
    return f"started by CI, so what reads the outside world is read again: {names} (@step(fresh=…))" if unsaid else ""


def _slots(where: Directories, host: Host) -> HostSlots:
    return HostSlots(where.slots, cpus=host.cpus, memory=host.memory, gpus=host.gpus)


def _fits(plan: Plan, slots: HostSlots) -> None:
    """Refuse at once what this machine can never give."""
    problems: list[Problem] = []
    for task in plan.tasks:
        asked = requested(task.container.resources)
        problems += slots.check(task.title, asked.memory, asked.gpu)
    if problems:
        raise UsageError("this machine is too small", "Ask for less, or run it elsewhere.", problems=problems)


def _keep(home: Home, recorded: Recorded) -> None:
    """Write down what was captured, so that it can be explained later."""
    for reached in recorded.reached.values():
        captures.keep_closure(home.store, reached.digest, dict(reached.definitions))
    bundle = recorded.bundle
    files = {entry["path"]: entry["sha256"] for entry in json.loads(bundle.manifest)["files"]}
    size = sum(len(content) for content in bundle.files.values())
    captures.keep_bundle(home.store, BundleRecord(digest=bundle.digest, size=size, files=files))


# Driving


def drive(accepted: Accepted, watch: Watch) -> Detail:
    """Execute the run to its end, whatever that is. Ctrl-C cancels it; a second one does not wait."""
    home, run = accepted.home, accepted.run
    host = run.host or machine.host(accepted.project.gpus)
    executors = Executors(
        python=Path(run.environment.executable),
        kit=None if accepted.isolated else accepted.directories.kit,
        templates=None if accepted.isolated else accepted.directories.templates,
        environment=accepted.environ,
        template=accepted.template,
    )
    try:
        with Interrupts() as interrupts:
            world = World(
                ledger=RunLedger(home.store, accepted.lease, home.blobs.exists),
                executor=executors,
                slots=_slots(accepted.directories, host),
                files=home.blobs,
                where=_surroundings(accepted),
                secrets=Secrets(values=accepted.secrets.values, versions=accepted.secrets.versions),
                watch=watch,
                signals=interrupts,
            )
            loop.drive(accepted.plan, run, accepted.tasks, world, accepted.policy)
    finally:
        executors.close()
        leases.release(home.store, accepted.lease)
    return reading.detail(home, runs.get(home.store, run.id))


def _surroundings(accepted: Accepted) -> Surroundings:
    project = accepted.project
    declared = {name for task in accepted.plan.tasks for name in task.config.env}
    return Surroundings(
        home=accepted.home.directory,
        bundles=accepted.home.bundles,
        environment=base(accepted.environ),
        variables={name: accepted.environ[name] for name in declared if name in accepted.environ},
        project=project.root,
        sources=project.roots,
    )


def tails(accepted: Accepted, detail: Detail, count: int) -> dict[str, list[str]]:
    """The last lines of the log of each failed task; one that may quote what is sensitive is only pointed to."""
    sensitive = {task.name for task in accepted.plan.tasks if task.config.sensitive}
    failed = [task for task in detail.tasks if task.state is TaskState.FAILED]
    unquoted = ["(its log is not quoted, because it deals with what is sensitive)"]
    return {
        task.name: unquoted if task.name in sensitive else reading.last_lines(accepted.home, task, count)
        for task in failed
    }


# Continuing


@contextmanager
def reopen(project: Project, environ: Mapping[str, str], ref: str) -> Iterator[Accepted]:
    """Take over a run that nobody drives any more. LeaseLost if somebody does."""
    home = open_home(project)
    run = runs.get(home.store, ref, project=home.project)
    if run.state.final:
        hint = f"Run it anew: palmette run {run.algorithm}."
        raise UsageError(f"run {run.id} is over: it {run.state.value.lower()}", hint)
    me = processes.process_of(os.getpid())
    lease = leases.take(home.store, run.id, machine.host(project.gpus).name, me, alive=processes.alive)
    records = _settle_lost(home, run, lease)
    document = codec.loads(_stored(home, run.spec))
    plan = make_plan(document, run.config)
    hidden = secrets.gather({each.name for task in plan.tasks for each in task.secrets}, project.root, environ)
    done = sum(record.state.good for record in records)
    yield Accepted(
        run=runs.get(home.store, run.id),
        tasks=records,
        notices=(f"{done} of {len(records)} steps are done already",),
        home=home,
        plan=plan,
        lease=lease,
        project=project,
        environ=environ,
        directories=directories(environ),
        secrets=hidden,
        policy=Policy(reuse_unsaid=run.trigger == "cli", refresh=run.refresh),
    )


def _stored(home: Home, digest: str) -> bytes:
    with home.blobs.open(digest) as file:
        return file.read()


def _settle_lost(home: Home, run: Run, lease: Lease) -> tuple[TaskRecord, ...]:
    """End what the dead driver's rows say was running. Those attempts are lost, and no task is to blame for that."""
    ledger = RunLedger(home.store, lease, home.blobs.exists)
    for record in tasks.of_run(home.store, run.id):
        for attempt in record.attempts:
            if attempt.state is AttemptState.RUNNING:
                if attempt.process is not None:
                    processes.end_tree(attempt.process)
                over = replace(attempt, state=AttemptState.LOST, ended=time.time(), message="its driver died")
                ledger.record([AttemptEnded(task=record.name, attempt=over)])
    return tasks.of_run(home.store, run.id)


# Cancelling


def cancel(project: Project, environ: Mapping[str, str], ref: str) -> str:
    """Ask the run's driver to cancel it, or do it here where nobody drives it; what was done, as a sentence."""
    home = open_home(project)
    run = runs.get(home.store, ref, project=home.project)
    if run.state.final:
        raise NotFound(f"run {run.id} is over: it {run.state.value.lower()}", "There is nothing to cancel.")
    leases.request_cancel(home.store, run.id)
    if not interrupted(run):
        return f"asked the driver of {run.id} to cancel it"
    with reopen(project, environ, run.id) as accepted:
        drive(accepted, lambda _: None)
    return f"cancelled {run.id}"
