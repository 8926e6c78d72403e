"""What verbs share that keep something for a server's runs: where, and for whom."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from palmette.cli.session import Session
from palmette.errors import NotFound, UsageError
from palmette.operations import home as homes
from palmette.operations.home import Home

home_option = click.option(
    "--home",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="The server's home; by default the project's, or .palmette here.",
)
project_option = click.option(
    "--for", "project", default="", metavar="PROJECT", help="Of this project's runs alone; by default of all."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


def home(session: Session, directory: Path | None) -> Home:
    """The home, made if it is not there."""
    where, database = homes.served(session.directory, session.environ, directory)
    return homes.serve_home(where, database or None)


def known(session: Session, directory: Path | None) -> Home | None:
    """The home; None, and nothing is made, if it is not there."""
    return homes.known_served(*homes.served(session.directory, session.environ, directory))


def there(session: Session, directory: Path | None) -> Home:
    """The home; NotFound, and nothing is made, if it is not there."""
    found = known(session, directory)
    if found is None:
        where, _ = homes.served(session.directory, session.environ, directory)
        raise NotFound(f"nothing is kept in {where} yet", "Go where the home is, or name it with --home.")
    return found


def values(given: Sequence[str], secret: Callable[[str], str] | None) -> dict[str, str]:
    """KEY=-, KEY=@FILE and KEY=VALUE as values by key. Of a secret KEY=VALUE is refused and KEY alone is asked for."""
    found: dict[str, str] = {}
    if sum(each.endswith("=-") and each.count("=") == 1 for each in given) > 1:
        raise UsageError("standard input can be the value of one key only", "Give the others as KEY=@FILE.")
    for each in given:
        key, separator, text = each.partition("=")
        if key in found:
            raise UsageError(f"{key} is given twice", "Give it once.")
        if text == "-":
            found[key] = _text(sys.stdin.buffer.read(), "standard input").removesuffix("\n")
        elif text.startswith("@"):
            found[key] = _file(Path(text[1:]))
        elif secret is None:
            if not separator:
                raise UsageError(f"{key} has no value", f"Write {key}=VALUE, {key}=@FILE, or {key}=- to read it.")
            found[key] = text
        elif separator:
            # Whatever was typed is not said again.
            raise UsageError(
                f"the value of {key} stands on the command line, where others can read it",
                f"Write {key} alone to be asked for it, {key}=- to read it from standard input, or {key}=@FILE. "
                "If the value is in use, change it: your shell may have kept it.",
            )
        else:
            found[key] = secret(key)
    return found


def ask(key: str) -> str:
    """Ask for a value at the terminal, twice, without showing it."""
    if not sys.stdin.isatty():
        hint = f"Write {key}=- to read it from standard input, or {key}=@FILE."
        raise UsageError(f"nobody is there to be asked for {key}", hint)
    value: str = click.prompt(f"Value of {key}", hide_input=True, confirmation_prompt="The same again", err=True)
    return value


def _file(path: Path) -> str:
    try:
        return _text(path.expanduser().read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "Name a file after the @.") from None


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        hint = "Encode it first (base64), and decode it where it is used."
        raise UsageError(f"what {where} holds is no text (UTF-8)", hint) from None
