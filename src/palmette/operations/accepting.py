"""From a request to a run that is in the store."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from palmette.capture.bundle import adopt
from palmette.domain.config import settle
from palmette.domain.fields import FULL
from palmette.domain.graph import Algorithm, Fresh, Retry
from palmette.domain.lines import Commit
from palmette.domain.run import Environment, Git, Host, Lease, Run, Setting, Source, TaskRecord
from palmette.domain.ticket import issues, mentioned, ticket
from palmette.domain.values import literal
from palmette.engine.executors.template import Template
from palmette.engine.executors.terminal import Debugging, debugging
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.planning import plan as make_plan
from palmette.engine.quantities import requested
from palmette.engine.reuse import Policy, reads_world
from palmette.engine.slots import HostSlots
from palmette.errors import CaptureError, NotFound, Problem, UsageError
from palmette.ir import codec
from palmette.ir.spec import CachingOptions, ComponentSpec, PipelineDocument
from palmette.operations import (
    configs,
    containers,
    donors,
    environments,
    git,
    jobs,
    lines,
    machine,
    originals,
    outside,
    secrets,
    vault,
)
from palmette.operations.compiling import compile_recorded
from palmette.operations.continuing import Tracker
from palmette.operations.donors import Donor
from palmette.operations.home import BUNDLES, Home, hold, make_home
from palmette.operations.policy import from_tasks, lending, lent, policy
from palmette.operations.preparing import Directories, Preparation
from palmette.operations.project import Project
from palmette.operations.recording import Recorded, finish
from palmette.store import captures, commits, runs
from palmette.store.captures import BundleRecord
from palmette.store.identity import new_run_id


@dataclass(frozen=True, kw_only=True)
class Request:
    """What someone wants of a run."""

    preset: str | None = None
    config: Path | None = None
    #: "C=0.1"
    overrides: tuple[str, ...] = ()
    #: where the overrides were typed: the files that they name begin there; the project's root where nothing is said
    directory: Path | None = None
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
    #: the sweep that the run is a point of; empty for none
    sweep: str = ""
    #: the run that this one is made from; its values, which take the place of the defaults, and its preset
    origin: str = ""
    before: tuple[Setting, ...] = ()
    standing: str = ""
    #: the step that is executed in this terminal, under a debugger; and whether that stops at its first line
    debug: str = ""
    stop: bool = False
    #: tasks from which everything is executed anew; the origin's outputs stand in for what comes before
    onward: tuple[str, ...] = ()
    #: the run whose recorded data stand in for what would be read from the outside world
    giver: Donor | None = None
    #: the run's identifier, where whoever asks has chosen it; and those of what it is filed under and made from
    id: str = ""
    experiment: str = ""
    pipeline: str = ""
    version: str = ""


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
    debugging: Debugging | None = None
    template: Template | None = field(default=None, repr=False)
    #: what the templates of other environments import before they are forked
    imports: tuple[str, ...] = ()
    #: the Python of what Palmette has not captured, by executor
    foreign: Mapping[str, Path] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        """The line above its progress."""
        return titled(self.run)


def titled(run: Run) -> str:
    """The line above a run's progress."""
    given = [f"{each.name}={literal(each.value)}" for each in run.settings if each.source is Source.OVERRIDE]
    preset = [run.preset] if run.preset != FULL else []
    return " ".join([run.algorithm, *preset, *given, "·", run.id])


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run that somebody wants, worked out and checked. Nothing of it is written yet."""

    #: as far as it does not depend on who executes it
    run: Run
    recorded: Recorded
    document: PipelineDocument
    plan: Plan
    repository: git.Repository
    #: the commits of the target branch that are known here
    history: tuple[Commit, ...] = ()


def accept(preparation: Preparation, request: Request) -> Accepted:
    """Record the algorithm, settle its config, compile, check, and write the run down: from then on it is never lost.

    What is wrong is reported before anything is written.
    """
    project, environ = preparation.project, preparation.environ
    containers.require(project.containers, environ)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=preparation.directories.cache) as trial:
        known = project.home / BUNDLES
        # Where nothing was ever run nothing is made before all is known to be right.
        asked = ask(preparation, request, known if known.exists() else Path(trial))
        recorded, plan = asked.recorded, asked.plan
        hidden = _hidden(preparation, recorded)
        host = machine.host(project.gpus)
        fits(plan, slots(preparation.directories, host))
        debugged = _debugged(plan, request.debug) if request.debug else ""
        plan = _once(plan, debugged)
        built = _built(preparation, recorded)
        home = make_home(project)
        adopt(Path(trial) / recorded.bundle.digest, recorded.bundle, home.bundles)
    run = replace(
        asked.run,
        git=_git(home, asked.run.git, asked.repository),
        host=host,
        environments=built,
        spec=home.blobs.put_bytes(codec.dumps(asked.document).encode()),
    )
    _keep(home, recorded)
    commits.keep(home.store, run.project, asked.history)
    runs.create(home.store, run, plan.records())
    return Accepted(
        run=run,
        tasks=plan.records(),
        notices=notices(preparation, asked, request),
        home=home,
        plan=plan,
        lease=hold(home, run.id, host.name),
        project=project,
        environ=environ,
        directories=preparation.directories,
        secrets=hidden,
        policy=replace(policy(home, run, plan), handled=frozenset({debugged} - {""})),
        isolated=request.isolated,
        debugging=_debugging(preparation, debugged, request) if debugged else None,
        template=None if request.isolated else preparation.template,
        imports=preparation.imports,
    )


def _hidden(preparation: Preparation, recorded: Recorded) -> secrets.Secrets:
    project, environ = preparation.project, preparation.environ
    names = (name for step in recorded.algorithm.steps for name in step.secrets)
    return secrets.gather(names, project.root, environ, vault.reach(project, environ))


def _git(home: Home, state: Git, repository: git.Repository) -> Git:
    """The state of the repository, its uncommitted changes kept."""
    diff = repository.diff
    return replace(state, diff=home.blobs.put_bytes(diff) if diff else "")


def ask(preparation: Preparation, request: Request, bundles: Path, *, elsewhere: bool = False) -> Asked:
    """Record the algorithm, settle its config and compile; every problem of each of these at once. `elsewhere`: another
    machine is to execute it, so a file that is named as file:// is one of its."""
    project = preparation.project
    file = configs.read(request.config) if request.config else None
    repository = git.read(project.root, preparation.environ)
    stand = lines.stand(project.root, repository.checked_out, preparation.environ, project.default_branch)
    recorded = finish(preparation, bundles)
    settings = outside.placed(
        recorded.algorithm.config,
        _settings(recorded.algorithm, request, file),
        project.root,
        outside.typed_at(request.overrides, request.directory or project.root),
        elsewhere=elsewhere,
    )
    compiled = compile_recorded(recorded)
    document = compiled.document if request.reuse else _without_reuse(compiled.document)
    images = bool(project.containers) and not elsewhere
    plan = make_plan(document, {setting.name: setting.value for setting in settings}, images=images)
    tokens = {label: recorded.tokens[name] for name, label in compiled.labels.items() if name in recorded.tokens}
    run = replace(
        _run(recorded, request, settings),
        ticket=_ticket(preparation, repository),
        git=repository.of(recorded.bundle.files),
        tokens=_lent(from_tasks(tokens, request.onward), request, plan, recorded.algorithm.name),
    )
    if request.giver is not None:
        given = {name: source.parameters for name, source in request.giver.sources.items()}
        otherwise = donors.otherwise(given, plan, lent(run.tokens)[1])
        run = replace(run, notices=(*donors.notices(run, plan), *otherwise))
    return Asked(
        run=replace(run, fork=lines.fork(stand, run, project.baselines.get(run.algorithm, ""))),
        recorded=recorded,
        document=document,
        plan=plan,
        repository=repository,
        history=stand.history,
    )


def _ticket(preparation: Preparation, repository: git.Repository) -> str:
    """The ticket that the branch is about, as its name says, else the merge request that the job is for."""
    wanted, branch = preparation.project.ci, repository.git.branch
    texts = jobs.read(preparation.environ).texts(branch) if repository.of_job else ()
    if wanted.tracker in (Tracker.GITLAB, Tracker.GITHUB):
        return next((each for found in (issues(branch), *map(mentioned, texts)) for each in found), "")
    return next(filter(None, (ticket(text, wanted.ticket_projects) for text in (branch, *texts))), "")


def _lent(tokens: Mapping[str, str], request: Request, plan: Plan, algorithm: str) -> dict[str, str]:
    """The tokens of a run that may have another one's data; UsageError where that one has none for it."""
    giver = request.giver
    return dict(tokens) if giver is None else lending(tokens, giver.run, donors.taken(giver, plan, algorithm))


def _debugged(plan: Plan, step: str) -> str:
    """The task of the step that is debugged; NotFound where there is none, or where a loop will make several."""
    found = [task for task in plan.tasks if step in (task.name, task.title)]
    if found:
        return found[0].name
    name, _, item = step.partition("[")
    if any(name in (task.name, task.title.partition("[")[0]) for task in plan.every_task):
        hint = f"Run it, then debug one of its items: palmette debug last '{name}[{item or '0]'}'."
        raise NotFound(f"{name} is executed once for each item of a loop", hint)
    known = list(dict.fromkeys(task.title.partition("[")[0] for task in plan.every_task))
    close = get_close_matches(step, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}."
    raise NotFound(f"the algorithm has no step {step!r}", hint)


def _once(plan: Plan, name: str) -> Plan:
    """The plan, in which nobody has to debug that task a second time because it failed."""
    planned = (
        replace(each, retry=Retry()) if isinstance(each, PlannedTask) and each.name == name else each
        for each in plan.planned
    )
    return replace(plan, planned=tuple(planned)) if name else plan


def _debugging(preparation: Preparation, task: str, request: Request) -> Debugging:
    python, kit = preparation.python.executable, preparation.directories.kit
    return debugging([task], kit, python, stop=request.stop)


def _built(preparation: Preparation, recorded: Recorded) -> dict[str, Environment]:
    """The environments that steps name, built and held; refuses at once what lacks something to read or write the
    values of its steps."""
    python, root = preparation.python.executable, preparation.project.root
    if not recorded.environments:
        return {}
    held = preparation.held.enter_context(environments.shelf(preparation.environ))
    built = environments.built(held, recorded.environments, python, root)
    problems = [
        Problem(
            where=f"{step.location}, {step.name}".removeprefix(", "),
            what=f"its values need {module}, which the environment {step.environment} does not have",
            hint="Add it to that group and lock again.",
        )
        for step in recorded.algorithm.steps
        if step.environment
        for module in environments.lacking(Path(built[step.environment].executable), step.imports)
    ]
    if problems:
        raise CaptureError("an environment is not what its steps need", problems=problems)
    return built


def _settings(algorithm: Algorithm, request: Request, file: Mapping[str, Any] | None) -> tuple[Setting, ...]:
    if request.before:
        return originals.settings(
            algorithm.config,
            algorithm.presets,
            request.before,
            run=request.origin,
            preset=request.preset,
            overrides=request.overrides,
        )
    return settle(
        algorithm.config,
        algorithm.presets,
        preset=request.preset,
        file=file,
        file_name=str(request.config or ""),
        overrides=request.overrides,
    )


def _run(recorded: Recorded, request: Request, settings: tuple[Setting, ...]) -> Run:
    """The run as far as it is known from what was recorded and asked for."""
    algorithm = recorded.algorithm
    return Run(
        id=request.id or new_run_id(),
        project=recorded.project.name,
        algorithm=algorithm.name,
        name=algorithm.name,
        preset=request.preset or request.standing or FULL,
        settings=settings,
        metrics=algorithm.metrics,
        bundle=recorded.bundle.digest,
        environment=recorded.pinned.environment,
        trigger=request.trigger,
        origin=request.origin,
        sweep=request.sweep,
        refresh=request.refresh,
        created=time.time(),
        tags=tuple(dict.fromkeys(request.tags)),
        note=request.note,
        experiment=request.experiment,
        pipeline=request.pipeline,
        pipeline_version=request.version,
    )


def notices(preparation: Preparation, asked: Asked, request: Request) -> tuple[str, ...]:
    """What the user should know before the run begins."""
    plan, said = asked.plan, asked.recorded.pinned.notes
    notices = [preparation.python.note, asked.repository.note, *said, *(str(note) for note in plan.notes)]
    notices += [*asked.run.notices, *([_asked_by_ci(plan)] if request.trigger == "ci" and not request.giver else [])]
    if request.debug and any(task.config.sensitive for task in plan.every_task):
        notices.append("this algorithm deals with what is sensitive: mind who sees this terminal")
    return tuple(notice for notice in notices if notice)


def _without_reuse(document: PipelineDocument) -> PipelineDocument:
    """The same pipeline, of which every task is executed, also by whoever continues the run."""
    pipeline = document.pipeline
    components = {name: _uncached(component) for name, component in pipeline.components.items()}
    return replace(document, pipeline=replace(pipeline, root=_uncached(pipeline.root), components=components))


def _uncached(component: ComponentSpec) -> ComponentSpec:
    if component.dag is None:
        return component
    off = CachingOptions(enable_cache=False)
    tasks = {name: replace(task, caching_options=off) for name, task in component.dag.tasks.items()}
    return replace(component, dag=replace(component.dag, tasks=tasks))


def slots(where: Directories, host: Host) -> HostSlots:
    """The host's slots, as all drivers of this user share them."""
    return HostSlots(where.slots, cpus=host.cpus, memory=host.memory, gpus=host.gpus)


def _asked_by_ci(plan: Plan) -> str:
    """What a run from CI does otherwise, where that concerns one of its steps; else nothing."""
    sources = [task for task in plan.every_task if task.fresh and reads_world(task)]
    unsaid = [task for task in sources if task.fresh == Fresh()]
    names = ", ".join(task.title for task in unsaid)
    return f"started by CI, so what reads the outside world is read again: {names} (@step(fresh=…))" if unsaid else ""


def fits(plan: Plan, slots: HostSlots) -> None:
    """Refuse at once what this machine can never give."""
    problems: list[Problem] = []
    for task in plan.every_task:
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
