"""The verbs that execute: `run`, `resume`, `cancel`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from palmette.cli.lazy import operation
from palmette.cli.patience import patience
from palmette.cli.session import Session, pass_session, print_json
from palmette.domain.states import RunState
from palmette.operations import preparing

#: how many of a failed step's last log lines are shown
_TAIL = 20


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("algorithm", required=False, metavar="ALGORITHM")
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--preset", help="Start from this preset of the algorithm instead of its defaults.")
@click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take values from a TOML, YAML or JSON file.",
)
@click.option("--refresh", is_flag=True, help="Read the outside world again: reuse no step without data inputs.")
@click.option("--no-cache", is_flag=True, help="Reuse nothing: run every step.")
@click.option("--isolated", is_flag=True, help="Start every step as a fresh process.")
@click.option("--tag", "tags", multiple=True, help="Tag the run; may be repeated.")
@click.option("--note", default="", help="Write a note on the run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the run is over.")
@click.option("--announce", is_flag=True, hidden=True, help="Print the run's id first, as a JSON line.")
@pass_session
def run(
    session: Session,
    algorithm: str | None,
    overrides: tuple[str, ...],
    preset: str | None,
    config: Path | None,
    refresh: bool,
    no_cache: bool,
    isolated: bool,
    tags: tuple[str, ...],
    note: str,
    as_json: bool,
    announce: bool,
) -> None:
    """Train an algorithm.

    Steps whose code, inputs and environment are as they were are not run again. FIELD=VALUE overrides a config field
    (C=0.1, penalty=l1, layers=[64,32], model.depth=3).

    A step that reads the outside world may be reused too, for as long as its @step(fresh=…) says; where it says
    nothing, it is, except in CI (CI=true).

    \b
      palmette run tumour
      palmette run tumour C=0.1 --preset toy
      palmette run tumour --config experiment.toml
    """
    if algorithm is None:
        raise preparing.unnamed(session.project)
    # The project's interpreter starts to import now; the store, the engine and the display are imported beside it.
    with patience() as waiting, preparing.begin(session.project, session.environ, algorithm) as preparation:
        accepting, *_ = [operation(name) for name in ("accepting", "running", "progress", "console", "outcome")]
        request = accepting.Request(
            preset=preset,
            config=config,
            overrides=overrides,
            refresh=refresh,
            reuse=not no_cache,
            isolated=isolated,
            tags=tags,
            note=note,
            trigger=session.trigger,
        )
        accepted = accepting.accept(preparation, request)
        waiting.cancel()
        if announce:
            click.echo(json.dumps({"accepted": accepted.run.id}))
        drive(operation("running"), accepted, as_json=as_json)


@click.command()
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the run is over.")
@pass_session
def resume(session: Session, run: str, as_json: bool) -> None:
    """Continue a run that was interrupted.

    What was done is kept; what was running starts again. RUN is an id, its first four characters or more, `last`, or
    an algorithm's name for its newest run.
    """
    running = operation("running")
    with patience() as waiting, running.reopen(session.project, session.environ, run) as accepted:
        waiting.cancel()
        drive(running, accepted, as_json=as_json)


@click.command()
@click.argument("run")
@pass_session
def cancel(session: Session, run: str) -> None:
    """Cancel a run.

    Its driver ends the steps that are running; where nobody drives it any more, that is done here.
    """
    click.echo(operation("running").cancel(session.project, session.environ, run), err=True)


def drive(running: Any, accepted: Any, *, as_json: bool) -> None:
    """Execute an accepted run before the user's eyes; leave with the exit code that its end has."""
    progress = operation("progress")
    err = operation("console").console(err=True)
    for notice in accepted.notices:
        click.echo(f"note: {notice}", err=True)
    declared = [metric.name for metric in accepted.run.metrics]
    with progress.RunProgress(err, accepted.title, accepted.tasks, declared=declared) as display:
        detail = running.drive(accepted, display.see)
    if as_json:
        print_json(operation("plain").detail(detail))
    else:
        tails = running.tails(accepted, detail, _TAIL)
        operation("console").show(operation("outcome").outcome(detail, tails), err=True)
    if detail.run.state is RunState.CANCELED:
        sys.exit(130)
    if detail.run.state is not RunState.SUCCEEDED:
        sys.exit(3)
