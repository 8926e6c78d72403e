"""Sweeps: `run` with several values for a field, `resume` of one, `sweep`, `sweeps`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from palmette.cli.console import console, show
from palmette.cli.lazy import operation
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.domain.states import RunState
from palmette.errors import UsageError
from palmette.operations import sweeping, sweeps
from palmette.operations.accepting import Request
from palmette.operations.preparing import Preparation
from palmette.present import sweeps as screens


def begin(
    preparation: Preparation,
    request: Request,
    wish: sweeps.Wish,
    *,
    dry: bool,
    agreed: bool,
    as_json: bool,
) -> None:
    """Work out the points, say what they come to, and drive them."""
    drafted = sweeps.draft(preparation, request, request.overrides, wish)
    sweep = drafted.sweep
    jobs = wish.jobs or sweeping.usual(preparation.project, sweep)
    if dry:
        if as_json:
            print_json(screens.plain_draft(drafted))
        else:
            show(screens.points(sweep))
            click.echo(screens.outline(drafted, jobs), err=True)
        return
    click.echo(screens.outline(drafted, jobs), err=True)
    require_agreed(sweep, agreed=agreed)
    source = operation("tuning").Search.of(sweep) if wish.trials else None
    first = source.suggest() if source else sweep.points[0]
    opened = sweeps.begin(preparation, drafted, first)
    for notice in opened.notices:
        click.echo(f"note: {notice}", err=True)
    drive(sweeping.Here(opened), source or sweeping.grid(opened), as_json=as_json)


def require_agreed(sweep: sweeps.Sweep, *, agreed: bool) -> None:
    """UsageError for a sweep so large that somebody should have said yes to it."""
    if sweep.size > sweeps.MANY and not agreed:
        raise UsageError(
            f"{sweep.size:,} runs are more than {sweeps.MANY}",
            "Look at them with --dry-run; then say --yes.",
        )


def resume(session: Session, sweep: sweeps.Sweep, *, as_json: bool) -> None:
    """Go on with a sweep: what is missing is run, what was interrupted is continued."""
    with sweeps.reopen(session.project, session.environ, sweep) as opened:
        known = opened.members
        source = operation("tuning").Search.of(sweep, known) if sweep.wish.trials else sweeping.grid(opened)
        done = sum(member.over for member in known)
        click.echo(f"note: {done} of {sweep.size} runs are done already", err=True)
        drive(sweeping.Here(opened), source, as_json=as_json, over=done)


def drive(ground: sweeping.Ground[Any], source: sweeping.Source, *, as_json: bool, over: int = 0, on: str = "") -> None:
    """Drive a sweep before the user's eyes; leave with the exit code that its end has."""
    err = console(err=True)
    if not err.is_terminal:
        click.echo(f"{ground.sweep.algorithm} · sweep {ground.sweep.id}", err=True)
    with screens.SweepProgress(err, ground.sweep, over) as display:
        members = sweeping.drive(ground, source, display)
    _tell(ground.sweep, members, as_json=as_json, every=False, on=on)
    states = {member.run.state for member in members}
    if RunState.FAILED in states:
        sys.exit(3)
    if len({member.values for member in members if member.over}) < len(ground.sweep.points):
        sys.exit(130)


def _tell(sweep: sweeps.Sweep, members: Sequence[sweeps.Member], *, as_json: bool, every: bool, on: str) -> None:
    if as_json:
        print_json(screens.plain(sweep, members))
    else:
        show(screens.outcome(sweep, members, every=every, on=on))


@click.command()
@click.argument("sweep", default="last")
@placed
@click.option("--all", "every", is_flag=True, help="Show every point, not only the best.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def sweep(session: Session, sweep: str, every: bool, as_json: bool) -> None:
    """Show how the points of a sweep did.

    The best by the algorithm's primary metric first; over several seeds mean ± standard deviation. SWEEP is an id, its
    first four characters or more, or `last`.

    \b
      palmette run tumour C=0.1,1,10 --seeds 3
      palmette sweep
    """
    found, members = session.place(sweeps.look, sweep)
    _tell(found, members, as_json=as_json, every=every, on=session.on)


@click.command("sweeps")
@click.option(
    "-n", "--limit", metavar="N", default=20, type=click.IntRange(1, 1000), help="At most so many; 20 without this."
)
@placed
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_session
def list_sweeps(session: Session, limit: int, as_json: bool) -> None:
    """List sweeps, newest first, with the best point of each.

    \b
      palmette sweeps -n 5
    """
    place = session.place
    known = place(sweeps.known, limit) if place.there else []
    if as_json:
        print_json([screens.plain(sweep, members) for sweep, members in known])
    elif known:
        show(screens.listing(known, time.time()))
    else:
        click.echo(f"{place.nothing('sweeps')} Begin one: palmette run ALGORITHM FIELD=1,2,3", err=True)
