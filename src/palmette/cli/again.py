"""The verbs that execute again: `rerun`, `debug`, `reproduce`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from palmette.cli.console import show
from palmette.cli.lazy import operation
from palmette.cli.once import once, proper_tags
from palmette.cli.patience import patience
from palmette.cli.place import executed, executing
from palmette.cli.run import Ways, drive, drive_shown, require_there
from palmette.cli.session import Session, pass_session, print_json
from palmette.domain.values import literal


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--from", "onward", metavar="STEP", help="Execute this step and all after it anew; take over the rest.")
@click.option("--failed", is_flag=True, help="The same, from the steps that failed.")
@click.option(
    "--preset",
    metavar="PRESET",
    multiple=True,
    callback=once,
    help="Start from this preset instead of the run's own values.",
)
@click.option("--current", is_flag=True, help="Take the code as it is now instead of the run's own.")
@click.option("--refresh", is_flag=True, help="Read the outside world again: reuse no step without data inputs.")
@click.option("--isolated", is_flag=True, help="Start every step as a fresh process.")
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True, callback=proper_tags, help="Tag the new run; may be repeated."
)
@click.option("--note", metavar="TEXT", default="", help="Write a note on the new run.")
@executed
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
    detach: bool,
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
      palmette rerun f3ka --from evaluate_model --on team
    """
    if onward is not None and failed:
        raise click.UsageError("--from and --failed exclude each other")
    require_there(session, detach=detach)
    rerunning = operation("rerunning")
    wanted = rerunning.Wanted(
        overrides=overrides,
        directory=session.directory,
        preset=preset,
        onward=onward,
        failed=failed,
        current=current,
        refresh=refresh,
        isolated=isolated,
        tags=tags,
        note=note,
    )
    if session.server:
        with patience() as waiting:
            ways = Ways(as_json=as_json, detach=detach, on=session.on)
            operation("distant").rerun(session, run, wanted, waiting, ways)
        return
    with patience() as waiting, rerunning.again(session.project, session.environ, run, wanted) as accepted:
        waiting.cancel()
        drive(operation("running"), accepted, as_json=as_json)


@click.command()
@click.argument("run")
@click.argument("step")
@click.option("--current", is_flag=True, help="Take the code as it is now instead of the run's own.")
@click.option("--break", "stop", is_flag=True, help="Stop at the step's first line.")
@click.option(
    "--listen",
    "port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=5678,
    help="Wait for an IDE at this port of this machine (5678 where none is said) instead of pdb.",
)
@pass_session
def debug(session: Session, run: str, step: str, current: bool, stop: bool, port: int | None) -> None:
    """Execute a step of a run in this terminal, under a debugger.

    STEP is given the inputs that it had in RUN. Where it raises, pdb opens; `breakpoint()` works anywhere. Nothing is
    recorded; what the step makes stays in a temporary directory, which is named.

    \b
      palmette debug last build_and_fit
      palmette debug last build_and_fit --current     edit, and try again
    """
    debugging = operation("debugging")
    wanted = debugging.Wanted(current=current, stop=stop, port=port)
    with patience() as waiting, debugging.ready(session.project, session.environ, run, step, wanted) as ready:
        waiting.cancel()
        for notice in ready.notices:
            click.echo(f"note: {notice}", err=True)
        made = debugging.debug(ready, wanted)
    for name, value in made.parameters.items():
        click.echo(f"{name}  {literal(value)}")
    for name, path in made.artifacts.items():
        click.echo(f"{name}  {path}")
    click.echo(f"what it made is in {made.directory}; remove it when you are done", err=True)


@click.command()
@click.argument("run")
@click.option(
    "--environment",
    metavar="WHICH",
    type=click.Choice(["recorded", "current"]),
    help="`recorded`: build the environment of then anew. `current`: take the project's own as it is now. Without "
    "this: the project's own where it is as then, else the recorded one.",
)
@click.option("--refetch", is_flag=True, help="Read the outside world again instead of taking over what was read then.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the certificate to this file: JSON for .json, else Markdown.",
)
@executing
@click.option("--json", "as_json", is_flag=True, help="Print the certificate as one JSON object.")
@pass_session
def reproduce(
    session: Session, run: str, environment: str | None, refetch: bool, output: Path | None, as_json: bool
) -> None:
    """Rebuild a run, execute it again, and certify what comes out.

    Code, settings and environment are those of RUN; no step is reused. What a step read from the outside world is taken
    over, unless --refetch is given. Outputs are compared byte for byte, metrics within the tolerance that they declare.
    The exit code is 0 if the run was reproduced, 1 if not. A server rebuilds what it has: code from its store, the
    environment from the run's pins.

    \b
      palmette reproduce f3ka
      palmette reproduce f3ka -o certificate.md
    """
    reproducing, running, certificate = [operation(name) for name in ("reproducing", "running", "certificate")]
    if output is not None:
        reproducing.require_place(output)
    wanted = reproducing.Wanted(recorded=environment and environment == "recorded", refetch=refetch)
    if session.server:
        with patience() as waiting:
            made = operation("distant").reproduce(session, run, waiting, environment=environment, refetch=refetch)
    else:
        with patience() as waiting, reproducing.rebuilt(session.project, session.environ, run, wanted) as rebuilt:
            waiting.cancel()
            made = reproducing.certify(rebuilt, drive_shown(running, rebuilt.accepted))
    if output is not None:
        written = json.dumps(certificate.plain(made), indent=2) + "\n"
        reproducing.write(output, written if output.suffix == ".json" else certificate.markdown(made))
    if as_json:
        print_json(certificate.plain(made))
    else:
        show(certificate.screen(made))
    if not made.reproduced:
        sys.exit(1)
