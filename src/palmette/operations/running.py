"""Drive a run to its end, continue one, cancel one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from palmette.domain.hosting import Leaving
from palmette.domain.run import AttemptEnded, Lease, Run, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState, became
from palmette.engine import loop, processes
from palmette.engine.attempt import Surroundings
from palmette.engine.executors.choice import Executors
from palmette.engine.executors.terminal import Terminal
from palmette.engine.planning import plan as make_plan
from palmette.engine.ports import Executor, Secrets
from palmette.engine.world import Signals, World
from palmette.errors import NotFound, UsageError
from palmette.ir import codec
from palmette.ir.spec import PipelineDocument
from palmette.operations import abroad, environments, machine, outside, reading, secrets, vault
from palmette.operations.accepting import Accepted, slots
from palmette.operations.details import Detail
from palmette.operations.expressions import Deferred
from palmette.operations.home import Home, hold, open_home, undriven
from palmette.operations.interrupts import Interrupts
from palmette.operations.policy import policy
from palmette.operations.preparing import directories
from palmette.operations.project import Project
from palmette.operations.surroundings import base, lent
from palmette.operations.uploads import Uploaded
from palmette.operations.watching import Watch
from palmette.store import leases, runs, tasks
from palmette.store.ledger import RunLedger


def drive(
    accepted: Accepted,
    watch: Watch,
    signals: Signals | None = None,
    *,
    aside: Callable[[bool], None] = lambda _: None,
    leaving: Callable[[], Leaving] = lambda: Leaving.NOT,
) -> Detail:
    """Execute the run to its end, whatever that is, or until it is left to be continued. Ctrl-C cancels it; a second
    one does not wait. Whoever drives several at once hears the signals and hands them on. `aside` is told when a step
    takes the terminal (True), and when it gives it back."""
    home, run = accepted.home, accepted.run
    try:
        with nullcontext(signals) if signals else Interrupts() as interrupts:
            execute(accepted, watch, interrupts, aside=aside, leaving=leaving)
    finally:
        leases.release(home.store, accepted.lease)
    return reading.detail(home, runs.get(home.store, run.id))


def execute(
    accepted: Accepted,
    watch: Watch,
    signals: Signals,
    *,
    aside: Callable[[bool], None] = lambda _: None,
    leaving: Callable[[], Leaving] = lambda: Leaving.NOT,
) -> RunState:
    """Execute the run until it is over, or until this driver is to leave it; the state it is in then. Nothing that was
    started for it outlives this call; the lease is kept."""
    home, run = accepted.home, accepted.run
    executor = _executor(accepted, aside)
    try:
        world = World(
            ledger=RunLedger(home.store, accepted.lease, home.blobs.claim),
            executor=executor,
            slots=slots(accepted.directories, run.host or machine.host(accepted.project.gpus)),
            files=home.blobs,
            expressions=Deferred(),
            importer=Uploaded(home.blobs, outside.importer(accepted.project.root, accepted.environ)),
            where=_surroundings(accepted),
            vault=vault.of(home, accepted.environ, project=run.project, run=run.id),
            secrets=Secrets(values=accepted.secrets.values, versions=accepted.secrets.versions),
            watch=watch,
            signals=signals,
            leaving=leaving,
        )
        return loop.drive(accepted.plan, run, accepted.tasks, world, accepted.policy)
    finally:
        executor.close()


def _executor(accepted: Accepted, aside: Callable[[bool], None]) -> Executor:
    executors = Executors(
        python=Path(accepted.run.environment.executable),
        kit=None if accepted.isolated else accepted.directories.kit,
        templates=None if accepted.isolated else accepted.directories.templates,
        environment=lent(accepted.environ),
        template=accepted.template,
        imports=accepted.imports,
    )
    if accepted.debugging is None:
        return executors
    return Terminal(executors, replace(accepted.debugging, aside=aside))


def _surroundings(accepted: Accepted) -> Surroundings:
    project = accepted.project
    declared = {name for task in accepted.plan.every_task for name in task.config.env}
    return Surroundings(
        home=accepted.home.directory,
        bundles=accepted.home.bundles,
        environment=base(accepted.environ),
        variables={name: value for name, value in lent(accepted.environ).items() if name in declared},
        # What a server drives belongs to no source tree that is here.
        project=project.root if project.roots else None,
        sources=project.roots,
        interpreters={name: Path(each.executable) for name, each in accepted.run.environments.items()},
        foreign=accepted.foreign,
        containers=accepted.home.containers,
    )


def tails(accepted: Accepted, detail: Detail, count: int) -> dict[str, list[str]]:
    """The last lines of the log of each failed task; one that may quote what is sensitive is only pointed to."""
    sensitive = frozenset(task.executor for task in accepted.plan.every_task if task.config.sensitive)
    return last_words(accepted.home, detail, sensitive, count)


def last_words(home: Home, detail: Detail, sensitive: Collection[str], count: int) -> dict[str, list[str]]:
    """The same of any run, by the labels of the executors that deal with what is sensitive."""
    failed = [task for task in detail.tasks if task.state is TaskState.FAILED]
    unquoted = ["(its log is not quoted, because it deals with what is sensitive)"]
    makers = [task.name for task in detail.tasks if any(one.sensitive for one in task.outputs.artifacts.values())]
    return {
        task.name: unquoted
        if task.executor in sensitive or _behind(task, makers)
        else reading.last_lines(home, task, count)
        for task in failed
    }


def _behind(task: TaskRecord, makers: Sequence[str]) -> bool:
    """Whether the task, or a group around it, waits for one of these or for a group that it is in."""
    return any(maker == need or maker.startswith(f"{need}.") for maker in makers for need in task.needs)


# Continuing


@contextmanager
def reopen(project: Project, environ: Mapping[str, str], ref: str) -> Iterator[Accepted]:
    """Take over a run that nobody drives any more. LeaseLost if somebody does."""
    home = open_home(project)
    run = runs.get(home.store, ref, project=home.project)
    if run.state.final:
        hint = f"Run it anew: palmette run {run.algorithm}."
        raise UsageError(f"run {run.id} is over: it {became(run.state)}", hint)
    abroad.refuse(home, run, "cannot be continued here")
    with environments.shelf(environ) as held:
        # Before the lease is taken: what cannot be built here leaves the run to whoever can.
        built = environments.again(held, run.environment, run.environments, project.root)
        yield _taken_over(home, replace(run, environments=built), project, environ)


def _taken_over(home: Home, run: Run, project: Project, environ: Mapping[str, str]) -> Accepted:
    lease = hold(home, run.id, machine.host(project.gpus).name)
    records = settle_lost(home, run, lease)
    plan = make_plan(document(home, run), run.config, images=bool(home.containers))
    hidden = secrets.gather(plan.secrets, project.root, environ, vault.reach(project, environ))
    done = sum(record.state.good for record in records if not record.group)
    return Accepted(
        run=replace(runs.get(home.store, run.id), environments=run.environments),
        tasks=records,
        notices=(f"{done} of {sum(not record.group for record in records)} steps are done already",),
        home=home,
        plan=plan,
        lease=lease,
        project=project,
        environ=environ,
        directories=directories(environ),
        secrets=hidden,
        policy=policy(home, run, plan),
    )


def document(home: Home, run: Run) -> PipelineDocument:
    """The pipeline that the run executes."""
    with home.blobs.open(run.spec) as file:
        return codec.loads(file.read())


def settle_lost(home: Home, run: Run, lease: Lease) -> tuple[TaskRecord, ...]:
    """End what the dead driver's rows say was running: those attempts are lost, and no task is to blame for that. The
    run's tasks as they are then."""
    ledger = RunLedger(home.store, lease, home.blobs.exists)
    for record in tasks.of_run(home.store, run.id):
        for attempt in record.attempts:
            if attempt.state is AttemptState.RUNNING:
                if attempt.process is not None:
                    processes.end_tree(attempt.process)
                processes.end_strays(home.directory / attempt.directory)
                over = replace(attempt, state=AttemptState.LOST, ended=time.time(), message="its driver died")
                ledger.record([AttemptEnded(task=record.name, attempt=over)])
    return tasks.of_run(home.store, run.id)


# Cancelling


def ask_to_cancel(home: Home, ref: str) -> Run:
    """Ask the run's driver, if it has one, to cancel it; the run as it was. NotFound for one that is over."""
    run = runs.get(home.store, ref, project=home.project)
    if run.state.final:
        raise NotFound(f"run {run.id} is over: it {became(run.state)}", "There is nothing to cancel.")
    abroad.refuse(home, run, "cannot be canceled here")
    leases.request_cancel(home.store, run.id)
    return run


def cancel(project: Project, environ: Mapping[str, str], ref: str) -> Run:
    """Ask the run's driver to cancel it, or do it here where nobody drives it; the run as it is then."""
    home = open_home(project)
    run = ask_to_cancel(home, ref)
    if undriven(run):
        # What is canceled needs no environments that would have to be built.
        drive(_taken_over(home, run, project, environ), lambda _: None)
    return runs.get(home.store, run.id)
