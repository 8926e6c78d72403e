"""Files that the user has named."""

from __future__ import annotations

import os
from pathlib import Path

from palmette.errors import UsageError


def write_bytes(output: Path, content: bytes) -> None:
    """Write the file, whole or not at all; UsageError where that cannot be. A device or a pipe is written to: nothing
    may take the place of /dev/null."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        if output.exists() and not output.is_file():
            output.write_bytes(content)
            return
        temporary.write_bytes(content)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{output} cannot be written: {error.strerror}", "Name another place.") from error
