"""Execute the extra tasks of a comparison, here or on a server. Imported where there is something to execute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from palmette.domain.hosting import SERVED
from palmette.domain.run import Run, Setting, TaskRecord
from palmette.domain.states import RunState
from palmette.engine.attempt import remove
from palmette.engine.planning import plan as make_plan
from palmette.errors import Conflict, Interrupted, LeaseLost, UsageError
from palmette.ir import codec
from palmette.ir.spec import PipelineDocument
from palmette.operations import attending, extras, originals, rerunning, running
from palmette.operations.accepting import Accepted
from palmette.operations.extras import Extra, Purpose
from palmette.operations.home import Home, open_home, undriven
from palmette.operations.interrupts import Interrupts
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.remote import There
from palmette.operations.rescoring import Draft
from palmette.operations.taking import Taken
from palmette.operations.watching import Watch
from palmette.store import extras as rows
from palmette.store import runs, tasks
from palmette.store.extras import Place as Row
from palmette.store.identity import new_run_id

#: seconds between two looks at a run that another process drives
_PAUSE: Final = 0.5


def perform(
    place: Place,
    project: Project | None,
    environ: Mapping[str, str],
    extra: Extra,
    watch: Watch,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Execute it to its end where the runs are. Interrupted if the user asks for the end; `say` is told of a server
    that does not answer."""
    if isinstance(place, There):
        taken = place(accept, extra)
        with Interrupts() as signals:
            ended = attending.attend(place, taken, watch, signals, say).run
            asked = signals.asked() > 0
        if ended.state is RunState.CANCELED and asked:
            raise Interrupted("the comparison was interrupted", "Compare again: that begins where it is needed.")
        if ended.state is RunState.CANCELED:
            raise Conflict(f"run {ended.id} was canceled", "Compare again.")
    elif project is not None:
        execute(project, environ, extra, watch)
    else:
        raise UsageError("there is no project here whose Python could execute it")


def execute(project: Project, environ: Mapping[str, str], extra: Extra, watch: Watch) -> None:
    """Execute it here, to its end, whatever that is; go on with what a dead process began, and wait for what a living
    one does. Interrupted if the user asks for the end."""
    home, taken = open_home(project), False
    while True:
        known = _known(home, extra)
        while known is not None and not known.state.final:
            if undriven(known):
                try:
                    with running.reopen(project, environ, known.id) as accepted:
                        _drive(accepted, watch)
                    return
                except LeaseLost:
                    pass
            time.sleep(_PAUSE)
            known = _known(home, extra)
        # What another process began in between is as good, whatever came of it.
        if known is not None and (taken or known.state is RunState.SUCCEEDED):
            return
        try:
            return _begin(project, environ, extra, known, watch)
        except _Taken:
            taken = True


class _Taken(Exception):
    """Another process executes the same."""


def _known(home: Home, extra: Extra) -> Run | None:
    return rows.of(home.store, extra.head, extra.baseline).get(extra.purpose)


def _begin(project: Project, environ: Mapping[str, str], extra: Extra, known: Run | None, watch: Watch) -> None:
    """Execute it from its beginning, in the place of what is known; _Taken if that is not what was known any more."""
    home = open_home(project)
    planned = extras.planned(home, extra)
    directory = originals.code(planned.original)
    with rerunning.reached(project, environ, planned.original, directory) as standing:
        draft = replace(standing, document=_bound(standing, planned))
        run = _run(runs.get(home.store, extra.head), extra, planned)
        run = replace(run, notices=(*run.notices, *_elsewhere(standing)))

        def keep(run: Run, records: tuple[TaskRecord, ...]) -> None:
            if not _accepted(home, extra, run, records, known):
                raise _Taken

        _drive(rerunning.accept(draft, run, origin=extra.head, keep=keep), watch)


def _accepted(home: Home, extra: Extra, run: Run, records: tuple[TaskRecord, ...], known: Run | None) -> bool:
    """Whether the run is the one that is executed for this. What was begun before goes, with all that it wrote."""
    place = Row(head=extra.head, baseline=extra.baseline, purpose=extra.purpose.value)
    done = rows.accept(home.store, place, run, records, instead=known.id if known else "")
    if done and known:
        remove(home.runs / known.id)
    return done


def _elsewhere(standing: rerunning.Standing) -> Iterator[str]:
    """That the environment is another one by now, and in what."""
    changes = originals.differences(standing.original.run.environment, standing.environment)
    if changes:
        shown = ", ".join(changes[:3]) + (f" and {len(changes) - 3} more" if len(changes) > 3 else "")
        yield f"the baseline was scored in another environment: {shown}"


def _bound(standing: rerunning.Standing, planned: Draft) -> PipelineDocument:
    """Its pipeline, for the environment that is found here."""
    before, after = planned.original.run.environment, standing.environment
    return originals.rebound(planned.document, before, after, digest=standing.code.name)


def _drive(accepted: Accepted, watch: Watch) -> None:
    detail = running.drive(accepted, watch)
    if detail.run.state is RunState.CANCELED:
        raise Interrupted("the comparison was interrupted", "Compare again: that begins where it is needed.")


def _run(head: Run, extra: Extra, planned: Draft) -> Run:
    """What is asked for, as far as it does not depend on who executes it."""
    whose = planned.original.run
    name = f"{head.algorithm}: {'resampled' if extra.purpose is Purpose.RESAMPLED else 'rescored'}"
    return Run(
        id=new_run_id(),
        project=head.project,
        algorithm=name,
        name=name,
        note=f"executed to compare {head.id} with {extra.baseline}",
        preset=whose.preset,
        settings=tuple(Setting(name=slot, value=value) for slot, value in planned.given.parameters.items()),
        git=replace(whose.git, diff=""),
        bundle=whose.bundle,
        environment=whose.environment,
        environments=whose.environments,
        spec="",
        trigger=runs.EXTRA,
        origin=head.id,
        created=time.time(),
        ticket=whose.ticket,
        notices=planned.remarks,
    )


# On a server


def accept(home: Home, extra: Extra, environ: Mapping[str, str] = {}, caller: str = "") -> Taken:
    """Accept what is to be executed for the servers of the store; answer with what is there already, unless that
    failed of nothing that the code has done. NotFound where it cannot be executed."""
    head = runs.get(home.store, extra.head, project=home.project)
    baseline = runs.get(home.store, extra.baseline, project=home.project)
    extra = replace(extra, head=head.id, baseline=baseline.id)
    known = rows.of(home.store, head.id, baseline.id).get(extra.purpose)
    if known is not None and (not known.state.final or known.state is RunState.SUCCEEDED):
        return Taken(run=known, tasks=tasks.of_run(home.store, known.id))
    planned = extras.planned(home, extra)
    run = replace(_run(head, extra, planned), queue=SERVED, owner=caller, experiment=head.experiment)
    run = replace(run, spec=home.blobs.put_bytes(codec.dumps(planned.document).encode()))
    records = make_plan(planned.document, run.config, images=bool(home.containers)).records()
    if _accepted(home, extra, run, records, known):
        return Taken(run=run, tasks=records)
    known = rows.of(home.store, head.id, baseline.id)[extra.purpose]
    return Taken(run=known, tasks=tasks.of_run(home.store, known.id))
