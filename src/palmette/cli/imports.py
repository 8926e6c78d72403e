"""`palmette import`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from palmette.cli.console import show
from palmette.cli.patience import patience
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import importing, sheets
from palmette.present import imports


def _pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """COLUMN=FIELD; a column's name may hold an equals sign, a field's cannot."""
    wrong = [text for text in given if not all(text.rpartition("=")[::2])]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not COLUMN=FIELD.")
    return {text.rpartition("=")[0]: text.rpartition("=")[2] for text in given}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--algorithm", metavar="ALGORITHM", default="", help="The algorithm of all runs, where no column says it."
)
@click.option(
    "--map",
    "given",
    metavar="COLUMN=FIELD",
    multiple=True,
    callback=_pairs,
    help="What a column means: config.NAME, metric.NAME, id, name, state, created, started, ended, duration, branch, "
    "commit, author, tags, note …; may be repeated.",
)
@click.option("--ignore", "ignored", metavar="COLUMN", multiple=True, help="Leave a column out; may be repeated.")
@placed
@click.option("-n", "--dry-run", "dry", is_flag=True, help="Only show what the columns are taken for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def import_runs(
    session: Session,
    file: Path,
    algorithm: str,
    given: dict[str, str],
    ignored: tuple[str, ...],
    dry: bool,
    as_json: bool,
) -> None:
    """Import old results from CSV or JSON.

    They can be searched then, and compared with. FILE is a CSV file or a JSON list of objects, one for each run: what
    `palmette runs --csv` or `--json`, MLflow or W&B export, or a table of your own. Its columns are recognised by their
    names (params.C, metrics.auc, start_time, branch …) and by the algorithm's config and metrics. Nothing is imported
    unless all of it can be, and a run that is there already stays as it is.

    \b
      palmette import runs.csv --dry-run
      palmette import old.csv --algorithm tumour --map lr=config.C --ignore host
    """
    request = importing.Request(algorithm=algorithm, given=given, ignored=ignored)
    sheet = sheets.read(file)
    with patience():
        outcome = importing.understand(session.project, session.environ, sheet, request)
    if session.place.there:
        known = session.place(importing.known, [entry.run.id for entry in outcome.runs])
        outcome = replace(outcome, known=known)
    if not dry and outcome.new:
        session.place.begun()(importing.add, outcome.new)
    if as_json:
        print_json(imports.plain(outcome, dry=dry))
        return
    show(imports.columns(outcome), err=not dry)
    sys.stdout.flush()
    for line in filter(None, (imports.left_out(outcome), *(f"note: {note}" for note in outcome.notes))):
        click.echo(line, err=True)
    click.echo(imports.summary(outcome, dry=dry), err=True)
