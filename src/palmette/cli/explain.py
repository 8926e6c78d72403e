"""The verb that says why a step ran: `why`."""

from __future__ import annotations

import time

import click

from palmette.cli.console import show
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import reasons as recorded
from palmette.present import reasons


@click.command()
@click.argument("run", default="last")
@click.argument("step", required=False)
@placed
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_session
def why(session: Session, run: str, step: str | None, as_json: bool) -> None:
    """Say why a step was run again, or was not.

    Compares what went into it with the newest earlier run of the same step: code, environment, parameters, data.

    \b
      palmette why
      palmette why last build_and_fit
    """
    found = session.place(recorded.why, run, step)
    if as_json:
        print_json([reasons.plain(reason) for reason in found])
    else:
        show(reasons.why(found, time.time()))
