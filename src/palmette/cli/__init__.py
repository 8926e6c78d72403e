"""The command line: parse, call one operation, render. No logic lives here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import click

from palmette.cli.app import palmette
from palmette.errors import PalmetteError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code. Every error that a user can mend is one message on standard
    error."""
    try:
        palmette.main(args=arguments, prog_name="palmette", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PalmetteError as error:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; leaving quietly is what every tool does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
