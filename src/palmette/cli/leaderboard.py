"""The verb that ranks an algorithm's runs: `leaderboard`."""

from __future__ import annotations

import csv
import sys
import time

import click

from palmette.cli.console import show
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import leaderboards
from palmette.present import leaderboards as screens


@click.command()
@click.argument("algorithm")
@click.option("--metric", metavar="METRIC", default="", help="By this one instead of the primary metric.")
@click.option("--preset", metavar="PRESET", default="full", show_default=True, help="Runs of this preset.")
@click.option("--all", "everything", is_flag=True, help=f"All of them, at most {leaderboards.MOST:,}; 20 without this.")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, one line a run.")
@pass_session
def leaderboard(
    session: Session, /, algorithm: str, metric: str, preset: str, everything: bool, as_json: bool, as_csv: bool
) -> None:
    """List an algorithm's runs, best first.

    Every run that succeeded counts, on whatever branch and with whatever overrides; a number that several runs share
    because they reused it is listed once. Each run is held against the best one on the same test data by the
    predictions of both: the interval says where the difference may lie, and below the list it is said how many of the
    first are not told apart. Runs on different test data are ranked apart from each other.

    \b
      palmette leaderboard tumour
      palmette leaderboard tumour --metric f1 --all --csv
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    place = session.place
    if not place.there:
        click.echo(f"{place.nothing()} Start one: palmette run {algorithm}", err=True)
        if as_json:
            print_json(screens.plain(leaderboards.Board(algorithm=algorithm, metric=metric, preset=preset)))
        return
    limit = leaderboards.MOST if everything else leaderboards.USUAL
    board = place(leaderboards.leaderboard, algorithm, metric=metric, preset=preset, limit=limit)
    if as_json:
        print_json(screens.plain(board))
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(screens.cells(board))
    elif board.total:
        show(screens.screen(board, time.time()))
    if not board.total:
        click.echo(screens.nothing(board), err=True)
    elif aside := screens.aside(board):
        click.echo(f"({aside})", err=True)
