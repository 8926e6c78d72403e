"""The verb that shows a metric over the commits of a branch: `history`."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import click

from palmette.cli.console import console, show
from palmette.cli.lazy import operation
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.errors import UsageError
from palmette.operations import histories
from palmette.present import charts
from palmette.present import histories as screens

#: columns of the chart where nobody looks at a terminal
_WIDTH = 80


@click.command()
@click.argument("algorithm")
@click.argument("metric", default="")
@click.option("--preset", metavar="PRESET", default="full", show_default=True, help="Runs of this preset.")
@click.option("--branch", metavar="BRANCH", default="", help="Along this branch instead of the default one.")
@click.option(
    "--last",
    metavar="N",
    type=click.IntRange(1, histories.MOST),
    default=histories.USUAL,
    show_default=True,
    help="At most so many commits, the newest ones.",
)
@click.option("--since", metavar="WHEN", default="", help="Commits from then on: 2026-01-31, -30d.")
@click.option(
    "--svg",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the chart there as a drawing.",
)
@click.option(
    "--png",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the chart there as a picture; needs palmette[plots].",
)
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, one line a commit.")
@pass_session
def history(
    session: Session,
    /,
    algorithm: str,
    metric: str,
    preset: str,
    branch: str,
    last: int,
    since: str,
    svg: Path | None,
    png: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show a metric over the commits of a branch.

    METRIC is the primary one unless it is named, and the branch is the default one. Each commit has the number of its
    newest run that succeeded without overrides and without uncommitted changes. The band is where 95 % of further
    trainings with the same config and data would lie, by the earlier ones. A letter stands where the metric changed its
    level by more than chance; below the chart is which commit that was, and what else was changed there.

    With --branch, the commits of that branch stand after the one at which it left the default branch.

    \b
      palmette history tumour auc
      palmette history tumour auc --branch better-scaling --since -30d
      palmette history tumour --svg auc.svg
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    _fitting(svg, png)
    pictures = operation("pictures") if png else None
    place = session.place
    if not place.there:
        click.echo(f"{place.nothing()} Start one: palmette run {algorithm}", err=True)
        if as_json:
            print_json(
                screens.plain(histories.History(algorithm=algorithm, metric=metric, preset=preset, branch=branch))
            )
        return
    begin = histories.moment(since, time.time()) if since else None
    found = place(histories.history, algorithm, metric, preset=preset, branch=branch, last=last, since=begin)
    if svg is not None and found.entries:
        _write(svg, charts.lines(screens.chart(found)).encode())
    if png is not None and pictures is not None and found.entries:
        _write(png, pictures.png(screens.chart(found)))
    if as_json:
        print_json(screens.plain(found))
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(screens.cells(found))
    elif found.entries:
        show(screens.screen(found, width=console().width if sys.stdout.isatty() else _WIDTH))
    if not found.entries:
        click.echo(screens.nothing(found), err=True)
    elif aside := screens.aside(found):
        click.echo(f"({aside})", err=True)


def _fitting(svg: Path | None, png: Path | None) -> None:
    """UsageError for a name that promises another kind of file than what would be in it."""
    for option, other, path in (("svg", "png", svg), ("png", "svg", png)):
        if path is not None and path.suffix.lower() == f".{other}":
            raise UsageError(
                f"--{option} writes no .{other}: {path}",
                f"Say --{other} {path}, or name it {path.with_suffix(f'.{option}')}.",
            )


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", "Name a file in a directory of yours."
        ) from error
    click.echo(f"wrote {path}", err=True)
