"""The command line: parse, call one operation, render. No logic lives here."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Final

import click

from palmette.cli.app import palmette
from palmette.cli.lazy import operation
from palmette.errors import PalmetteError, StoreError, UsageError

#: The variable by which a program that drives this one says how; and what is understood of it.
PROTOCOL: Final = "PALMETTE_PROTOCOL"
UNDERSTOOD: Final = ("1",)
#: what a disk says that takes no more; what Python says that found no directory with room for a file
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_NOWHERE: Final = "No usable temporary directory"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code. Every error that a user can mend is one message on standard
    error."""
    if "_PALMETTE_COMPLETE" in os.environ:
        # A shell asks what may be typed next, between two keys.
        operation("completion").answer(palmette, os.environ)
        return
    try:
        _understand(os.environ.get(PROTOCOL, UNDERSTOOD[0]))
        palmette.main(args=arguments, prog_name="palmette", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "palmette"
        _complain(UsageError(_worded(error.format_message()), f"See `{verb} --help`."))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _complain(PalmetteError(error.format_message()))
        sys.exit(error.exit_code)
    except PalmetteError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; leaving quietly is what every tool does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if (meant := full(error)) is None:
            raise
        _complain(meant)
        sys.exit(meant.exit_code)


def full(error: OSError) -> StoreError | None:
    """What the user is told where this machine took no temporary file; None for any other error."""
    said = error.strerror or ""
    if error.errno not in _FULL and not said.startswith(_NOWHERE):
        return None
    what = "none of the directories for temporary files can be written" if said.startswith(_NOWHERE) else said
    return StoreError(f"no file can be written here: {what}", "Free some space there, or name a directory in TMPDIR.")


def _worded(message: str) -> str:
    """What click says, on one line and without its full stop, as the other errors are worded."""
    line = re.sub(r"\.? Choose from:\s+", ": ", message)
    # A choice is called by what may be chosen, which is not said twice.
    line = re.sub(r"(?i)(missing argument) '[^']*\|[^']*':", r"\1:", line)
    first, *rest = re.sub(r",\n\t", ", ", line).split("\n", 1)
    first = first.removesuffix(".")
    return "\n".join([first[:1].lower() + first[1:], *rest])


def _understand(protocol: str) -> None:
    if protocol not in UNDERSTOOD:
        hint = "Install the same version of palmette as the command and in the project's environment."
        raise PalmetteError(f"the command was asked in a way that it does not know: protocol {protocol}", hint)


def _complain(error: PalmetteError) -> None:
    """Say it on standard error; to a program that drives this one (`palmette.client`), as JSON on standard output."""
    if PROTOCOL in os.environ:
        problems = [{"where": each.where, "what": each.what, "hint": each.hint} for each in error.problems]
        said = {"type": type(error).__name__, "message": error.message, "hint": error.hint, "problems": problems}
        click.echo(json.dumps({"error": said}))
    else:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
