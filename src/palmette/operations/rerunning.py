"""Execute a run again: the same code with other settings, or from a step on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from palmette.domain.run import Environment, Host, Run, Setting, TaskRecord
from palmette.domain.states import TaskState
from palmette.engine.executors.template import Template
from palmette.engine.planning import plan as make_plan
from palmette.errors import NotFound, StoreError
from palmette.ir import codec
from palmette.ir.spec import PipelineDocument
from palmette.operations import accepting, environments, footing, machine, originals, outside, secrets, vault
from palmette.operations.accepting import Accepted, Request
from palmette.operations.details import shown
from palmette.operations.home import hold, open_home
from palmette.operations.originals import Original
from palmette.operations.policy import downstream, from_tasks, gone, policy
from palmette.operations.preparing import RUNTIME, Directories, begin, directories
from palmette.operations.project import Interpreter, Project, interpreter
from palmette.operations.reading import step_named
from palmette.store import runs
from palmette.store.identity import new_run_id

#: Writes a run and its tasks down.
Keep: TypeAlias = Callable[[Run, tuple[TaskRecord, ...]], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be different the second time."""

    #: "C=0.1"
    overrides: tuple[str, ...] = ()
    #: where the paths among the overrides begin; None for the project
    directory: Path | None = None
    #: start from this preset instead of the run's own values
    preset: str | None = None
    #: the step from which everything is executed anew, whatever it was made with
    onward: str | None = None
    #: the same, from every step that failed
    failed: bool = False
    #: with the code as it is now
    current: bool = False
    refresh: bool = False
    isolated: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""


@contextmanager
def again(project: Project, environ: Mapping[str, str], ref: str, wanted: Wanted) -> Iterator[Accepted]:
    """A new run made from an earlier one, in the store and ready to be driven. What is wrong is told before anything
    is written."""
    original = originals.asked(open_home(project), ref)
    onward = onward_of(original, wanted)
    if wanted.current:
        with begin(project, environ, original.run.algorithm) as preparation:
            accepted = accepting.accept(preparation, request_of(original.run, wanted, onward))
            dropped = dropped_of(original.run, accepted.run)
            yield replace(accepted, notices=(*dropped, *accepted.notices))
        return
    with reached(project, environ, original, originals.code(original)) as standing:
        yield _accept(standing, wanted, onward)


def onward_of(original: Original, wanted: Wanted) -> tuple[str, ...]:
    """The tasks from which everything is executed anew; NotFound and StoreError where that cannot be."""
    if wanted.failed:
        # A group fails with what is in it; what succeeded beside that need not be executed again.
        names = tuple(task.name for task in original.tasks if task.state is TaskState.FAILED and not task.group)
        if not names:
            raise NotFound(f"no step of run {original.run.id} failed", "Name a step: --from STEP.")
    elif wanted.onward is not None:
        names = _named(original.tasks, wanted.onward)
    else:
        return ()
    anew = downstream(names, {task.name: task.needs for task in original.tasks})
    missing = {
        shown(task): lost for task in original.tasks if task.name not in anew and (lost := _lost(original, task))
    }
    if missing:
        what = ", ".join(f"{name} ({', '.join(outputs)})" for name, outputs in missing.items())
        raise StoreError(
            f"what earlier steps of run {original.run.id} made is gone: {what}",
            "Leave --from out: then they are executed again.",
        )
    return names


def _named(records: Sequence[TaskRecord], name: str) -> tuple[str, ...]:
    """The tasks of that name: all iterations, where a loop made several of one step."""
    same = tuple(task.name for task in records if task.component.partition("[")[0] == name)
    return same or (step_named(records, name).name,)


def _lost(original: Original, task: TaskRecord) -> list[str]:
    return gone(original.home, task) if task.state.good else []


def request_of(run: Run, wanted: Wanted, onward: tuple[str, ...]) -> Request:
    return Request(
        preset=wanted.preset,
        overrides=wanted.overrides,
        directory=wanted.directory,
        refresh=wanted.refresh,
        isolated=wanted.isolated,
        tags=wanted.tags,
        note=wanted.note,
        trigger="rerun",
        origin=run.id,
        before=run.settings,
        standing=run.preset,
        onward=onward,
    )


def dropped_of(before: Run, after: Run) -> tuple[str, ...]:
    """What became of config fields since, where the code is another one."""
    old, new = (set(run.config) for run in (before, after))
    notes = []
    if old - new:
        notes.append(f"the code has these config fields no more: {', '.join(sorted(old - new))}")
    if new - old:
        added = ", ".join(f"{name}={after.config[name]}" for name in sorted(new - old))
        notes.append(f"run {before.id} did not have these config fields: {added}")
    return tuple(notes)


# The code as it was


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An earlier run's code, and the interpreter that is to execute it again."""

    project: Project
    environ: Mapping[str, str]
    original: Original
    python: Interpreter
    directories: Directories
    template: Template
    imports: tuple[str, ...]
    #: what the code finds here, and the environments that steps name
    environment: Environment
    environments: Mapping[str, Environment]
    #: the unpacked code, and its digest
    code: Path
    #: its pipeline, for this environment
    document: PipelineDocument
    notices: tuple[str, ...] = ()


@contextmanager
def reached(
    project: Project, environ: Mapping[str, str], original: Original, code: Path, *, python: Interpreter | None = None
) -> Iterator[Standing]:
    """The interpreter, started, with what the code imports on its way; an environment that changed is a notice. One
    that was built for the run is not held against the project's lock file."""
    locked, where = python is None, directories(environ)
    python = python or interpreter(project, environ)
    own = Environment(executable=str(python.executable))
    with environments.shelf(environ) as held:
        built = environments.again(held, own, original.run.environments, project.root)
        with _begun(
            project, environ, original, code, python=python, where=where, built=built, locked=locked
        ) as standing:
            yield standing


@contextmanager
def _begun(
    project: Project,
    environ: Mapping[str, str],
    original: Original,
    code: Path,
    *,
    python: Interpreter,
    where: Directories,
    built: Mapping[str, Environment],
    locked: bool,
) -> Iterator[Standing]:
    template = Template.reach(python.executable, where.kit, where.templates, environ)
    try:
        taken = footing.closure(original, code)
        imports = (*RUNTIME, *taken.third_party, *taken.third_party_maybe)
        template.begin_preload(imports)
        environment, notes = footing.current(
            original, taken, project=project, template=template, python=python, where=where, locked=locked
        )
        changes = originals.differences(original.run.environment, environment)
        told = [f"the environment is not that of {original.run.id}: {', '.join(changes)}"] if changes else []
        yield Standing(
            project=project,
            environ=environ,
            original=original,
            python=python,
            directories=where,
            template=template,
            imports=imports,
            environment=environment,
            environments=built,
            code=code,
            document=originals.rebound(original.document, original.run.environment, environment, digest=code.name),
            notices=tuple(note for note in (python.note, *told, *notes) if note),
        )
    finally:
        template.close()


def settings_of(original: Original, wanted: Wanted) -> tuple[Setting, ...]:
    """The run's values, with what is to be different."""
    return originals.settings(
        original.algorithm.config,
        original.algorithm.presets,
        original.run.settings,
        run=original.run.id,
        preset=wanted.preset,
        overrides=wanted.overrides,
    )


def _accept(standing: Standing, wanted: Wanted, onward: tuple[str, ...]) -> Accepted:
    original, root = standing.original, standing.project.root
    settings = settings_of(original, wanted)
    typed = outside.typed_at(wanted.overrides, wanted.directory or root)
    run = replace(
        original.run,
        settings=outside.placed(original.algorithm.config, settings, root, typed),
        preset=wanted.preset or original.run.preset,
        trigger="rerun",
        refresh=wanted.refresh,
        tags=tuple(dict.fromkeys(wanted.tags)),
        note=wanted.note,
    )
    run = replace(run, tokens=from_tasks(run.tokens, onward))
    return accept(standing, run, isolated=wanted.isolated)


def accept(
    standing: Standing, run: Run, *, isolated: bool = False, origin: str = "", keep: Keep | None = None
) -> Accepted:
    """Write down a new run of this code, made from the standing run (or from `origin`) and wanted as `run` says; hold
    it. Where more is written with it, `keep` writes it."""
    home, original = standing.original.home, standing.original
    plan = make_plan(standing.document, run.config, images=bool(standing.project.containers))
    host = machine.host(standing.project.gpus)
    accepting.fits(plan, accepting.slots(standing.directories, host))
    kept = vault.reach(standing.project, standing.environ)
    hidden = secrets.gather(plan.secrets, standing.project.root, standing.environ, kept)
    run = _fresh(run, origin or original.run.id, standing, host=host)
    run = replace(run, spec=home.blobs.put_bytes(codec.dumps(standing.document).encode()))
    if keep is None:
        runs.create(home.store, run, plan.records())
    else:
        keep(run, plan.records())
    return Accepted(
        run=run,
        tasks=plan.records(),
        notices=(f"with the code of {original.run.id}", *standing.notices, *(str(note) for note in plan.notes)),
        home=home,
        plan=plan,
        lease=hold(home, run.id, host.name),
        project=standing.project,
        environ=standing.environ,
        directories=standing.directories,
        secrets=hidden,
        policy=policy(home, run, plan),
        isolated=isolated,
        template=None if isolated else standing.template,
        imports=standing.imports,
    )


def _fresh(run: Run, origin: str, standing: Standing, *, host: Host) -> Run:
    """The run as one that has not begun."""
    empty = Run(id=new_run_id(), project=run.project, algorithm=run.algorithm)
    return replace(
        run,
        id=empty.id,
        origin=origin,
        state=empty.state,
        environment=standing.environment,
        environments=standing.environments,
        bundle=standing.code.name,
        host=host,
        created=time.time(),
        started=empty.started,
        ended=empty.ended,
        message=empty.message,
        lease=empty.lease,
        sweep=empty.sweep,
    )
