"""A word to whoever waits longer than expected."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

#: seconds of silence after which it seems that nothing is happening
_SILENCE: Final = 3.0
#: says what takes long by its nature: building an environment
_BUILDING: Final = logging.getLogger("palmette.environments")


class _Said(logging.Handler):
    """Prints what is said on standard error, in place of the word."""

    def __init__(self, timer: threading.Timer) -> None:
        super().__init__()
        self._timer = timer

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        self._timer.cancel()
        note = "note: " if record.levelno >= logging.WARNING else ""
        click.echo(f"{note}{record.getMessage()}", err=True)


@contextmanager
def patience() -> Iterator[threading.Timer]:
    """Say on standard error what takes so long, once, unless it is over soon; `cancel` what is given when something
    else is printed. What is said of environments that are built is printed at once."""
    timer = threading.Timer(_SILENCE, click.echo, ["importing the project's packages …"], {"err": True})
    timer.daemon = True
    timer.start()
    said = _Said(timer)
    _BUILDING.setLevel(logging.INFO)
    _BUILDING.addHandler(said)
    try:
        yield timer
    finally:
        _BUILDING.removeHandler(said)
        timer.cancel()
