"""The verbs that execute: `run`, `resume`, `cancel`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from palmette.cli.containers import containers
from palmette.cli.lazy import operation
from palmette.cli.once import once, proper_tags
from palmette.cli.patience import patience
from palmette.cli.place import executed, placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.domain.states import RunState
from palmette.errors import Conflict, UsageError
from palmette.operations import points, preparing

#: how many of a failed step's last log lines are shown
TAIL = 20


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a run on a server is shown."""

    as_json: bool = False
    #: leave once it is accepted
    detach: bool = False
    #: print its id first
    announce: bool = False
    #: the name of what it is filed under
    experiment: str = ""
    #: the server, if it was named for this run and is not the usual one
    on: str = ""


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("algorithm", required=False, metavar="ALGORITHM")
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option(
    "--preset",
    metavar="PRESET",
    multiple=True,
    callback=once,
    help="Start from this preset of the algorithm instead of its defaults.",
)
@click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take values from a TOML, YAML or JSON file.",
)
@click.option("--refresh", is_flag=True, help="Read the outside world again: reuse no step without data inputs.")
@click.option("--no-cache", is_flag=True, help="Reuse nothing: run every step.")
@click.option(
    "--data-of",
    metavar="RUN",
    help="Train on the data that this run recorded: its steps that read the outside world are not executed.",
)
@click.option("--isolated", is_flag=True, help="Start every step as a fresh process.")
@containers
@click.option("--debug", metavar="STEP", help="Execute this step in this terminal, under pdb.")
@click.option("--break", "stop", is_flag=True, help="With --debug: stop at the step's first line.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, callback=proper_tags, help="Tag the run; may be repeated.")
@click.option("--note", metavar="TEXT", default="", help="Write a note on the run.")
@click.option(
    "--seeds",
    metavar="N",
    type=click.IntRange(1),
    help="A run for each of so many seeds: the field `seed` is 0, 1, 2, …",
)
@click.option("--seed-field", metavar="FIELD", default="seed", show_default=True, help="The field that --seeds sets.")
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1),
    help="So many runs of a sweep at once; by default one for each core.",
)
@click.option("--stop-on-failure", is_flag=True, help="Begin no other run of a sweep once one has failed.")
@click.option("--dry-run", is_flag=True, help="Show the points of a sweep, and run nothing.")
@click.option("--yes", is_flag=True, help="Run a sweep of more than 100 runs.")
@click.option("--search", type=click.Choice(["optuna"]), help="Let this choose the points; ranges need no count.")
@click.option("--trials", metavar="N", type=click.IntRange(1), help="With --search: so many runs.")
@click.option(
    "--search-seed", metavar="N", type=int, default=0, show_default=True, help="With --search: where its dice begin."
)
@executed
@click.option("--experiment", metavar="NAME", default="", help="On a server: file the run under this experiment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the run is over.")
@click.option("--announce", is_flag=True, hidden=True, help="Print the run's id first, as a JSON line.")
@pass_session
def run(
    session: Session,
    /,
    algorithm: str | None,
    overrides: tuple[str, ...],
    preset: str | None,
    config: Path | None,
    refresh: bool,
    no_cache: bool,
    data_of: str | None,
    isolated: bool,
    debug: str | None,
    stop: bool,
    tags: tuple[str, ...],
    note: str,
    as_json: bool,
    announce: bool,
    dry_run: bool,
    yes: bool,
    detach: bool,
    experiment: str,
    **sweep: Any,
) -> None:
    """Train an algorithm.

    Steps whose code, inputs and environment are as they were are not run again. FIELD=VALUE overrides a config field
    (C=0.1, penalty=l1, layers=[64,32], model.depth=3).

    A step that reads the outside world may be reused too, for as long as its @step(fresh=…) says; where it says
    nothing, it is, except in CI (CI=true).

    Several values for a field make a sweep, a run for each combination: commas part values; a range is 1..5,
    10..50by10, 0..1lin5 (equal distances) or 0.1..10log5 (equal ratios).

    \b
      palmette run tumour
      palmette run tumour C=0.1 --preset toy
      palmette run tumour --config experiment.toml
      palmette run tumour C=0.1..10log5 penalty=l1,l2 --seeds 5
      palmette run tumour C=0.01..100log --search optuna --trials 50
      palmette run tumour --data-of n8v3x7dpr9xx
      palmette run tumour --on team --detach
    """
    if algorithm is None:
        raise preparing.unnamed(session.project)
    require_fitting(session, debug=debug, stop=stop, as_json=as_json, detach=detach, experiment=experiment)
    several = _several(overrides, announce=announce, dry_run=dry_run, **sweep)
    if data_of is not None and refresh:
        raise UsageError("--refresh reads the data again, and --data-of takes those of another run", "Choose one.")
    # What is wrong with that run is said before an interpreter is started.
    giver = None if data_of is None else session.place(operation("donors").donor, data_of, session.environ)
    # The project's interpreter starts to import now; the store, the engine and the display are imported beside it.
    with patience() as waiting, preparing.begin(session.project, session.environ, algorithm) as preparation:
        accepting, *_ = [operation(name) for name in ("accepting", "running", "progress", "console", "outcome")]
        request = accepting.Request(
            preset=preset,
            config=config,
            overrides=overrides,
            directory=session.directory,
            refresh=refresh,
            reuse=not no_cache,
            giver=giver,
            isolated=isolated,
            debug=debug or "",
            stop=stop,
            tags=tags,
            note=note,
            trigger=session.trigger,
        )
        ways = Ways(as_json=as_json, detach=detach, announce=announce, experiment=experiment, on=session.on)
        if several:
            waiting.cancel()
            wish = _wish(**sweep)
            if session.server and not dry_run:
                operation("distant").sweep(session, preparation, request, wish, ways, agreed=yes)
                return
            operation("sweep_verbs").begin(preparation, request, wish, dry=dry_run, agreed=yes, as_json=as_json)
            return
        if session.server:
            operation("distant").run(session, preparation, request, waiting, ways)
            return
        accepted = accepting.accept(preparation, request)
        waiting.cancel()
        if announce:
            click.echo(json.dumps({"accepted": accepted.run.id}))
        drive(operation("running"), accepted, as_json=as_json)


def require_fitting(
    session: Session, *, debug: str | None, stop: bool, as_json: bool, detach: bool, experiment: str
) -> None:
    """UsageError for options that do not belong together."""
    if debug is None and stop:
        raise click.UsageError("--break belongs to --debug")
    if debug is not None and as_json:
        raise click.UsageError("--debug needs the terminal: leave --json out")
    if debug is not None and session.server:
        raise UsageError("steps are debugged on this machine only", "Say so: --on local.")
    if session.server and click.get_current_context().get_parameter_source("containers") is ParameterSource.COMMANDLINE:
        hint = "It was started with its own: palmette serve --containers. Leave the option out, or say --on local."
        raise UsageError("the server says itself whether tasks run in images", hint)
    require_there(session, detach=detach, experiment=experiment)


def require_there(session: Session, *, detach: bool, experiment: str = "") -> None:
    """UsageError for what only a server can do."""
    if (detach or experiment) and not session.server:
        option = "--detach" if detach else "--experiment"
        raise UsageError(
            f"{option} belongs to a server", "Name one: --on NAME. Log in to it first: palmette login URL."
        )


def _several(overrides: tuple[str, ...], *, announce: bool, dry_run: bool, **sweep: Any) -> bool:
    """Whether a sweep was asked for; UsageError for what only a sweep has."""
    searched = bool(sweep["search"])
    several = searched or bool(sweep["seeds"]) or any(map(points.varies, overrides))
    if searched != bool(sweep["trials"]):
        raise UsageError("--search and --trials go together", "--search optuna --trials 50")
    if searched and sweep["seeds"]:
        raise UsageError("--search and --seeds exclude each other", "Give the seed as a field: seed=0.")
    if searched and not any(map(points.varies, overrides)):
        raise UsageError("there is nothing to search", "Give a field a range or several values: C=0.01..100log")
    if not several and (sweep["jobs"] or sweep["stop_on_failure"] or dry_run):
        raise UsageError("this is one run and no sweep", "Give a field several values: C=0.1,1,10")
    return several and not announce


def _wish(*, seeds: int | None, trials: int | None, jobs: int | None, **sweep: Any) -> Any:
    return operation("sweeps").Wish(
        seeds=seeds or 0,
        seed_field=sweep["seed_field"],
        trials=trials or 0,
        sampler=sweep["search_seed"],
        jobs=jobs or 0,
        stop=sweep["stop_on_failure"],
    )


@click.command()
@click.argument("run", default="last")
@executed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the run is over.")
@pass_session
def resume(session: Session, run: str, as_json: bool, detach: bool) -> None:
    """Continue a run or a sweep that was interrupted.

    What was done is kept; what was running starts again. RUN is an id, its first four characters or more, `last`, or
    an algorithm's name for its newest run; or the id of a sweep. On a server a run that failed or was canceled goes on
    where it was, and one that goes on is watched.

    \b
      palmette resume
      palmette resume f3ka
      palmette resume f3ka --on team
    """
    require_there(session, detach=detach)
    if session.server:
        with patience() as waiting:
            operation("distant").resume(session, run, waiting, Ways(as_json=as_json, detach=detach, on=session.on))
        return
    home = operation("home").known_home(session.project)
    if home and run != "last" and (sweep := operation("sweeps").find(home, run)):
        operation("sweep_verbs").resume(session, sweep, as_json=as_json)
        return
    running = operation("running")
    with patience() as waiting, running.reopen(session.project, session.environ, run) as accepted:
        waiting.cancel()
        drive(running, accepted, as_json=as_json)


@click.command()
@click.argument("run")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def cancel(session: Session, run: str, as_json: bool) -> None:
    """Cancel a run.

    Its driver ends the steps that are running; where nobody drives it any more, that is done here. A run that one of
    the project's Kubeflows executes is terminated there.

    \b
      palmette cancel last
    """
    try:
        if session.server:
            found = session.place(operation("canceling").cancel, run)
        else:
            found = operation("running").cancel(session.project, session.environ, run)
    except Conflict:
        if session.at_hand is None:
            raise
        found = operation("terminating").terminate(session.place, session.at_hand, session.environ, run)
        if found is None:
            raise
    if as_json:
        print_json({"run_id": found.id, "state": found.state.value.lower()})
    elif found.state is RunState.CANCELED:
        click.echo(f"canceled {found.id}", err=True)
    else:
        asked = "host" if found.mirrored else "driver"
        click.echo(f"asked the {asked} of {found.id} to cancel it", err=True)


def drive_shown(running: Any, accepted: Any) -> Any:
    """Execute an accepted run before the user's eyes; what is known of it in the end."""
    progress = operation("progress")
    err = operation("console").console(err=True)
    for notice in accepted.notices:
        click.echo(f"note: {notice}", err=True)
    declared = [metric.name for metric in accepted.run.metrics]
    with progress.RunProgress(err, accepted.title, accepted.tasks, declared=declared) as display:
        return running.drive(accepted, display.see, aside=display.aside)


def drive(running: Any, accepted: Any, *, as_json: bool) -> None:
    """Execute an accepted run before the user's eyes; leave with the exit code that its end has."""
    detail = drive_shown(running, accepted)
    ended(detail, lambda: running.tails(accepted, detail, TAIL), as_json=as_json)


def ended(detail: Any, tails: Callable[[], Any], *, as_json: bool, on: str = "") -> None:
    """Show how a run ended, with the last lines of what failed; leave with the exit code that its end has."""
    if as_json:
        print_json(operation("plain").detail(detail))
    else:
        operation("console").show(operation("outcome").outcome(detail, tails(), on), err=True)
    if detail.run.state is RunState.CANCELED:
        sys.exit(130)
    if detail.run.state is not RunState.SUCCEEDED:
        sys.exit(3)
