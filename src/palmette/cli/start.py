"""`palmette init`."""

from __future__ import annotations

from pathlib import Path

import click

from palmette.cli.session import Session, pass_session
from palmette.operations import starting


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), required=False)
@pass_session
def init(session: Session, directory: Path | None) -> None:
    """Make this directory a Palmette project.

    Adds [tool.palmette] to pyproject.toml and writes a first algorithm that runs at once. Nothing that is there is
    overwritten.
    """
    done = starting.init(session.directory / directory if directory else session.directory)
    for name in done.written:
        click.echo(f"  wrote  {name}")
    for name in done.kept:
        click.echo(f"  kept   {name}")
    there = f"cd {directory} && " if directory else ""
    verb = "run example" if "algorithms/example.py" in done.written else "check"
    click.echo(f"\nNext: {there}palmette {verb}")
