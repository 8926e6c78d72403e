"""`palmette ci context`."""

from __future__ import annotations

import click

from palmette.cli.circumstances import detected
from palmette.cli.console import show
from palmette.cli.session import Session, pass_session, print_json
from palmette.present import contexts


@click.command()
@click.option("-c", "--commit", metavar="COMMIT", default="", help="Of this commit, by six characters or more.")
@click.option("-b", "--branch", metavar="BRANCH", default="", help="Of this branch.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def context(session: Session, commit: str, branch: str, as_json: bool) -> None:
    """Show what a job knows of itself: branch, commit, merge request.

    What the variables of GitLab, GitHub Actions and Jenkins say, PALMETTE_BRANCH and the like, and Git; and for each of
    it where it comes from. Every verb of `palmette ci` goes by it.

    \b
      palmette ci context
      palmette ci context -c 6f1c2a -b feature/IA-1742-doc-type
    """
    found = detected(session, commit=commit, branch=branch)
    if as_json:
        print_json(contexts.plain(found.context, found.sources))
    else:
        show(contexts.shown(found.context, found.sources))
