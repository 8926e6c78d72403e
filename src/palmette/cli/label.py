"""`palmette tag` and `palmette note`."""

from __future__ import annotations

import sys

import click

from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import labelling


@click.command()
@click.argument("run")
@click.argument("tags", nargs=-1)
@click.option("-d", "--delete", is_flag=True, help="Remove the tags instead.")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print the run's tags as a JSON list.")
@pass_session
def tag(session: Session, run: str, tags: tuple[str, ...], delete: bool, as_json: bool) -> None:
    """Add or remove a run's tags.

    RUN is an id, its first four characters or more, `last`, or an algorithm's name for its newest run. Without TAGS
    the run's tags are listed.

    \b
      palmette tag last baseline thesis
      palmette tag f3ka thesis --delete
    """
    changed = session.place(labelling.untag if delete else labelling.tag, run, tags)
    if as_json:
        print_json(list(changed))
        return
    for name in changed:
        click.echo(name)
    if not changed:
        click.echo("This run has no tags.", err=True)


@click.command()
@click.argument("run")
@click.argument("text", required=False)
@click.option("--clear", is_flag=True, help="Remove the note.")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def note(session: Session, run: str, text: str | None, clear: bool, as_json: bool) -> None:
    """Write a note on a run.

    Without TEXT the note is printed; with `-` it is read from standard input.

    \b
      palmette note last "learning rate too high"
      palmette note last
    """
    place = session.place
    if text is not None and clear:
        raise click.UsageError("--clear and a text exclude each other")
    if text is not None or clear:
        place(labelling.note, run, sys.stdin.read().strip() if text == "-" else text or "")
    elif not as_json:
        written = place(labelling.read_note, run)
        click.echo(written or "This run has no note.", err=not written)
    if as_json:
        print_json({"note": place(labelling.read_note, run) or None})
