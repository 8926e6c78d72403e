"""The verbs that say what differs and why: `diff`, `why`."""

from __future__ import annotations

import time

import click

from palmette.cli.console import show
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import comparing
from palmette.present import differences, reasons


@click.command()
@click.argument("head", default="last")
@click.argument("baseline", required=False)
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def diff(session: Session, head: str, baseline: str | None, as_json: bool) -> None:
    """Show what differs between two runs.

    Changes are read from BASELINE to HEAD. HEAD is the newest run where none is named, BASELINE the run that HEAD was
    made from (by `rerun`, for one), else the one of the same algorithm before it. Only what differs is shown: config,
    code, environment, data, metrics.

    \b
      palmette diff
      palmette diff tumour f3ka
    """
    compared = session.place(comparing.diff, head, baseline)
    if as_json:
        print_json(differences.plain(compared.comparison))
    else:
        show(differences.diff(compared.comparison, time.time(), compared.name))


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
    found = session.place(comparing.why, run, step)
    if as_json:
        print_json([reasons.plain(reason) for reason in found])
    else:
        show(reasons.why(found, time.time()))
