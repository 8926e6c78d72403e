"""`palmette push`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from palmette.cli.console import console
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.errors import UsageError
from palmette.operations import pushing
from palmette.operations.home import open_home
from palmette.present import words


@click.command()
@click.argument("run", default="last")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def push(session: Session, /, run: str, as_json: bool) -> None:
    """Send a run of this machine to a server.

    Everything goes along: settings, metrics, logs, artifacts, the code and what it was executed with. What the server
    has already is not sent again, so a push that was interrupted goes on where it stopped. The run appears there at
    once and whole, under the same id, when all has arrived. It stays here, too.

    RUN is an id, its first four characters or more, `last`, or an algorithm's name for its newest run. It must be over.

    \b
      palmette push last --on team
    """
    there = session.there
    if there is None:
        raise UsageError("no server is named", "Say which: palmette push RUN --on NAME, or set PALMETTE_ON.")
    home = open_home(session.project)
    with TemporaryDirectory(prefix="palmette-push-") as directory:
        parcel = pushing.begin(home, run, there, Path(directory))
        bar = Progress(
            TextColumn("sending"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            console=console(err=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        with bar:
            task = bar.add_task("", total=parcel.size or None)
            for size in pushing.send(parcel, there):
                bar.advance(task, size)
        done = pushing.finish(parcel, there)
    name, sent = there.connection.server.called, len(parcel.absent)
    if as_json:
        print_json({"run_id": done.run, "server": name, "known": done.known, "files": sent, "bytes": parcel.size})
    elif done.known:
        click.echo(f"{done.run} is on {name} already", err=True)
    else:
        files = "1 file" if sent == 1 else f"{sent:,} files"
        click.echo(f"pushed {done.run} to {name}: {files}, {words.size(parcel.size)}", err=True)
