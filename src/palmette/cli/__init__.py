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
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "palmette"
        _complain(f"{error.format_message()}\nSee `{verb} --help`.")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _complain(error.format_message())
        sys.exit(error.exit_code)
    except PalmetteError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; leaving quietly is what every tool does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _complain(text: str) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)
