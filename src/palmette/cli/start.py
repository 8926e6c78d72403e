"""`palmette init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from palmette.cli.session import Session, pass_session, print_json
from palmette.operations import starting


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def init(session: Session, directory: Path | None, as_json: bool) -> None:
    """Make this directory a Palmette project.

    Adds [tool.palmette] to pyproject.toml and writes a first algorithm that runs at once. Nothing that is there is
    overwritten.

    \b
      palmette init
      palmette init trainings
    """
    done = starting.init(session.directory / directory if directory else session.directory)
    if as_json:
        print_json({"directory": str(done.root), "written": list(done.written), "kept": list(done.kept)})
        return
    for name in done.written:
        click.echo(f"  wrote  {name}")
    for name in done.kept:
        click.echo(f"  kept   {name}")
    there = f"cd {shlex.quote(str(directory))} && " if done.root.resolve() != session.directory.resolve() else ""
    verb = "run example" if "algorithms/example.py" in done.written else "check"
    click.echo(f"\nNext: {there}palmette {verb}")
