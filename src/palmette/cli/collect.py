"""`palmette gc`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from palmette.cli.console import console, show
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import collecting
from palmette.operations.collecting import Plan, User
from palmette.operations.leftovers import Leftover
from palmette.operations.places import Place
from palmette.present import garbage, words


@click.command()
@click.option(
    "--keep-last",
    metavar="N",
    type=click.IntRange(0),
    help="Of each algorithm and branch keep what the newest N runs made.",
)
@click.option("--older-than", metavar="AGE", help="Keep what younger runs made: 90d, 12h.")
@click.option(
    "--keep",
    "tags",
    metavar="TAG",
    multiple=True,
    help="Let only this tag protect a run, instead of any; may be repeated.",
)
@click.option(
    "--run", "named", metavar="RUN", multiple=True, help="Delete this run, with its logs and metrics; may be repeated."
)
@click.option(
    "--runs", "query", metavar="QUERY", help="Delete all runs that the query finds, with their logs and metrics."
)
@placed
@click.option("-y", "--yes", is_flag=True, help="Do it. Without this, nothing is deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def gc(
    session: Session,
    keep_last: int | None,
    older_than: str | None,
    tags: tuple[str, ...],
    named: tuple[str, ...],
    query: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what can be deleted, and delete it.

    Nothing is deleted without --yes. Without rules: what no run refers to. --keep-last and --older-than also give up
    what the steps of older runs made; such a run stays, with its config, metrics and logs, and can still be searched
    and compared. With both, a run must be beyond the newest and old. --run and --runs delete whole runs.

    Runs that are tagged, noted, were promoted, or that another run was made from are kept, and so is whatever a run
    needs that is not over.

    \b
      palmette gc
      palmette gc --keep-last 10 --older-than 90d
      palmette gc --runs 'branch = old-idea and state = failed' --yes
    """
    place = session.place
    wanted = collecting.Wanted(keep_last=keep_last, older_than=older_than, keep=tags, named=named, query=query)
    if place.there:
        plan = place(collecting.preview, wanted, session.environ)
    else:
        plan = collecting.survey(None, User.of(session.environ), collecting.rules(None, wanted))
    gone: list[Leftover] | None = None
    if yes and not plan.empty:
        gone = _collected(session, place, plan)
    if as_json:
        print_json(garbage.plain(plan, gone))
    elif plan.empty:
        if not place.there and session.project.elsewhere:
            click.echo(place.nothing(), err=True)
        show(garbage.nothing(plan), err=True)
    elif gone is None:
        show(garbage.preview(plan))
        sys.stdout.flush()
        click.echo("Nothing was deleted. To do it, say it again with --yes.", err=True)
    else:
        show(garbage.done(plan, gone))


def _collected(session: Session, place: Place, plan: Plan) -> list[Leftover]:
    """Do it, with a bar where somebody watches; who interrupts it is told how far it came."""
    gone: list[Leftover] = []
    bar = Progress(
        TextColumn("freeing"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        console=console(err=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    try:
        with bar:
            task = bar.add_task("", total=sum(one.size for one in plan.leftovers) or None)
            for one in _going(session, place, plan):
                gone.append(one)
                bar.advance(task, one.size)
    except KeyboardInterrupt:
        freed = words.size(sum(one.size for one in gone))
        click.echo(f"Stopped: {freed} freed. The rest stays until the next palmette gc.", err=True)
        raise
    return gone


def _going(session: Session, place: Place, plan: Plan) -> Iterator[Leftover]:
    if place.there:
        return place(collecting.let_go, plan.choice, plan.rules.text, session.environ)
    return collecting.collect(None, User.of(session.environ), plan)
