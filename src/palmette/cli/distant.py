"""The verbs that execute, on a server: what is accepted there is shown as if it were executed here."""

from __future__ import annotations

import json
from dataclasses import replace
from threading import Timer

import click

from palmette.cli import sweeps as verbs
from palmette.cli.console import console, note
from palmette.cli.lazy import operation
from palmette.cli.run import TAIL, Ways, ended
from palmette.cli.session import Session, print_json
from palmette.domain.states import TaskState
from palmette.errors import NotFound, UsageError
from palmette.operations import (
    accepting,
    attending,
    handing,
    happening,
    preparing,
    redoing,
    rerunning,
    sweeping_there,
    sweeps,
)
from palmette.operations.accepting import Request
from palmette.operations.details import Detail
from palmette.operations.interrupts import Interrupts
from palmette.operations.preparing import Preparation
from palmette.operations.remote import There
from palmette.operations.reproducing import Certificate
from palmette.operations.rerunning import Wanted
from palmette.operations.sweeps import Wish
from palmette.operations.taking import Taken
from palmette.present.progress import RunProgress
from palmette.present.sweeps import outline


def place(session: Session) -> There:
    """The server that is meant."""
    found = session.there
    assert found is not None
    return found


def run(session: Session, preparation: Preparation, request: Request, waiting: Timer, ways: Ways) -> None:
    """Record the algorithm here, and let the server execute it."""
    there = place(session)
    with handing.ready(there, preparation, request, experiment=ways.experiment, say=note) as ready:
        taken = handing.hand(there, ready)
    waiting.cancel()
    drive(there, taken, ways)


def rerun(session: Session, ref: str, wanted: Wanted, waiting: Timer, ways: Ways) -> None:
    """Let the server execute a run of its again; with `current`, with the code that is here."""
    there = place(session)
    directory = wanted.directory or session.directory
    if not wanted.current:
        if wanted.overrides:
            files = there(redoing.files, ref)
            overrides = handing.uploaded(there, session.environ, directory, files, wanted.overrides)
            wanted = replace(wanted, overrides=overrides)
        asked = replace(wanted, directory=None)
        taken = handing.surely(there, redoing.rerun, ref, asked, handing.new_run_id())
        waiting.cancel()
        drive(there, taken, ways)
        return
    prior = there(redoing.prior, ref, replace(wanted, directory=None))
    request = rerunning.request_of(prior.run, wanted, prior.onward)
    with (
        preparing.begin(session.project, session.environ, prior.run.algorithm) as preparation,
        handing.ready(there, preparation, request, say=note) as ready,
    ):
        taken = handing.hand(there, ready)
    waiting.cancel()
    dropped = rerunning.dropped_of(prior.run, taken.run)
    drive(there, replace(taken, notices=(*dropped, *taken.notices)), ways)


def resume(session: Session, ref: str, waiting: Timer, ways: Ways) -> None:
    """Let the server go on with a run, or watch one that goes on."""
    there = place(session)
    try:
        taken = handing.surely(there, redoing.resume, ref)
    except NotFound:
        if not any(found.id.startswith(ref) for found, _ in there(sweeps.known, 1000)):
            raise
        waiting.cancel()
        resume_sweep(session, ref, ways)
        return
    waiting.cancel()
    drive(there, taken, ways)


def sweep(
    session: Session, preparation: Preparation, request: Request, wish: Wish, ways: Ways, *, agreed: bool
) -> None:
    """Let the server execute the points of a sweep; with `detach`, all of them at once, unwatched."""
    there = place(session)
    drafted = sweeps.draft(preparation, request, request.overrides, wish)
    drafted = sweeping_there.placed(there, drafted, preparation.project.root, session.environ)
    found = drafted.sweep
    if wish.trials and ways.detach:
        raise UsageError("a search chooses its points here, so it cannot be left", "Leave --detach out.")
    click.echo(outline(drafted, wish.jobs or min(8, found.size)), err=True)
    verbs.require_agreed(found, agreed=agreed)
    source = operation("tuning").Search.of(found) if wish.trials else None
    first = source.suggest() if source else found.points[0]
    wanted = sweeps.of_point(drafted, first, preparation.project.root)
    with handing.ready(there, preparation, wanted, experiment=ways.experiment, say=note) as ready:
        ground = sweeping_there.begin(there, ready, found)
    for each in ground.first.notices if ground.first else ():
        note(each)
    if not ways.detach:
        verbs.drive(ground, source or ground.grid(), as_json=ways.as_json, on=ways.on)
        return
    for values in ground.grid().waiting:
        ground.point(values)
    if ways.as_json:
        print_json({"sweep_id": found.id, "runs": found.size})
    else:
        click.echo(found.id)
        click.echo(
            f"{there.connection.server.called} has it; to watch it: palmette resume {found.id}{_on(ways)}", err=True
        )


def resume_sweep(session: Session, reference: str, ways: Ways) -> None:
    """Go on with a sweep of the server's, or watch it."""
    ground = sweeping_there.reopen(place(session), reference)
    known = ground.known
    source = operation("tuning").Search.of(ground.sweep, known) if ground.sweep.wish.trials else ground.grid()
    done = sum(member.over for member in known)
    note(f"{done} of {ground.sweep.size} runs are done already")
    verbs.drive(ground, source, as_json=ways.as_json, over=done, on=ways.on)


def reproduce(session: Session, ref: str, waiting: Timer, *, environment: str | None, refetch: bool) -> Certificate:
    """Let the server execute a run of its again, and compare what comes out."""
    if environment == "current":
        hint = "Leave --environment out: it is rebuilt from the run's pins."
        raise UsageError("a server has no environment of the project's own", hint)
    there = place(session)
    taken = handing.surely(there, redoing.reproduce, ref, handing.new_run_id(), refetch=refetch)
    waiting.cancel()
    drive_shown(there, taken)
    return there(redoing.certificate, taken.run.id)


def drive(there: There, taken: Taken, ways: Ways) -> None:
    """Show a run that was accepted until it is over, and leave with the exit code that its end has; or leave at
    once."""
    run = taken.run
    if ways.announce:
        click.echo(json.dumps({"accepted": run.id}))
    if not ways.detach:
        detail = drive_shown(there, taken)
        ended(detail, lambda: _tails(there, detail), as_json=ways.as_json, on=ways.on)
        return
    for each in taken.notices:
        note(each)
    if ways.as_json:
        print_json({"run_id": run.id, "state": run.state.value.lower()})
    else:
        click.echo(run.id)
        click.echo(
            f"{there.connection.server.called} has it; to watch it: palmette resume {run.id}{_on(ways)}", err=True
        )


def drive_shown(there: There, taken: Taken) -> Detail:
    """Show a run that a server drives; what is known of it in the end."""
    for each in taken.notices:
        note(each)
    declared = [metric.name for metric in taken.run.metrics]
    display = RunProgress(console(err=True), accepting.titled(taken.run), taken.tasks, declared=declared)
    with Interrupts() as signals, display:
        return attending.attend(there, taken, display.see, signals, note)


def _on(ways: Ways) -> str:
    return f" --on {ways.on}" if ways.on else ""


def _tails(there: There, detail: Detail) -> dict[str, list[str]]:
    failed = any(task.state is TaskState.FAILED for task in detail.tasks)
    return dict(there(happening.tails, detail.run.id, TAIL)) if failed else {}
