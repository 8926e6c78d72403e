"""Where people read."""

from __future__ import annotations

import sys

from rich.console import Console


def console(*, err: bool = False) -> Console:
    """Standard output, or standard error. What is piped has no colours, no frames and no line breaks of ours."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty())
