"""The verb that says how branches do: `branches`."""

from __future__ import annotations

import sys
import time

import click

from palmette.cli.console import console, show
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import overviews
from palmette.present import branches as screens

#: columns of a chart where nobody looks at a terminal
_WIDTH = 80
_EMPTY = "A run on a branch makes it known here (palmette run ALGORITHM), and so does a job of a CI (palmette ci init)."


@click.command()
@click.argument("branch", default="")
@click.option("--all", "everything", is_flag=True, help="All of them, and those that are gone.")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def branches(session: Session, /, branch: str, everything: bool, as_json: bool) -> None:
    """Say which branches need somebody, and how each does.

    Those come first at whose head something failed, then those that are worse than their baseline, those of which that
    is not known, those that run, and those that are ready to be merged: they train, and nothing is worse.

    With the name of a branch: its ticket and merge request, what was tried at which commit, its metrics commit by
    commit from the point where it left its target branch, its runs and versions, and what to do next.

    \b
      palmette branches
      palmette branches feature/IA-1742-doc-type
      palmette branches --all --json
    """
    place = session.place
    if not place.there and not branch:
        click.echo(f"{place.nothing('branches')} {_EMPTY}", err=True)
        if as_json:
            print_json(screens.plain(overviews.Overviews()))
        return
    now = time.time()
    if branch:
        page = place(overviews.branch, branch)
        if as_json:
            print_json(screens.plain_page(page))
        else:
            width = console().width if sys.stdout.isatty() else _WIDTH
            show(screens.page(page, now, width=width, on=session.on))
        return
    limit = overviews.MOST if everything else overviews.USUAL
    found = place(overviews.branches, gone=everything, limit=limit)
    if as_json:
        print_json(screens.plain(found))
    elif found.items:
        show(screens.screen(found, now, width=console().width))
    if not found.total and not found.gone:
        click.echo(f"{place.nothing('branches')} {_EMPTY}", err=True)
    elif aside := screens.aside(found):
        click.echo(f"({aside})", err=True)
