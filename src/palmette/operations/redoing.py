"""What a server does once more: a run under the same id, or a new one of the same code. Nothing of it is asked of the
machine of whoever wants it, but for a file that is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from palmette.domain.graph import Reading
from palmette.domain.hosting import SERVED
from palmette.domain.run import Run
from palmette.domain.states import RunState, became
from palmette.domain.values import Json
from palmette.engine.planning import plan as make_plan
from palmette.engine.reuse import reads_world
from palmette.errors import NotFound, StoreError, UsageError
from palmette.operations import (
    experiments,
    originals,
    reading,
    reproducing,
    rerunning,
    retrying,
    submitting,
    sweeps,
    taking,
)
from palmette.operations.details import shown
from palmette.operations.home import Home
from palmette.operations.originals import Original
from palmette.operations.policy import from_tasks, gone, isolating
from palmette.operations.rerunning import Wanted
from palmette.operations.running import document
from palmette.operations.taking import Handed, Taken
from palmette.store import runs, tasks


@dataclass(frozen=True, kw_only=True)
class Prior:
    """A run that another one is made from, with the code as it is by now."""

    run: Run
    #: the tasks from which everything is executed anew
    onward: tuple[str, ...] = ()


def resume(home: Home, ref: str) -> Taken:
    """Let a server go on with a run that failed or was canceled, under its own id: what is good is kept. One that goes
    on is answered as it is. UsageError for one that succeeded, or that servers do not drive."""
    run = runs.get(home.store, ref, project=home.project)
    if run.state in (RunState.FAILED, RunState.CANCELED):
        run = retrying.retry(home, run.id)
    elif run.state.final:
        hint = f"Execute it again: palmette rerun {run.id}."
        raise UsageError(f"run {run.id} is over: it {became(run.state)}", hint)
    elif run.queue != SERVED:
        hint = "Whoever began it goes on with it, on the machine where that was: palmette resume."
        raise UsageError(f"run {run.id} is driven by no server", hint)
    records = tasks.of_run(home.store, run.id)
    done, size = (sum(one) for one in zip(*[(each.state.good, 1) for each in records if not each.group], strict=True))
    return Taken(run=run, tasks=records, notices=(f"{done} of {size} steps are done already",) if done else ())


def files(home: Home, ref: str) -> list[str]:
    """The config fields of a run that name files."""
    run = runs.get(home.store, ref, project=home.project)
    fields = submitting.algorithm_of(document(home, run)).config if run.spec else ()
    return [field.name for field in fields if field.reading is Reading.FILE]


def prior(home: Home, ref: str, wanted: Wanted) -> Prior:
    """The run, for one with the code of whoever asks; NotFound and StoreError if it cannot be taken up from there."""
    original = originals.asked(home, ref)
    return Prior(run=original.run, onward=rerunning.onward_of(original, wanted))


def rerun(home: Home, ref: str, wanted: Wanted, id: str, *, environ: Mapping[str, str] = {}, caller: str = "") -> Taken:
    """Accept a new run with this id of the code of an earlier one, with what is to be different. What is wrong is told
    before anything is written."""
    original = originals.asked(home, ref)
    settings = rerunning.settings_of(original, wanted)
    onward = rerunning.onward_of(original, wanted)
    run = replace(
        original.run,
        id=id,
        settings=settings,
        preset=wanted.preset or original.run.preset,
        trigger="rerun",
        origin=original.run.id,
        refresh=wanted.refresh,
        tags=tuple(dict.fromkeys(wanted.tags)),
        note=wanted.note,
        sweep="",
        tokens=isolating(from_tasks(original.run.tokens, onward), isolated=wanted.isolated),
    )
    handed = Handed(run=run, experiment=_experiment(home, original))
    taken = taking.accept(home, handed, environ, caller)
    return replace(taken, notices=(f"with the code of {original.run.id}", *taken.notices))


def point(
    home: Home,
    sweep: str,
    model: str,
    id: str,
    values: Mapping[str, Json],
    *,
    environ: Mapping[str, str] = {},
    caller: str = "",
) -> Taken:
    """Accept the run with this id of a further point of a sweep: as the model, one of its runs, but for these
    values."""
    found, original = sweeps.get(home, sweep), originals.recall(home, model, over=False)
    if original.run.sweep != found.id:
        raise UsageError(f"run {original.run.id} is no run of the sweep {found.id}")
    settings = sweeps.moved(original.run.settings, values)
    # What reads the world was read again for the first point; the others have that.
    run = replace(original.run, id=id, settings=settings, refresh=False)
    handed = Handed(run=run, experiment=_experiment(home, original))
    return taking.accept(home, handed, environ, caller)


def reproduce(
    home: Home, ref: str, id: str, *, refetch: bool = False, environ: Mapping[str, str] = {}, caller: str = ""
) -> Taken:
    """Accept a run with this id that executes an earlier one again, reusing nothing: the same code, settings and pins.
    StoreError where what it read from the outside world is gone, unless that is read again."""
    original = originals.asked(home, ref)
    lost = _lost_worlds(original)
    if lost and not refetch:
        raise StoreError(
            f"what {', '.join(lost)} read from the outside world in run {original.run.id} is gone",
            "Read it again: --refetch. What comes may be something else.",
        )
    run = replace(
        original.run,
        id=id,
        trigger="reproduce",
        origin=original.run.id,
        refresh=refetch,
        tags=(reproducing.TAG,),
        note="",
        sweep="",
        tokens=from_tasks(original.run.tokens, ()),
    )
    taken = taking.accept(home, Handed(run=run, experiment=_experiment(home, original)), environ, caller)
    return replace(taken, notices=(f"with the code of {original.run.id}", *taken.notices))


def certificate(home: Home, ref: str) -> reproducing.Certificate:
    """What came out of a run that executed another one again, beside what that one had; UsageError for any other."""
    detail = reading.show(home, ref)
    run = detail.run
    if run.trigger != "reproduce" or not run.origin or not run.state.final:
        hint = "Begin one: palmette reproduce RUN."
        raise UsageError(f"run {run.id} is no reproduction that is over", hint)
    original = originals.recall(home, run.origin)
    lost = tuple(
        f"the bytes of {shown(task)} ({', '.join(outputs)}) were collected; their digests are compared all the same"
        for task in original.tasks
        if (outputs := gone(home, task))
    )
    # A server executes with exactly what is pinned, whether it had that or built it.
    environment = "as recorded" if run.environment.pins else "the server's own"
    return reproducing.compared(original, detail, code="the store", environment=environment, gone=lost)


def _lost_worlds(original: Original) -> list[str]:
    plan = make_plan(original.document, original.run.config)
    worlds = {task.name for task in plan.tasks if reads_world(task)}
    known = (task for task in original.tasks if task.name in worlds and task.state.good)
    return [shown(task) for task in known if gone(original.home, task)]


def _experiment(home: Home, original: Original) -> str:
    """The name of the experiment of the run, if that is still there."""
    try:
        return experiments.get(home, original.run.experiment).name if original.run.experiment else ""
    except NotFound:
        return ""
