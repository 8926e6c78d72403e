"""`palmette promote`."""

from __future__ import annotations

import click

from palmette.cli.console import note, show, steps
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import answering, authors, gating, promoting
from palmette.operations.gating import Wanted
from palmette.present import promotions


@click.command()
@click.argument("run", required=False)
@click.option("--as", "alias", metavar="ALIAS", help="What the run is from now on: production.")
@click.option("--reason", metavar="WHY", default="", help="Kept for good.")
@click.option("--rollback", is_flag=True, help="Go back to the run that ALGORITHM@ALIAS was before.")
@click.option("--force", is_flag=True, help="Promote it whatever its gates say; needs --reason.")
@click.option("--allow-dirty", is_flag=True, help="Promote it although it was made of uncommitted changes, too.")
@click.option("--list", "listing", is_flag=True, help="List what was promoted when, why and by whom.")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def promote(
    session: Session,
    run: str | None,
    alias: str | None,
    reason: str,
    rollback: bool,
    force: bool,
    allow_dirty: bool,
    listing: bool,
    as_json: bool,
) -> None:
    """Say which run is the one in production.

    ALGORITHM@ALIAS then names that run wherever a run is named: `palmette artifacts get tumour@production` fetches its
    model. The run must have succeeded, be no toy, and keep its gates, compared with what the alias is now; before
    there is anything, with its baseline. With --rollback, RUN is an algorithm. Without arguments, or with --list, all
    promotions are listed, or an algorithm's.

    Exits with 4 if a gate failed, and with 5 if one is inconclusive. Nothing is changed then.

    \b
      palmette promote f3ka --as production --reason "better on the new data"
      palmette promote tumour --as production --rollback
      palmette promote --list tumour
    """
    _sensible(run, alias, rollback=rollback, listing=listing, bound=not (force or allow_dirty))
    if listing or run is None or alias is None:
        _list(session, run or "", alias or "", as_json)
    elif rollback:
        made = session.place(promoting.rollback, run, alias, reason=reason, author=_author(session))
        if as_json:
            print_json(promotions.plain(made))
        else:
            show(promotions.restored(made))
    else:
        wanted = Wanted(alias=alias, reason=reason, force=force, allow_dirty=allow_dirty)
        _promote(session, run, wanted, as_json)


def _sensible(run: str | None, alias: str | None, *, rollback: bool, listing: bool, bound: bool) -> None:
    """UsageError for what cannot be meant."""
    acts = rollback or not bound
    if listing and acts:
        raise click.UsageError("--list changes nothing: leave out the other options")
    if rollback and not bound:
        raise click.UsageError("--rollback asks no gates: leave out --force and --allow-dirty")
    if (not listing and (alias is None) != (run is None)) or (acts and alias is None):
        raise click.UsageError(f"say {'ALGORITHM' if rollback else 'RUN'} and --as ALIAS; or --list")


def _list(session: Session, algorithm: str, alias: str, as_json: bool) -> None:
    place = session.place
    log = place(promoting.log, algorithm, alias) if place.there else ()
    if as_json:
        print_json(promotions.plain_log(log))
    elif log:
        show(promotions.listed(log))
    else:
        said = f"No run of {algorithm} was promoted." if algorithm and place.there else place.nothing("promotions")
        click.echo(f"{said} Promote one: palmette promote RUN --as {alias or 'production'}", err=True)


def _promote(session: Session, run: str, wanted: Wanted, as_json: bool) -> None:
    place = session.place
    stands, line = place(gating.standing, run, wanted), None
    if not (stands.already or wanted.force):
        # What an extra task tells is kept, so that the gates are asked with it.
        with steps() as say:
            found = answering.compare(
                place,
                session.at_hand,
                session.environ,
                stands.run,
                stands.against or None,
                watch=lambda _: say("comparing", stands.run),
                say=note,
            )
        line = found.choice.line if found.choice else None
    done = place(gating.promote, stands.run, wanted, line, author=_author(session))
    if as_json:
        print_json(promotions.plain_promoted(done))
    else:
        show(promotions.promoted(done))


def _author(session: Session) -> str:
    return authors.author(session.directory, session.environ)
