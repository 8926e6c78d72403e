"""A word to whoever waits longer than expected."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

#: seconds of silence after which it seems that nothing is happening
_SILENCE: Final = 3.0


@contextmanager
def patience() -> Iterator[threading.Timer]:
    """Say on standard error what takes so long, once, unless it is over soon; `cancel` what is given when something
    else is printed."""
    timer = threading.Timer(_SILENCE, click.echo, ["importing the project's packages …"], {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield timer
    finally:
        timer.cancel()
