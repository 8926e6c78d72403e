"""The verbs that execute again: `rerun`."""

from __future__ import annotations

import click

from palmette.cli.lazy import operation
from palmette.cli.patience import patience
from palmette.cli.run import drive
from palmette.cli.session import Session, pass_session


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--from", "onward", metavar="STEP", help="Execute this step and all after it anew; take over the rest.")
@click.option("--failed", is_flag=True, help="The same, from the steps that failed.")
@click.option("--preset", help="Start from this preset instead of the run's own values.")
@click.option("--current", is_flag=True, help="Take the code as it is now instead of the run's own.")
@click.option("--refresh", is_flag=True, help="Read the outside world again: reuse no step without data inputs.")
@click.option("--isolated", is_flag=True, help="Start every step as a fresh process.")
@click.option("--tag", "tags", multiple=True, help="Tag the new run; may be repeated.")
@click.option("--note", default="", help="Write a note on the new run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the run is over.")
@pass_session
def rerun(
    session: Session,
    run: str,
    overrides: tuple[str, ...],
    onward: str | None,
    failed: bool,
    preset: str | None,
    current: bool,
    refresh: bool,
    isolated: bool,
    tags: tuple[str, ...],
    note: str,
    as_json: bool,
) -> None:
    """Execute a run again, with other settings or from a step on.

    The new run has the code, the settings and the preset of RUN, whatever became of the working tree since; overrides
    change settings. Steps are reused as by `run`. With --from, STEP and everything after it is executed anew, and what
    RUN's other steps made is taken over even if their code is another one by now.

    \b
      palmette rerun last C=0.1
      palmette rerun f3ka --from evaluate_model --current
      palmette rerun last --failed
    """
    if onward is not None and failed:
        raise click.UsageError("--from and --failed exclude each other")
    rerunning = operation("rerunning")
    wanted = rerunning.Wanted(
        overrides=overrides,
        preset=preset,
        onward=onward,
        failed=failed,
        current=current,
        refresh=refresh,
        isolated=isolated,
        tags=tags,
        note=note,
    )
    with patience() as waiting, rerunning.again(session.project, session.environ, run, wanted) as accepted:
        waiting.cancel()
        drive(operation("running"), accepted, as_json=as_json)
