"""The command `palmette`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from palmette.cli.lazy import Verbs, operation
from palmette.cli.session import Session

_EPILOG = """A first run: palmette init && palmette run example

\b
Exit codes:
  0  done                      6   the run is not over yet
  1  the project's code        69  a store, Python or server cannot be used
  2  wrong usage or config     75  try again
  3  the run did not succeed   77  a server does not allow it
  4  a gate failed             130 interrupted
  5  a gate is inconclusive"""


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"palmette {operation('metadata').version('palmette')}")
        ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
    invoke_without_command=True,
)
@click.option(
    "-C",
    "--project",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Work as if called in this directory.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def palmette(ctx: click.Context, directory: Path) -> None:
    """Trains every branch of your repository: plain Python steps become pipelines that run here, at once, and on
    Kubeflow when you need it."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return
    if directory != Path():
        os.chdir(directory)
    ctx.obj = Session()
