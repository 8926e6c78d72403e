"""`palmette tag` and `palmette note`."""

from __future__ import annotations

import sys

import click

from palmette.cli.session import Session, pass_session
from palmette.operations import labelling
from palmette.operations.home import open_home


@click.command()
@click.argument("run")
@click.argument("tags", nargs=-1)
@click.option("-d", "--delete", is_flag=True, help="Remove the tags instead.")
@pass_session
def tag(session: Session, run: str, tags: tuple[str, ...], delete: bool) -> None:
    """Add or remove a run's tags.

    RUN is an id, its first four characters or more, `last`, or an algorithm's name for its newest run. Without TAGS
    the run's tags are listed.
    """
    home = open_home(session.project)
    changed = labelling.untag(home, run, tags) if delete else labelling.tag(home, run, tags)
    for name in changed:
        click.echo(name)


@click.command()
@click.argument("run")
@click.argument("text", required=False)
@click.option("--clear", is_flag=True, help="Remove the note.")
@pass_session
def note(session: Session, run: str, text: str | None, clear: bool) -> None:
    """Write a note on a run.

    Without TEXT the note is printed; with `-` it is read from standard input.
    """
    home = open_home(session.project)
    if text is None and not clear:
        if written := labelling.read_note(home, run):
            click.echo(written)
        return
    given = sys.stdin.read().strip() if text == "-" else text or ""
    labelling.note(home, run, "" if clear else given)
