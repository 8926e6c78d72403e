"""`palmette baseline`."""

from __future__ import annotations

import click

from palmette.cli.console import show
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.within import Within
from palmette.operations import authors, baselines, pinning
from palmette.present import baselines as screens

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Within, invoke_without_command=True)
@placed
@_JSON
@click.pass_context
def baseline(ctx: click.Context, as_json: bool) -> None:
    """Say which run a run is compared with: show, pin, unpin.

    Nobody has to choose: it is the run of the nearest commit of the target branch. A pinned run comes before that.
    Without a command the pinned runs are listed.

    \b
      palmette baseline show
      palmette baseline pin f3ka --reason "the one in the paper"
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_baselines, as_json=as_json)


@baseline.command("list")
@placed
@_JSON
@pass_session
def list_baselines(session: Session, as_json: bool) -> None:
    """List pinned runs, by algorithm, preset and branch.

    \b
      palmette baseline list
    """
    place = session.place
    kept = place(pinning.listed) if place.there else ()
    if as_json:
        print_json(screens.plain_listed(kept))
    elif kept:
        show(screens.listed(kept))
    else:
        click.echo("No run is pinned: the rule finds baselines. Pin one: palmette baseline pin RUN", err=True)


@baseline.command("show")
@click.argument("run", default="last")
@placed
@_JSON
@pass_session
def show_baseline(session: Session, run: str, as_json: bool) -> None:
    """Show which run a run is compared with, and why.

    RUN is an id, its first four characters or more, `last`, or an algorithm for its newest run. Says by which rule the
    baseline was found, how many commits lie between, and which runs were passed over for which reason.

    \b
      palmette baseline show
      palmette baseline show tumour
    """
    found = baselines.asked(session.place, session.at_hand, session.environ, run)
    if as_json:
        print_json(screens.plain_shown(found))
    else:
        show(screens.shown(found))


@baseline.command("pin")
@click.argument("run")
@click.option("--branch", metavar="BRANCH", default="", help="For runs of this branch alone; without it, of every one.")
@click.option("--reason", metavar="WHY", default="", help="Kept with it, and said with each comparison.")
@placed
@_JSON
@pass_session
def pin(session: Session, run: str, branch: str, reason: str, as_json: bool) -> None:
    """Compare runs with this one from now on.

    It counts for runs of the same algorithm and preset, in place of the run that was pinned before. The run must have
    succeeded. What is pinned for a branch precedes what is pinned for every one. A run that is deleted is pinned no
    more.

    \b
      palmette baseline pin f3ka --reason "the one in the paper"
      palmette baseline pin last --branch feature/IA-1742
    """
    author = authors.author(session.directory, session.environ)
    made = session.place(pinning.pin, run, branch, reason, author=author)
    if as_json:
        print_json(screens.plain(made))
    else:
        show(screens.pinned(made))


@baseline.command("unpin")
@click.argument("algorithm")
@click.option("--preset", metavar="NAME", help="Of this preset alone.")
@click.option("--branch", metavar="BRANCH", help="For runs of this branch alone; an empty one for what all have.")
@placed
@_JSON
@pass_session
def unpin(session: Session, algorithm: str, preset: str | None, branch: str | None, as_json: bool) -> None:
    """Let the rule find an algorithm's baselines again.

    \b
      palmette baseline unpin tumour
      palmette baseline unpin tumour --branch feature/IA-1742
    """
    gone = session.place(pinning.unpin, algorithm, preset, branch)
    if as_json:
        print_json(screens.plain_listed(gone))
    else:
        show(screens.unpinned(gone))
